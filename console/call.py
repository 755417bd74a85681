"""Call: joins the session model with a client, a microphone and a speaker, and does what a view asks for.

It has no user interface: a view calls its methods and draws its model. Mistakes of the user and failures of network
or devices raise nothing: they become notices in the model, and the call goes on.

Thread: the event loop's; devices open and close in threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import BROWSER_HINT
from .echo_choice import EchoChoice
from .endpoint import Endpoint
from .errors import UserError
from .keys import Key, check_key, save_key
from .model_tools import FetchWeather, ModelTools
from .playback import Playback
from .saving import Saver
from .session import SessionModel
from .settings import Settings
from .state import SILENCE, DeviceState, Level
from .text import one_line

# NumPy, wavtools and realtime are imported when they are needed, so that the screen comes first
if TYPE_CHECKING:
    from .audio import Microphone, Speaker

__all__ = ["Call"]

FADE_MS = 10.0


class Call:
    """Conversations with one endpoint, one after another.

    Parameters
    ----------
    settings : Settings
        What the user asked for.
    endpoint : Endpoint, optional
        Makes the clients. Default: as the settings say.
    fetch_weather : callable, optional
        Replaces the weather service.

    Attributes
    ----------
    model : SessionModel
        What views show.
    microphone_bars, speaker_bars : tuple of float
        BANDS levels between 0 and 1.
    microphones, speakers : list
        Devices found by `refresh_devices`.
    client : RealtimeClient or None
        The client of the session; None while disconnected.
    saver : Saver
        Saves the session while it happens, if the settings say where.
    """

    def __init__(
        self,
        settings: Settings,
        endpoint: Endpoint | None = None,
        fetch_weather: FetchWeather | None = None,
    ) -> None:
        self.settings = settings
        self.endpoint = endpoint or Endpoint.of(settings)
        self.model = SessionModel()
        self.model.talk.mode = "vad" if settings.mode == "vad" else "manual"
        self.microphone_bars = self.speaker_bars = SILENCE
        self.microphones: list[Any] = []
        self.speakers: list[Any] = []
        self.client: Any = None
        self._voice: Any = None
        self._microphone: Microphone | None = None
        self._speaker: Speaker | None = None
        self._input, self._output = settings.input, settings.output
        self._playback = Playback(self.model)
        self.saver = Saver(self.model, Path(settings.save_to) if settings.save_to else None)
        self._tools = ModelTools(self.model)
        self._fetch_weather = fetch_weather
        self._echo = EchoChoice(self.model)
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._describe()

    def _describe(self) -> None:
        self.endpoint.describe(self.model.server)
        self.model.microphone.name = one_line(self._input or "default", 120)
        self.model.speaker.name = one_line(self._output or "default", 120)
        self.model.revision += 1

    # Connection

    async def connect(self) -> bool:
        """Open a session. If that fails, close everything, tell the user and return False."""
        async with self._changing:
            if self._voice is not None:
                return True
            model = self.model
            model.set_state("connecting")
            await asyncio.to_thread(importlib.import_module, "realtime")
            from realtime import VoiceSession

            if self.endpoint.offline:
                model.notice("info", "starting the offline server: no key, no network (a: enter one)")
            session = {"voice": self.settings.voice} if self.settings.voice else {}
            try:
                client = await self.endpoint.make_client(**session)
                self._describe()
                self._make_devices(client)
                self._listen(client)
                voice = VoiceSession(
                    client,
                    self._microphone,
                    self._speaker,
                    mode=model.talk.mode,
                    echo=model.talk.echo,
                    interrupt=self.settings.interrupt,
                    fade_ms=FADE_MS,
                )
                model.transcript.divide(
                    "a new session: the server does not know the items above", time.time()
                )
                await voice.start()
            except Exception as error:
                # Whatever it is: the user may change something and try again
                self.client = None
                model.set_state("disconnected")
                model.notice("error", f"cannot connect: {error or type(error).__name__}")
                return False
            self.client, self._voice = client, voice
            self._echo.show(voice.echo)
            model.on_session(client.session)
            model.set_state("connected")
            self._note_devices()
            if not model.microphone.problem and not model.speaker.problem:
                how = "speak" if model.talk.mode == "vad" else "hold or tap space and speak"
                model.notice("info", f"connected: {how}, or type")
            return True

    async def disconnect(self) -> None:
        """Close the session and the devices; keep the conversation, the events and the memory."""
        async with self._changing:
            voice, self._voice = self._voice, None
            if voice is not None:
                await voice.stop()
            self.client = None
            self._echo.show("off")
            for row in self.model.transcript:
                row.live = False
            if self.model.state != "disconnected":
                self.model.set_state("disconnected")
            self.microphone_bars = self.speaker_bars = SILENCE

    async def toggle_connection(self) -> None:
        """Connect, or disconnect."""
        if self._voice is not None:
            await self.disconnect()
            self.model.notice("info", "disconnected")
        else:
            await self.connect()

    async def close(self) -> None:
        """Stop and close everything, at the end of the program."""
        for task in tuple(self._tasks):
            task.cancel()
        await self._playback.stop()
        await self.disconnect()
        await self.saver.close()
        await self.endpoint.close()

    def _make_devices(self, client: Any) -> None:
        from .audio import Microphone, Speaker

        loop = asyncio.get_running_loop()

        # Thread: the supervisor of the device
        def on_event(event: Any) -> None:
            # A closed loop: the program has ended
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._on_device, event)

        speaker = Speaker(client.output_sample_rate, self._output, on_event=on_event)
        self._speaker = speaker
        self._microphone = Microphone(
            client.input_sample_rate,
            self._input,
            on_event=on_event,
            speaker=speaker,
            on_both=self.saver.on_both if self.saver.saves else None,
        )

    def _listen(self, client: Any) -> None:
        model = self.model
        if not self.endpoint.is_new(client):
            return
        for name, handler in (
            ("realtime.event", model.on_wire),
            ("conversation.item.appended", model.on_updated),
            ("conversation.updated", model.on_updated),
            ("conversation.item.ended", model.on_updated),
            ("conversation.item.deleted", model.on_deleted),
            ("voice.cut", model.on_cut),
            ("voice.echo", model.on_echo),
            ("interruption.false", lambda event: model.notice("info", "no speech: the answer goes on")),
            ("usage", model.on_usage),
            ("connection.changed", self._on_connection),
            ("error", model.on_error),
            ("response.failed", model.on_failed),
            ("timings", lambda event: model.on_timings(event, time.time(), time.monotonic())),
            ("server.session.updated", lambda event: model.on_session(client.session)),
            ("server.response.created", lambda event: self._set_answering(True)),
            ("server.response.done", self._on_response_done),
            ("close", self._on_close),
        ):
            client.on(name)(handler)
        self.endpoint.offer(self._tools, client, self._fetch_weather)

    def _set_answering(self, answering: bool) -> None:
        self.model.answering = answering
        self.model.revision += 1

    def _on_response_done(self, event: Any) -> None:
        self._set_answering(False)
        self.model.on_response_done(event)

    def _on_connection(self, event: Any) -> None:
        # The first "connected" is left to connect(): it waits for the devices too
        if self._voice is not None:
            self.model.on_connection(event)

    def _on_close(self, event: Any) -> None:
        if event.error and self._voice is not None:
            reason = f": {event.reason}" if event.reason else ""
            self.model.notice(
                "error", f"the server closed the connection ({event.code}){reason}; press c to connect"
            )
            self._spawn(self.disconnect())

    # Talking

    async def set_mode(self, mode: str) -> None:
        """Change to "manual" or "vad"; speech that is under way is sent."""
        self.model.talk.mode = "vad" if mode == "vad" else "manual"
        self.model.set_talking(False)
        if self._voice is not None:
            await self._guarded(self._voice.set_mode(self.model.talk.mode))
        self.model.notice(
            "info", f"{self.model.talk.mode}: {'just speak' if mode == 'vad' else 'space talks'}"
        )

    async def toggle_mode(self) -> None:
        """Change to the other mode."""
        await self.set_mode("manual" if self.model.talk.mode == "vad" else "vad")

    async def talk(self) -> None:
        """Open the microphone; an answer that plays is interrupted."""
        if self._refuse("talk"):
            return
        await self._playback.stop()
        # The connection may have ended meanwhile
        if self._voice is not None:
            self.model.set_talking(True)
            await self._guarded(self._voice.talk())

    async def release(self) -> None:
        """Close the microphone and ask for an answer."""
        if not self.model.talk.active:
            return
        self.model.set_talking(False)
        if self._voice is not None:
            await self._guarded(self._voice.release())

    async def cancel_talk(self) -> None:
        """Close the microphone and discard what was said."""
        if not self.model.talk.active:
            return
        self.model.set_talking(False)
        if self._voice is not None:
            await self._guarded(self._voice.release(send=False))
        self.model.notice("info", "cancelled: nothing was sent")

    async def interrupt(self) -> None:
        """Stop the item that is played again, or else the answer."""
        if self.model.playback.item_id is not None:
            await self._playback.stop()
        elif not self._refuse("interrupt") and self._voice is not None:
            self._voice.interrupt()

    def send_text(self, text: str) -> bool:
        """Send typed text; True if it could be sent."""
        if not text.strip() or self._refuse("text") or self._voice is None:
            return False
        try:
            self._voice.send_text(text.strip())
        # The connection has just closed, or the text cannot be sent
        except (RuntimeError, TypeError, ValueError) as error:
            self.model.notice("error", str(error))
            return False
        return True

    def next_echo(self) -> None:
        """Change what is done about the echo of the speaker: cancel it, close the microphone meanwhile, or nothing."""
        self._echo.next(self._voice)

    def mute(self, muted: bool) -> None:
        """Send silence instead of what the microphone hears, or stop doing so."""
        self.model.talk.muted = muted
        if self._voice is not None:
            self._voice.mute(muted)
        self.model.notice("info", "microphone muted" if muted else "microphone live")

    def is_audible(self) -> bool:
        """Return True while an answer is heard."""
        return self._speaker is not None and self._voice is not None and self._speaker.is_audible()

    # The conversation

    async def play(self) -> None:
        """Play the selected item again, or stop it."""
        row = self.model.selection
        if row is not None and self.model.playback.item_id == row.id:
            await self._playback.stop()
        elif not self._refuse("play") and row is not None:
            await self._guarded(self._playback.start(row, self._output))

    async def delete(self) -> None:
        """Delete the selected item, here and on the server."""
        row = self.model.selection
        if self._refuse("delete") or row is None:
            return
        if self.model.playback.item_id == row.id:
            await self._playback.stop()
        if row.live and self.client is not None and self.client.is_connected():
            # The row is removed when the server confirms
            self.client.delete_item(row.id)
        else:
            self.model.forget(row.id)

    async def save(self) -> Path | None:
        """Save the session in a new folder and return its path; None if that failed."""
        return await self.saver.keep(Path(self.settings.sessions))

    # The key

    async def use_key(self, value: str, keep: bool) -> bool:
        """Take a key that the user typed, for the next connection; True if it can be a key."""
        try:
            key = await asyncio.to_thread(save_key, value) if keep else Key(check_key(value), "this session")
        except UserError as error:
            self.model.notice("error", str(error))
            return False
        await self.disconnect()
        self.endpoint.key = key
        self._describe()
        self.model.notice(
            "info", f"the key is kept in: {key.source}" if keep else "the key is used until you quit"
        )
        return True

    # Devices

    async def refresh_devices(self) -> None:
        """List the microphones and speakers again."""
        await asyncio.to_thread(importlib.import_module, "wavtools.recorder")
        from wavtools import DeviceError, WavRecorder, WavStreamPlayer

        try:
            self.microphones = await asyncio.to_thread(WavRecorder.list_devices)
            self.speakers = await asyncio.to_thread(WavStreamPlayer.list_devices)
        except DeviceError as error:
            self.microphones, self.speakers = [], []
            self.model.notice("warning", str(error))
        self.model.revision += 1

    async def use_microphone(self, device: str | None, name: str) -> bool:
        """Change the microphone, at once if a session runs; if it does not open, keep the old one."""
        stream = self._microphone if self._voice is not None else None
        if not await self._switch(stream, device, name, "microphone", self.model.microphone):
            return False
        self._input = device
        return True

    async def use_speaker(self, device: str | None, name: str) -> bool:
        """Change the speaker; an answer goes on where it was."""
        stream = self._speaker if self._voice is not None else None
        if not await self._switch(stream, device, name, "speaker", self.model.speaker):
            return False
        self._output = device
        return True

    async def _switch(
        self,
        stream: Microphone | Speaker | None,
        device: str | None,
        name: str,
        noun: str,
        state: DeviceState,
    ) -> bool:
        from wavtools import DeviceError

        if stream is not None:
            try:
                await asyncio.to_thread(stream.switch, device)
            except DeviceError as error:
                self.model.notice("error", f"the {noun} stays as it is: {error}")
                return False
            self._echo.apply(self._voice)
        state.name = one_line(name, 120)
        self._note_devices()
        self.model.notice("info", f"{noun}: {name}")
        return True

    def _note_devices(self) -> None:
        for noun, stream, state, rest in (
            ("microphone", self._microphone, self.model.microphone, f"typing works; {BROWSER_HINT}"),
            ("speaker", self._speaker, self.model.speaker, "answers are shown, not heard"),
        ):
            state.problem = one_line(stream.problem, 200) if stream is not None else ""
            if state.problem:
                self.model.notice("warning", f"no {noun}: {state.problem}; {rest}")

    def _on_device(self, event: Any) -> None:
        self.model.events.add(
            time.time(),
            "device",
            {"type": f"device.{event.kind}", "device": event.device, "reason": event.reason},
        )
        level: Level = "warning" if event.kind in ("lost", "suspended") else "info"
        self.model.notice(level, f"device {event.kind}: {event.device or ''} {event.reason}".strip())

    # Time

    def tick(self) -> None:
        """Bring bars, positions and echo up to date. Views call it twenty times a second; idle, it costs nothing."""
        if self._playback.tick():
            self._spawn(self._playback.stop())
        sounding = self.is_audible()
        audible = self.model.talk.half_duplex and sounding
        if audible != self.model.talk.speaker_heard:
            self.model.talk.speaker_heard = audible
            self.model.revision += 1
        if self._voice is not None and self._microphone is not None:
            self._echo.measure(self._microphone)
            # The device delivers a spectrum at all times; the bars show only what is sent
            sending = self.model.talk.active or self.model.talk.mode == "vad"
            self.microphone_bars = self._microphone.get_bars() if sending else SILENCE
        if self._voice is not None and self._speaker is not None:
            self.model.on_played(self._speaker.get_track_sample_offset(), time.time())
        if self.model.playback.item_id is not None:
            self.speaker_bars = self._playback.get_bars()
        elif sounding and self._speaker is not None:
            self.speaker_bars = self._speaker.get_bars()
        else:
            self.speaker_bars = SILENCE

    # Helpers

    def _refuse(self, action: str) -> bool:
        """If *action* is impossible now, tell the user why and return True."""
        reason = self.model.why_not(action)
        if reason is not None:
            self.model.notice("warning", reason)
        return reason is not None

    async def _guarded(self, action: Awaitable[Any]) -> None:
        """Await *action*; its failure becomes a notice."""
        from realtime.errors import RealtimeError
        from wavtools import WavtoolsError

        try:
            await action
        except (RealtimeError, WavtoolsError) as error:
            self.model.notice("error", str(error))

    async def attempt(self, work: Awaitable[Any]) -> None:
        """Await what a view asked for; nobody foresaw an exception of it, so it becomes a notice and the call goes on."""
        try:
            await work
        except Exception as error:
            self.model.notice_failure(error)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(self.attempt(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
