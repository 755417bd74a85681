"""The console: holds and inspects a realtime voice conversation in a terminal. Run it with ``wavtools console``.

It uses only the public APIs of wavtools and realtime. Installed, this folder is the package ``realtime_console``;
in the repository it also runs as ``python -m console``. Therefore its modules import each other relatively.

`run` shows a client of your own: ``console.run(client)``.

Thread: any.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    run: Callable[..., int]

__all__ = ["PROGRAM", "run"]

# The command that started it: from the repository, or of the installed package
PROGRAM = "python -m console" if __name__ == "console" else "wavtools console"
# What is said where a microphone or a terminal is missing
BROWSER_HINT = f"{PROGRAM} web talks from a browser"
# Names of modules on top, which are imported when they are first used
_ON_TOP = {"run": "agent"}


def __getattr__(name: str) -> Any:
    if name not in _ON_TOP:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_ON_TOP[name]}", __name__), name)
