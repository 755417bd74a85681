"""OneCall: refuses a call that a signal handler makes in the middle of another call of the same object.

Thread: any, with the object's own reentrant lock held.
"""

from __future__ import annotations

from wavtools.errors import StateError

__all__ = ["OneCall"]


class OneCall:
    """Marks the calls that change an object's state: ``with self._lock, self._one_call:``.

    Parameters
    ----------
    what : str
        The object's name in errors.

    Raises
    ------
    StateError
        on entering, if the same thread is inside already
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._busy = False

    def __enter__(self) -> None:
        if self._busy:
            raise StateError(
                f"a signal handler called in the middle of another call of this {self._what}; set a flag in the "
                "handler, and make the call where the program looks at the flag"
            )
        self._busy = True

    def __exit__(self, *exc: object) -> None:
        self._busy = False
