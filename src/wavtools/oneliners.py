"""record() and play(): one line each, for scripts and notebooks.

Thread: any; both return when they are done.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wavtools._samples import as_int16
from wavtools.player import WavStreamPlayer
from wavtools.recorder import WavRecorder
from wavtools.wav import WavFile, read_wav

if TYPE_CHECKING:
    from wavtools.duplex_device import DuplexDevice
    from wavtools.offline_device import OfflineDevice

__all__ = ["play", "record"]


def record(
    seconds: float,
    *,
    sample_rate: int = 24_000,
    device: str | OfflineDevice | DuplexDevice | None = None,
    channels: int | None = None,
) -> WavFile:
    """Record from the microphone for *seconds* and return the WAV file.

    Raises
    ------
    ValueError    seconds below 0
    DeviceError   no microphone; the message says what to try

    Ctrl-C ends the recording early with what was recorded so far lost, as an exception should.
    """
    if seconds < 0:
        raise ValueError(f"seconds is {seconds}; it must be 0 or more")
    recorder = WavRecorder(sample_rate, device=device, channels=channels)
    with recorder:
        recorder.record()
        time.sleep(seconds)
        return recorder.end()


def play(
    audio: Any, *, sample_rate: int | None = None, device: str | OfflineDevice | DuplexDevice | None = None
) -> None:
    """Play audio and return when all of it was handed to the device.

    Parameters
    ----------
    audio : WavFile, path of a WAV file, or int16 mono samples
        Several channels are mixed to one.
    sample_rate : int, optional
        Of samples; 24000 Hz when not given. A file says its own.

    Raises
    ------
    DeviceError   no output; the message says what to try
    DecodeError   the file is no WAV file
    """
    if isinstance(audio, (str, Path)):
        audio = read_wav(audio)
    if isinstance(audio, WavFile):
        sample_rate = audio.sample_rate
        pcm = np.asarray(audio.pcm)
        if pcm.ndim == 2:
            pcm = np.rint(pcm.mean(axis=1)).astype(np.int16)
    else:
        pcm = as_int16(audio, "audio")
    with WavStreamPlayer(sample_rate or 24_000, device=device) as player:
        player.add_16bit_pcm(pcm)
        player.wait_until_idle()
        time.sleep(player.stats.latency_seconds)  # let the device finish what it holds
