"""VoiceSession: joins a client, a microphone and a loudspeaker.

Microphone chunks go from the recorder's delivery thread into the client's queue. Audio of answers goes from a
handler of the client into the player. When the user begins to speak, the player tells to the sample what was
heard, and the server is told.

Thread: the event loop's, except the microphone callback, which runs on the recorder's delivery thread. Calls that
open, drain or close a device run in a thread of the loop's executor.
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
from .protocol.numbers import not_negative

__all__ = ["Chunk", "CutEvent", "Player", "Receipt", "Recorder", "VoiceSession"]

Mode = Literal["manual", "vad"]
# On average the end of a turn waits for half a chunk. Compared with 20 ms this costs 50 more messages a second,
# which is 1 % of a core.
CHUNK_MS = 10
# Seconds between two looks at the player's position; a device period is about 10 ms.
FIRST_SAMPLE_POLL = 0.004
# Seconds after which an answer that has not sounded is no longer watched.
FIRST_SAMPLE_PATIENCE = 30.0


class Chunk(Protocol):
    """What a recorder passes to its callback: int16, shape (frames,)."""

    @property
    def mono(self) -> Int16Array: ...


class Recorder(Protocol):
    """The part of `wavtools.WavRecorder` that a voice session uses."""

    sample_rate: int

    def get_status(self) -> str: ...
    def begin(self) -> Any: ...
    def record(self, callback: Callable[[Any], object] | None = None, chunk_size: int = 8192) -> Any: ...
    def pause(self) -> Any: ...
    def end(self) -> Any: ...


class Receipt(Protocol):
    """The part of `wavtools.TrackOffset` that a voice session uses."""

    @property
    def track_id(self) -> str: ...
    @property
    def offset(self) -> int: ...
    @property
    def dropped(self) -> Mapping[str, int]: ...


class Player(Protocol):
    """The part of `wavtools.WavStreamPlayer` that a voice session uses."""

    sample_rate: int

    def connect(self) -> Any: ...
    def add_16bit_pcm(self, pcm: Any, track_id: str = "default") -> Any: ...
    def interrupt(self, fade_ms: float = 0) -> Any: ...
    def get_track_sample_offset(self) -> Any: ...
    def disconnect(self) -> Any: ...


@dataclass(frozen=True)
class CutEvent:
    """``voice.cut``: playback was stopped.

    Attributes
    ----------
    receipt : wavtools.TrackOffset
        Where it was stopped.
    item : Item or None
        The answer that was stopped.
    """

    receipt: Any
    item: Item | None


class VoiceSession:
    """A spoken conversation: sends the microphone, plays the answers, handles interruptions.

    It emits ``voice.cut`` (`CutEvent`) through the client, and adds ``first_sample`` to the client's ``timings``.

    Parameters
    ----------
    client : RealtimeClient
        Connected or not; `start` connects it.
    recorder, player : optional
        `wavtools.WavRecorder` and `WavStreamPlayer`, not opened yet. Default: made at the negotiated rates.
    mode : "manual" or "vad", optional
        Push to talk, or detection of turns by the server. Default: what the client's session says.
    fade_ms : float
        Fade of an interrupted answer in milliseconds. The offset stays exact.
    chunk_ms : float
        Milliseconds of audio in one message. Larger chunks make fewer messages and later answers.

    Attributes
    ----------
    muted : bool
        True while the microphone is muted, see `mute`.
    unplayed_samples : int
        Samples of answers that were dropped because the player's queue was full.

    Raises
    ------
    ValueError
        a mode that does not exist, a time that is no number

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
        self.fade_ms = not_negative(fade_ms, "fade_ms")
        self.muted = False
        self.unplayed_samples = 0
        self._chunk_ms = not_negative(chunk_ms, "chunk_ms")
        self._mode = mode
        self._started = False
        self._talking = False
        # Held while the recorder starts or pauses.
        self._changing = asyncio.Lock()
        # The turn detection to return to from manual mode.
        self._vad: dict[str, Any] = {"type": "server_vad"}
        # Waits for the first sample of an answer, and that answer's id.
        self._watch: asyncio.Task[None] | None = None
        self._watched: str | None = None
        self._closing: asyncio.Task[None] | None = None

    # Starting and stopping

    async def start(self) -> None:
        """Open the output, the session and the microphone, in that order.

        Under VAD the microphone is live then. If a step fails, what was opened is closed again, and the step's
        exception is raised.

        Raises
        ------
        StateError
            started already
        ConfigurationError
            a recorder or player whose rate differs from the session's
        ConnectError
            the session could not be opened
        """
        if self._started:
            raise StateError("the voice session has started: call stop() first")
        client = self.client
        self._configure_mode()
        player = self.player = self.player or _make_player(client.output_sample_rate)
        recorder = self.recorder = self.recorder or _make_recorder(client.input_sample_rate)
        _check_rate("player", player.sample_rate, client.output_sample_rate)
        _check_rate("recorder", recorder.sample_rate, client.input_sample_rate)
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

    def _configure_mode(self) -> None:
        """Set the client's turn detection to the mode that was given, else take the mode from it."""
        client = self.client
        self._remember_vad()
        vad_is_on = bool(client.get_turn_detection_type())
        if self._mode is None:
            self._mode = "vad" if vad_is_on else "manual"
        elif self._mode == "manual":
            client.update_session(turn_detection=None)
        elif not vad_is_on:
            client.update_session(turn_detection=self._vad)

    async def stop(self) -> None:
        """Close the microphone, the session and the output, in that order. Idempotent."""
        if not self._started:
            return
        self._started = self._talking = False
        client, recorder, player = self.client, self.recorder, self.player
        assert recorder is not None and player is not None
        if self._watch is not None:
            self._watch.cancel()
        # The microphone first: chunks without a connection would be counted as dropped.
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
                # client.reset() has removed it.
                pass

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
        """True between `talk` and `release`."""
        return self._talking

    async def set_mode(self, mode: Mode) -> None:
        """Change between push to talk and detection of turns, at any time.

        Raises
        ------
        ValueError
            a mode that does not exist
        StateError
            not started
        """
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
            # The server still holds the silence of the room, which is no part of the next turn.
            self.client.clear_input_audio()
        else:
            if self._talking:
                await self.release()
            self._mode = mode
            self.client.update_session(turn_detection=self._vad)
            await self._record()

    async def talk(self) -> None:
        """The key was pressed: stop the answer and open the microphone. For manual mode.

        Raises StateError if not started, and under VAD, where the microphone is live anyway.
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
        """The key was released: send what was said and request an answer.

        Parameters
        ----------
        send : bool
            False discards what was said, here and on the server, and requests no answer.

        Returns
        -------
        bool
            True if an answer was requested.

        Raises
        ------
        StateError
            not started
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
        """Interrupt the answer and send *text* as the user's message; returns the id of its item."""
        self._need_started()
        self.interrupt()
        return self.client.send_user_message_content(text)

    def mute(self, muted: bool = True) -> None:
        """Mute or unmute the microphone.

        Under VAD the server gets silence meanwhile, so that turns still end.
        """
        self.muted = muted

    def interrupt(self) -> Any:
        """Stop the answer now, in either mode.

        Returns
        -------
        wavtools.TrackOffset or None
            Where it was stopped; None if nothing ever played.

        Raises
        ------
        StateError
            not started
        """
        self._need_started()
        if not self.client.is_connected():
            return self._cut()
        self.client.cancel_response()
        return self._cut()

    def _cut(self) -> Any:
        """Stop playback, and tell the server how much of each queued answer was heard."""
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
            self.client.report_error(ErrorEvent(str(error), "player", exception=error))
        if self._watched != item.id:
            self._watched = item.id
            if self._watch is not None:
                self._watch.cancel()
            self._watch = asyncio.get_running_loop().create_task(self._watch_first_sample(item.id))

    async def _watch_first_sample(self, item_id: str) -> None:
        """Note when the device took the first sample of an answer; the player's position tells."""
        player = self.player
        assert player is not None
        deadline = time.monotonic() + FIRST_SAMPLE_PATIENCE
        while time.monotonic() < deadline:
            receipt = player.get_track_sample_offset()
            if receipt is not None and receipt.track_id == item_id and receipt.offset > 0:
                self.client.note_first_sample(item_id)
                return
            await asyncio.sleep(FIRST_SAMPLE_POLL)

    def _on_interrupted(self, event: InterruptedEvent) -> None:
        if self.client.server_interrupts():
            self.client.drop_response()
            self._cut()

    def _on_close(self, event: CloseEvent) -> None:
        if event.error and self._started:
            self._closing = asyncio.get_running_loop().create_task(self._pause())

    async def _pause(self) -> None:
        """The connection has ended for good: stop recording."""
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
        """Send one chunk of the microphone. Thread: the recorder's delivery thread."""
        samples = chunk.mono
        if self.muted:
            if self._mode != "vad":
                return
            samples = np.zeros_like(samples)
        self.client.append_input_audio(samples)

    def _remember_vad(self) -> None:
        # The whole object: servers give missing keys their defaults, not the earlier values.
        self._vad = self.client.get_turn_detection() or self._vad

    def _need_started(self) -> Recorder:
        if not self._started or self.recorder is None:
            raise StateError("the voice session has not started: call start() first")
        return self.recorder


def _check_rate(name: str, rate: int, needed: int) -> None:
    if rate != needed:
        raise ConfigurationError(
            f"the {name} runs at {rate} Hz and the session at {needed} Hz: make it with sample_rate={needed}"
        )


def _make_player(sample_rate: int) -> Player:
    from wavtools import WavStreamPlayer

    player: Player = WavStreamPlayer(sample_rate=sample_rate)
    return player


def _make_recorder(sample_rate: int) -> Recorder:
    from wavtools import WavRecorder

    # The conversation keeps what was said; the recorder need not keep it as well.
    recorder: Recorder = WavRecorder(sample_rate=sample_rate, keep_seconds=0)
    return recorder
