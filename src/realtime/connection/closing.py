"""What the end of a websocket means: the exception for it, and the codes after which no new session is opened.

Thread: any; stateless.
"""

from __future__ import annotations

from ..protocol.error_codes import is_limit, names_final

__all__ = ["FATAL_CODES", "SocketClosed", "is_fatal"]

# Trying again cannot help: normal end, unacceptable data, policy, and the vendor's 3000 (key) and 4000
# (request).
FATAL_CODES = frozenset((1000, 1003, 1008, 1010))


class SocketClosed(Exception):
    """The websocket has ended; `Transport.close_status` says how, once `Transport.receive` has raised it."""


def is_fatal(code: int, text: str = "") -> bool:
    """True if no new session is to be opened after one that was closed with *code* and this *text*.

    A policy code whose text speaks of a limit, such as "slots in use", passes; no code passes whose text names an
    error that cannot get better.
    """
    if names_final(text):
        return True
    if (code == 1008 or 4000 <= code < 5000) and is_limit(text):
        return False
    return code in FATAL_CODES or 3000 <= code < 5000
