"""talk() and Talk: ask the model without asyncio, in scripts, shells and notebooks.

Thread: the caller's; the client lives in a thread of its own ("realtime-talk"), with an event loop of its own.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, TypeVar

from .client.answer import Answer
from .client.client import RealtimeClient
from .errors import StateError

__all__ = ["Talk", "talk"]

T = TypeVar("T")


def talk(question: Any, *, timeout: float | None = 60.0, **options: Any) -> Answer:
    """Open a session, ask one question, wait for the answer and close the session.

    Works where an event loop runs too, in a notebook for example. For several questions, see `Talk`.

    Parameters
    ----------
    question : str, samples, recording, os.PathLike or parts of a message
        As for `RealtimeClient.ask`.
    timeout : float, optional
        Seconds until the answer must have ended.
    **options
        Of `RealtimeClient`: ``instructions``, ``voice``, ``url``, ``api_key``, ``modalities``, ...

    Returns
    -------
    Answer
        ``str(answer)`` is its text or the words spoken, ``answer.file`` the sound.

    Raises
    ------
    AnswerError
        the answer failed, was cut off, was refused or lost
    TimeoutError
        no answer within *timeout* seconds
    ConnectError, ConfigurationError
        the session could not be opened
    TypeError, ValueError
        a question or an option of another kind

    Examples
    --------
    >>> print(talk("How are you?"))                            # doctest: +SKIP
    """
    with Talk(**options) as session:
        return session.ask(question, timeout=timeout)


class Talk:
    """A session for scripts: a client whose calls wait.

    Parameters
    ----------
    **options
        Of `RealtimeClient`. Without ``turn_detection`` it is None: what is asked is the whole turn.

    Attributes
    ----------
    client : RealtimeClient
        For settings, handlers and tools. Its plain methods may be called; what is awaited belongs to its own thread.

    Examples
    --------
    >>> with Talk(instructions="Be brief.") as session:        # doctest: +SKIP
    ...     print(session.ask("How are you?"))
    ...     print(session.ask("And the weather?"))
    """

    def __init__(self, **options: Any) -> None:
        self.client = RealtimeClient(**{"turn_detection": None, **options})
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Talk:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        """Open the session. Raises ConnectError, ConfigurationError, or StateError if it is open."""
        if self._loop is not None:
            raise StateError("the session is open already: call close() first")
        loop = self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=_serve, args=(loop,), name="realtime-talk", daemon=True)
        self._thread.start()
        try:
            self._run(self.client.connect())
        except BaseException:
            self._end()
            raise

    def ask(self, question: Any = None, *, timeout: float | None = 60.0, **parameters: Any) -> Answer:
        """Ask, and wait for the answer; see `RealtimeClient.ask`.

        Raises
        ------
        AnswerError
            the answer failed, was cut off, was refused or lost
        TimeoutError
            no answer within *timeout* seconds
        StateError
            not open
        """

        async def answered() -> Answer:
            return await self.client.ask(question, timeout=timeout, **parameters)

        return self._run(answered())

    def close(self) -> None:
        """Close the session. Idempotent."""
        if self._loop is None:
            return
        try:
            self._run(self.client.disconnect())
        finally:
            self._end()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run *work* in the loop and wait for it; an interrupted wait cancels it."""
        if self._loop is None:
            work.close()
            raise StateError("the session is not open: call open(), or use it in a with statement")
        if threading.current_thread() is self._thread:
            work.close()
            raise StateError("handlers and tools of a Talk cannot wait for it: use talk.client there")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            # KeyboardInterrupt of the waiting thread, or what the work itself raised.
            future.cancel()
            raise

    def _end(self) -> None:
        loop, thread = self._loop, self._thread
        self._loop = self._thread = None
        assert loop is not None and thread is not None
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
