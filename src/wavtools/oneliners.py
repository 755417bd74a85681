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
    from wavtools.voice_activity import VoiceActivity

__all__ = ["play", "record"]

# A microphone that gives nothing for that long will not give more.
SILENT_SECONDS = 5.0
# The longest recording until silence, if the caller names none; and how often speech is looked for.
MOST_SECONDS, LOOKS_PER_SECOND = 60.0, 50
# play() queues pieces, and waits while this much is queued.
PIECE_SECONDS, AHEAD_SECONDS = 5.0, 20.0


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
