"""VoiceSession: a client, a microphone and a loudspeaker joined.

Microphone chunks go from the recorder's delivery thread straight into the client's queue. Audio of answers
goes from the client's handler straight into the player. When the user begins to speak, the player says to the
sample what was heard, and the server is told.

Thread: the event loop's, except the microphone callback, which runs on the recorder's delivery thread.
Calls that open, drain or close a device wait in a thread of the executor.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Protocol

import numpy as np

from .client.client import RealtimeClient
from .conversation.items import Item
from .errors import ConfigurationError, StateError
from .events import CloseEvent, ErrorEvent, InterruptedEvent, ItemUpdatedEvent
from .protocol.audio_format import Int16Array

__all__ = ["Chunk", "CutEvent", "Player", "Receipt", "Recorder", "VoiceSession"]

Mode = Literal["manual", "vad"]
# The end of a turn waits for half of one in the mean; 50 messages a second more cost 1 % of a core.
CHUNK_MS = 10
FIRST_SAMPLE_POLL = 0.004  # seconds; a device period is about 10 ms
FIRST_SAMPLE_PATIENCE = 30.0


class Chunk(Protocol):
    """What a recorder hands to its callback."""

    @property
    def mono(self) -> Int16Array: ...


class Recorder(Protocol):
    """The part of `wavtools.WavRecorder` that is used."""

    sample_rate: int

    def get_status(self) -> str: ...
    def begin(self) -> Any: ...
    def record(self, callback: Callable[[Any], object] | None = None, chunk_size: int = 8192) -> Any: ...
    def pause(self) -> Any: ...
    def end(self) -> Any: ...


class Receipt(Protocol):
    """The part of `wavtools.TrackOffset` that is used."""

    @property
    def track_id(self) -> str: ...
    @property
    def offset(self) -> int: ...
    @property
    def dropped(self) -> Mapping[str, int]: ...


class Player(Protocol):
    """The part of `wavtools.WavStreamPlayer` that is used."""

    sample_rate: int

    def connect(self) -> Any: ...
    def add_16bit_pcm(self, pcm: Any, track_id: str = "default") -> Any: ...
    def interrupt(self, fade_ms: float = 0) -> Any: ...
    def get_track_sample_offset(self) -> Any: ...
    def disconnect(self) -> Any: ...


@dataclass(frozen=True)
class CutEvent:
    """``voice.cut``: playback was stopped; ``receipt`` says where, ``item`` which answer it was."""

    receipt: Any
    item: Item | None


class VoiceSession:
    """Speak and be answered.

    Parameters
    ----------
    client : RealtimeClient
    recorder, player : optional
        `wavtools.WavRecorder` and `WavStreamPlayer`, not opened yet; made at the negotiated rates when not
        given.
    mode : "manual", "vad", optional
        What the client's session says when not given.
    fade_ms : float
        Fade of an interrupted answer. The offset stays exact.
    chunk_ms : float
        How much sound goes to the server at a time. Larger chunks make fewer messages and later answers.

    Events of its own, through ``client.on``: ``voice.cut`` (`CutEvent`). ``timings`` have their
    ``first_sample``.

    Examples
    --------
    >>> async with VoiceSession(client, mode="vad"):           # doctest: +SKIP
    ...     await asyncio.sleep(60)
    """

    def __init__(
        self,
        client: RealtimeClient,
        recorder: Recorder | None = None,
        player: Player | None = None,
        *,
        mode: Mode | None = None,
        fade_ms: float = 0.0,
        chunk_ms: float = CHUNK_MS,
    ) -> None:
        if mode not in (None, "manual", "vad"):
            raise ValueError(f"mode must be 'manual' or 'vad', not {mode!r}")
        self.client = client
        self.recorder = recorder
        self.player = player
        self.fade_ms = fade_ms
        self.muted = False
        self.unplayed_samples = 0  # the player's queue was full
        self._chunk_ms = chunk_ms
        self._mode = mode
        self._started = False
        self._talking = False
        self._changing = asyncio.Lock()  # one change of the recorder at a time
        self._vad: dict[str, Any] = {"type": "server_vad"}
        self._watch: asyncio.Task[None] | None = None
        self._watched: str | None = None
        self._closing: asyncio.Task[None] | None = None

    # Starting and stopping

    async def start(self) -> None:
        """Open the output, the session and the microphone, in that order.

        Under VAD the microphone is live then. What was opened is closed again when a later step fails.
        Raises what that step raised;
        ConfigurationError if a recorder or a player has another rate than the session.
        """
        if self._started:
            raise StateError("the voice session has started: call stop() first")
        client = self.client
        if self._mode is None:
            self._mode = "vad" if client.get_turn_detection_type() else "manual"
            set_mode = False
        else:
            set_mode = True
        self._remember_vad()
        if set_mode and (self._mode == "vad") != bool(client.get_turn_detection_type()):
            client.update_session(turn_detection=self._vad if self._mode == "vad" else None)
        elif set_mode and self._mode == "manual":
            client.update_session(turn_detection=None)
        player = self.player = self.player or _make_player(client.output_sample_rate)
        recorder = self.recorder = self.recorder or _make_recorder(client.input_sample_rate)
        for what, rate, needed in (
            ("player", player.sample_rate, client.output_sample_rate),
            ("recorder", recorder.sample_rate, client.input_sample_rate),
        ):
            if rate != needed:
                raise ConfigurationError(
                    f"the {what} runs at {rate} Hz and the session at {needed} Hz: "
                    f"make it with sample_rate={needed}"
                )
        client.on("conversation.updated", self._on_updated)
        client.on("conversation.interrupted", self._on_interrupted)
        client.on("close", self._on_close)
        self._started = True
        try:
            await asyncio.to_thread(player.connect)
            if not client.is_connected():
                await client.connect()
            await asyncio.to_thread(recorder.begin)
            if self._mode == "vad":
                await self._record()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close the microphone, the session and the output, in that order. Idempotent."""
        if not self._started:
            return
        self._started = self._talking = False
        client, recorder, player = self.client, self.recorder, self.player
        assert recorder is not None and player is not None
        if self._watch is not None:
            self._watch.cancel()
        # The microphone first: a chunk that finds no connection would count as lost.
        if recorder.get_status() != "ended":
            await asyncio.to_thread(recorder.end)
        await client.disconnect()
        await asyncio.to_thread(player.disconnect)
        for name, handler in (
            ("conversation.updated", self._on_updated),
            ("conversation.interrupted", self._on_interrupted),
            ("close", self._on_close),
        ):
            try:
                client.off(name, handler)
            except ValueError:
                pass  # client.reset() has removed it

    async def __aenter__(self) -> VoiceSession:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # Talking

    @property
    def mode(self) -> Mode:
        """ "manual" or "vad"; "manual" before `start` if nothing was set."""
        return self._mode or "manual"

    @property
    def talking(self) -> bool:
        """Whether `talk` was called and `release` was not."""
        return self._talking

    async def set_mode(self, mode: Mode) -> None:
        """Change between push-to-talk and detection of turns, at any time."""
        if mode not in ("manual", "vad"):
            raise ValueError(f"mode must be 'manual' or 'vad', not {mode!r}")
        recorder = self._need_started()
        if mode == self._mode:
            return
        if mode == "manual":
            self._remember_vad()
            self._mode = mode
            async with self._changing:
                await asyncio.to_thread(recorder.pause)
            self.client.update_session(turn_detection=None)
            # What the server still holds is the room's silence; it is no part of the next turn.
            self.client.clear_input_audio()
        else:
            if self._talking:
                await self.release()
            self._mode = mode
            self.client.update_session(turn_detection=self._vad)
            await self._record()

    async def talk(self) -> None:
        """The key went down: stop the answer and listen. In manual mode only.

        Raises StateError under VAD, where the microphone is live anyway.
        """
        self._need_started()
        if self._mode == "vad":
            raise StateError("under VAD the microphone is live: call set_mode('manual') first")
        if self._talking:
            return
        self._talking = True
        self.interrupt()
        await self._record()

    async def release(self, *, send: bool = True) -> bool:
        """The key went up: send what was said and ask for an answer; whether there was anything to send.

        With ``send=False`` what was said is thrown away, here and on the server, and nobody answers.
        """
        recorder = self._need_started()
        if not self._talking:
            return False
        self._talking = False
        async with self._changing:
            # Returns when every sample captured before the call has been delivered.
            await asyncio.to_thread(recorder.pause)
        if not send:
            if self.client.is_connected():
                self.client.clear_input_audio()
            return False
        self.client.create_response()
        return True

    def send_text(self, text: str) -> str | None:
        """Interrupt the answer and say *text* instead of speaking; returns the id of the item."""
        self._need_started()
        self.interrupt()
        return self.client.send_user_message_content(text)

    def mute(self, muted: bool = True) -> None:
        """Close or open the microphone.

        Under VAD the server hears silence meanwhile, so that turns still end.
        """
        self.muted = muted

    def interrupt(self) -> Any:
        """Stop the answer now, whatever the mode.

        Returns the player's receipt, None if nothing ever played.
        """
        self._need_started()
        if not self.client.is_connected():
            return self._cut()
        self.client.cancel_response()
        return self._cut()

    def _cut(self) -> Any:
        """Stop playback and tell the server what was heard of each answer that was queued."""
        player, client = self.player, self.client
        assert player is not None
        receipt: Receipt | None = player.interrupt(self.fade_ms) if self.fade_ms else player.interrupt()
        if receipt is None:
            return None
        item = client.conversation.get_item(receipt.track_id)
        if client.state in ("connected", "reconnecting"):
            client.cancel_response(receipt.track_id, receipt.offset)
            for track_id in receipt.dropped:
                if track_id != receipt.track_id:
                    client.cancel_response(track_id, 0)
        client.emit("voice.cut", CutEvent(receipt, item))
        return receipt

    # Events

    def _on_updated(self, event: ItemUpdatedEvent) -> None:
        delta, item = event.delta, event.item
        if delta is None or delta.audio is None or item.role == "user":
            return
        assert self.player is not None
        try:
            self.player.add_16bit_pcm(delta.audio, item.id)
        except BufferError as error:
            self.unplayed_samples += len(delta.audio)
            self.client._session.reports.error(ErrorEvent(str(error), "player", exception=error))
        if self._watched != item.id:
            self._watched = item.id
            if self._watch is not None:
                self._watch.cancel()
            self._watch = asyncio.get_running_loop().create_task(self._watch_first_sample(item.id))

    async def _watch_first_sample(self, item_id: str) -> None:
        """Note when the device took the first sample: only its own counter knows."""
        player, session = self.player, self.client._session
        assert player is not None
        deadline = time.monotonic() + FIRST_SAMPLE_PATIENCE
        while time.monotonic() < deadline:
            receipt = player.get_track_sample_offset()
            if receipt is not None and receipt.track_id == item_id and receipt.offset > 0:
                timings = session.meter.first_sample(item_id, time.monotonic())
                if timings is not None:
                    self.client.emit("timings", timings)
                return
            await asyncio.sleep(FIRST_SAMPLE_POLL)

    def _on_interrupted(self, event: InterruptedEvent) -> None:
        if self.client._session.server_interrupts():
            self._cut()

    def _on_close(self, event: CloseEvent) -> None:
        if event.error and self._started:
            self._closing = asyncio.get_running_loop().create_task(self._pause())

    async def _pause(self) -> None:
        """The connection has ended for good: nobody listens to the microphone any more."""
        recorder = self.recorder
        self._talking = False
        async with self._changing:
            if recorder is not None and recorder.get_status() == "recording":
                await asyncio.to_thread(recorder.pause)

    # The microphone

    async def _record(self) -> None:
        recorder = self.recorder
        assert recorder is not None
        chunk_size = max(1, int(recorder.sample_rate * self._chunk_ms / 1000))
        async with self._changing:
            if recorder.get_status() == "paused":
                await asyncio.to_thread(recorder.record, self._on_chunk, chunk_size)

    def _on_chunk(self, chunk: Chunk) -> None:
        """Thread: the recorder's delivery thread."""
        samples = chunk.mono
        if self.muted:
            if self._mode != "vad":
                return
            samples = np.zeros_like(samples)
        self.client.append_input_audio(samples)

    def _remember_vad(self) -> None:
        # Complete, not by its type alone: servers take missing keys as their defaults, not as before.
        detection = self.client._session.turn_detection()
        if isinstance(detection, dict):
            self._vad = dict(detection)

    def _need_started(self) -> Recorder:
        if not self._started or self.recorder is None:
            raise StateError("the voice session has not started: call start() first")
        return self.recorder


def _make_player(sample_rate: int) -> Player:
    from wavtools import WavStreamPlayer

    player: Player = WavStreamPlayer(sample_rate=sample_rate)
    return player


def _make_recorder(sample_rate: int) -> Recorder:
    from wavtools import WavRecorder

    # What was recorded is kept by the conversation; the recorder need not keep it, too.
    recorder: Recorder = WavRecorder(sample_rate=sample_rate, keep_seconds=0)
    return recorder
