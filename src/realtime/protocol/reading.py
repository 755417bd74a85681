"""Safe reading of nested fields: every function takes any value and never raises.

Thread: any; stateless.
"""

from __future__ import annotations

from typing import Any

from .audio_format import AudioFormat, format_of

__all__ = ["Wire", "branch", "dict_of", "list_of", "ms_of", "output_format_of", "text_of"]

# One JSON object: an event of the protocol, or a part of one.
Wire = dict[str, Any]


def text_of(value: Any) -> str | None:
    """The text *value*, or None for anything else."""
    return value if isinstance(value, str) else None


def dict_of(value: Any) -> Wire:
    """The object *value* itself, or a new empty one for anything else."""
    return value if isinstance(value, dict) else {}


def list_of(value: Any) -> list[Any]:
    """The list *value* itself, or a new empty one for anything else."""
    return value if isinstance(value, list) else []


def ms_of(value: Any) -> float | None:
    """A plausible number of milliseconds (0 up to 1e12), or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e12:
        return None
    return value


def branch(holder: Any, side: str) -> Wire:
    """``audio.<side>`` of a session or a response; empty where it is missing."""
    return dict_of(dict_of(dict_of(holder).get("audio")).get(side))


def output_format_of(holder: Any) -> AudioFormat | None:
    """The audio format of answers that a session or a response states; None if it states none."""
    return format_of(branch(holder, "output").get("format"))
