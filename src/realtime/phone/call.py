"""PhoneCall: one telephone call, as providers stream it over a websocket (Twilio Media Streams and their like).

Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Any

from .. import background
from ..client.client import RealtimeClient
from ..errors import StateError
from ..events import CloseEvent, ErrorEvent, InterruptedEvent, ItemUpdatedEvent
from ..protocol.audio_format import AudioFormat, format_of
from ..protocol.numbers import not_negative
from ..protocol.reading import dict_of, text_of
from .marks import PhoneMarks

__all__ = ["PhoneCall"]

log = logging.getLogger("realtime")
RATE = 8000
# Of one piece of an answer: what a cut is exact to.
PIECE_MS = 20
# How providers name G.711 in the start frame, and how a session does.
ENCODINGS = {
    "audio/x-mulaw": "g711_ulaw",
    "audio/pcmu": "g711_ulaw",
    "pcmu": "g711_ulaw",
    "audio/x-alaw": "g711_alaw",
    "audio/pcma": "g711_alaw",
    "pcma": "g711_alaw",
}


class PhoneCall:
    """A caller and the model: speech both ways, and interruptions that cut exactly what the caller did not hear.

    Reads the frames ``start``, ``media``, ``mark``, ``dtmf`` and ``stop`` of the provider, and sends ``media``,
    ``mark`` and ``clear``; the audio is G.711 at 8000 Hz in base64. Each 20 ms of an answer have a mark, which the
    provider returns when the caller has heard them. Frames that cannot be read are dropped.

    Parameters
    ----------
    websocket : object
        The provider's connection, with the handshake done: of ``websockets``, Starlette or FastAPI (``accept()`` it
        first), or anything that has ``send(text)`` and is iterated.
    client : RealtimeClient, optional
        A client that is not connected, with G.711 in both directions; by default one is made of the options.
    on_digit : callable, optional
        ``on_digit(digit)`` for each key that the caller presses; plain or async.
    start_timeout : float
        Seconds until the provider must have sent ``start``.
    **options
        Of `RealtimeClient`: ``instructions``, ``voice``, ``url``, ``api_key``, ... Without ``turn_detection`` it is
        "server_vad".

    Attributes
    ----------
    client : RealtimeClient
        For tools, handlers and a greeting.
    stream_id, call_id : str
        The ids of the provider; "" before `start`.
    parameters : dict
        What the application gave the provider for this call.

    Raises
    ------
    TypeError
        a client beside options, an option that does not exist

    Examples
    --------
    >>> async def answer(websocket):                           # doctest: +SKIP
    ...     async with PhoneCall(websocket, instructions="Be brief.") as call:
    ...         call.client.send_user_message_content("Greet the caller.")
    ...         await call.wait_until_ended()
    """

    def __init__(
        self,
        websocket: Any,
        client: RealtimeClient | None = None,
        *,
        on_digit: Callable[[str], Any] | None = None,
        start_timeout: float = 10.0,
        **options: Any,
    ) -> None:
        if client is not None and options:
            raise TypeError(f"{next(iter(options))}= belongs to the client that is given: set it there")
        self._send_text: Callable[[str], Any] = getattr(websocket, "send_text", None) or websocket.send
        iter_text = getattr(websocket, "iter_text", None)
        self._frames: AsyncIterator[Any] = aiter(iter_text() if iter_text is not None else websocket)
        self.client = client or RealtimeClient(**{"turn_detection": "server_vad", **options})
        self._own_formats = (
            client is None and not {"input_audio_format", "output_audio_format", "audio"} & options.keys()
        )
        self._on_digit = on_digit
        self._start_timeout = not_negative(start_timeout, "start_timeout")
        self._format: AudioFormat = _known("g711_ulaw")
        self._marks = PhoneMarks(RATE * PIECE_MS // 1000)
        # The provider is to drop what it has not played; sent by the one task that sends, so that the order stays.
        self._clearing = False
        self._to_send = asyncio.Event()
        self._heard = asyncio.Event()
        self._ended = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.stream_id = self.call_id = ""
        self.parameters: dict[str, Any] = {}

    # The call

    async def start(self) -> None:
        """Wait for the provider's ``start``, and open the session.

        Raises
        ------
        StateError
            the provider hung up or sent no ``start`` in time, or the session has no G.711
        ConnectError, ConfigurationError
            as `RealtimeClient.connect`
        """
        try:
            await asyncio.wait_for(self._read_start(), self._start_timeout)
        except asyncio.TimeoutError:
            raise StateError(
                f"the provider sent no start frame within {self._start_timeout:g} s: is this its media stream?"
            ) from None
        client = self.client
        if self._own_formats:
            client.update_session(
                input_audio_format=self._format.beta_name, output_audio_format=self._format.beta_name
            )
        client.on("conversation.updated", self._on_updated)
        client.on("conversation.interrupted", self._on_interrupted)
        client.on("close", self._on_close)
        client.playback = self._played
        if not client.is_connected():
            await client.connect()
        if client.input_sample_rate != RATE or client.output_sample_rate != RATE:
            await client.disconnect()
            raise StateError(
                "the session has no G.711: set input_audio_format and output_audio_format to 'g711_ulaw'"
            )
        for work, name in ((self._read(), "phone: read"), (self._write(), "phone: write")):
            self._tasks.append(background.start(work, name, self._failed))

    async def wait_until_ended(self) -> None:
        """Wait until the caller has hung up, or the session has ended. Cancel-safe."""
        await self._ended.wait()

    async def stop(self) -> None:
        """Close the session. The provider's connection is the caller's of this class; to close it hangs up."""
        for task in self._tasks:
            task.cancel()
        self._ended.set()
        self._heard.set()
        self.client.playback = None
        await self.client.disconnect()

    async def run(self) -> None:
        """Hold the call from its start to its end."""
        async with self:
            await self.wait_until_ended()

    async def __aenter__(self) -> PhoneCall:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # From the provider

    async def _read_start(self) -> None:
        async for frame in self._frames:
            event = _event_of(frame)
            if event.get("event") == "start":
                start = dict_of(event.get("start"))
                self.stream_id = text_of(start.get("streamSid")) or text_of(event.get("streamSid")) or ""
                self.call_id = text_of(start.get("callSid")) or ""
                self.parameters = dict_of(start.get("customParameters"))
                encoding = text_of(dict_of(start.get("mediaFormat")).get("encoding")) or "audio/x-mulaw"
                if encoding.lower() not in ENCODINGS:
                    raise StateError(
                        f"the provider streams {encoding!r}: set it to G.711 (audio/x-mulaw) at 8000 Hz"
                    )
                self._format = _known(ENCODINGS[encoding.lower()])
                return
        raise StateError("the provider hung up before the call began")

    async def _read(self) -> None:
        try:
            async for frame in self._frames:
                event = _event_of(frame)
                kind = event.get("event")
                if kind == "media":
                    self._on_media(dict_of(event.get("media")))
                elif kind == "mark":
                    self._on_mark(text_of(dict_of(event.get("mark")).get("name")) or "")
                elif kind == "dtmf" and self._on_digit is not None:
                    await self._tell_digit(text_of(dict_of(event.get("dtmf")).get("digit")) or "")
                elif kind == "stop":
                    break
        except Exception as error:
            # A provider may end the connection in any way.
            log.info("the connection of the call has ended: %s", background.describe(error))
        finally:
            self._ended.set()

    def _on_media(self, media: dict[str, Any]) -> None:
        payload = media.get("payload")
        if not isinstance(payload, str) or media.get("track", "inbound") != "inbound":
            return
        try:
            samples, _ = self._format.decode(payload)
        except ValueError:
            return
        self.client.append_input_audio(samples)

    def _on_mark(self, name: str) -> None:
        if self._marks.returned(name):
            self._heard.set()

    async def _tell_digit(self, digit: str) -> None:
        assert self._on_digit is not None
        try:
            result = self._on_digit(digit)
            if inspect.isawaitable(result):
                await result
        except Exception as error:
            message = f"on_digit failed: {background.describe(error)}"
            self.client.report_error(ErrorEvent(message, "handler", exception=error))

    # To the provider

    async def _write(self) -> None:
        while True:
            if self._clearing:
                self._clearing = False
                await self._tell("clear")
            piece = self._marks.next_piece()
            if piece is None:
                self._to_send.clear()
                await self._to_send.wait()
                continue
            await self._tell("media", media={"payload": self._format.encode(piece.samples)})
            await self._tell("mark", mark={"name": piece.mark})

    async def _tell(self, event: str, **fields: Any) -> None:
        await self._send_text(json.dumps({"event": event, "streamSid": self.stream_id, **fields}))

    def _on_updated(self, event: ItemUpdatedEvent) -> None:
        if event.delta is not None and event.delta.audio is not None and event.item.role != "user":
            self._marks.queue(event.item.id, event.delta.audio)
            self._to_send.set()

    def _on_interrupted(self, event: InterruptedEvent) -> None:
        self.interrupt()

    def interrupt(self) -> None:
        """Silence the answer, and tell the model how much of it the caller has heard."""
        client = self.client
        cut = self._marks.cut()
        self._clearing = True
        self._to_send.set()
        self._heard.set()
        if client.state not in ("connected", "reconnecting"):
            return
        if client.server_interrupts():
            client.drop_response()
        elif not cut:
            client.cancel_response()
        for item_id, heard in cut:
            client.cancel_response(item_id, heard)

    async def _played(self) -> bool:
        """Wait until the caller has heard everything; see `realtime.hang_up`."""
        while not self._marks.is_silent and not self._ended.is_set():
            self._heard.clear()
            await self._heard.wait()
        return True

    def _on_close(self, event: CloseEvent) -> None:
        self._ended.set()
        self._heard.set()

    def _failed(self, name: str, error: BaseException) -> None:
        log.info("%s has ended: %s", name, background.describe(error))
        self._ended.set()
        self._heard.set()


def _known(name: str) -> AudioFormat:
    found = format_of(name)
    assert found is not None
    return found


def _event_of(frame: Any) -> Mapping[str, Any]:
    """The object in a frame; empty for anything else."""
    try:
        return dict_of(json.loads(frame))
    except (ValueError, TypeError, RecursionError):
        return {}
