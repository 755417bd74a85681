"""Asks the application for its key before each handshake, where it gave a function instead of a key.

Thread: the event loop's; a plain function runs in a daemon thread of its own, because it may wait for the network.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from ..callables import is_coroutine_function
from ..errors import ConfigurationError, ConnectError

__all__ = ["ApiKey", "ask_for_key"]

# What `RealtimeClient` takes as its key.
ApiKey = str | Callable[[], str | Awaitable[str]] | None


async def ask_for_key(source: ApiKey) -> str | None:
    """The key: *source* itself, or what it returns. Cancel-safe.

    Raises
    ------
    ConnectError
        the function raised; another attempt may succeed
    ConfigurationError
        the function returned something else than text
    """
    if source is None or isinstance(source, str):
        return source
    try:
        key = await _call(source)
    except Exception as error:
        # The text of the exception may hold a token, so only its type is told; the cause has the rest.
        raise ConnectError(f"the api_key function raised {type(error).__name__}") from error
    if not isinstance(key, str):
        raise ConfigurationError(f"the api_key function must return text, not {type(key).__name__}")
    return key


async def _call(source: Callable[[], Any]) -> Any:
    result = source() if is_coroutine_function(source) else await _call_in_thread(source)
    if not inspect.isawaitable(result):
        return result
    # In a task of its own: a CancelledError that it raises by itself must not look like ours.
    task = asyncio.ensure_future(result)
    try:
        await asyncio.wait({task})
    finally:
        task.cancel()
    if task.cancelled():
        raise RuntimeError("the work of the api_key function was cancelled")
    return task.result()


async def _call_in_thread(source: Callable[[], Any]) -> Any:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()

    def deliver(result: Any, error: BaseException | None) -> None:
        if not answer.done():
            answer.set_result((result, error))

    def run() -> None:
        result, raised = None, None
        try:
            result = source()
        except BaseException as error:
            raised = error
        try:
            loop.call_soon_threadsafe(deliver, result, raised)
        except RuntimeError:
            # The loop has been closed: nobody waits any more.
            pass

    threading.Thread(target=run, name="realtime-api-key", daemon=True).start()
    result, error = await answer
    if error is not None:
        raise error if isinstance(error, Exception) else RuntimeError(type(error).__name__)
    return result
