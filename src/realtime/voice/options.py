"""What the options of a voice session may be, and the errors for what they may not.

Thread: any; stateless.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal, cast, get_args

from ..callables import is_coroutine_function

__all__ = ["InterruptMode", "Mode", "check_interrupt", "check_mode", "check_on_chunk", "check_spec"]

Mode = Literal["manual", "vad"]
InterruptMode = Literal["cut", "duck"]


def check_mode(mode: object) -> Mode:
    """*mode* if it exists; raises ValueError if not."""
    if mode not in get_args(Mode):
        raise ValueError(f"mode must be 'manual' or 'vad', not {mode!r}")
    return cast("Mode", mode)


def check_interrupt(mode: object) -> InterruptMode:
    """*mode* if it exists; raises ValueError if not."""
    if mode not in get_args(InterruptMode):
        raise ValueError(f"interrupt must be 'cut' or 'duck', not {mode!r}")
    return cast("InterruptMode", mode)


def check_spec(name: str, spec: Any, owner: str, owned: object, device: Any = None) -> Any:
    """*spec*, or *device*, which stands for input and output, if that is given.

    Raises
    ------
    ValueError
        both, or one of them beside the recorder or player that it would be for
    """
    if spec is not None and device is not None:
        raise ValueError(f"device is for both directions: give {name} or device, not both")
    name = name if device is None else "device"
    spec = spec if device is None else device
    if spec is not None and owned is not None:
        raise ValueError(
            f"{name} is for the {owner} that the session makes: give yours its device=, or leave {owner} out"
        )
    return spec


def check_on_chunk(on_chunk: Any) -> Callable[[Any], object] | None:
    """*on_chunk* if it is None or a plain function; raises TypeError if not."""
    if on_chunk is None:
        return None
    if not callable(on_chunk):
        raise TypeError(f"on_chunk must be a function, not {type(on_chunk).__name__}")
    if is_coroutine_function(on_chunk) or inspect.isgeneratorfunction(on_chunk):
        raise TypeError(
            "on_chunk must be a plain function: no event loop runs in the thread that calls it; pass the chunk on with "
            "loop.call_soon_threadsafe()"
        )
    return cast("Callable[[Any], object]", on_chunk)
