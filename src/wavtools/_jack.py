"""JACK's clients in this process: one call that makes or closes a client at a time, and none beside those of a dead server.

libjack frees every client of a dead server as soon as somebody opens a new one. A device that still has such a client
would crash the process when it is closed. So each call that makes a client, if only for a moment, runs in new_client(),
each close of a device in old_client(), and devices are not listed anew while one is open. miniaudio unloads the library
with its last context, also under threads of the library that have not ended yet; so it is kept loaded.

Thread: control threads.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Protocol

from wavtools.errors import DeviceError

__all__ = ["is_in_use", "keep_client", "new_client", "old_client"]

# The other clients of a dead server hear of it within some ms.
END_SECONDS = 0.3
# A close that a frozen server does not answer lasts until the server goes on.
BUSY_SECONDS = 2.0


class _Client(Protocol):
    """An open JACK device."""

    @property
    def ended(self) -> bool:
        """True once it stopped by itself, closed or not."""
        ...

    @property
    def closed(self) -> bool:
        """True once a close has begun."""
        ...

    @property
    def idle(self) -> bool:
        """True if it was opened and neither started nor closed: the server's death does not show on it."""
        ...

    def close(self) -> None:
        """Close the client, or wait for a close that has begun."""
        ...


_clients: weakref.WeakSet[_Client] = weakref.WeakSet()
# Guards the set.
_lock = threading.Lock()
# Held while libjack makes or closes a client.
_library = threading.Lock()


def keep_client(device: _Client) -> None:
    """Note a device that was opened; it is forgotten when it was closed."""
    with _lock:
        _clients.add(device)


def is_in_use() -> bool:
    """True if a device is open on JACK, its server alive or not."""
    with _lock:
        return any(not client.closed for client in _clients)


@contextlib.contextmanager
def old_client() -> Iterator[None]:
    """Run a call that needs or closes an existing client, alone in the library."""
    with _library:
        yield


@contextlib.contextmanager
def new_client() -> Iterator[None]:
    """Run a call that makes a client, alone in the library, after the clients of a dead server were closed.

    Raises DeviceError if the library is busy for BUSY_SECONDS with another call.
    """
    _stay_loaded()
    while True:
        _close_dead_clients()
        if not _library.acquire(timeout=BUSY_SECONDS):
            raise DeviceError(
                "JACK's library is busy closing a device, so its server seems to be frozen: restart it",
                operation="connect",
            )
        with _lock:
            # One may have ended meanwhile.
            if not any(client.ended or client.closed for client in _clients):
                break
        _library.release()
    try:
        yield
    finally:
        _library.release()


@functools.cache
def _stay_loaded() -> None:
    """Hold the library that miniaudio loads, for as long as the process lives."""
    for name in ("libjack.so.0", "libjack.so"):
        with contextlib.suppress(OSError):
            ctypes.CDLL(name)
            return


def _close_dead_clients() -> None:
    """Wait for closes under way, and close the clients of a dead server; their supervisors open other devices."""
    with _lock:
        clients = list(_clients)
    deadline = time.monotonic() + END_SECONDS
    while any(client.idle for client in clients) and time.monotonic() < deadline:
        time.sleep(0.001)
    # All have the same server: one that ended means that the others end any moment.
    dead = any(client.ended for client in clients)
    while dead and not all(client.ended or client.closed for client in clients):
        # libjack tells each client on a thread of its own, which may be at work on the client that would be closed.
        if time.monotonic() > deadline + END_SECONDS:
            break
        time.sleep(0.001)
    for client in clients:
        if dead or client.closed:
            client.close()
            with _lock:
                _clients.discard(client)
