"""Call: what the console does. Joins the session model with a client, a microphone and a speaker; no user interface.

A view calls its methods and draws its model. None of them raises for anything that the user or the world can do
wrong: that becomes a notice in the model, and the call goes on.

Thread: the event loop's; devices open and close in threads.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import PROGRAM
from .endpoint import Endpoint
from .errors import UserError
from .keys import Key, check_key, save_key
from .playback import Playback
from .session import SILENCE, Level, Place, SessionModel
from .settings import Settings
from .text import one_line
from .tools import GET_WEATHER, SET_MEMORY, Memory, get_weather, weather_is_offline

if TYPE_CHECKING:  # NumPy, wavtools and realtime are imported in a thread, with the screen already there
    from .audio import Microphone, Speaker
    from .echo import EchoDetector

__all__ = ["Call"]

FADE_MS = 10.0
ECHO_LOOK_SECONDS = 0.5


class Call:
    """One conversation after another with one endpoint."""

    def __init__(
        self, settings: Settings, endpoint: Endpoint | None = None, fetch_weather: Any = None
    ) -> None:
        self.settings = settings
        self.endpoint = endpoint or Endpoint(offline=settings.offline, url=settings.url, model=settings.model)
        self.model = SessionModel()
        self.model.mode = "vad" if settings.mode == "vad" else "manual"
        self.microphone_bars = self.speaker_bars = SILENCE
        self.microphones: list[Any] = []
        self.speakers: list[Any] = []
        self.client: Any = None
        self._voice: Any = None
        self._microphone: Microphone | None = None
        self._speaker: Speaker | None = None
        self._input, self._output = settings.input, settings.output
        self._playback = Playback(self.model)
        self._memory = Memory()
        self._fetch_weather = fetch_weather
        self._echo: EchoDetector | None = None
        self._echo_looked = 0.0
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._describe()

    def _describe(self) -> None:
        self.model.endpoint = one_line(self.endpoint.name, 60)
        self.model.key_source = self.endpoint.key.source if self.endpoint.key else "none"
        self.model.microphone = one_line(self._input or "default", 120)
        self.model.speaker = one_line(self._output or "default", 120)
        self.model.revision += 1

    # Connection

    async def connect(self) -> bool:
        """Open a session; False, and a notice, where that failed. Nothing stays half open."""
        async with self._changing:
            if self._voice is not None:
                return True
            model = self.model
            model.set_state("connecting")
            self._describe()
            await asyncio.to_thread(importlib.import_module, "realtime")
            from realtime import VoiceSession
            from realtime.errors import RealtimeError

            if self.endpoint.offline:
                model.notice("info", "starting the offline server: no key, no network (a: enter one)")
            session = {"voice": self.settings.voice} if self.settings.voice else {}
            try:
                client = await self.endpoint.make_client(**session)
                self._make_devices(client)
                self._listen(client)
                voice = VoiceSession(
                    client, self._microphone, self._speaker, mode=model.mode, fade_ms=FADE_MS
                )
                model.transcript.divide(
                    "a new session: the server knows nothing of what is above", time.time()
                )
                await voice.start()
            except (RealtimeError, UserError, OSError, ValueError) as error:
                self.client = None
                model.set_state("disconnected")
                model.notice("error", f"cannot connect: {error}")
                return False
            self.client, self._voice = client, voice
            model.on_session(client.session)
            model.set_state("connected")
            self._note_devices()
            if not model.microphone_problem and not model.speaker_problem:
                how = "speak" if model.mode == "vad" else "hold or tap space and speak"
                model.notice("info", f"connected: {how}, or type")
            return True

    async def disconnect(self) -> None:
        """Close the session and the devices. The conversation, the events and the memory stay."""
        async with self._changing:
            voice, self._voice = self._voice, None
            if voice is not None:
                await voice.stop()
            self.client = None
            for row in self.model.transcript:
                row.live = False
            if self.model.state != "disconnected":
                self.model.set_state("disconnected")
            self.microphone_bars = self.speaker_bars = SILENCE

    async def toggle_connection(self) -> None:
        if self._voice is not None:
            await self.disconnect()
            self.model.notice("info", "disconnected")
        else:
            await self.connect()

    async def close(self) -> None:
        """Everything, at the end of the program."""
        for task in tuple(self._tasks):
            task.cancel()
        await self._playback.stop()
        await self.disconnect()
        await self.endpoint.close()

    def _make_devices(self, client: Any) -> None:
        from .audio import Microphone, Speaker
        from .echo import EchoDetector

        loop = asyncio.get_running_loop()

        def on_event(event: Any) -> None:  # on the device's supervisor thread
            loop.call_soon_threadsafe(self._on_device, event)

        speaker = Speaker(client.output_sample_rate, self._output, on_event=on_event)
        self._speaker = speaker
        self._microphone = Microphone(
            client.input_sample_rate,
            self._input,
            on_event=on_event,
            muted=lambda: self.model.half_duplex and speaker.is_audible(),
        )
        self._echo = EchoDetector(client.input_sample_rate)

    def _listen(self, client: Any) -> None:
        model = self.model
        for name, handler in (
            ("realtime.event", model.on_wire),
            ("conversation.item.appended", model.on_updated),
            ("conversation.updated", model.on_updated),
            ("conversation.item.ended", model.on_updated),
            ("conversation.item.deleted", model.on_deleted),
            ("voice.cut", model.on_cut),
            ("usage", model.on_usage),
            ("connection.changed", self._on_connection),
            ("error", model.on_error),
            ("response.failed", model.on_failed),
            ("timings", lambda event: model.on_timings(event, time.time(), time.monotonic())),
            ("server.session.updated", lambda event: model.on_session(client.session)),
            ("server.response.created", lambda event: self._set_answering(True)),
            ("server.response.done", lambda event: self._set_answering(False)),
            ("close", self._on_close),
        ):
            client.on(name, handler)
        client.add_tool(GET_WEATHER, self._weather)
        client.add_tool(SET_MEMORY, self._remember)

    def _set_answering(self, answering: bool) -> None:
        self.model.answering = answering
        self.model.revision += 1

    def _on_connection(self, event: Any) -> None:
        if self._voice is not None:  # connect() says itself when all of it, the devices too, is ready
            self.model.on_connection(event)

    def _on_close(self, event: Any) -> None:
        if event.error and self._voice is not None:
            said = f": {event.reason}" if event.reason else ""
            self.model.notice(
                "error", f"the server closed the connection ({event.code}){said}; press c to connect"
            )
            self._spawn(self.disconnect())

    # Talking

    async def set_mode(self, mode: str) -> None:
        """ "manual" or "vad", at any time; what was being said is sent."""
        self.model.mode = "vad" if mode == "vad" else "manual"
        self.model.set_talking(False)
        if self._voice is not None:
            await self._guarded(self._voice.set_mode(self.model.mode))
        self.model.notice("info", f"{self.model.mode}: {'just speak' if mode == 'vad' else 'space talks'}")

    async def toggle_mode(self) -> None:
        await self.set_mode("manual" if self.model.mode == "vad" else "vad")

    async def talk(self) -> None:
        """Open the microphone; the answer that plays is cut."""
        if self._refuse("talk"):
            return
        await self._playback.stop()
        self.model.set_talking(True)
        await self._guarded(self._voice.talk())

    async def release(self) -> None:
        """Close the microphone and ask for an answer."""
        if not self.model.talking:
            return
        self.model.set_talking(False)
        if self._voice is not None:
            await self._guarded(self._voice.release())

    async def cancel_talk(self) -> None:
        """Close the microphone and throw away what was said."""
        if not self.model.talking:
            return
        self.model.set_talking(False)
        if self._voice is not None:
            await self._guarded(self._voice.release(send=False))
        self.model.notice("info", "cancelled: nothing was sent")

    async def interrupt(self) -> None:
        """Stop what plays: a replay, or the answer."""
        if self.model.playing is not None:
            await self._playback.stop()
        elif not self._refuse("interrupt"):
            self._voice.interrupt()

    def send_text(self, text: str) -> bool:
        """Say *text* by typing; whether it could be sent."""
        if not text.strip() or self._refuse("text"):
            return False
        try:
            self._voice.send_text(text.strip())
        except RuntimeError as error:  # the connection has just gone
            self.model.notice("error", str(error))
            return False
        return True

    def set_half_duplex(self, on: bool) -> None:
        """Close the microphone while the speaker is heard."""
        self.model.half_duplex = on
        if on:
            self.model.echo = False
        self.model.notice(
            "info",
            "half-duplex: the microphone is closed while the speaker is heard; x interrupts"
            if on
            else "full duplex: you can interrupt by speaking",
        )

    def mute(self, muted: bool) -> None:
        """Send silence instead of what the microphone hears."""
        self.model.muted = muted
        if self._voice is not None:
            self._voice.mute(muted)
        self.model.notice("info", "microphone muted" if muted else "microphone live")

    def is_audible(self) -> bool:
        """Whether an answer is being played."""
        return self._speaker is not None and self._voice is not None and self._speaker.is_audible()

    # The conversation

    async def play(self) -> None:
        """Replay the selected item, or stop doing so."""
        row = self.model.selection
        if self.model.playing is not None and row is not None and self.model.playing == row.id:
            await self._playback.stop()
        elif row is not None and not self._refuse("play"):
            await self._guarded(self._playback.start(row, self._output))
        elif row is None:
            self._refuse("play")

    async def delete(self) -> None:
        """Delete the selected item, here and on the server."""
        row = self.model.selection
        if row is None or self._refuse("delete"):
            self._refuse("delete")
            return
        if self.model.playing == row.id:
            await self._playback.stop()
        if row.live and self.client is not None and self.client.is_connected():
            self.client.delete_item(row.id)  # it goes when the server confirms
        else:
            self.model.forget(row.id)

    async def save(self) -> Path | None:
        """Write the session to a folder of its own; None, and a notice, where that failed."""
        from .session_files import Snapshot, save_session

        try:
            folder = await asyncio.to_thread(save_session, Snapshot(self.model), Path(self.settings.sessions))
        except UserError as error:
            self.model.notice("error", str(error))
            return None
        self.model.notice("info", f"saved: {folder} (replay it with: {PROGRAM} replay {folder})")
        return folder

    # The key

    async def use_key(self, value: str, keep: bool) -> bool:
        """Take a key that the user has typed, and connect again with it."""
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
        """Change the microphone, now if a session runs; one that does not open changes nothing."""
        return await self._use(
            self._microphone if self._voice else None, "_input", device, name, "microphone"
        )

    async def use_speaker(self, device: str | None, name: str) -> bool:
        """Change the speaker; an answer goes on where it was."""
        return await self._use(self._speaker if self._voice else None, "_output", device, name, "speaker")

    async def _use(
        self, stream: Microphone | Speaker | None, attribute: str, device: str | None, name: str, noun: str
    ) -> bool:
        from wavtools import DeviceError

        if stream is not None:
            try:
                await asyncio.to_thread(stream.switch, device)
            except DeviceError as error:
                self.model.notice("error", f"the {noun} stays as it is: {error}")
                return False
        setattr(self, attribute, device)
        setattr(self.model, noun, one_line(name, 120))
        self._note_devices()
        self.model.notice("info", f"{noun}: {name}")
        return True

    def _note_devices(self) -> None:
        for noun, stream in (("microphone", self._microphone), ("speaker", self._speaker)):
            problem = one_line(stream.problem, 200) if stream is not None else ""
            setattr(self.model, f"{noun}_problem", problem)
            if problem:
                rest = "typing works" if noun == "microphone" else "answers are shown, not heard"
                self.model.notice("warning", f"no {noun}: {problem}; {rest}")

    def _on_device(self, event: Any) -> None:
        self.model.events.add(
            time.time(),
            "device",
            {"type": f"device.{event.kind}", "device": event.device, "reason": event.reason},
        )
        level: Level = "warning" if event.kind in ("lost", "suspended") else "info"
        self.model.notice(level, f"device {event.kind}: {event.device or ''} {event.reason}".strip())

    # Tools

    async def _weather(
        self, lat: Any = None, lng: Any = None, location: Any = "", **_: Any
    ) -> dict[str, Any]:
        fetch = self._fetch_weather or (weather_is_offline if self.endpoint.offline else get_weather)
        place = Place(name=one_line(location, 60), state="asking ...")
        good = all(
            isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= limit
            for value, limit in ((lat, 90), (lng, 180))
        )
        if good:
            place.latitude, place.longitude = float(lat), float(lng)
            self.model.place = place  # the marker moves at once, as in the original
            self.model.revision += 1
        result: dict[str, Any] = await fetch(lat=lat, lng=lng, location=location)
        if "error" in result:
            place.state = f"no weather: {one_line(result.get('message', result['error']), 120)}"
        else:
            place.state = ""
            place.temperature, place.wind = result["temperature_celsius"], result["wind_speed_kmh"]
        self.model.revision += 1
        return result

    async def _remember(self, **arguments: Any) -> dict[str, Any]:
        result = await self._memory.set(**arguments)
        self.model.remember(self._memory.entries)
        return result

    # The clock

    def tick(self) -> None:
        """Twenty times a second: bars, positions, echo. Costs nothing while there is nothing."""
        if self._playback.tick():
            self._spawn(self._playback.stop())
        live = self._voice is not None
        audible = self.model.half_duplex and self.is_audible()
        if audible != self.model.audible:
            self.model.audible = audible
            self.model.revision += 1
        if live and self._microphone is not None:
            # The spectrum is live even while nothing is sent; the bars say what is sent.
            sending = self.model.talking or self.model.mode == "vad"
            self.microphone_bars = self._microphone.get_bars() if sending else SILENCE
        if self.model.playing is not None:
            self.speaker_bars = self._playback.get_bars()
        elif live and self._speaker is not None:
            self.speaker_bars = self._speaker.get_bars()
            self._watch_for_echo()
        else:
            self.speaker_bars = SILENCE

    def _watch_for_echo(self) -> None:
        model, now = self.model, time.monotonic()
        if (
            model.mode != "vad"
            or model.echo
            or model.half_duplex
            or now - self._echo_looked < ECHO_LOOK_SECONDS
        ):
            return
        self._echo_looked = now
        if self._speaker is not None and self._speaker.is_audible():
            self._spawn(self._look_for_echo())

    async def _look_for_echo(self) -> None:
        echo, microphone, speaker = self._echo, self._microphone, self._speaker
        if echo is None or microphone is None or speaker is None:
            return
        if await asyncio.to_thread(echo.look, speaker.tape.read(), microphone.tape.read()):
            self.model.echo = True
            self.model.notice(
                "warning", "your speakers are being heard: use headphones, or press e for half-duplex"
            )

    # Private

    def _refuse(self, action: str) -> bool:
        """Tell the user why *action* cannot be done; False if it can."""
        reason = self.model.why_not(action)
        if reason is not None:
            self.model.notice("warning", reason)
        return reason is not None

    async def _guarded(self, action: Any) -> None:
        from realtime.errors import RealtimeError
        from wavtools import WavtoolsError

        try:
            await action
        except (RealtimeError, WavtoolsError) as error:
            self.model.notice("error", str(error))

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
