"""Ends a session after the farewell: `hang_up` for tools, and the waiting behind it.

Thread: the event loop's, except `hang_up`, which any thread may call.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Literal, Protocol

from ..background import describe, start
from ..errors import StateError
from ..events import ErrorEvent
from ..tools import current_call
from .session import Session

__all__ = ["After", "HangUp", "Playback", "hang_up"]

After = Literal["answer", "farewell"] | float
# Returns when all audio was played; False if that cannot be known.
Playback = Callable[[], Awaitable[bool]]

# Seconds between two looks at whether an answer is under way
POLL = 0.02
# Seconds that a loudspeaker and the network may be behind
MARGIN = 0.3


class Client(Protocol):
    """The part of `RealtimeClient` that is used here."""

    @property
    def state(self) -> str: ...
    @property
    def playback(self) -> Playback | None: ...
    async def disconnect(self) -> None: ...
    def report_error(self, error: ErrorEvent) -> None: ...


def hang_up(client: Any = None, *, after: After = "farewell", timeout: float = 30.0) -> HangUp:
    """Let a tool end the session: the farewell is heard, then the client disconnects. Does not wait. Thread: any.

    The call is answered, the model says goodbye, and then the connection is closed. Awaiting what is returned waits
    for that; within the tool it does not, because the model cannot answer before the tool has returned.

    Parameters
    ----------
    client : RealtimeClient, optional
        Default: the client whose tool calls this.
    after : "farewell", "answer" or float
        "farewell" and "answer" mean the same: when no tool runs, no answer is under way, and the last one was played to
        its end: by the player of a `VoiceSession`, else for as long as its audio lasts. A number: after so many seconds.
    timeout : float
        Seconds after which the connection is closed in any case.

    Returns
    -------
    HangUp
        What can be awaited outside of tools.

    Raises
    ------
    StateError
        called outside of a tool without a client, or in a tool of the relay
    ValueError
        another word, a number below 0

    Examples
    --------
    >>> @client.tool                                                    # doctest: +SKIP
    ... def end_call() -> str:
    ...     '''End the call after the user has said goodbye.'''
    ...     hang_up(after="farewell")
    ...     return "Say goodbye."
    """
    call = current_call()
    client = client or (call.owner if call is not None else None)
    if client is None:
        raise StateError("hang_up() knows no client here: call it in a tool, or pass the client")
    arranged: HangUp = client.hang_up(after=after, timeout=timeout)
    return arranged


class HangUp:
    """A disconnection that was arranged; awaiting it waits for it, except within the tool that arranged it."""

    def __init__(self, client: Client, session: Session, after: After, timeout: float) -> None:
        if after not in ("answer", "farewell"):
            _check_seconds("after", after)
        _check_seconds("timeout", timeout)
        self._client = client
        self._session = session
        self._call = current_call()
        # Another one belongs to each connection, none to a closed one.
        self._connection = session.created
        self._deadline = time.monotonic() + timeout
        self._task = start(self._run(after), "hanging up", self._failed)

    def __await__(self) -> Generator[Any, None, None]:
        if self._call is not None and current_call() is self._call:
            return
        yield from asyncio.wait({self._task}).__await__()

    async def _run(self, after: After) -> None:
        if after in ("answer", "farewell"):
            await self._until(lambda: self._session.turns.idle)
            await self._until_heard()
        else:
            ends = time.monotonic() + float(after)
            await self._until(lambda: time.monotonic() >= ends)
        if self._connected():
            await self._client.disconnect()

    def _connected(self) -> bool:
        """True while the connection of the beginning lasts."""
        return self._client.state != "disconnected" and self._session.created is self._connection

    async def _until(self, condition: Callable[[], bool]) -> None:
        while self._connected() and not condition():
            left = self._deadline - time.monotonic()
            if left <= 0:
                return
            await asyncio.sleep(min(POLL, left))

    async def _until_heard(self) -> None:
        playback = self._client.playback
        if playback is not None and self._connected():
            played = asyncio.ensure_future(playback())
            left = max(self._deadline - time.monotonic(), 0)
            await asyncio.wait({played}, timeout=left)
            if not played.done():
                played.cancel()
                return
            if played.result():
                return
        ends = self._last_sound()
        await self._until(lambda: time.monotonic() >= ends)

    def _last_sound(self) -> float:
        """When the last answer was heard, if it was played as it came."""
        for item in reversed(self._session.conversation.get_items()):
            if item.role == "assistant":
                began = self._session.meter.first_audio(item.id)
                if began is None or item.interrupted:
                    break
                return began + item.received_samples / item.formatted.sample_rate + MARGIN
        return 0.0

    def _failed(self, name: str, error: BaseException) -> None:
        message = f"{name} failed: {describe(error)}"
        self._client.report_error(ErrorEvent(message, "connection", exception=error))


def _check_seconds(name: str, value: Any) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value < math.inf:
        kinds = '"farewell" or seconds' if name == "after" else "seconds"
        raise ValueError(f"{name} must be {kinds}, 0 or more, not {value!r}")
