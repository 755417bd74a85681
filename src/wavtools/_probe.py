"""Probe: asks an audio system whether it answers, without waiting for it.

A frozen server accepts a connection and says nothing until it goes on. PipeWire may also lose a single connection that is
made while its session manager starts, and answers the next one at once. So a question without an answer is asked again.

Thread: the supervisor's; each question has a thread of its own ("wavtools-probe").
"""

from __future__ import annotations

import threading
import time

from wavtools._context import Context
from wavtools.errors import DeviceError

__all__ = ["Probe"]

# A server that works answers within some ms.
ASK_AGAIN_SECONDS = 0.25
# Each unanswered question holds a connection, and PulseAudio refuses more than six that wait to be accepted.
MOST_QUESTIONS = 3


class Probe:
    """One or a few connections to an audio system; the first answer counts."""

    def __init__(self, backend: int) -> None:
        self._backend = backend
        self._lock = threading.Lock()
        self._answer: bool | None = None
        self._answered_at = 0.0
        self._questions = 0
        self._asked_at = 0.0
        self._ask_once_more()

    @property
    def answer(self) -> bool | None:
        """True if the system answered, False if it refused; None as long as neither is known, and then it may ask again."""
        late = time.monotonic() - self._asked_at > ASK_AGAIN_SECONDS
        if self._answer is None and late and self._questions < MOST_QUESTIONS:
            self._ask_once_more()
        return self._answer

    @property
    def answer_age(self) -> float:
        """Seconds since the answer; 0 without one."""
        return time.monotonic() - self._answered_at if self._answered_at else 0.0

    def _ask_once_more(self) -> None:
        self._questions += 1
        self._asked_at = time.monotonic()
        threading.Thread(target=self._ask, name="wavtools-probe", daemon=True).start()

    def _ask(self) -> None:
        try:
            context = Context([self._backend])
        except DeviceError:
            self._settle(False)
        else:
            self._settle(True)
            context.close()

    def _settle(self, answer: bool) -> None:
        with self._lock:
            if self._answer is None:
                self._answered_at = time.monotonic()
                self._answer = answer
