"""Opens a session with upstream: dials, sends the policy's settings, and then lets the client begin.

The client is not read until upstream is ready for it. What the policy sets for every session (instructions, tools,
fields) is sent first, and ``session.created`` is withheld until the server has confirmed it; so the client sees a
session that has had these settings from its beginning.

Thread: the event loop only.
"""

from __future__ import annotations

import asyncio
import enum
from dataclasses import dataclass
from typing import Any, Protocol

from .. import background
from ..protocol.dialect import detect, outbound
from ..protocol.endpoint import Endpoint
from .close_codes import INTERNAL_ERROR, TRY_AGAIN_LATER
from .context import RelayContext
from .journal import place_of, record
from .server_rules import ServerRules
from .socket import SocketDelegate, WebSocket
from .upstream import UpstreamError, dial, handshake_error

__all__ = ["Opening", "OpeningDelegate", "OpeningFailure"]

# Events that are kept for the client while the settings await their confirmation
MAX_HELD_EVENTS = 16


class _Step(enum.Enum):
    """What an opening waits for."""

    # Upstream's answer to the websocket handshake
    CONNECTING = enum.auto()
    # ``session.created``
    CREATING = enum.auto()
    # The confirmation of the policy's settings
    CONFIGURING = enum.auto()
    # Nothing: client and upstream talk
    LIVE = enum.auto()


@dataclass(frozen=True)
class OpeningFailure:
    """Why a session could not be opened, in words that the client may read.

    Attributes
    ----------
    kind : str
        The reason under which the session is counted.
    error : str
        Code of the ``error`` event.
    message : str
        Message of the ``error`` event and reason of the close.
    close_code : int
    """

    kind: str
    error: str
    message: str
    close_code: int


class OpeningDelegate(SocketDelegate, Protocol):
    """The session that is being opened. It is also the delegate of the upstream connection."""

    id: str

    def on_upstream_connected(self, socket: WebSocket) -> None:
        """The TCP connection to upstream exists; its handshake is not answered yet."""

    def on_live(self) -> None:
        """The session is open: the client may be read."""

    def on_opening_failed(self, failure: OpeningFailure) -> None:
        """The session cannot be opened. Called at most once, and not after `on_live`."""

    def send_to_client(self, payload: bytes) -> None:
        """Send one event to the client."""

    def send_own(self, event: dict[str, Any]) -> None:
        """Send one of the relay's own events upstream."""


class Opening:
    """Opens one session; a state machine whose steps are those of `_Step`.

    Parameters
    ----------
    context : RelayContext
    endpoint : Endpoint
        The server to connect to.
    rules : ServerRules
        Filter of the session's server events.
    delegate : OpeningDelegate
    beta : bool
        True if the client speaks beta. It is then not read before ``session.created``, which shows if upstream speaks
        beta too.
    kind : str
        One of `policy.SESSION_KINDS`.

    Attributes
    ----------
    is_live : bool
        True once the session is open.
    intercepts : bool
        True while server events must go through `server_said` instead of to the client.
    """

    def __init__(
        self,
        context: RelayContext,
        endpoint: Endpoint,
        rules: ServerRules,
        delegate: OpeningDelegate,
        *,
        beta: bool,
        kind: str = "realtime",
    ) -> None:
        self._context = context
        self._endpoint = endpoint
        self._rules = rules
        self._delegate = delegate
        # A transcription session takes no instructions and no tools.
        self._settings = context.policy.session_settings if kind == "realtime" else {}
        self.is_live = False
        self.intercepts = bool(self._settings) or beta
        self._step = _Step.CONNECTING
        # Set once upstream has answered the handshake, or its connection is gone
        self._answered = asyncio.Event()
        self._live = asyncio.Event()
        # ``session.created``, and the events behind it, withheld from the client
        self._created: dict[str, Any] | None = None
        self._held: list[bytes] = []
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect."""
        self._task = background.start(self._open(), "relay: open a session", self._failed)

    def _failed(self, name: str, error: BaseException) -> None:
        """Nobody foresaw this error: the session ends with a word to the client, not in silence."""
        self._fail(f"{type(error).__name__} at {place_of(error)}", False)

    def cancel(self) -> None:
        """Stop opening; does nothing once the session is live, or from within its own callbacks."""
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    @property
    def is_accepted(self) -> bool:
        """True once upstream has accepted the handshake."""
        return self._step is not _Step.CONNECTING

    async def _open(self) -> None:
        seconds = self._context.policy.upstream.connect_seconds
        try:
            await asyncio.wait_for(self._connect(), seconds)
        except UpstreamError as error:
            self._fail(str(error), error.retry)
        except asyncio.TimeoutError:
            what = "open a session" if self._created is None else "answer the session's configuration"
            self._fail(f"{self._endpoint.address} did not {what} within {seconds:g} s", True)

    async def _connect(self) -> None:
        socket = await dial(
            self._endpoint,
            self._delegate,
            max_message_bytes=self._context.policy.upstream.max_message_bytes,
            tls=self._context.upstream_tls,
        )
        self._delegate.on_upstream_connected(socket)
        await self._answered.wait()
        error = handshake_error(self._endpoint, socket)
        if error is not None:
            raise error
        if not self.is_accepted:
            raise UpstreamError(f"{self._endpoint.address} hung up", retry=True)
        if self.intercepts:
            # `server_said` goes on: the server's events have the same time limit.
            await self._live.wait()
        else:
            self._go_live()

    def _go_live(self) -> None:
        self._step = _Step.LIVE
        self.is_live = True
        self.intercepts = False
        self._live.set()
        self._delegate.on_live()

    def _fail(self, message: str, retry: bool) -> None:
        """Log the reason; the client learns only that upstream failed, and whether to try again."""
        record("upstream.failed", session=self._delegate.id, reason=self._rules.scrub(message), retry=retry)
        said = "the server behind this relay cannot be reached" + (": try again later" if retry else "")
        self._delegate.on_opening_failed(
            OpeningFailure(
                "upstream_failed",
                "upstream_unavailable",
                said,
                TRY_AGAIN_LATER if retry else INTERNAL_ERROR,
            )
        )

    # --- events of the upstream connection

    def on_handshake(self, socket: WebSocket) -> None:
        """Upstream has answered the websocket handshake."""
        if socket.protocol.handshake_exc is None:
            self._step = _Step.CREATING
        self._answered.set()

    def on_closed(self) -> None:
        """The upstream connection is gone."""
        self._answered.set()

    def server_said(self, kind: str, event: dict[str, Any], shown: bytes | None) -> None:
        """Take one server event while `intercepts` is True.

        Parameters
        ----------
        kind : str
            Type of the event.
        event : dict
            The event.
        shown : bytes or None
            What the client may see of it.
        """
        if self._created is None:
            if kind == "session.created" and self._settings:
                self._configure(event, self._settings)
            elif kind == "session.created" and shown is not None:
                self._delegate.send_to_client(shown)
                self._go_live()
            elif shown is not None:
                # For example an error about the key or the model
                self._delegate.send_to_client(shown)
        elif kind == "session.updated":
            self._release(self._created, event.get("session"))
        elif kind == "error" and shown is None:
            self._refused(event["error"].get("message"))
        elif shown is not None and len(self._held) < MAX_HELD_EVENTS:
            self._held.append(shown)

    def _configure(self, created: dict[str, Any], settings: dict[str, Any]) -> None:
        """Send the policy's settings in the dialect of the server."""
        self._created = created
        self._step = _Step.CONFIGURING
        update = {"type": "session.update", "session": settings}
        self._delegate.send_own(outbound(update, detect(created.get("session")) or "ga"))

    def _release(self, created: dict[str, Any], session: Any) -> None:
        """Send the client what was withheld: ``session.created`` with the confirmed settings first."""
        self._delegate.send_to_client(self._rules.session_event({**created, "session": session}))
        for held in self._held:
            self._delegate.send_to_client(held)
        self._held.clear()
        self._go_live()

    def _refused(self, message: Any) -> None:
        record("session.refused", session=self._delegate.id, reason=self._rules.scrub(str(message))[:300])
        self._delegate.on_opening_failed(
            OpeningFailure(
                "configuration_refused",
                "relay_misconfigured",
                "the server refused the relay's settings for this session",
                INTERNAL_ERROR,
            )
        )
