"""Runs a relay in this process: serves until a signal, then drains; sets up the logs.

Thread: main.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

from .. import background
from ..command_line import StopSignals
from ..protocol.redact import Secret
from .journal import JsonLines, record_failure
from .policy import Policy
from .server import Relay

__all__ = ["PROGRAM", "run", "serve", "set_up_logs"]

PROGRAM = "python -m realtime.relay"
T = TypeVar("T")


async def serve(policy: Policy, key: Secret, *, share_port: bool = False, ready: Any = None) -> int:
    """Listen until a signal, then drain; a second signal ends at once.

    Parameters
    ----------
    policy : Policy
    key : Secret
        The key for upstream.
    share_port : bool
        True in a worker: several processes listen on the port.
    ready : semaphore, optional
        Released once the relay listens. Without it, the first line is printed.

    Returns
    -------
    int
        The exit status, see `StopSignals`.

    Raises
    ------
    ConfigurationError
        The policy cannot be used.
    OSError
        The port cannot be opened.
    """
    stop = asyncio.Event()
    signals = StopSignals(stop)
    relay = Relay(policy, key, share_port=share_port)
    async with relay:
        # What exists now lives as long as the process, so the garbage collector need not scan it again.
        gc.collect()
        gc.freeze()
        if ready is not None:
            ready.release()
        else:
            print(f"listening on {relay.url}", flush=True)
        await stop.wait()
        stop.clear()
        again = asyncio.create_task(stop.wait())
        drained = background.start(relay.drain(), "relay: drain", _drain_failed)
        await asyncio.wait([again, drained], return_when=asyncio.FIRST_COMPLETED)
        for task in (again, drained):
            task.cancel()
        await asyncio.gather(again, drained, return_exceptions=True)
    return signals.status


def _drain_failed(name: str, error: BaseException) -> None:
    record_failure("drain.failed", error)


def run(main: Coroutine[Any, Any, T]) -> T:
    """asyncio.run, on uvloop if it is installed: one core then carries about twice as many sessions."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)


def set_up_logs() -> None:
    """Send the logs of the relay and of asyncio to stderr as JSON lines; other loggers stay as they are."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    log = logging.getLogger("realtime.relay")
    log.handlers = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False
    logging.getLogger("asyncio").handlers = [handler]
    logging.getLogger("asyncio").propagate = False
