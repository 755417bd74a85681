"""Ephemeral client secrets (``ek_...``): minted for a session's configuration, valid for some minutes.

Thread: the event loop; pure state.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..protocol.ids import generate_server_id
from ..protocol.schema import anything, choice, integer, record
from .checks.session_object import DEFAULT_MODEL, SessionConfig, check_type

# Secrets held at a time; the oldest is forgotten first.
HELD = 1_000
DEFAULT_SECONDS = 600

_REQUEST = record(
    {
        "expires_after": record({"anchor": choice("created_at"), "seconds": integer(10, 7200)}),
        "session": anything,
    }
)


@dataclass(frozen=True)
class ClientSecret:
    """One secret.

    Attributes
    ----------
    value : str
        The secret itself.
    expires_at : int
        Unix time in seconds after which it opens no session.
    kind : str
        "realtime" or "transcription": the sessions that it opens.
    model : str
        Their model, unless the URL names one.
    session : dict
        Applied to each of them at its start, as a session.update.
    """

    value: str
    expires_at: int
    kind: str
    model: str
    session: dict[str, Any]

    def __repr__(self) -> str:
        return f"ClientSecret(expires_at={self.expires_at}, kind={self.kind!r})"


class ClientSecrets:
    """The secrets of one server; *now* returns the Unix time."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._held: dict[str, ClientSecret] = {}

    def mint(self, request: Any) -> dict[str, Any]:
        """The answer to the (unchecked) body of a POST to client_secrets. Raises RequestError for a wrong one."""
        _REQUEST(request, "")
        session = request.get("session")
        if session is None:
            session = {"type": "realtime"}
        kind = check_type(session)
        named = session.get("model")
        model = named if isinstance(named, str) and named else DEFAULT_MODEL
        config = SessionConfig(kind, generate_server_id("sess"), model)
        config.update(session)
        session.pop("model", None)
        seconds = request.get("expires_after", {}).get("seconds", DEFAULT_SECONDS)
        secret = ClientSecret(f"ek_{secrets.token_hex(24)}", int(self._now() + seconds), kind, model, session)
        self._forget()
        self._held[secret.value] = secret
        return {"value": secret.value, "expires_at": secret.expires_at, "session": config.as_dict()}

    def find(self, value: str) -> ClientSecret | None:
        """The secret of that value; None if there is none or it has expired."""
        secret = self._held.get(value)
        return None if secret is None or secret.expires_at <= self._now() else secret

    def _forget(self) -> None:
        """Forget the expired secrets and, at the limit, the oldest."""
        self._held = {value: one for value, one in self._held.items() if self.find(value) is not None}
        while len(self._held) >= HELD:
            del self._held[next(iter(self._held))]
