"""Which of the server's errors are races that need no attention.

Thread: any; stateless.
"""

from __future__ import annotations

__all__ = ["ANOTHER_IS_ACTIVE", "COMMIT_EMPTY", "is_benign"]

ANOTHER_IS_ACTIVE = "conversation_already_has_active_response"
COMMIT_EMPTY = "input_audio_buffer_commit_empty"
CANCEL_NOT_ACTIVE = "response_cancel_not_active"
# The server's end of the session follows; the connection is renewed.
SESSION_EXPIRED = "session_expired"

_BENIGN_CODES = frozenset((ANOTHER_IS_ACTIVE, COMMIT_EMPTY, CANCEL_NOT_ACTIVE, SESSION_EXPIRED))
# Answers to what the client sends of itself, where the conversation has moved on meanwhile.
_RACES = ("conversation.item.truncate", "conversation.item.delete", "conversation.item.retrieve")


def is_benign(code: str | None, message: str, caused_by: str | None) -> bool:
    """Whether an error event is the loser of a race, and nothing is wrong."""
    if code in _BENIGN_CODES:
        return True
    if caused_by is None:
        return "already shorter than" in message or (code or "").endswith("_invalid_item_id")
    return caused_by in _RACES and code not in ("unknown_parameter", "missing_required_parameter")
