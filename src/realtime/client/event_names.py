"""Names of a client's events: refuses one that is never emitted, and says which was meant.

Three kinds of names exist: those that the client makes itself (`OWN_EVENTS`), ``server.<type>`` and ``client.<type>`` of
the protocol in GA names, and those that the application emits itself, which begin with ``app.``. The type of a server
event may be one that this package does not know, unless it is nearly one that it does.

Thread: any; stateless.
"""

from __future__ import annotations

from typing import Any

from ..protocol.dialect import GA_NAMES
from ..protocol.event_types import CLIENT_EVENTS, SERVER_EVENTS

__all__ = ["OWN_EVENTS", "check_event_name"]

OWN_EVENTS = frozenset(
    (
        "budget.reached",
        "close",
        "connection.changed",
        "conversation.interrupted",
        "conversation.item.appended",
        "conversation.item.completed",
        "conversation.item.deleted",
        "conversation.item.ended",
        "conversation.item.incomplete",
        "conversation.updated",
        "error",
        "error.benign",
        "interruption.false",
        "mcp.approval",
        "rate_limits",
        "realtime.event",
        "response.ended",
        "response.failed",
        "timings",
        "tool.progress",
        "usage",
        "user.transcript",
        "user.transcript.failed",
        "voice.cut",
        "voice.echo",
        "voice.idle",
    )
)
# Names that begin so belong to the application.
APP = "app."
_RENAMED = {**GA_NAMES, "conversation.item.created": "conversation.item.added"}
KNOWN = (
    OWN_EVENTS
    | {f"server.{kind}" for kind in SERVER_EVENTS if kind not in _RENAMED}
    | {f"client.{kind}" for kind in CLIENT_EVENTS}
)
_ADVICE = f"names of your own events begin with '{APP}'"
# Letters in which a name may differ from the one that was meant
NEAR = 2


def check_event_name(name: Any) -> None:
    """Raise ValueError for a name under which nothing is ever emitted, TypeError for what is no text."""
    if isinstance(name, str) and (name in KNOWN or name.startswith(APP)):
        return
    if not isinstance(name, str):
        raise TypeError(f"the name of an event is a text, not {type(name).__name__}")
    meant = _prefix_meant(name) if name.endswith("*") else _meant(name)
    if meant == name:
        return
    advice = f"did you mean {meant!r}?" if meant else "see RealtimeClient for the names;"
    raise ValueError(f"there is no event {name[:100]!r}: {advice} {_ADVICE}")


def _prefix_meant(name: str) -> str | None:
    """The wildcard that was meant by *name*: itself if events exist that it takes."""
    prefix = name[:-1]
    if (APP.startswith(prefix) or name in ("server.*", "client.*")) or any(
        one.startswith(prefix) for one in KNOWN
    ):
        return name
    if prefix.startswith("server.") and prefix.endswith("."):
        # Server events that this package does not know
        return name
    return _nearest(
        name, {f"{one.rpartition('.')[0]}.*" for one in KNOWN if "." in one} | {"server.*", "client.*"}
    )


def _meant(name: str) -> str | None:
    """The name that was meant by *name*: itself for a server event that may exist."""
    head, _, kind = name.partition(".")
    if head == "server" and kind in _RENAMED:
        return f"server.{_RENAMED[kind]}"
    kind = _RENAMED.get(name, name)
    for side in ("server", "client"):
        if f"{side}.{kind}" in KNOWN:
            return f"{side}.{kind}"
    near = _nearest(name, KNOWN)
    if head != "server" or name == "server.":
        return near
    # Near by a letter or two is a mistake; anything else may be an event of this server.
    import difflib

    if near is not None and (
        _plain(near) == _plain(name)
        or difflib.SequenceMatcher(None, near, name).ratio() > 1 - NEAR / len(name)
    ):
        return near
    return name


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(".", "").replace(":", "")


def _nearest(name: str, known: Any) -> str | None:
    # Needed for a mistake only; `import realtime` stays as quick as it is.
    import difflib

    plain = {_plain(one): one for one in sorted(known)}
    near = difflib.get_close_matches(_plain(name), plain, 1, 0.75)
    return plain.get(_plain(name)) or (plain[near[0]] if near else None)
