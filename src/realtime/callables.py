"""Questions about the functions that applications pass in.

Thread: any; stateless.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["is_coroutine_function"]


def is_coroutine_function(handler: Callable[..., Any]) -> bool:
    """Whether calling *handler* makes a coroutine: also for an object whose ``__call__`` does."""
    call = getattr(handler, "__call__", None)  # noqa: B004 - the method itself is wanted
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(call)
