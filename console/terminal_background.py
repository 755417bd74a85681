"""Asks the terminal whether its background is light (OSC 11), with COLORFGBG as the answer of those that stay silent.

The question goes out before Textual starts. A second question that every terminal answers (device attributes) follows it,
so that a terminal without OSC 11 costs no wait; one that answers nothing costs ANSWER_SECONDS. An answer that comes even
later, over a slow line, would be taken for keys: `key_release` drops its end.

Thread: main, before the event loop reads the terminal.
"""

from __future__ import annotations

import os
import re
import select
import time
from collections.abc import Mapping

__all__ = ["is_light"]

ANSWER_SECONDS = 0.5
QUESTION = b"\x1b]11;?\x1b\\\x1b[c"
_COLOUR = re.compile(rb"\x1b\]11;rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})")
_ATTRIBUTES = re.compile(rb"\x1b\[\?[\d;]*c")
# Colours 7 and 9 to 15 of the sixteen are light, those of COLORFGBG too
LIGHT_COLOURS = {"7", *map(str, range(9, 16))}


def is_light(environment: Mapping[str, str]) -> bool | None:
    """Return True for a light background, False for a dark one, None if nobody tells."""
    answer = _luminance(_ask())
    if answer is not None:
        return answer > 0.5
    last = environment.get("COLORFGBG", "").rpartition(";")[2]
    return last in LIGHT_COLOURS if last.isdigit() else None


def _luminance(answer: bytes) -> float | None:
    """Return the luminance of the colour in a terminal's answer, 0 to 1; None if there is none."""
    found = _COLOUR.search(answer)
    if found is None:
        return None
    red, green, blue = (int(part, 16) / (16 ** len(part) - 1) for part in found.groups())
    return float(0.2126 * red + 0.7152 * green + 0.0722 * blue)


def _ask() -> bytes:
    """Return what the terminal answers; empty if there is no terminal that could."""
    try:
        import termios
        import tty
    except ImportError:
        # Windows
        return b""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return b""
    try:
        before = termios.tcgetattr(terminal)
        try:
            # TCSADRAIN: letters that were typed already stay
            tty.setcbreak(terminal, termios.TCSADRAIN)
            os.write(terminal, QUESTION)
            return _read(terminal)
        finally:
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
    except (OSError, termios.error):
        return b""
    finally:
        os.close(terminal)


def _read(terminal: int) -> bytes:
    """Read up to the last answer, or until ANSWER_SECONDS have passed."""
    answer, deadline = b"", time.monotonic() + ANSWER_SECONDS
    while _ATTRIBUTES.search(answer) is None and len(answer) < 4096:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([terminal], [], [], left)[0]:
            break
        part = os.read(terminal, 256)
        if not part:
            break
        answer += part
    return answer
