"""Shows a call until the user quits: on a screen, or as lines; gives the exit status.

Thread: the main one, which runs the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from .ending import Ended, ended_by_signals, run
from .errors import UserError

__all__ = ["is_terminal", "run_call", "show_screen"]

SCREEN = "app.RealtimeConsole"
AGENT_SCREEN = "agent.AgentConsole"


def is_terminal() -> bool:
    """Return True if a person can type and read here. A stream that is missing or closed is no terminal."""
    try:
        return sys.stdin is not None and sys.stdin.isatty() and sys.stdout is not None and sys.stdout.isatty()
    except ValueError:
        return False


async def show_screen(
    call: Any,
    theme: str | None,
    view: str = SCREEN,
    guide: Callable[[Any], Coroutine[Any, Any, Any]] | None = None,
) -> int:
    """Show *call* on the screen *view*, a class in a module of `console.screen`. Raises UserError without Textual.

    *guide* acts on the screen in the background.
    """
    module, _, name = view.rpartition(".")
    try:
        app_class = getattr(importlib.import_module(f".screen.{module}", __package__), name)
    except ImportError as error:
        raise UserError(
            f"{error.name} is missing; install it with: pip install 'wavtools[console]', or use --plain"
        ) from error
    if theme in (None, "auto"):
        from .terminal_background import is_light

        theme = "light" if is_light(os.environ) else "dark"
    app = app_class(call, theme) if guide is None else app_class(call, theme, guide=guide)
    # Modules stay: a collection that walked through all of them would cost the screen two frames
    gc.freeze()

    async def shown() -> int:
        await app.run_async()
        return app.return_code or 0

    return await run(shown(), stop=lambda status: app.exit(return_code=status))


def run_call(make_call: Callable[[], Any], theme: str | None, plain: bool) -> int:
    """Make a call and show it in this thread, with an event loop of its own; return the exit status.

    Raises UserError for what the user can mend. Signals end it as they end the program.
    """

    async def show() -> int:
        call = make_call()
        if is_terminal() and not plain:
            return await show_screen(call, theme, AGENT_SCREEN)
        from .plain import PlainView, hold

        return await run(hold(call, PlainView(call)))

    with ended_by_signals(), contextlib.ExitStack() as stack:
        if plain or not is_terminal():
            from realtime.printing import guarded_streams

            stack.enter_context(guarded_streams(required=True))
        try:
            return asyncio.run(show())
        except Ended as ended:
            return ended.status
