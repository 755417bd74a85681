"""The process that audio belongs to: a forked child has the objects of its parent, and none of its threads.

Thread: any.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from wavtools.errors import DeviceError, StateError

__all__ = ["claim", "close_at_home", "is_home", "require_home"]

# The process that opened a device of the system first, here or in a parent that was forked.
_owner: list[int] = []
_ADVICE = "start child processes with multiprocessing's 'spawn' method, and open audio there"


def claim() -> None:
    """Note that this process opens a device of the system.

    Raises
    ------
    DeviceError
        a parent did so, and forked this process: the audio system's threads are not here
    """
    if not _owner:
        _owner.append(os.getpid())
    elif _owner[0] != os.getpid():
        raise DeviceError(
            f"this process was forked from one that had opened audio; {_ADVICE}", operation="open"
        )


def is_home(pid: int) -> bool:
    """True in the process *pid*, or without one (0); False in its forked children."""
    return pid in (0, os.getpid())


def require_home(pid: int, what: str) -> None:
    """Raise StateError in a forked child of the process *pid*, for the copy of *what* that it has."""
    if not is_home(pid):
        raise StateError(f"this {what} belongs to the process that was forked; {_ADVICE}")


def close_at_home(pid: int, *closes: Callable[[], object]) -> None:
    """Call *closes*, unless this is a forked child: it would wait for threads that it does not have."""
    if is_home(pid):
        for close in closes:
            close()
