"""call_within: runs a call that may hang on a helper thread, and comes back by a deadline.

Calls into a frozen audio server return late or never. Each runs on a helper thread, and the caller waits for it no longer
than its deadline. One lock decides who owns the result: the caller, or after the deadline the helper, which cleans up.

Thread: any; *work*, and *discard* after the deadline, run on a helper thread ("wavtools-call").
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ["call_within"]

_Result = TypeVar("_Result")


def call_within(seconds: float, work: Callable[[], _Result], discard: Callable[[_Result], object]) -> _Result:
    """Run *work* on a helper thread and return its result.

    After the deadline the helper still works on what the call uses. So the caller leaves that alone, and *work* itself
    releases it when it fails.

    Parameters
    ----------
    seconds : float
        How long to wait.
    work : callable
        Returns the result. Its exceptions are raised here; after the deadline they are dropped.
    discard : callable
        Gets a result that nobody takes, to release it.

    Raises
    ------
    TimeoutError
        *work* did not end within *seconds*
    """
    lock = threading.Lock()
    ended = threading.Event()
    results: list[_Result] = []
    failures: list[BaseException] = []
    given_up = False

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            failures.append(error)
        else:
            with lock:
                late = given_up
                if not late:
                    results.append(result)
            if late:
                discard(result)
        ended.set()

    # Daemon: a call that never returns must not keep the interpreter from ending.
    threading.Thread(target=run, name="wavtools-call", daemon=True).start()
    try:
        ended.wait(seconds)
    except BaseException:  # Ctrl-C
        with lock:
            given_up = True
        if results:
            discard(results.pop())
        raise
    with lock:
        given_up = True
    if failures:
        raise failures.pop()
    if not results:
        raise TimeoutError(f"the call did not end within {seconds:g} s")
    return results.pop()
