"""record(): record with one call, for scripts and notebooks.

Thread: any; it returns when it is done.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from wavtools._arguments import number
from wavtools._delivery import AudioChunk
from wavtools.errors import DeviceError
from wavtools.recorder import WavRecorder
from wavtools.wav import WavFile, WavPacker

if TYPE_CHECKING:
    from wavtools._open_stream import DeviceSpec

__all__ = ["record"]

# A microphone that gives nothing for that long will not give more.
SILENT_SECONDS = 5.0


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
