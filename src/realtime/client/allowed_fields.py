"""Leaves out of a session object the fields that a relay does not let its clients set.

A relay names the allowed fields in ``session.created``. One field that is not allowed would have the whole update
refused, so that nothing of it would be in force while the first turn is spoken.

Thread: any; stateless.
"""

from __future__ import annotations

from ..events import ErrorEvent
from ..protocol.reading import Wire

__all__ = ["allowed_part", "left_out_error"]


def allowed_part(session: Wire, created: Wire) -> Wire:
    """The fields of *session* that the sender of *created*, a ``session.created`` event, lets clients set."""
    allowed = created.get("allowed_session_fields")
    if not isinstance(allowed, list):
        return session
    return {name: value for name, value in session.items() if name in allowed}


def left_out_error(session: Wire, part: Wire) -> ErrorEvent | None:
    """The ``error`` that tells which fields of *session* are not in *part*; None if all are."""
    left_out = sorted(session.keys() - part.keys())
    if not left_out:
        return None
    return ErrorEvent(
        f"the relay does not let clients set {', '.join(left_out)}: the relay's own are in force; to allow them, list "
        "them in clients.session_fields of its policy",
        "server",
        "invalid_request_error",
        "not_allowed",
        f"session.{left_out[0]}",
        caused_by="session.update",
    )
