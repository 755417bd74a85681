"""Error codes of the server: which errors are harmless, which cannot get better, which are a limit that passes.

Thread: any; stateless.
"""

from __future__ import annotations

import re

from .reading import Wire, text_of

__all__ = [
    "ANOTHER_IS_ACTIVE",
    "COMMIT_EMPTY",
    "HOUSEKEEPING",
    "error_of",
    "is_benign",
    "is_final",
    "is_limit",
    "is_unsupported",
    "may_be_about",
    "names_final",
]

ANOTHER_IS_ACTIVE = "conversation_already_has_active_response"
COMMIT_EMPTY = "input_audio_buffer_commit_empty"
CANCEL_NOT_ACTIVE = "response_cancel_not_active"
# The server closes the connection next; the client then renews the session.
SESSION_EXPIRED = "session_expired"

_BENIGN_CODES = frozenset((ANOTHER_IS_ACTIVE, COMMIT_EMPTY, CANCEL_NOT_ACTIVE, SESSION_EXPIRED))
# Events that the client sends by itself; the server refuses one that arrives after the conversation has moved on.
_RACES = ("conversation.item.truncate", "conversation.item.delete", "conversation.item.retrieve")
# Events without which a conversation goes on as well: a server that does not know them loses nothing.
HOUSEKEEPING = frozenset(
    (*_RACES, "input_audio_buffer.clear", "output_audio_buffer.clear", "response.cancel")
)
# No new session can be opened, or would end in the same way, until somebody pays, or changes the key or the model.
_FINAL_CODES = frozenset(
    (
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "account_deactivated",
        "access_terminated",
        "invalid_api_key",
        "invalid_authentication",
        "authentication_error",
        "permission_denied",
        "permission_error",
        "model_not_found",
        "invalid_model",
        "model_load_error",
        "unsupported_country_region_territory",
        "beta_api_shape_disabled",
    )
)
_UNSUPPORTED = re.compile(
    r"not[ _](yet[ _])?(implemented|supported)|unsupported|unimplemented|"
    r"(unknown|unrecognized|unexpected)[\w ]*?[ _](event|message|type)|"
    r"invalid[ _](event|message)[ _]?type|unknown_or_invalid_event",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[a-z_]+")
_EVENT_NAMES = re.compile(r"[a-z_]+(?:\.[a-z_]+)+")
# Beginnings of what the housekeeping events do.
_VERBS = ("truncat", "delet", "retriev", "clear", "cancel")
_LIMIT = re.compile(
    r"\bslots?\b|\bin use\b|\bbusy\b|capacity|\blimit|_limit|too many|overload|concurren|\btry again\b|"
    r"\bfull\b|unavailable",
    re.IGNORECASE,
)


def error_of(event: Wire) -> Wire:
    """The error object of an event; made from whatever stands in its place."""
    error = event.get("error")
    if isinstance(error, dict):
        return error
    return {} if isinstance(error, list) else {"message": str(error)}


def is_benign(code: str | None, message: str, caused_by: str | None) -> bool:
    """True if an error event reports a harmless race, or that the server lacks an event it can do without.

    Parameters
    ----------
    code : str or None
    message : str
    caused_by : str or None
        Type of the client event that the server refused; None where the server did not name the event.
    """
    if code in _BENIGN_CODES:
        return True
    if caused_by in HOUSEKEEPING and is_unsupported(code, message):
        return True
    if caused_by is not None and caused_by not in _RACES:
        return False
    return (code or "").endswith(("_invalid_item_id", "item_not_found")) or "already shorter than" in message


def is_unsupported(code: str | None, message: str) -> bool:
    """True if an error says that the server does not know a kind of event."""
    return _UNSUPPORTED.search(f"{code or ''} {message}") is not None


def may_be_about(message: str, kind: str) -> bool:
    """True if an error's text that names no event by its id may be about a housekeeping event of type *kind*.

    It may if it names that event ("Deleting items not implemented"), or none ("unknown event").
    """
    named = _EVENT_NAMES.findall(message)
    if named:
        return kind in named
    verbs = [verb for verb in _VERBS if verb in message.lower()]
    if verbs:
        return any(verb in kind for verb in verbs)
    return not message or is_unsupported(None, message)


def is_final(error: Wire) -> bool:
    """True for an error object after which another session cannot work either."""
    return text_of(error.get("code")) in _FINAL_CODES or text_of(error.get("type")) in _FINAL_CODES


def names_final(text: str) -> bool:
    """True if a text, such as the reason of a close, names one of those codes."""
    return not _FINAL_CODES.isdisjoint(_WORDS.findall(text))


def is_limit(text: str) -> bool:
    """True if a text says that the server is busy now: the same request may succeed later."""
    return _LIMIT.search(text) is not None
