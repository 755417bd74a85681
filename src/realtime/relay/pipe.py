"""One session: joins a client to an upstream connection of its own and passes messages both ways.

A message is judged and written to the other side in one call of the event loop, the moment it arrives; no queue lies
between. A side that does not read what it is sent pauses the reading of the other side (TCP does the rest); if that
lasts too long, the session is closed. `Opening` opens the session.

Thread: the event loop only.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from websockets.http11 import Request, Response

from ..protocol import codec
from ..protocol.beta import BetaTranslator
from ..protocol.endpoint import Endpoint
from ..protocol.ids import generate_id
from .admission import Admission
from .client_rules import APPEND, ClientRules, Refusal
from .close_codes import (
    ABNORMAL,
    GOING_AWAY,
    NOT_SENDABLE,
    POLICY_VIOLATION,
    SERVICE_RESTART,
    TIMEOUT,
    TLS_FAILURE,
    TRY_AGAIN_LATER,
)
from .context import RelayContext
from .heartbeat import Heartbeat
from .journal import record, record_failure
from .metrics import Traffic
from .opening import Opening, OpeningFailure
from .server_rules import DELTA, UNREADABLE, ServerRules
from .server_tools import ServerTools
from .socket import WebSocket
from .turns import Turns

__all__ = ["Pipe"]

_RESTARTING = "this relay is restarting: connect again"


class Pipe:
    """A session between one client and upstream. Call `start` once the client's handshake is answered.

    Parameters
    ----------
    context : RelayContext
    client : WebSocket
    admission : Admission
    ended : callable
        ``ended(pipe)`` is called once the client's connection is gone.
    """

    def __init__(
        self,
        context: RelayContext,
        client: WebSocket,
        admission: Admission,
        ended: Callable[[Pipe], None],
    ) -> None:
        policy = context.policy
        self.id = generate_id("relay_")
        self.admission = admission
        self.client = client
        self.upstream: WebSocket | None = None
        self._context = context
        self._ended = ended
        self._clock = asyncio.get_running_loop().time
        self._opened_at = self._client_spoke = self._clock()
        endpoint = _endpoint(context, admission)
        translator = BetaTranslator() if admission.beta else None
        self._client_rules = ClientRules(policy, admission.model, translator, admission.kind)
        expires_at = time.time() + policy.limits.session_seconds
        self._server_rules = ServerRules(policy, endpoint.redactor, expires_at, translator)
        self._opening = Opening(
            context, endpoint, self._server_rules, self, beta=admission.beta, kind=admission.kind
        )
        self._turns = Turns(answers=admission.kind == "realtime")
        self._tools: ServerTools | None = None
        if context.handlers:
            self._tools = ServerTools(context.handlers, self.send_own, self._tool_finished)
        # Socket whose write buffer is full -> since when
        self._stalled: dict[WebSocket, float] = {}
        self._heartbeat = Heartbeat(policy.limits.ping_seconds, self._opened_at)
        self._traffic = Traffic()
        self._draining = False
        self._is_over = False

    def start(self) -> None:
        """Open the upstream connection."""
        self.client.delegate = self
        self.client.deliver = self._from_client
        self.client.pause_reading()
        self._opening.start()

    # --- messages

    def _from_client(self, payload: bytes) -> None:
        now = self._client_spoke = self._clock()
        try:
            verdict, kind = self._client_rules.judge(payload, now)
        except Exception as error:
            self._log_unforeseen("client", error)
            verdict, kind = self._client_rules.refuse_unread(now), ""
        if isinstance(verdict, bytes):
            assert self.upstream is not None
            self.upstream.send(verdict)
            traffic = self._traffic
            traffic.messages_up += 1
            traffic.bytes_up += len(verdict)
            if kind == APPEND:
                self._turns.appended = True
            else:
                self._turns.client_said(kind, now)
        elif isinstance(verdict, Refusal):
            self._context.totals.refused_events[verdict.code] += 1
            self.client.send(verdict.event())
        else:
            self._end(verdict.kind, verdict.code, verdict.reason)

    def _from_upstream(self, payload: bytes) -> None:
        try:
            shown, kind, event = self._server_rules.filter(payload)
            if kind and kind != DELTA:
                self._turns.server_said(kind, event, self._clock())
                if self._tools is not None:
                    self._tools.server_said(kind, event)
                if self._opening.intercepts:
                    self._opening.server_said(kind, event, shown)
                    return
        except Exception as error:
            self._log_unforeseen("upstream", error)
            shown, kind, event = UNREADABLE
        if shown is not None:
            self.client.send(shown)
            traffic = self._traffic
            traffic.messages_down += 1
            traffic.bytes_down += len(shown)
        elif not kind:
            self._context.totals.dropped += 1

    def _log_unforeseen(self, side: str, error: Exception) -> None:
        """Log that a message failed in a way that nobody foresaw; the message is dropped, and the session goes on."""
        record_failure("message.failed", error, session=self.id, side=side)

    def send_to_client(self, payload: bytes) -> None:
        """See OpeningDelegate."""
        self.client.send(payload)

    def send_own(self, event: dict[str, Any]) -> None:
        """Send an event of the relay's own upstream; errors about it stay hidden from the client."""
        event_id = generate_id("event_")
        self._server_rules.sent_own(event_id)
        # The relay's own events answer something that upstream has sent.
        assert self.upstream is not None
        self.upstream.send(codec.dumps({"event_id": event_id, **event}).encode())

    def _send_error(self, code: str, message: str) -> None:
        error = {"type": "server_error", "code": code, "message": message, "param": None, "event_id": None}
        self.client.send(
            codec.dumps({"type": "error", "event_id": generate_id("event_"), "error": error}).encode()
        )

    def _tool_finished(self, name: str, error: BaseException | None) -> None:
        self._context.totals.tool_calls["failed" if error else "answered"] += 1
        record("tool.called", session=self.id, tool=name, error=type(error).__name__ if error else None)

    # --- opening (OpeningDelegate)

    def on_upstream_connected(self, socket: WebSocket) -> None:
        """See OpeningDelegate."""
        self.upstream = socket
        socket.deliver = self._from_upstream

    def on_live(self) -> None:
        """See OpeningDelegate."""
        self._context.metrics.observe("connect_seconds", self._clock() - self._opened_at)
        if self.upstream not in self._stalled:
            self.client.resume_reading()

    def on_opening_failed(self, failure: OpeningFailure) -> None:
        """See OpeningDelegate."""
        self._send_error(failure.error, failure.message)
        self._end(failure.kind, failure.close_code, failure.message)

    # --- connections (SocketDelegate)

    def on_connected(self, socket: WebSocket) -> None:
        """See SocketDelegate."""

    def on_handshake(self, socket: WebSocket, event: Request | Response) -> None:
        """See SocketDelegate. The client's handshake is over: this is upstream's."""
        self._opening.on_handshake(socket)

    def on_message(self, socket: WebSocket, payload: bytes) -> None:
        """See SocketDelegate. Not called: both sockets have a `WebSocket.deliver` of their own."""

    def on_writable(self, socket: WebSocket, writable: bool) -> None:
        """See SocketDelegate. Back-pressure: while *socket* takes no more, the other side is not read."""
        other = self.upstream if socket is self.client else self.client
        # Nothing is written to either side before there is an upstream connection.
        assert other is not None
        if not writable:
            self._stalled[socket] = self._clock()
            other.pause_reading()
        else:
            self._stalled.pop(socket, None)
            if other is self.upstream or self._opening.is_live:
                other.resume_reading()

    def on_closed(self, socket: WebSocket, code: int, reason: str) -> None:
        """See SocketDelegate."""
        self._opening.on_closed()
        if socket is self.client:
            if code == ABNORMAL:
                code, reason = GOING_AWAY, "the client is gone"
            self._end("client", code, reason)
            self._ended(self)
        elif code in (ABNORMAL, TLS_FAILURE) and self._opening.is_accepted:
            lost = "the connection to the server behind this relay was lost"
            self._end("upstream_lost", TRY_AGAIN_LATER, lost)
        elif self._opening.is_accepted:
            self._end("upstream", code, self._server_rules.scrub(reason))

    # --- time limits

    def tick(self, now: float) -> None:
        """Check the time limits; called once a second."""
        limits = self._context.policy.limits
        if self._is_over or self._end_if_stalled(now):
            return
        if now - self._opened_at > limits.session_seconds:
            message = f"Your session hit the maximum duration of {limits.session_minutes:g} minutes."
            self._send_error("session_expired", message)
            self._end("expired", GOING_AWAY, message)
        elif now - self._client_spoke > limits.idle_seconds:
            self._end("idle", TIMEOUT, f"the client sent nothing for {limits.idle_seconds:g} s")
        elif self._heartbeat.is_due(now):
            self._ping()
        elif self._draining and self._turns.between(now):
            self._end("drained", SERVICE_RESTART, _RESTARTING)

    def _end_if_stalled(self, now: float) -> bool:
        """End the session if a side has read nothing for too long; returns True if it did so."""
        seconds = self._context.policy.limits.stall_seconds
        for socket, since in self._stalled.items():
            if now - since > seconds:
                side, code = self._side(socket, POLICY_VIOLATION)
                self._end(f"{side}_stalled", code, f"nothing was read for {seconds:g} s")
                return True
        return False

    def _ping(self) -> None:
        """Ping both sides; end the session if a side has been silent since the last ping."""
        sockets = (self.client,) if self.upstream is None else (self.client, self.upstream)
        silent = self._heartbeat.ping(sockets)
        if silent is not None:
            side, code = self._side(silent, GOING_AWAY)
            self._end(f"{side}_silent", code, f"the {side} does not answer")
            silent.abort()

    def _side(self, socket: WebSocket, client_code: int) -> tuple[str, int]:
        """Name of the side, and the close code for its fault: *client_code* for the client's."""
        return ("client", client_code) if socket is self.client else ("upstream", TRY_AGAIN_LATER)

    # --- the end

    def drain(self) -> None:
        """End the session when the conversation is next between two turns."""
        self._draining = True

    def restart(self) -> None:
        """End the session now; the client is told to connect again."""
        self._end("restarted", SERVICE_RESTART, _RESTARTING)

    def abort(self) -> None:
        """Drop both connections."""
        for socket in filter(None, (self.client, self.upstream)):
            socket.abort()

    def _end(self, kind: str, code: int, reason: str) -> None:
        """Close both sides with the same code and reason, if a frame may carry them. Only the first call counts."""
        if self._is_over:
            return
        self._is_over = True
        self._opening.cancel()
        if self._tools is not None:
            self._tools.close()
        sendable = code not in NOT_SENDABLE
        for socket in (self.client, self.upstream):
            if socket is not None:
                socket.close(code if sendable else None, reason if sendable else "")
                # A side that does not read would not reach the close frame either.
                if socket in self._stalled:
                    socket.abort()
        seconds = self._clock() - self._opened_at
        self._context.totals.closed[kind] += 1
        self.count()
        self._context.metrics.observe("session_seconds", seconds)
        record(
            "session.closed",
            session=self.id,
            client=self.admission.client,
            why=kind,
            code=code,
            seconds=round(seconds, 3),
            messages_up=self._traffic.messages_up,
            messages_down=self._traffic.messages_down,
        )

    def count(self) -> None:
        """Add what has passed since the last call to the relay's totals."""
        self._traffic.add_to(self._context.totals)


def _endpoint(context: RelayContext, admission: Admission) -> Endpoint:
    """The upstream request of a client's session: the relay's key, and the model or the call."""
    url = context.policy.upstream.url
    if admission.call_id is not None:
        return Endpoint(url, context.key, None, query={"call_id": admission.call_id})
    if admission.kind != "realtime":
        return Endpoint(url, context.key, None, query={"intent": admission.kind})
    return Endpoint(url, context.key, admission.model)
