"""``wavtools record``: records from a microphone into a WAV file that is whole at every moment.

Thread: the main one waits; the recorder's delivery thread writes the file.
"""

from __future__ import annotations

import argparse
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from wavtools.command.errors import UserError
from wavtools.command.options import add_device, between, whole
from wavtools.command.terminal import Progress, one_line

if TYPE_CHECKING:
    from wavtools._audio_chunk import AudioChunk
    from wavtools.files.wav_writer import WavWriter
    from wavtools.voice_activity import VoiceActivity

__all__ = ["add_arguments", "run"]

# A microphone that gives nothing for that long will not give more.
SILENT_SECONDS = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this verb."""
    parser.add_argument("file", type=Path, help="the WAV file; one that exists is replaced")
    parser.add_argument(
        "--seconds", type=between(0.01, 1e6, "seconds"), help="stop after this time (default: at Ctrl-C)"
    )
    parser.add_argument(
        "--until-silence",
        metavar="SECONDS",
        type=between(0.1, 60, "seconds"),
        help="stop when nobody has spoken for this time after speech",
    )
    parser.add_argument(
        "--rate",
        type=whole(8_000, 192_000, "Hz"),
        default=48_000,
        help="sample rate in Hz (default: %(default)s)",
    )
    parser.add_argument("--channels", type=whole(1, 8), help="1 to 8 (default: the device's own, at most 2)")
    add_device(parser, "microphone")


class _Taker:
    """Writes chunks to the file, up to the last frame that is wanted. Delivery thread."""

    def __init__(self, path: Path, rate: int, frames: float, activity: VoiceActivity | None) -> None:
        self.done = threading.Event()
        self.frames = 0
        self.error: OSError | None = None
        self._path, self._rate, self._left, self._activity = path, rate, frames, activity
        self._writer: WavWriter | None = None

    def take(self, chunk: AudioChunk) -> None:
        """Write a chunk."""
        if self.done.is_set():
            return
        raw = chunk.raw[: int(min(self._left, len(chunk.raw)))]
        try:
            self._write(raw)
        except OSError as error:
            self.error = error
            self.done.set()
            return
        self._left -= len(raw)
        self.frames += len(raw)
        if self._left == 0 or (
            self._activity is not None
            and any(not event.speaking for event in self._activity.push(chunk.mono[: len(raw)]))
        ):
            self.done.set()

    def _write(self, raw: object) -> None:
        from wavtools.files.wav_writer import WavWriter

        if self._writer is None:
            # The first chunk says how many channels the device has.
            channels = raw.shape[1] if raw.ndim == 2 else 1  # type: ignore[attr-defined]
            self._writer = WavWriter(self._path, self._rate, channels)
        self._writer.write(raw)

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()


def run(arguments: argparse.Namespace) -> int:
    """Record; return the exit status."""
    from wavtools import VoiceActivity, WavRecorder

    path: Path = arguments.file
    if path.suffix.lower() not in (".wav", ".wave", ".rf64"):
        name = path.with_suffix(".wav").name
        raise UserError(f"{path.name}: recordings are WAV files; record into {name}, then convert it")
    if not path.parent.is_dir():
        raise UserError(f"{path.parent}: there is no such folder")
    silence, rate = arguments.until_silence, arguments.rate
    activity = None if silence is None else VoiceActivity(rate, hangover_ms=1000 * silence)
    frames = float("inf") if arguments.seconds is None else round(arguments.seconds * rate)
    taker = _Taker(path, rate, frames, activity)
    with WavRecorder(rate, device=arguments.device, channels=arguments.channels, keep_seconds=0) as recorder:
        recorder.record(taker.take, max(1, rate // 50))
        try:
            _wait(taker, rate, arguments.seconds)
        except KeyboardInterrupt:
            # The way to stop.
            pass
        recorder.pause()
        dropped = recorder.stats.frames_dropped
    taker.close()
    if taker.error is not None:
        raise taker.error
    lost = f"; {dropped} frames were lost, the machine was too busy" if dropped else ""
    print(f"{one_line(path)}: {taker.frames / rate:.2f} s, {rate} Hz{lost}")
    return 0


def _wait(taker: _Taker, rate: int, seconds: float | None) -> None:
    stop = "Ctrl-C stops" if seconds is None else ""
    seen, since = -1, time.monotonic()
    with Progress("recording", patience=0.0) as progress:
        # With a timeout, so that Ctrl-C is seen on Windows too.
        while not taker.done.wait(0.05):
            frames, now = taker.frames, time.monotonic()
            if frames != seen:
                seen, since = frames, now
            elif now - since > SILENT_SECONDS:
                raise UserError(
                    f"the microphone has given nothing for {SILENT_SECONDS:g} s; is it suspended?"
                )
            elapsed = frames / rate
            progress.show(None if seconds is None else elapsed / seconds, f"{elapsed:.1f} s {stop}")
