"""The two themes, dark and light. No state is told by colour alone, so NO_COLOR loses nothing.

Thread: any.
"""

from __future__ import annotations

from textual.theme import Theme

__all__ = ["THEMES"]

THEMES = {
    "dark": Theme(
        name="realtime-dark",
        dark=True,
        primary="#6ea8fe",
        secondary="#8b949e",
        accent="#58a6ff",
        foreground="#e6edf3",
        background="#0d1117",
        surface="#161b22",
        panel="#21262d",
        success="#3fb950",
        warning="#d29922",
        error="#f85149",
    ),
    "light": Theme(
        name="realtime-light",
        dark=False,
        primary="#0550ae",
        secondary="#57606a",
        accent="#0969da",
        foreground="#1f2328",
        background="#ffffff",
        surface="#f6f8fa",
        panel="#eaeef2",
        success="#1a7f37",
        warning="#9a6700",
        error="#cf222e",
    ),
}
