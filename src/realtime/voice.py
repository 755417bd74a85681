"""VoiceSession: joins a client, a microphone and a loudspeaker.

Microphone chunks go from the recorder's delivery thread into the client's queue. Audio of answers goes from a
handler of the client into the player. When the user begins to speak, the player tells to the sample what was
heard, and the server is told. What the microphone hears of the loudspeaker itself is the matter of voice_echo.py.

Thread: the event loop's, except the microphone callback, which runs on the recorder's delivery thread. Calls that
open, drain or close a device run in daemon threads of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

import numpy as np

from .background import describe, start
from .client.client import RealtimeClient
from .client.home_loop import HomeLoop, any_thread
from .conversation.items import Item
from .errors import StateError
from .events import CloseEvent, ErrorEvent, InterruptedEvent, ItemUpdatedEvent
from .protocol.numbers import not_negative
from .voice_devices import (
    Chunk,
    Devices,
    Player,
    Receipt,
    Recorder,
    check_rate,
    make_player,
)
from .voice_echo import EchoAction, EchoControl, EchoEvent, EchoMode, check_echo
from .voice_timing import FirstSampleWatch

__all__ = ["Chunk", "CutEvent", "EchoEvent", "Player", "Receipt", "Recorder", "VoiceSession"]

Mode = Literal["manual", "vad"]
# On average the end of a turn waits for half a chunk. Compared with 20 ms this costs 50 more messages a second,
# which is 1 % of a core.
CHUNK_MS = 10


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

    It emits ``voice.cut`` (`CutEvent`) and ``voice.echo`` (`EchoEvent`) through the client, and adds ``first_sample`` to
    the client's ``timings``.

    Parameters
    ----------
    client : RealtimeClient
        Connected or not; `start` connects it.
    recorder, player : optional
        `wavtools.WavRecorder` and `WavStreamPlayer`, not opened yet. Default: made at the negotiated rates. A recorder of
        yours cancels the echo if it was made with ``echo_canceller="auto", reference=player``.
    mode : "manual" or "vad", optional
        Push to talk, or detection of turns by the server. Default: what the client's session says.
    echo : "auto", "cancel", "half-duplex" or "off"
        What is done when the microphone hears the loudspeaker. "auto": cancel it from the first sample, step aside after 3
        seconds of answer without an echo (headphones), and return when one is heard; half-duplex if the echo cannot be
        cancelled; nothing if the microphone's name says that the system cancels it. "cancel": at all times.
        "half-duplex": under vad, send silence while an answer is heard and 0.4 seconds after, so that nobody can interrupt
        by speaking. "off": nothing.
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
        a mode or echo that does not exist, a time that is no number

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
        echo: EchoMode = "auto",
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
        self._first_sample = FirstSampleWatch(client, self._failed)
        self._closing: asyncio.Task[None] | None = None
        # Closes everything, whoever called `stop` and whatever becomes of the caller.
        self._stopping: asyncio.Task[None] | None = None
        self._devices = Devices()
        self._echo = EchoControl(
            check_echo(echo), self._devices, lambda event: client.emit("voice.echo", event), self._failed
        )

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
            a recorder or player whose rate differs from the session's, or a recorder that cannot cancel the echo under
            echo="cancel"
        ConnectError
            the session could not be opened
        """
        if self._started:
            raise StateError("the voice session has started: call stop() first")
        if self._stopping is not None:
            await asyncio.wait({self._stopping})
            self._stopping = None
        client = self.client
        self._configure_mode()
        player = self.player = self.player or make_player(client.output_sample_rate)
        recorder = self.recorder = self.recorder or self._echo.make_recorder(client.input_sample_rate, player)
        check_rate("player", player.sample_rate, client.output_sample_rate)
        check_rate("recorder", recorder.sample_rate, client.input_sample_rate)
        client.on("conversation.updated", self._on_updated)
        client.on("conversation.interrupted", self._on_interrupted)
        client.on("close", self._on_close)
        self._first_sample.reset()
        client.playback = lambda: self._devices.played(player)
        self._started = True
        try:
            await self._devices.call(player.connect)
            if not client.is_connected():
                await client.connect()
            await self._devices.call(recorder.begin)
            self._echo.open(recorder, player)
            if self._mode == "vad":
                await self._record()
        except BaseException:
            try:
                await self.stop()
            except Exception:
                # It was reported. What made the start fail says more.
                pass
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
        """Close the microphone, the session and the output, in that order. Idempotent. A tool may call it.

        Each is closed whatever becomes of the one before it, also if the caller is cancelled. The first exception is
        raised at the end, and reported as ``error``. A device that does not close within 5 seconds is left to its thread.

        Raises
        ------
        TimeoutError
            a device did not close
        """
        if self._started:
            self._started = self._talking = False
            self._stopping = start(self._close(), "closing the voice session", self._failed)
        if (stopping := self._stopping) is not None:
            await asyncio.shield(stopping)
            self._stopping = None

    async def _close(self) -> None:
        client, recorder, player = self.client, self.recorder, self.player
        assert recorder is not None and player is not None
        client.playback = None
        self._first_sample.cancel()
        self._echo.close()
        failures = []

        async def attempt(step: Awaitable[object]) -> None:
            try:
                await step
            except Exception as error:
                failures.append(error)

        def end_recording() -> None:
            if recorder.get_status() != "ended":
                recorder.end()

        # The microphone first: chunks without a connection would be counted as dropped.
        await attempt(self._devices.close("microphone", end_recording))
        await attempt(client.disconnect())
        await attempt(self._devices.close("output", player.disconnect))
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
        if failures:
            raise failures[0]

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
    def echo(self) -> EchoAction:
        """What is done about the echo now: "cancel", "bypass" (none is heard), "half-duplex" or "off" (also if stopped)."""
        return self._echo.action

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
                await self._devices.call(recorder.pause)
            self.client.update_session(turn_detection=None)
            # The server still holds the silence of the room, which is no part of the next turn.
            self.client.clear_input_audio()
        else:
            if self._talking:
                await self.release()
            self._mode = mode
            self.client.update_session(turn_detection=self._vad)
            await self._record()

    @any_thread
    def set_echo(self, echo: EchoMode) -> None:
        """Change what is done about the echo, at any time; see the parameter of the session. Thread: any.

        Raises
        ------
        ValueError
            an echo that does not exist
        ConfigurationError
            "cancel" with a recorder that cannot; nothing changes
        """
        self._echo.set_mode(check_echo(echo))

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
        try:
            self.interrupt()
            await self._record()
        except BaseException:
            # The key counts as released: it can be pressed again.
            self._talking = False
            raise

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
            await self._devices.call(recorder.pause)
        if not send:
            if self.client.is_connected():
                self.client.clear_input_audio()
            return False
        self.client.create_response()
        return True

    @property
    def home(self) -> HomeLoop:
        """The event loop to which calls of other threads are passed: the client's."""
        return self.client.home

    @any_thread
    def send_text(self, text: str) -> str | None:
        """Interrupt the answer and send *text* as the user's message; returns the id of its item. Thread: any."""
        self._need_started()
        self.interrupt()
        return self.client.send_user_message_content(text)

    def mute(self, muted: bool = True) -> None:
        """Mute or unmute the microphone.

        Under VAD the server gets silence meanwhile, so that turns still end.
        """
        self.muted = muted

    @any_thread
    def interrupt(self) -> Any:
        """Stop the answer now, in either mode. Thread: any.

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
        self._echo.cut()
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
        else:
            self._echo.queue(delta.audio, item.id)
        self._first_sample.watch(self.player, item.id)

    def _on_interrupted(self, event: InterruptedEvent) -> None:
        if self.client.server_interrupts():
            self.client.drop_response()
            self._cut()

    def _on_close(self, event: CloseEvent) -> None:
        if event.error and self._started:
            self._closing = start(self._pause(), "pausing the microphone", self._failed)

    async def _pause(self) -> None:
        """The connection has ended for good: stop recording."""
        recorder = self.recorder
        self._talking = False
        async with self._changing:
            if recorder is not None and recorder.get_status() == "recording":
                await self._devices.call(recorder.pause)

    def _failed(self, name: str, error: BaseException) -> None:
        """Tell the application that a background task ended by an exception."""
        self.client.report_error(ErrorEvent(f"{name} failed: {describe(error)}", "voice", exception=error))

    # The microphone

    async def _record(self) -> None:
        recorder = self.recorder
        assert recorder is not None
        chunk_size = max(1, int(recorder.sample_rate * self._chunk_ms / 1000))
        async with self._changing:
            if recorder.get_status() == "paused":
                await self._devices.call(recorder.record, self._on_chunk, chunk_size)

    def _on_chunk(self, chunk: Chunk) -> None:
        """Send one chunk of the microphone. Thread: the recorder's delivery thread."""
        samples = self._echo.hear(chunk, self._mode == "vad")
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
