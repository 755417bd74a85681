"""record() and play(): record and play with one call, for scripts and notebooks.

Thread: any; both return when they are done.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wavtools._arguments import integer, number
from wavtools._delivery import AudioChunk
from wavtools._samples import as_int16, as_int16_frames, check_shape
from wavtools.decode import decode_file
from wavtools.errors import DeviceError
from wavtools.files.encodings import to_int16
from wavtools.files.sound import Sound
from wavtools.files.sources import is_source
from wavtools.player import WavStreamPlayer
from wavtools.recorder import WavRecorder
from wavtools.wav import WavFile, WavPacker

if TYPE_CHECKING:
    from wavtools._open_stream import DeviceSpec

__all__ = ["play", "record"]

# A microphone that gives nothing for that long will not give more.
SILENT_SECONDS = 5.0
# play() queues pieces, and waits while this much is queued.
PIECE_SECONDS, AHEAD_SECONDS = 5.0, 20.0


def record(
    seconds: float,
    *,
    sample_rate: int = 24_000,
    device: DeviceSpec = None,
    channels: int | None = None,
) -> WavFile:
    """Record from the microphone for *seconds* and return the WAV file.

    Ctrl-C ends the recording early; then the recorded audio is lost.

    Parameters
    ----------
    seconds : float
        0 to 86400.
    sample_rate : int
        Hz, 8000 to 192000.
    device, channels
        As for WavRecorder.

    Returns
    -------
    WavFile
        round(seconds * sample_rate) frames.

    Raises
    ------
    ValueError
        an argument out of range
    DeviceError
        no microphone, or it gave nothing for 5 s; the message says what to try
    """
    seconds = number(seconds, "seconds", 0, 86_400, "it must be 0 to 86400")
    frames = round(seconds * sample_rate)
    chunks: list[AudioChunk] = []
    done = threading.Event()

    def take(chunk: AudioChunk) -> None:
        if not chunks:
            chunks.append(chunk)
            done.set()

    with WavRecorder(sample_rate, device=device, channels=channels, keep_seconds=0) as recorder:
        if frames:
            # The first chunk is the recording.
            recorder.record(take, frames)
            _wait_for_frames(recorder, done)
    if not chunks:
        return WavPacker.pack(b"", sample_rate, channels or 1)
    return WavPacker.pack(chunks[0].raw, sample_rate)


def _wait_for_frames(recorder: WavRecorder, done: threading.Event) -> None:
    """Wait for *done* as long as the microphone gives something."""
    captured, since = -1, time.monotonic()
    # With a timeout, so that Ctrl-C is seen on Windows too.
    while not done.wait(0.1):
        now = time.monotonic()
        if (stats := recorder.stats).frames_captured != captured:
            captured, since = stats.frames_captured, now
        elif now - since > SILENT_SECONDS:
            raise DeviceError(
                f"the microphone gave {captured} frames, then nothing for {SILENT_SECONDS:g} s; is it suspended?",
                operation="record",
            )


def play(audio: Any, *, sample_rate: int | None = None, device: DeviceSpec = None) -> None:
    """Play audio and return when all of it was handed to the device.

    Parameters
    ----------
    audio : WavFile, Sound, file, or samples
        A file is a path, its bytes, or an object with ``read()``, of any format that `decode` reads. Samples are int16 or
        float32 (full scale 1.0), shape (frames,) or (frames, channels). Several channels are mixed to one.
    sample_rate : int, optional
        Hz, of samples; 24000 when not given. A file has its own rate.
    device
        As for WavStreamPlayer.

    Raises
    ------
    DeviceError
        no output; the message says what to try
    DecodeError
        the file cannot be read
    TypeError, ValueError
        samples of another type or shape, or a rate out of range; a *sample_rate* for a file
    """
    pcm, rate = _to_play(audio, sample_rate)
    with WavStreamPlayer(rate, device=device, queue_seconds=AHEAD_SECONDS + 2 * PIECE_SECONDS) as player:
        step = int(PIECE_SECONDS * rate)
        for start in range(0, len(pcm), step):
            player.add_16bit_pcm(pcm[start : start + step])
            while _queued_seconds(player, start + step) > AHEAD_SECONDS:
                time.sleep(0.1)
        player.wait_until_idle()
        # The device plays what it still holds.
        time.sleep(player.stats.latency_seconds)


def _queued_seconds(player: WavStreamPlayer, added: int) -> float:
    return (added - player.stats.frames_played) / player.sample_rate


def _to_play(audio: Any, sample_rate: int | None) -> tuple[NDArray[np.int16], int]:
    """Mono int16 samples, and their rate."""
    if isinstance(audio, (WavFile, Sound)):
        return _mono_int16(audio.pcm, "audio"), audio.sample_rate
    if is_source(audio):
        if sample_rate is not None:
            raise ValueError("sample_rate is for samples; a file has its own rate")
        values, pcm, rate = decode_file(audio)
        return _mono_int16(values if pcm is None else pcm, "audio"), rate
    rate = (
        24_000
        if sample_rate is None
        else integer(sample_rate, "sample_rate", 8_000, 192_000, "8000 to 192000 Hz")
    )
    return _mono_int16(audio, "audio"), rate


def _mono_int16(samples: Any, name: str) -> NDArray[np.int16]:
    if isinstance(samples, np.ndarray) and samples.dtype.kind == "f":
        check_shape(samples.shape, name)
        samples = to_int16(samples.astype(np.float32, copy=False))
    elif isinstance(samples, np.ndarray) and samples.dtype == np.int32:
        samples = (samples >> 16).astype(np.int16)
    frames = as_int16_frames(samples, name)
    if frames.ndim == 1:
        return as_int16(np.ascontiguousarray(frames), name)
    mixed: NDArray[np.int16] = np.rint(frames.mean(axis=1)).astype(np.int16)
    return mixed
