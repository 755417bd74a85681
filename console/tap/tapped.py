"""TappedSession: one connection of a client, as a session model that views show and that can be saved.

It gets the bytes that passed, finds the messages in them, removes secrets, and rebuilds the conversation. Whatever the
bytes hold, it raises nothing: what cannot be read is a notice.

Thread: the console's event loop.
"""

from __future__ import annotations

from typing import Any

from realtime import Event, RealtimeEvent
from realtime.protocol import codec

from ..session import SessionModel
from ..text import one_line
from .http_head import END, MAX_HEAD_BYTES, Head, HeadError, read_head
from .reading import Close, MessageReader, UnreadableError
from .rebuild import Rebuild
from .report import Kind, Report
from .scrub import Scrubber

__all__ = ["TappedSession"]

MAX_BODY_CHARS = 2_000
SIDES = ("client", "server")


class TappedSession:
    """One connection through a tap.

    Parameters
    ----------
    number : int
        From 1, in the order of the connections.
    opened : Report
        The report with the client's request.
    endpoint : str
        The server, in words.

    Attributes
    ----------
    model : SessionModel
        What views show; its state is "tap".
    request : str
        The request in words, without secrets.
    is_session : bool
        True for a websocket; False for any other request.
    status : str
        What has become of it, in words.
    open : bool
        The client is connected.
    """

    def __init__(self, number: int, opened: Report, endpoint: str) -> None:
        self.number = number
        self.model = SessionModel()
        self.model.state = "tap"
        self.model.connected_at = opened.time
        self.model.server.endpoint = one_line(f"#{number} → {endpoint}", 60)
        self.model.microphone.name, self.model.speaker.name = "audio of the client", "audio of the server"
        self.open = True
        self.status = "connecting"
        request = _head_of(opened.data)
        self.is_session = request.is_upgrade
        self._scrubber = Scrubber(request)
        self.request = one_line(f"{request.start.split(' ')[0]} {self._scrubber.target()}", 200)
        self._rebuild = Rebuild(self.model)
        self._answer: bytearray | None = bytearray()
        self._readers: dict[str, MessageReader] = {}
        self._request = request
        # A close frame has passed
        self._closing = False

    def begin(self) -> None:
        """Show the request as the first event."""
        assert self.model.connected_at is not None
        headers = self._scrubber.headers(self._request)
        self._note(
            self.model.connected_at, {"type": "tap.request", "request": self.request, "headers": headers}
        )

    def take(self, report: Report) -> None:
        """Take what the forwarding process reports."""
        if report.kind is Kind.CLIENT:
            self._read("client", report.time, report.data)
        elif report.kind is Kind.SERVER:
            self._from_server(report.time, report.data)
        elif report.kind is Kind.REFUSED:
            self.status = one_line(report.data.decode("utf-8", "replace"), 200)
            self._note(report.time, {"type": "tap.failed", "message": self.status})
            self.model.notice("error", self.status)
        elif report.kind is Kind.LOST:
            self._unreadable("this console was too slow; the client is not disturbed")
        elif report.kind is Kind.CLOSED:
            self._closed(report.time)

    # The server's answer

    def _from_server(self, at: float, data: bytes) -> None:
        if self._answer is None:
            self._read("server", at, data)
            return
        self._answer += data
        while self._answer is not None and (end := self._answer.find(END)) >= 0:
            answer, rest = bytes(self._answer[:end]), bytes(self._answer[end + len(END) :])
            self._answer = None
            try:
                head = read_head(answer)
            except HeadError:
                self._unreadable("the server's answer is no HTTP")
                return
            if 100 <= head.status < 200 and head.status != 101:
                # "100 Continue" and its like: the answer follows
                self._answer = bytearray(rest)
                continue
            self._answered(at, head, rest)
            if rest and self._readers:
                self._read("server", at, rest)
        if self._answer is not None and len(self._answer) > MAX_HEAD_BYTES:
            self._answer = None
            self._unreadable("the server's answer is no HTTP")

    def _answered(self, at: float, head: Head, body: bytes) -> None:
        note: dict[str, Any] = {
            "type": "tap.response",
            "status": head.status,
            "headers": self._scrubber.headers(head),
        }
        if head.status == 101 and self.is_session:
            self.status = "open"
            extensions = head.get("sec-websocket-extensions")
            try:
                self._readers = {side: MessageReader(side == "client", extensions) for side in SIDES}
            except UnreadableError as error:
                self._unreadable(str(error))
        else:
            self.status = f"HTTP {head.status}"
            if head.status >= 400:
                # A success may hold a key
                text = body.decode("utf-8", "replace")[:MAX_BODY_CHARS]
                note["body"] = self._scrubber.text(text)
                self.model.notice("error", f"HTTP {head.status}: {note['body']}")
        self._note(at, note)

    # Messages

    def _read(self, side: str, at: float, data: bytes) -> None:
        reader = self._readers.get(side)
        if reader is None:
            return
        try:
            messages = reader.feed(data)
        except UnreadableError as error:
            self._unreadable(str(error))
            return
        for message in messages:
            if isinstance(message, Close):
                if self._closing:
                    # The answer to the first one
                    continue
                self._closing = True
                reason = self._scrubber.text(message.reason)
                self.status = one_line(f"closed by the {side}: {message.code} {reason}".strip(), 120)
                note = {"type": "tap.close", "by": side, "code": message.code, "reason": reason}
                self._note(at, note)
            else:
                self._message(side, at, message)

    def _message(self, side: str, at: float, message: bytes) -> None:
        try:
            event = codec.loads(message, prune=True)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            self._note(at, {"type": "tap.unreadable", "by": side, "bytes": len(message)})
            return
        shown = self._scrubber.event(event)
        self.model.on_wire(RealtimeEvent("client" if side == "client" else "server", Event(shown), at))
        take = self._rebuild.client if side == "client" else self._rebuild.server
        try:
            take(shown, at)
        except Exception as error:
            # The events go on; a part of the conversation may be missing
            self.model.notice_failure(error)

    def _unreadable(self, reason: str) -> None:
        """No more messages can be read; the bytes pass on."""
        self._readers = {}
        self.model.notice("warning", f"the events of this client are no longer shown: {reason}")

    def _note(self, at: float, event: dict[str, Any]) -> None:
        self.model.events.add(at, "tap", event)

    def _closed(self, at: float) -> None:
        self.open = False
        if self.status in ("open", "connecting"):
            self.status = "the connection was lost" if self.status == "open" else "hung up"
        self._note(at, {"type": "tap.ended", "status": self.status})
        self.model.connected_at = None
        self.model.answering = False
        self.model.notice("info", f"client {self.number}: {self.status}")

    # Bars

    def bars(self, side: str) -> tuple[float, ...]:
        """BANDS levels of the audio that passes in one direction, between 0 and 1."""
        return self._rebuild.levels[side].bars()


def _head_of(data: bytes) -> Head:
    """The request of a report; the forwarding process has read it already."""
    return read_head(data.decode("utf-8", "replace").encode("latin-1", "replace"))
