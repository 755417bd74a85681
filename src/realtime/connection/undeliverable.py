"""Finds the message that made a server close the connection, so that it is not sent to every later session.

Thread: the event loop's only; pure, the caller gives the time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..protocol import codec
from ..protocol.bounded_dict import remember
from ..protocol.reading import Wire, dict_of

__all__ = ["APPEND", "Culprit", "Undeliverable"]

TOO_BIG = 1009
# Quick ends of sessions, one after another, for which the same message is blamed: after a close by the server, and
# after a connection that broke, which may be the network's fault.
ENDS_BY_CLOSE = 3
ENDS_BY_BREAK = 5
QUICK = 10.0
APPEND = "input_audio_buffer.append"


@dataclass(frozen=True)
class Culprit:
    """A message that the server cannot take.

    Attributes
    ----------
    kind : str
        Its type.
    size : int
        In bytes.
    item : dict or None
        The event, if it is one that creates an item.
    """

    kind: str
    size: int
    item: Wire | None = None


class Undeliverable:
    """The messages that are left out of every session from now on."""

    def __init__(self) -> None:
        self._left_out: dict[str, None] = {}
        # The first unconfirmed item of the sessions that ended quickly, and their number.
        self._suspect: str | None = None
        self._ends = 0

    def clear(self) -> None:
        """Forget everything."""
        self._left_out.clear()
        self._suspect, self._ends = None, 0

    def leaves_out(self, event: Wire) -> bool:
        """True if *event* is not to be sent."""
        return bool(self._left_out) and any(name in self._left_out for name in _names(event))

    def find(
        self, code: int, lasted: float, sent: Iterable[Wire], longest_append: int, waiting: Wire | None
    ) -> Culprit | None:
        """The message to blame for the end of a session; it is left out from now on, unless it is audio.

        Parameters
        ----------
        code : int
            The close code.
        lasted : float
            Seconds for which the session was open.
        sent : iterable of dict
            What was sent in the session, without audio.
        longest_append : int
            Bytes of its longest append event.
        waiting : dict or None
            The first item that was sent and not confirmed.
        """
        if code == TOO_BIG:
            largest = max(sent, key=_size, default=None)
            if largest is None or _size(largest) <= longest_append:
                return Culprit(APPEND, longest_append) if longest_append else None
            return self._blame(largest)
        name = dict_of(waiting and waiting["item"]).get("id")
        if name is None or lasted > QUICK:
            self._suspect, self._ends = None, 0
            return None
        self._ends = self._ends + 1 if name == self._suspect else 1
        self._suspect = name
        if waiting is None or self._ends < (ENDS_BY_BREAK if code == 1006 else ENDS_BY_CLOSE):
            return None
        return self._blame(waiting)

    def _blame(self, event: Wire) -> Culprit:
        if not event["type"].endswith("session.update"):
            for name in _names(event):
                remember(self._left_out, name, None)
        creates = event["type"] == "conversation.item.create"
        return Culprit(event["type"], _size(event), event if creates else None)


def _names(event: Wire) -> list[str]:
    names = (event.get("event_id"), dict_of(event.get("item")).get("id"))
    return [name for name in names if isinstance(name, str)]


def _size(event: Wire) -> int:
    return len(codec.dumps(event).encode())
