"""Error codes of the server, and which errors come from harmless races.

Thread: any; stateless.
"""

from __future__ import annotations

__all__ = ["ANOTHER_IS_ACTIVE", "CANCEL_NOT_ACTIVE", "COMMIT_EMPTY", "is_benign"]

ANOTHER_IS_ACTIVE = "conversation_already_has_active_response"
COMMIT_EMPTY = "input_audio_buffer_commit_empty"
CANCEL_NOT_ACTIVE = "response_cancel_not_active"
# The server closes the connection next; the client then renews the session.
SESSION_EXPIRED = "session_expired"

_BENIGN_CODES = frozenset((ANOTHER_IS_ACTIVE, COMMIT_EMPTY, CANCEL_NOT_ACTIVE, SESSION_EXPIRED))
# Events that the client sends by itself; the server refuses one that arrives after the conversation has moved on.
_RACES = ("conversation.item.truncate", "conversation.item.delete", "conversation.item.retrieve")


def is_benign(code: str | None, message: str, caused_by: str | None) -> bool:
    """True if an error event reports a harmless race.

    Parameters
    ----------
    code : str or None
    message : str
    caused_by : str or None
        Type of the client event that the server refused; None where the server did not name the event.
    """
    if code in _BENIGN_CODES:
        return True
    if caused_by is not None and caused_by not in _RACES:
        return False
    if caused_by == "conversation.item.truncate" and code == "unsupported_content_type":
        # No audio of the answer had arrived at the server's end.
        return True
    return (code or "").endswith(("_invalid_item_id", "item_not_found")) or "already shorter than" in message
