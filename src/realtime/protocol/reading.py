"""Safe reading of nested fields: whatever a server sends, nothing here raises.

Thread: any; stateless.
"""

from __future__ import annotations

from typing import Any

from .audio_format import AudioFormat, format_of

__all__ = ["Wire", "branch", "ms_of", "output_format_of", "text_of"]

Wire = dict[str, Any]


def text_of(value: Any) -> str | None:
    """A text, or None for anything else."""
    return value if isinstance(value, str) else None


def ms_of(value: Any) -> float | None:
    """A number of milliseconds that makes sense."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e12:
        return None
    return value


def output_format_of(holder: Wire) -> AudioFormat | None:
    """The format of answers that a session or a response states; None if it states none."""
    audio = holder.get("audio")
    output = audio.get("output") if isinstance(audio, dict) else None
    return format_of(output.get("format")) if isinstance(output, dict) else None


def branch(session: Wire, side: str) -> Wire:
    """``session.audio.<side>``, empty where it is not there."""
    audio = session.get("audio")
    holder = audio.get(side) if isinstance(audio, dict) else None
    return holder if isinstance(holder, dict) else {}
