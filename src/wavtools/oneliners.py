"""record() and play(): record and play with one call, for scripts and notebooks.

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

    Ctrl-C ends the recording early; then the recorded audio is lost.

    Parameters
    ----------
    seconds : float
        0 or more.
    sample_rate : int
        Hz, 8000 to 192000.
    device, channels
        As for WavRecorder.

    Returns
    -------
    WavFile

    Raises
    ------
    ValueError
        an argument out of range
    DeviceError
        no microphone; the message says what to try
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
    audio : WavFile, str, Path, or int16 mono samples
        A file, the path of a WAV file, or samples. Several channels are mixed to one.
    sample_rate : int, optional
        Hz, of samples; 24000 when not given. A file has its own rate.
    device
        As for WavStreamPlayer.

    Raises
    ------
    DeviceError
        no output; the message says what to try
    DecodeError
        the file is not a WAV file
    TypeError, ValueError
        samples that are not int16 mono, or a rate out of range
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
        # The device plays what it still holds.
        time.sleep(player.stats.latency_seconds)
