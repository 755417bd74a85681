"""Tells coroutine functions from plain functions among the callables that applications pass.

Thread: any; stateless.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["is_coroutine_function"]


def is_coroutine_function(handler: Callable[..., Any]) -> bool:
    """True if calling *handler* makes a coroutine, also for an object whose ``__call__`` does."""
    call = getattr(handler, "__call__", None)  # noqa: B004 - the method itself is needed
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(call)
