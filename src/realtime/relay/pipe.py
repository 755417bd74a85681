"""One session: a client and the upstream connection that belongs to it, joined.

Messages go through the moment they arrive: judged, and written to the other side, in one call of the
event loop. Nothing is queued here. A side that does not take what it is sent pauses the reading of the other
one (TCP does the rest), and if that lasts, the session is closed.

Opening: the client is not read until upstream is ready for it. What the policy sets for every session is
sent first, and the client's ``session.created`` waits for the server's answer to it, so that for the client the
session has been like that from the beginning.

Thread: the event loop's only.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from websockets.http11 import Request, Response

from ..protocol import codec
from ..protocol.dialect import detect, outbound
from ..protocol.endpoint import Endpoint
from ..protocol.ids import generate_id
from .admission import Admission
from .client_rules import ClientRules, Refusal, Violation
from .journal import record
from .metrics import Metrics, Totals
from .policy import Policy
from .server_rules import ServerRules
from .server_tools import Handlers, ServerTools
from .socket import WebSocket
from .turns import Turns
from .upstream import UpstreamError, dial, handshake_error

__all__ = ["Pipe", "Surroundings"]

# RFC 6455 and its registry: 1001 going away, 1008 policy, 1011 our fault, 1012 restart, 1013 try again later;
# 3008 is "timeout". Clients come back after 1012 and 1013 and not after 1008 and 3008.
RESTART, TRY_LATER, TIMEOUT = 1012, 1013, 3008
_NOT_SENDABLE = frozenset((1004, 1005, 1006, 1015))
_CLIENT_GONE = "the client is gone"


@dataclass(frozen=True)
class Surroundings:
    """What all sessions of a relay share."""

    policy: Policy
    key: str
    handlers: Handlers
    totals: Totals
    metrics: Metrics
    upstream_tls: ssl.SSLContext | None
    ended: Callable[[Pipe], None]


@dataclass(slots=True)
class _Passed:
    """Messages and bytes of a session, by direction."""

    up: int = 0
    down: int = 0
    bytes_up: int = 0
    bytes_down: int = 0


class Pipe:
    """See the module. `start` once the client's handshake is answered; `Surroundings.ended` is called at the end."""

    def __init__(self, shared: Surroundings, client: WebSocket, admission: Admission) -> None:
        policy = shared.policy
        self.id = generate_id("relay_")
        self.admission = admission
        self.client = client
        self.upstream: WebSocket | None = None
        self._shared = shared
        self._totals = shared.totals
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
        self._opened_at = self._clock()
        self._client_spoke = self._opened_at
        self._lifetime = policy.limits.session_minutes * 60
        self._endpoint = Endpoint(
            policy.upstream.url, shared.key, admission.model, "beta" if admission.beta else "auto"
        )
        self._client_rules = ClientRules(policy, admission.model)
        self._server_rules = ServerRules(policy, self._endpoint.redactor, time.time() + self._lifetime)
        self._turns = Turns()
        self._tools = (
            ServerTools(shared.handlers, self._send_own, self._tool_finished) if shared.handlers else None
        )
        self._stalled: dict[WebSocket, float] = {}  # who does not take what it is sent -> since when
        self._pinged: dict[WebSocket, int] = {}
        self._next_ping = self._opened_at + policy.limits.ping_seconds
        self._ready = asyncio.Event()  # upstream has answered the handshake, or is gone
        self._dialled = False  # the answer was yes
        self._created: dict[str, Any] | None = None  # session.created, kept back
        self._held: list[bytes] = []
        self._configuring = ""  # event id of our session.update, until it is answered
        self._is_open = False
        self._live = asyncio.Event()  # the same, for who waits for it
        self._over: str | None = None
        self._draining = False
        self._task: asyncio.Task[None] | None = None
        self._passed = _Passed()  # on to the other side
        self._counted = _Passed()  # ... of which the relay's totals know

    # --- opening

    def start(self) -> None:
        """Open the upstream connection."""
        self.client.delegate = self
        self.client.deliver = self._from_client
        self.client.pause_reading()
        self._task = self._loop.create_task(self._open())

    async def _open(self) -> None:
        seconds = self._shared.policy.upstream.connect_seconds
        try:
            await asyncio.wait_for(self._dial(), seconds)
        except UpstreamError as error:
            self._fail_opening(str(error), error.retry)
        except asyncio.TimeoutError:
            what = "open a session" if self._created is None else "answer the session's configuration"
            self._fail_opening(f"{self._endpoint.address} did not {what} within {seconds:g} s", True)

    async def _dial(self) -> None:
        shared = self._shared
        self.upstream = await dial(
            self._endpoint,
            self,
            max_message_bytes=shared.policy.upstream.max_message_bytes,
            tls=shared.upstream_tls,
        )
        self.upstream.deliver = self._from_upstream
        await self._ready.wait()
        error = handshake_error(self._endpoint, self.upstream)
        if error is not None:
            raise error
        if not self._dialled:
            raise UpstreamError(f"{self._endpoint.address} hung up", retry=True)
        if self._injects:
            await self._live.wait()  # our own session.update must be answered too: _while_opening sees to it
        else:
            self._go_live()

    def _fail_opening(self, message: str, retry: bool) -> None:
        """Why is for the log; the client learns that it is not its fault, and whether to try again."""
        record("upstream.failed", session=self.id, reason=self._server_rules.scrub(message), retry=retry)
        said = "the server behind this relay cannot be reached" + (": try again later" if retry else "")
        self._say_error("upstream_unavailable", said)
        self._end("upstream_failed", TRY_LATER if retry else 1011, said)

    @property
    def _injects(self) -> bool:
        session = self._shared.policy.session
        return bool(session.instructions is not None or session.fields or self._shared.policy.injects_tools)

    def _configure(self, created: dict[str, Any]) -> None:
        policy = self._shared.policy
        session: dict[str, Any] = {"type": "realtime", **policy.session.fields}
        if policy.session.instructions is not None:
            session["instructions"] = policy.session.instructions
        if policy.injects_tools:
            session["tools"] = [dict(tool) for tool in policy.injects_tools]
        self._created = created
        update = {"type": "session.update", "session": session}
        self._configuring = self._send_own(outbound(update, detect(created.get("session")) or "ga"))

    def _go_live(self) -> None:
        self._is_open = True
        self._live.set()
        self._shared.metrics.observe("connect_seconds", self._loop.time() - self._opened_at)
        if self.upstream not in self._stalled:
            self.client.resume_reading()

    # --- from the sockets (SocketDelegate)

    def on_connected(self, socket: WebSocket) -> None:
        """See SocketDelegate."""

    def on_handshake(self, socket: WebSocket, event: Request | Response) -> None:
        """See SocketDelegate. Only upstream's answer comes here."""
        self._dialled = socket.protocol.handshake_exc is None
        self._ready.set()

    def on_message(self, socket: WebSocket, payload: bytes) -> None:
        """See SocketDelegate. Not called: both sockets deliver where their messages belong."""

    def _from_client(self, payload: bytes) -> None:
        now = self._client_spoke = self._clock()
        rules = self._client_rules
        verdict = rules.judge(payload, now)
        if isinstance(verdict, bytes):
            assert self.upstream is not None
            self.upstream.send(verdict)
            passed = self._passed
            passed.up += 1
            passed.bytes_up += len(verdict)
            if rules.last_type == "input_audio_buffer.append":
                self._turns.appended = True
            else:
                self._turns.client_said(rules.last_type, now)
        elif isinstance(verdict, Refusal):
            self._totals.refused_events[verdict.code] += 1
            self.client.send(verdict.event())
        else:
            self._violated(verdict)

    def _violated(self, violation: Violation) -> None:
        self._end(violation.kind, violation.code, violation.reason)

    def _from_upstream(self, payload: bytes) -> None:
        rules = self._server_rules
        shown = rules.filter(payload)
        kind = rules.last_type
        if kind and kind != "delta":
            self._turns.server_said(kind, rules.event, self._loop.time())
            if self._tools is not None:
                self._tools.server_said(kind, rules.event)
            if not self._is_open and self._injects:
                self._while_opening(kind, rules.event, shown)
                return
        if shown is not None:
            self.client.send(shown)
            passed = self._passed
            passed.down += 1
            passed.bytes_down += len(shown)
        elif not kind:
            self._totals.dropped += 1

    def _while_opening(self, kind: str, event: dict[str, Any], shown: bytes | None) -> None:
        if self._created is None:
            if kind == "session.created":
                self._configure(event)
            elif shown is not None:
                self.client.send(shown)  # what was wrong with the key or the model
        elif kind == "session.updated":
            self.client.send(
                self._server_rules.session_event({**self._created, "session": event.get("session")})
            )
            for held in self._held:
                self.client.send(held)
            self._held.clear()
            self._go_live()
        elif kind == "error" and shown is None:
            reason = event["error"].get("message")
            record("session.refused", session=self.id, reason=self._server_rules.scrub(str(reason))[:300])
            self._say_error("relay_misconfigured", "the relay's settings for this session were refused")
            self._end("configuration_refused", 1011, "the relay's settings for this session were refused")
        elif shown is not None and len(self._held) < 16:
            self._held.append(shown)

    def on_writable(self, socket: WebSocket, writable: bool) -> None:
        """See SocketDelegate: back-pressure."""
        other = self.upstream if socket is self.client else self.client
        assert other is not None  # before there is an upstream, there is nothing to send
        if not writable:
            self._stalled[socket] = self._loop.time()
            other.pause_reading()
        else:
            self._stalled.pop(socket, None)
            if other is self.upstream or self._is_open:
                other.resume_reading()

    def on_closed(self, socket: WebSocket, code: int, reason: str) -> None:
        """See SocketDelegate."""
        self._ready.set()
        if socket is self.client:
            self._end("client", 1001 if code == 1006 else code, _CLIENT_GONE if code == 1006 else reason)
            self._shared.ended(self)
        elif self._dialled:
            said = self._server_rules.scrub(reason)
            if code in (1006, 1015):
                self._end(
                    "upstream_lost", TRY_LATER, "the connection to the server behind this relay was lost"
                )
            else:
                self._end("upstream", code, said)

    # --- to the sockets

    def _send_own(self, event: dict[str, Any]) -> str:
        """Send an event of the relay's own; errors about it are not the client's. Returns its id."""
        event_id = generate_id("event_")
        self._server_rules.own_events.add(event_id)
        assert self.upstream is not None  # it has sent what this answers
        self.upstream.send(codec.dumps({"event_id": event_id, **event}).encode())
        return event_id

    def _say_error(self, code: str, message: str) -> None:
        error = {"type": "server_error", "code": code, "message": message, "param": None, "event_id": None}
        self.client.send(
            codec.dumps({"type": "error", "event_id": generate_id("event_"), "error": error}).encode()
        )

    def _tool_finished(self, name: str, error: BaseException | None) -> None:
        self._totals.tool_calls["failed" if error else "answered"] += 1
        record("tool.called", session=self.id, tool=name, error=type(error).__name__ if error else None)

    def _end(self, why: str, code: int, reason: str) -> None:
        """Close both sides, once: they deliver nothing more. The same code and reason to both, if sendable."""
        if self._over is not None:
            return
        self._over = why
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        if self._tools is not None:
            self._tools.close()
        for socket in (self.client, self.upstream):
            if socket is not None:
                socket.close(None if code in _NOT_SENDABLE else code, "" if code in _NOT_SENDABLE else reason)
                if socket in self._stalled:
                    socket.abort()  # behind what it does not read, it would not see the close either
        seconds = self._loop.time() - self._opened_at
        self._totals.closed[why] += 1
        self.count()
        self._shared.metrics.observe("session_seconds", seconds)
        record(
            "session.closed",
            session=self.id,
            client=self.admission.client,
            why=why,
            code=code,
            seconds=round(seconds, 3),
            messages_up=self._passed.up,
            messages_down=self._passed.down,
        )

    def count(self) -> None:
        """Add what has been passed on since the last time to the relay's totals."""
        totals, passed, counted = self._totals, self._passed, self._counted
        totals.messages_up += passed.up - counted.up
        totals.messages_down += passed.down - counted.down
        totals.bytes_up += passed.bytes_up - counted.bytes_up
        totals.bytes_down += passed.bytes_down - counted.bytes_down
        self._counted = replace(passed)

    # --- once a second, and at the end

    def tick(self, now: float) -> None:
        """Limits of time; called once a second."""
        limits = self._shared.policy.limits
        if self._over is not None:
            return
        for socket, since in self._stalled.items():
            if now - since > limits.stall_seconds:
                side = "client" if socket is self.client else "upstream"
                code = 1008 if socket is self.client else TRY_LATER
                self._end(f"{side}_stalled", code, f"nothing was read for {limits.stall_seconds:g} s")
                return
        if now - self._opened_at > self._lifetime:
            message = f"Your session hit the maximum duration of {self._lifetime / 60:g} minutes."
            self._say_error("session_expired", message)
            self._end("expired", 1001, message)
        elif now - self._client_spoke > limits.idle_seconds:
            self._end("idle", TIMEOUT, f"nothing was said for {limits.idle_seconds:g} s")
        elif now >= self._next_ping:
            self._next_ping = now + limits.ping_seconds
            self._ping()
        elif self._draining and self._turns.between(now):
            self._end("drained", RESTART, "this relay is restarting: connect again")

    def _ping(self) -> None:
        """A peer from which nothing at all has come since the last ping is gone."""
        for socket in (self.client, self.upstream):
            if socket is None or not socket.is_reading:
                continue  # what is not read cannot be missed
            if self._pinged.get(socket) == socket.heard:
                side = "client" if socket is self.client else "upstream"
                self._end(
                    f"{side}_silent", 1001 if side == "client" else TRY_LATER, f"the {side} does not answer"
                )
                socket.abort()
                return
            self._pinged[socket] = socket.heard
            socket.ping()

    def drain(self) -> None:
        """End when the conversation is between two turns."""
        self._draining = True

    def restart(self) -> None:
        """End now; the client is told to come back."""
        self._end("restarted", RESTART, "this relay is restarting: connect again")

    def abort(self) -> None:
        """Cut both connections."""
        for socket in filter(None, (self.client, self.upstream)):
            socket.abort()
