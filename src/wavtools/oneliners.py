"""record(), play() and start(): record and play with one call, for scripts and notebooks.

Thread: any; record() and play() return when they are done, start() at once.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wavtools._arguments import number
from wavtools.errors import DeviceError
from wavtools.files.open_frames import open_frames
from wavtools.playback import Playback
from wavtools.wav import WavFile, WavPacker

if TYPE_CHECKING:
    from wavtools._audio_chunk import AudioChunk
    from wavtools._open_stream import DeviceSpec
    from wavtools.recorder import WavRecorder
    from wavtools.voice_activity import VoiceActivity

__all__ = ["play", "record", "start"]

# A microphone that gives nothing for that long will not give more.
SILENT_SECONDS = 5.0
# The longest recording until silence, if the caller names none; and how often speech is looked for.
MOST_SECONDS, LOOKS_PER_SECOND = 60.0, 50


def record(
    seconds: float | None = None,
    *,
    until_silence: float | None = None,
    sample_rate: int = 24_000,
    device: DeviceSpec = None,
    channels: int | None = None,
) -> WavFile:
    """Record from the microphone, for *seconds* or until nobody speaks any more, and return the WAV file.

    Ctrl-C ends the recording early; then the recorded audio is lost.

    Parameters
    ----------
    seconds : float
        0 to 86400. With *until_silence*, the longest recording: 60 when not given.
    until_silence : float, optional
        0.1 to 60 seconds: the recording ends that long after the end of speech, exact to the frame. Before anyone speaks
        it goes on. Speech is what `wavtools.voice_activity` takes for it: sound louder than the room.
    sample_rate : int
        Hz, 8000 to 192000.
    device, channels
        As for WavRecorder.

    Returns
    -------
    WavFile
        round(seconds * sample_rate) frames, or fewer where silence ended it.

    Raises
    ------
    TypeError
        neither *seconds* nor *until_silence*
    ValueError
        an argument out of range
    DeviceError
        no microphone, or it gave nothing for 5 s; the message says what to try
    """
    # Programs that only play do without it.
    from wavtools.recorder import WavRecorder

    if seconds is None and until_silence is None:
        raise TypeError("record() needs seconds, or until_silence to stop after speech")
    seconds = number(
        MOST_SECONDS if seconds is None else seconds, "seconds", 0, 86_400, "it must be 0 to 86400"
    )
    if until_silence is not None:
        until_silence = number(until_silence, "until_silence", 0.1, 60, "it must be 0.1 to 60 seconds")
    frames = round(seconds * sample_rate)
    with WavRecorder(sample_rate, device=device, channels=channels, keep_seconds=0) as recorder:
        taker = _Taker(frames, sample_rate, until_silence)
        if frames:
            recorder.record(taker.take, taker.chunk_size)
            _wait_for_frames(recorder, taker.done)
    if not frames:
        return WavPacker.pack(b"", sample_rate, channels or 1)
    return WavPacker.pack(taker.audio, sample_rate)


class _Taker:
    """The chunks of a recording up to its last frame, which VoiceActivity may move forward. Delivery thread.

    Parameters
    ----------
    frames : int
        The longest recording.
    sample_rate : int
        Hz
    silence : float, optional
        Seconds of silence after speech that end the recording.
    """

    def __init__(self, frames: int, sample_rate: int, silence: float | None) -> None:
        self.done = threading.Event()
        self._chunks: list[NDArray[np.int16]] = []
        # Frames kept, frames still wanted, and frames of the recording at most.
        self._frames, self._left, self._last = 0, frames, frames
        self._activity: VoiceActivity | None = None
        # Without an end to look for, one chunk is the recording.
        self.chunk_size = frames
        if silence is not None:
            from wavtools.voice_activity import VoiceActivity

            self._activity = VoiceActivity(sample_rate, hangover_ms=1e3 * silence)
            self._silence_frames = round(silence * sample_rate)
            self.chunk_size = max(1, sample_rate // LOOKS_PER_SECOND)

    @property
    def audio(self) -> NDArray[np.int16]:
        """The recording, int16 (frames,) or (frames, channels)."""
        whole = self._chunks[0] if len(self._chunks) == 1 else np.concatenate(self._chunks)
        return whole[: self._last]

    def take(self, chunk: AudioChunk) -> None:
        """Keep a chunk, up to the last frame of the recording."""
        if self.done.is_set():
            return
        raw = chunk.raw[: self._left]
        self._left -= len(raw)
        self._frames += len(raw)
        self._chunks.append(raw)
        if self._activity is not None:
            ends = [
                event.frame for event in self._activity.push(chunk.mono[: len(raw)]) if not event.speaking
            ]
            if ends:
                # Steps of 10 ms need not be whole frames: one frame may be missing.
                self._left = min(self._left, max(0, ends[0] + self._silence_frames - self._frames))
                self._last = ends[0] + self._silence_frames
                self._activity = None
        if self._left == 0:
            self.done.set()


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
        Hz, 1000 to 1536000, of samples; 24000 when not given. Everything else has its own rate. Sound below 8000 or above
        192000 Hz is converted to a multiple or fraction of its rate.
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
