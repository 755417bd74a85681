"""Key releases of terminals that can report them (kitty keyboard protocol, "report event types").

Textual asks for flags 1, 8 and 16 of the protocol, not for 2, and its parser fails on sequences of flag 2
(``ESC[32;1:3u``). Therefore this module asks whether the terminal speaks the protocol (``ESC[?u``), adds flag 2 only if
it answers, and removes the event type from each sequence before Textual's parser sees it. A released space becomes the
key RELEASE; other releases are dropped, and repeats are presses.

Textual has no public API for that: this is the only module that uses its private names. It works on Linux and macOS;
elsewhere keys stay as they are.

Thread: Textual's input thread.
"""

from __future__ import annotations

import re
from typing import Any

from textual import events
from textual._xterm_parser import XTermParser

__all__ = ["IGNORED", "RELEASE", "ReleaseParser", "driver_class"]

RELEASE, IGNORED = "space_released", "released"
QUERY, ADD_EVENT_TYPES = "\x1b[?u", "\x1b[=2;2u"
_ANSWER = re.compile(r"\x1b\[\?\d+u")
# The late answer to a question of terminal_background.py
_ATTRIBUTES = re.compile(r"\x1b\[\?[\d;]*c")
_WITH_EVENT = re.compile(r"(\x1b\[\d+(?::\d*)*;\d*):([123])((?:;[\d:]*)?[u~A-HPQRS])")


class ReleaseParser(XTermParser):
    """Textual's parser, which also takes sequences with an event type."""

    # Called when the terminal answers that it speaks the protocol
    on_protocol: Any = None

    # The versions of Textual differ in the rest
    def _sequence_to_key_events(self, sequence: str, *rest: Any, **named: Any) -> Any:
        if _ANSWER.fullmatch(sequence):
            if self.on_protocol is not None:
                type(self).on_protocol()
            # Without a key, Textual would take the sequence for typed characters
            yield events.Key(IGNORED, None)
            return
        if _ATTRIBUTES.fullmatch(sequence):
            yield events.Key(IGNORED, None)
            return
        typed = _WITH_EVENT.fullmatch(sequence)
        if typed is None:
            yield from super()._sequence_to_key_events(sequence, *rest, **named)
            return
        keys = super()._sequence_to_key_events(typed[1] + typed[3], *rest, **named)
        if typed[2] != "3":
            yield from keys
        elif any(key.key == "space" for key in keys):
            yield events.Key(RELEASE, None)
        else:
            yield events.Key(IGNORED, None)


def driver_class(base: Any) -> Any:
    """Return a driver that reports key releases, if *base* is Textual's driver of a Unix terminal; else *base*."""
    try:
        from textual.drivers import linux_driver
    except ImportError:
        # Windows
        return base
    if not issubclass(base, linux_driver.LinuxDriver):
        return base

    class ReleaseDriver(base):  # type: ignore[misc]
        def start_application_mode(self) -> None:
            ReleaseParser.on_protocol = staticmethod(lambda: self._add_event_types())
            linux_driver.XTermParser = ReleaseParser  # type: ignore[attr-defined]
            super().start_application_mode()
            self.write(QUERY)
            self.flush()

        def _add_event_types(self) -> None:
            self.write(ADD_EVENT_TYPES)
            self.flush()

    return ReleaseDriver
