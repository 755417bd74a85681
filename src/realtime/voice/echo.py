"""EchoControl: decides what a voice session does about the echo of its loudspeaker, and says so once.

In "auto" the canceller works from the first sample. After 3 s of answer in which no echo was found it steps aside, since
with headphones it could only harm; a single look that finds an echo calls it back. A session whose recorder has no
canceller, or whose canceller fails, becomes half-duplex once the microphone surely hears the loudspeaker.

Thread: the event loop's, except `EchoControl.hear`, which runs on the recorder's delivery thread, and the looks of the
detector, which run in a daemon thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, cast, get_args

import numpy as np

from ..background import Failed, start
from ..errors import ConfigurationError
from ..protocol.audio_format import Int16Array
from ..voice_events import EchoAction, EchoEvent
from .devices import (
    CancellerState,
    CancellingRecorder,
    Chunk,
    Devices,
    Player,
    Recorder,
    ReferencedChunk,
    cancels_echo,
    make_recorder,
)
from .tapes import Queued, Tapes

if TYPE_CHECKING:
    from wavtools import EchoDetector

__all__ = ["EchoControl", "EchoMode", "check_echo"]

EchoMode = Literal["auto", "cancel", "half-duplex", "off"]

# Between two looks of the detector; while the canceller stands aside, an echo must be found at once.
LOOK_SECONDS = 0.5
BYPASS_LOOK_SECONDS = 0.25
# Answer without an echo after which there is none: at first, and once an echo was heard
CLEAR_SECONDS = 3.0
CLEARED_SECONDS = 8.0
# The watch ends after so much silence of the loudspeaker.
IDLE_SECONDS = 2.0
# A canceller fails that takes away less than FAILING_DB while so many looks in a row find the echo in what it returns.
FAILING_DB = 6.0
FAILING_LOOKS = 6
# It is trusted again when it takes away as much.
WORKING_DB = 12.0
# Half-duplex waits that long after the delay of the echo, and for TAIL_SECONDS at least.
REVERBERATION_SECONDS = 0.3

_log = logging.getLogger("realtime")


def check_echo(mode: object) -> EchoMode:
    """*mode* if it exists; raises ValueError if not."""
    if mode not in get_args(EchoMode):
        raise ValueError(f"echo must be 'auto', 'cancel', 'half-duplex' or 'off', not {mode!r}")
    return cast("EchoMode", mode)


class EchoControl:
    """The echo of one voice session.

    Parameters
    ----------
    mode : "auto", "cancel", "half-duplex" or "off"
    devices : Devices
        Runs what blocks.
    emit : callable
        Gets each `EchoEvent`.
    failed : callable
        As for `background.start`.

    Attributes
    ----------
    mode : str
        What was asked for.
    action : str
        What is done now.
    heard : bool
        True if the microphone was found to hear the loudspeaker.
    """

    def __init__(
        self, mode: EchoMode, devices: Devices, emit: Callable[[EchoEvent], object], failed: Failed
    ) -> None:
        self.mode = mode
        self.action: EchoAction = "off"
        self.heard = False
        self._devices = devices
        self._emit = emit
        self._failed = failed
        self._recorder: Recorder | None = None
        self._canceller: CancellingRecorder | None = None
        self._queued: Queued | None = None
        self._tapes: Tapes | None = None
        self._detectors: tuple[EchoDetector, EchoDetector] | None = None
        # The class of the recorder's chunks, and True if they know what was played
        self._chunk_type: type[Chunk] | None = None
        self._referenced = False
        # audible_samples of the tapes when an echo was found last
        self._clear_from = 0
        self._failing = 0
        # True in half-duplex after the canceller failed
        self._gave_up = False
        self._watching: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None

    # Opening and closing

    def make_recorder(self, sample_rate: int, player: Player) -> Recorder:
        """The recorder of a session for which none was given, with what the mode needs."""
        device = self._devices.input
        if self.mode == "off":
            return make_recorder(sample_rate, device=device)
        return make_recorder(sample_rate, player, None if self.mode == "half-duplex" else "auto", device)

    def open(self, recorder: Recorder, player: Player) -> None:
        """Begin, with open devices.

        Raises ConfigurationError if "cancel" was asked for and the recorder cannot.
        """
        self._recorder = recorder
        state = recorder.echo if isinstance(recorder, CancellingRecorder) else None
        can = state is not None and state.canceller is not None
        self._canceller = recorder if can and isinstance(recorder, CancellingRecorder) else None
        self._queued = Queued(player)
        self._chunk_type = None
        self._convert = _converter(player.sample_rate, recorder.sample_rate)
        self.set_mode(self.mode)

    def close(self) -> None:
        """The devices close: stop looking."""
        for task in (self._watching, self._asking):
            if task is not None:
                task.cancel()
        self._watching = self._asking = self._recorder = self._canceller = self._queued = self._tapes = None
        self.action, self.heard = "off", False

    def set_mode(self, mode: EchoMode) -> None:
        """Begin anew with *mode*. Raises ConfigurationError for "cancel" if the recorder cannot; nothing changes then."""
        recorder, queued = self._recorder, self._queued
        if recorder is None or queued is None:
            self.mode = mode
            return
        if mode == "cancel" and self._canceller is None:
            raise ConfigurationError(
                "echo='cancel' needs a recorder with a canceller, and this one has none: leave the recorder out, or make "
                "it with WavRecorder(echo_canceller='auto', reference=player)"
            )
        self.mode = mode
        self.heard = self._gave_up = False
        self._clear_from = self._failing = 0
        self._detectors = None
        self._tapes = None if mode == "off" else Tapes(recorder.sample_rate, queued, self._convert)
        action: EchoAction = "off"
        if mode == "half-duplex":
            action = mode
        elif mode != "off" and self._canceller is not None:
            action = "cancel"
        self._act(action)
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
        if mode == "auto":
            self._asking = start(self._ask_system(recorder), "asking for the microphone", self._failed)

    async def _ask_system(self, recorder: Recorder) -> None:
        """Leave the echo to a microphone that cancels it: two cancellers, one after the other, harm the voice."""
        name = await self._devices.call(cancels_echo, recorder)
        if name is not None:
            self._tapes = None
            self._change(
                "off", False, f"the microphone {name!r} cancels the echo by itself, so this session does not"
            )

    # The microphone

    def hear(self, chunk: Chunk, gate: bool) -> Int16Array:
        """What to send of a chunk. Thread: the recorder's delivery thread.

        Parameters
        ----------
        chunk : Chunk
        gate : bool
            True if half-duplex may send silence: under vad.
        """
        clean, tapes = chunk.mono, self._tapes
        if tapes is None:
            return clean
        if type(chunk) is not self._chunk_type:
            self._chunk_type = type(chunk)
            self._referenced = isinstance(chunk, ReferencedChunk)
        recorded, played = clean, None
        if self._referenced:
            assert isinstance(chunk, ReferencedChunk)
            played = chunk.played
            if self._canceller is not None:
                recorded = chunk.raw if chunk.raw.ndim == 1 else chunk.raw.mean(axis=1).astype(np.int16)
        tapes.take(recorded, played, None if recorded is clean else clean)
        if gate and self.action == "half-duplex" and tapes.audible:
            return np.zeros_like(clean)
        return clean

    # The loudspeaker

    def queue(self, samples: Int16Array, track_id: str) -> None:
        """Audio of an answer was given to the player: look for its echo while it plays."""
        if self._tapes is None or self._queued is None:
            return
        self._queued.add(samples, track_id)
        if self._watching is None or self._watching.done():
            self._watching = start(self._watch(), "looking for an echo", self._failed)

    def cut(self) -> None:
        """Playback was stopped, and what was queued will not be heard."""
        if self._queued is not None:
            self._queued.clear()

    async def _watch(self) -> None:
        """Look for an echo while the loudspeaker is audible."""
        idle = 0.0
        while idle < IDLE_SECONDS:
            pause = BYPASS_LOOK_SECONDS if self.action == "bypass" else LOOK_SECONDS
            await asyncio.sleep(pause)
            tapes = self._tapes
            if tapes is None:
                return
            if not tapes.audible:
                idle += pause
                continue
            idle = 0.0
            found = await self._devices.call(self._look, tapes)
            if tapes is self._tapes:
                self._judge(tapes, found)

    def _look(self, tapes: Tapes) -> bool:
        """Look once; True if an echo is certain. In a thread of its own."""
        from wavtools import EchoDetector

        if self._detectors is None:
            self._detectors = EchoDetector(tapes.sample_rate), EchoDetector(tapes.sample_rate)
        echo, residue = self._detectors
        played = tapes.played.read()
        found = echo.look(played, tapes.recorded.read())
        if found and self.action == "cancel" and self._erle() < FAILING_DB:
            residue.look(played, tapes.clean.read())
        else:
            residue.reset()
        return found

    # Decisions

    def _judge(self, tapes: Tapes, found: bool) -> None:
        """Decide after a look; *found* if an echo is certain."""
        assert self._detectors is not None
        echo, residue = self._detectors
        hit = echo.hit
        if hit:
            self._clear_from = tapes.audible_samples
        if found and echo.delay_seconds is not None:
            tapes.tail_seconds = max(tapes.tail_seconds, echo.delay_seconds + REVERBERATION_SECONDS)
        patience = CLEARED_SECONDS if self.heard else CLEAR_SECONDS
        clear = tapes.audible_samples - self._clear_from >= patience * tapes.sample_rate
        if self.mode != "auto":
            heard = (self.heard or found) and not clear
            self._change(self.action, heard, f"the loudspeaker is {'' if heard else 'not '}heard")
        elif self._canceller is None:
            if found:
                self._fall("the microphone hears the loudspeaker, and this recorder has no echo canceller")
            elif clear:
                self._change("off", False, "no echo is heard any more: you can interrupt by speaking")
        elif self._gave_up:
            if self._erle() >= WORKING_DB:
                self._gave_up = False
                self._change("cancel", True, "the canceller works again")
        elif self.action == "bypass":
            if hit:
                self._change("cancel", True, "the microphone hears the loudspeaker")
        elif clear:
            self._change(
                "bypass", False, "no echo is heard, as with headphones: the microphone passes unchanged"
            )
        else:
            self._failing = self._failing + 1 if residue.hit else 0
            if self._failing >= FAILING_LOOKS:
                self._gave_up = True
                self._fall("the canceller does not remove the echo of this room")
            elif found:
                self._change("cancel", True, "the microphone hears the loudspeaker")

    def _fall(self, reason: str) -> None:
        """Half-duplex, because nothing else helps."""
        if self.action != "half-duplex":
            _log.warning(
                "%s: it sends silence while an answer is heard, so nobody can interrupt by speaking; use headphones, or "
                "WavRecorder(echo_canceller='auto', reference=player)",
                reason,
            )
        self._change("half-duplex", True, f"{reason}: it sends silence while an answer is heard")

    def _change(self, action: EchoAction, heard: bool, reason: str) -> None:
        """Take *action* and tell the application, if anything is new."""
        if (action, heard) == (self.action, self.heard):
            return
        self.heard = heard
        self._act(action)
        self._failing = 0
        state = self._state()
        delay = state.delay_seconds if state is not None else None
        if delay is None and heard and self._detectors is not None:
            # Less than nothing means that the signals were not laid side by side to the sample.
            delay = max(0.0, self._detectors[0].delay_seconds or 0.0)
        self._emit(
            EchoEvent(
                heard,
                None if delay is None else delay * 1000,
                None if state is None else state.erle_db,
                action,
                reason,
            )
        )

    def _act(self, action: EchoAction) -> None:
        self.action = action
        if self._canceller is not None:
            self._canceller.cancelling = action == "cancel"

    def _erle(self) -> float:
        state = self._state()
        return 0.0 if state is None else state.erle_db

    def _state(self) -> CancellerState | None:
        return None if self._canceller is None else self._canceller.echo


def _converter(player_rate: int, recorder_rate: int) -> Callable[[Int16Array], Int16Array]:
    """Brings pieces of int16 from one rate to the other."""
    if player_rate == recorder_rate:
        return lambda samples: samples
    from wavtools.resample import Resampler

    resampler = Resampler(player_rate, recorder_rate, 1, "fast")

    def convert(samples: Int16Array) -> Int16Array:
        floats = resampler.process(samples.astype(np.float32))
        return np.clip(np.rint(floats), -32768, 32767).astype(np.int16)

    return convert
