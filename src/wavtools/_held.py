"""Held: a callback that only its owner keeps alive; threads call it through a weak reference.

A callback often refers to its recorder. A thread that held the callback would keep a dropped recorder alive, and its
microphone open.

Thread: any.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["Held"]


class Held:
    """A callback, for its owner to keep."""

    __slots__ = ("__weakref__", "_function")

    def __init__(self, function: Callable[[Any], object]) -> None:
        self._function = function

    def weakly(self) -> Callable[[Any], None]:
        """A function that calls the callback; it does nothing once this object is gone."""
        reference = weakref.ref(self)

        def call(argument: Any) -> None:
            held = reference()
            if held is not None:
                held.call(argument)

        return call

    def call(self, argument: Any) -> None:
        """Call the callback."""
        self._function(argument)
