"""record(), play() and start(): record and play with one call, for scripts and notebooks.

Thread: any; record() and play() return when they are done, start() at once.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from wavtools._arguments import number
from wavtools.errors import DeviceError
from wavtools.files.open_frames import open_frames
from wavtools.playback import Playback
from wavtools.wav import WavFile, WavPacker

if TYPE_CHECKING:
    from wavtools._delivery import AudioChunk
    from wavtools._open_stream import DeviceSpec
    from wavtools.recorder import WavRecorder

__all__ = ["play", "record", "start"]

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
    # Programs that only play do without it.
    from wavtools.recorder import WavRecorder

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


def start(
    audio: Any,
    *,
    sample_rate: int | None = None,
    device: DeviceSpec = None,
    loop: bool = False,
    volume: float = 1.0,
    start: float = 0.0,
) -> Playback:
    """Start to play audio and return at once, with a handle.

    Files of any length take little memory: they are read while they play. The sound ends with the program.

    Parameters
    ----------
    audio : WavFile, Sound, DecodedAudio, file, samples, or iterable of samples
        A file is a path, its bytes, or an object with ``read()`` (read to its end at once), of any format that `load`
        reads. Samples are int16, int32 or floats of full scale 1.0, shape (frames,) or (frames, channels); bytes are mono
        int16. They are not copied: leave them unchanged while they play. Of an iterable, such as a generator of speech,
        each chunk is played as it comes. The device plays up to 8 channels, or their mean.
    sample_rate : int, optional
        Hz, 8000 to 192000, of samples; 24000 when not given. Everything else has its own rate.
    device
        As for WavStreamPlayer.
    loop : bool
        Begin again at the end, without a gap.
    volume, start : float
        0.0 to 1.0; seconds into the sound where to begin.

    Returns
    -------
    Playback

    Raises
    ------
    DeviceError
        no output; the message says what to try
    DecodeError
        the file cannot be read; of damage further on, `Playback.wait` raises it
    OSError, TypeError, ValueError
        no such file; samples of another type or shape, a number out of range, a rate for a file, *loop* for an iterator

    Examples
    --------
    >>> import wavtools
    >>> with wavtools.start(bytes(96_000), device=wavtools.OfflineDevice(24_000)) as playback:
    ...     playback.seek(1.5)
    ...     print(playback)
    <Playback 1.500 of 2.000 s, playing>
    """
    volume = number(volume, "volume", 0.0, 1.0, "it must be 0.0 to 1.0")
    source = open_frames(audio, sample_rate)
    try:
        return Playback(source, device, loop=loop, volume=volume, start=start)
    except BaseException:
        source.close()
        raise


def play(
    audio: Any,
    *,
    sample_rate: int | None = None,
    device: DeviceSpec = None,
    volume: float = 1.0,
) -> None:
    """Play audio and return when all of it was played. Ctrl-C stops it at once.

    Parameters
    ----------
    audio, sample_rate, device, volume
        As for `start`.

    Raises
    ------
    DeviceError, DecodeError, TypeError, ValueError, OSError
        as `start`; DecodeError also for a file that is damaged further on, after what comes before was played
    """
    with start(audio, sample_rate=sample_rate, device=device, volume=volume) as playback:
        playback.wait()
