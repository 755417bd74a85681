"""VoiceSession: joins a client, a microphone and a loudspeaker.

microphone.py passes the microphone's chunks to the client. Audio of answers goes from a handler of the client into
the player. When the user begins to speak, the player tells to the sample what was heard, and the server is told;
interruption.py decides whether that is due. echo.py handles what the microphone hears of the loudspeaker.

Thread: the event loop's, except the microphone callback, which runs on the recorder's delivery thread. Calls that
open, drain or close a device run in daemon threads of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..background import describe, start
from ..client.client import RealtimeClient
from ..client.home_loop import HomeLoop, any_thread
from ..errors import StateError
from ..events import CloseEvent, ErrorEvent, InterruptedEvent, ItemUpdatedEvent
from ..protocol.numbers import not_negative
from ..voice_events import EchoAction, IdleEvent
from .cuts import Cuts
from .detection import TurnDetection
from .devices import Devices, Player, Receipt, Recorder, check_rate, make_player, one_by_one
from .echo import EchoControl, EchoMode, check_echo
from .ending import Ending
from .handlers import Handlers
from .idle import IdleWatch
from .microphone import Microphone
from .options import InterruptMode, Mode, check_interrupt, check_mode, check_spec
from .timing import FirstSampleWatch
from .volume import Loudness

if TYPE_CHECKING:
    from .interruption import Interruptions

__all__ = ["CHUNK_MS", "VoiceSession"]

# On average the end of a turn waits for half a chunk. Compared with 20 ms this costs 50 more messages a second,
# which is 1 % of a core.
CHUNK_MS = 10


# More than 20 attributes: one for each part that it joins.
class VoiceSession:
    """A spoken conversation: sends the microphone, plays the answers, handles interruptions.

    It emits ``voice.cut`` (`CutEvent`), ``interruption.false`` (`FalseInterruptionEvent`), ``voice.echo`` (`EchoEvent`) and
    ``voice.idle`` (`IdleEvent`) through the client, and adds ``first_sample`` to the client's ``timings``.

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
    interrupt : "cut" or "duck"
        What speech over an answer does under vad. "cut": the answer stops when the server hears speech. "duck": it is
        lowered by 20 dB then; it stops, exactly as with "cut", when the speech lasts (0.21 seconds) or words of it come,
        and otherwise it returns, with ``interruption.false``. The session then sets ``interrupt_response`` and
        ``create_response`` of the turn detection to false, and requests the answers itself; `stop` takes that back.
    device : None, str, int, DeviceInfo, OfflineDevice, DuplexDevice or RemoteDevice, optional
        Device of the recorder and the player that the session makes, as for ``device=`` of `wavtools.WavRecorder`.
    input, output : optional
        The same for only one of the two.
    idle_timeout : float, optional
        Seconds without anybody speaking, user or model, after which the session emits ``voice.idle`` and stops.
    on_chunk : callable, optional
        A plain function that gets every `wavtools.AudioChunk` of the microphone, echo cancelled, muted or not. Thread: the
        recorder's delivery thread. What it raises is reported as ``error``, once, and recording goes on.
    fade_ms : float
        Fade of an interrupted answer in milliseconds. The offset stays exact.
    chunk_ms : float
        Milliseconds of audio in one message. Larger chunks make fewer messages and later answers.

    Attributes
    ----------
    unplayed_samples : int
        Samples of answers that were dropped because the player's queue was full.

    Raises
    ------
    TypeError
        an *on_chunk* that is no plain function
    ValueError
        a mode, echo or interrupt that does not exist, a time that is no number, a device beside a recorder of yours

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
        interrupt: InterruptMode = "cut",
        device: Any = None,
        input: Any = None,
        output: Any = None,
        idle_timeout: float | None = None,
        on_chunk: Callable[[Any], object] | None = None,
        fade_ms: float = 0.0,
        chunk_ms: float = CHUNK_MS,
    ) -> None:
        self.client = client
        self.recorder = recorder
        self.player = player
        self.fade_ms = not_negative(fade_ms, "fade_ms")
        self.unplayed_samples = 0
        self._mode = None if mode is None else check_mode(mode)
        self._started = False
        self._talking = False
        self._first_sample = FirstSampleWatch(client, self._failed)
        self._handlers = Handlers(
            client,
            {
                "conversation.updated": self._on_updated,
                "conversation.interrupted": self._on_interrupted,
                "close": self._on_close,
            },
        )
        self._closing: asyncio.Task[None] | None = None
        # Closes everything, whoever called `stop` and whatever becomes of the caller.
        self._stopping: asyncio.Task[None] | None = None
        self._ending: Ending | None = None
        self._devices = Devices(
            check_spec("input", input, "recorder", recorder, device),
            check_spec("output", output, "player", player, device),
        )
        self._echo = EchoControl(
            check_echo(echo), self._devices, lambda event: client.emit("voice.echo", event), self._failed
        )
        self._microphone = Microphone(
            client, self._devices, chunk_ms, self._echo.hear, on_chunk, self._failed
        )
        self._loudness = Loudness()
        self._cuts = Cuts(client, self._failed)
        ducks = check_interrupt(interrupt) == "duck"
        self._detection = TurnDetection(client, ours=ducks)
        self._interruptions: Interruptions | None = None
        if ducks:
            from .interruption import Interruptions

            self._interruptions = Interruptions(
                client, self._detection, self._microphone, self._loudness, self.interrupt, self._cuts.flush
            )
        self._idle = IdleWatch(idle_timeout, self._somebody_speaks, self._on_idle, self._failed)

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
        player = self.player = self.player or make_player(client.output_sample_rate, self._devices.output)
        recorder = self.recorder = self.recorder or self._echo.make_recorder(client.input_sample_rate, player)
        check_rate("player", player.sample_rate, client.output_sample_rate)
        check_rate("recorder", recorder.sample_rate, client.input_sample_rate)
        self._mode = self._detection.begin(self._mode)
        self._handlers.add()
        self._first_sample.reset()
        client.playback = lambda: self._devices.played(player)
        self._loudness.player = player
        if self._interruptions is not None:
            self._interruptions.open(recorder.sample_rate)
        self._started, self._ending = True, Ending()
        try:
            await self._devices.call(player.connect)
            if not client.is_connected():
                await client.connect()
            await self._devices.call(recorder.begin)
            self._echo.open(recorder, player)
            if self._mode == "vad":
                await self._record()
            self._idle.begin()
        except BaseException:
            try:
                await self.stop()
            except Exception:
                # It was reported. What made the start fail says more.
                pass
            raise

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
        assert recorder is not None and player is not None and self._ending is not None
        client.playback = None
        self._first_sample.cancel()
        self._echo.close()
        self._cuts.close()
        self._idle.close()
        if self._interruptions is not None:
            self._interruptions.close()

        def end_recording() -> None:
            if recorder.get_status() != "ended":
                recorder.end()

        try:
            # The microphone first: chunks without a connection would be counted as dropped.
            await one_by_one(
                self._devices.close("microphone", end_recording),
                client.disconnect(),
                self._devices.close("output", player.disconnect),
            )
        finally:
            self._handlers.remove()
            self._detection.end()
            self._loudness.player = None
            self._ending.stopped()

    async def wait_until_ended(self) -> None:
        """Wait until the session has stopped: by `stop`, or by its ``idle_timeout``. Cancel-safe.

        Raises StateError if not started, ConnectionLostError if the connection has ended for good.
        """
        if self._ending is None:
            raise StateError("the voice session has not started: call start() first")
        await self._ending.wait()

    async def __aenter__(self) -> VoiceSession:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
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
        check_mode(mode)
        recorder = self._need_started()
        if mode == self._mode:
            return
        if mode == "manual":
            self._detection.remember()
            self._mode = mode
            await self._microphone.pause(recorder)
            if self._interruptions is not None:
                self._interruptions.reset()
            self._detection.set_manual()
            # The server still holds the silence of the room, which is no part of the next turn.
            self.client.clear_input_audio()
        else:
            if self._talking:
                await self.release()
            self._mode = mode
            self._detection.set_vad()
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
        await self._microphone.pause(recorder)
        if not send:
            if self.client.is_connected():
                self.client.clear_input_audio()
            return False
        self._cuts.flush()
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
        self._cuts.flush()
        return self.client.send_user_message_content(text)

    def mute(self, muted: bool = True) -> None:
        """Mute or unmute the microphone. Under VAD the server gets silence meanwhile, so that turns still end."""
        self._microphone.muted = muted

    @property
    def muted(self) -> bool:
        """True while the microphone is muted."""
        return self._microphone.muted

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
        player = self.player
        assert player is not None
        receipt: Receipt | None = player.interrupt(self.fade_ms) if self.fade_ms else player.interrupt()
        self._echo.cut()
        self._loudness.stopped(self.fade_ms)
        if receipt is not None:
            self._cuts.tell(receipt)
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
            self._loudness.queued(item.id, len(delta.audio))
        self._first_sample.watch(self.player, item.id)

    def _on_interrupted(self, event: InterruptedEvent) -> None:
        if self.client.server_interrupts():
            self.client.drop_response()
            self._cut()
        elif self._interruptions is not None and self._mode == "vad":
            self._interruptions.speech_started(event)

    def _on_close(self, event: CloseEvent) -> None:
        if event.error and self._started and self._ending is not None:
            # The connection has ended for good.
            self._talking = False
            self._ending.lost(event)
            pausing = self._microphone.pause(self._need_started())
            self._closing = start(pausing, "pausing the microphone", self._failed)

    def _somebody_speaks(self) -> bool:
        client = self.client
        return self._talking or client.conversation.input.speaking or client.busy or self._loudness.playing

    def _on_idle(self, seconds: float) -> None:
        self.client.emit("voice.idle", IdleEvent(seconds))
        start(self.stop(), "stopping the idle voice session", self._failed)

    def _failed(self, name: str, error: BaseException) -> None:
        """Tell the application that a background task or its own function ended by an exception."""
        self.client.report_error(ErrorEvent(f"{name} failed: {describe(error)}", "voice", exception=error))

    # The microphone

    async def _record(self) -> None:
        assert self.recorder is not None
        await self._microphone.record(self.recorder, vad=self._mode == "vad")

    def _need_started(self) -> Recorder:
        if not self._started or self.recorder is None:
            raise StateError("the voice session has not started: call start() first")
        return self.recorder
