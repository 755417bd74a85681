"""RawEvents: protocol events that the user writes as JSON, checked and sent, and those that were sent before.

Thread: the event loop's.
"""

from __future__ import annotations

import difflib
import json
from collections import deque
from typing import Any

from .errors import UserError
from .text import clean, one_line

__all__ = ["EXAMPLE", "RawEvents", "parse"]

MAX_SENT = 50
EXAMPLE = '{\n  "type": "response.create"\n}'


def parse(text: str) -> dict[str, Any]:
    """Return the event that *text* holds.

    Raises
    ------
    UserError
        It holds none; the message names the line and the column.
    """
    try:
        event = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"this is no JSON that can be sent: {one_line(error, 120)}") from None
    if not isinstance(event, dict):
        raise UserError('an event is a JSON object: {"type": "response.create"}')
    if not isinstance(event.get("type"), str) or not event["type"]:
        raise UserError('the event needs a type, a text such as "response.create"')
    return event


def doubt(event: dict[str, Any]) -> str:
    """Return why a server would refuse *event*, as far as this program knows; "" if it knows no reason."""
    from realtime.offline.checks.client_events import check_event
    from realtime.protocol.event_types import CLIENT_EVENTS
    from realtime.protocol.schema import RequestError

    kind = event["type"]
    if kind not in CLIENT_EVENTS:
        near = difflib.get_close_matches(kind, CLIENT_EVENTS, 1, 0.6)
        return f"{one_line(kind, 60)} is no event that clients send" + (
            f"; did you mean {near[0]}?" if near else ""
        )
    try:
        check_event(event)
    except RequestError as error:
        return clean(error.message, 400)
    return ""


class RawEvents:
    """Sends the user's events and keeps the last MAX_SENT of them.

    Parameters
    ----------
    call : Call
        Its client sends.

    Attributes
    ----------
    sent : deque of str
        The texts of the events, the newest first.
    """

    def __init__(self, call: Any) -> None:
        self._call = call
        self.sent: deque[str] = deque(maxlen=MAX_SENT)
        # The text whose doubt was told: sent the second time
        self._doubted = ""

    def send(self, text: str) -> str:
        """Check and send an event.

        Parameters
        ----------
        text : str
            The event as JSON, in GA names.

        Returns
        -------
        str
            Why it was not sent, for the user; "" if it was sent. An event that only a server can judge is sent when the
            same text is given a second time.
        """
        try:
            event = parse(text)
        except UserError as error:
            return str(error)
        reason = doubt(event)
        if reason and text != self._doubted:
            self._doubted = text
            return f"{reason}\nSend it again to send it as it is."
        if self._call.client is None:
            return "not connected: connect first"
        try:
            self._call.client.send(event["type"], event)
        # The client's own checks; or the connection has just closed
        except (TypeError, ValueError, RuntimeError) as error:
            return clean(error)
        self._doubted = ""
        if text in self.sent:
            self.sent.remove(text)
        self.sent.appendleft(text)
        self._call.model.notice("info", f"sent: {one_line(event['type'], 60)}")
        return ""
