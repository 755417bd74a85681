"""Opens the TCP connection to a server: every address of its name is tried, a slow one does not hold up the next.

As in RFC 8305 ("happy eyeballs"): addresses of the two families take turns, the next attempt begins when the one
before has failed or has taken `ATTEMPT_DELAY`, and the first connection that opens is used.

Thread: the event loop's only.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from itertools import chain, zip_longest

from .endpoint import Endpoint

__all__ = ["ATTEMPT_DELAY", "open_socket"]

# Seconds until the next address is tried beside one that has not answered.
ATTEMPT_DELAY = 0.25


async def open_socket(endpoint: Endpoint) -> socket.socket:
    """Connect to the server; the socket is non-blocking and ready for ``create_connection(sock=...)``.

    Cancel-safe: every socket is closed.

    Raises
    ------
    ConfigurationError
        a secret would go over plain ``ws://`` to an address outside the loopback
    OSError
        the name does not resolve, or no address answers
    """
    return await _first_to_answer(_in_turns(await endpoint.resolve()), endpoint.port)


def _in_turns(addresses: Sequence[str]) -> list[str]:
    """*addresses* with the two families in turns, beginning with the family of the first."""
    first = [one for one in addresses if (":" in one) == (":" in addresses[0])]
    second = [one for one in addresses if (":" in one) != (":" in addresses[0])]
    return [one for one in chain.from_iterable(zip_longest(first, second)) if one is not None]


async def _first_to_answer(addresses: list[str], port: int) -> socket.socket:
    pending: set[asyncio.Task[socket.socket]] = set()
    failures: list[str] = []
    winner: socket.socket | None = None
    waiting = list(addresses)
    try:
        while winner is None and (waiting or pending):
            if waiting:
                address = waiting.pop(0)
                pending.add(asyncio.create_task(_connect(address, port), name=address))
            delay = ATTEMPT_DELAY if waiting else None
            done, pending = await asyncio.wait(pending, timeout=delay, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if error is not None:
                    failures.append(f"{task.get_name()}: {getattr(error, 'strerror', None) or error}")
                elif winner is None:
                    winner = task.result()
                else:
                    task.result().close()
    finally:
        for task in pending:
            task.cancel()
            task.add_done_callback(_close_late)
    if winner is None:
        raise OSError("; ".join(failures))
    return winner


def _close_late(task: asyncio.Task[socket.socket]) -> None:
    """Close the socket of an attempt that succeeded although it was not needed any more."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


async def _connect(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # With the protocol named: asyncio switches Nagle's algorithm off for such sockets only, and with it small frames wait
    # 20 ms and more for an acknowledgement.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, (address, port))
    except BaseException:
        made.close()
        raise
    return made
