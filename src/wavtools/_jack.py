"""JACK's clients in this process: after the server's death all of them are closed before another one is made.

libjack frees every client of a dead server as soon as somebody opens a new one. A device that still has such a client
would crash the process when it is closed. So each call that makes a client, if only for a moment, comes after
before_new_client; quiet_stderr lets only one such call run at a time.

Thread: control threads.
"""

from __future__ import annotations

import threading
import time
import weakref
from typing import Protocol

__all__ = ["before_new_client", "keep_client"]

# The other clients of a dead server hear of it within some ms.
END_SECONDS = 0.3


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

    def close(self) -> None:
        """Close the client, or wait for a close that has begun."""
        ...


_clients: weakref.WeakSet[_Client] = weakref.WeakSet()
_lock = threading.Lock()


def keep_client(device: _Client) -> None:
    """Note a device that was opened; it is forgotten when it was closed."""
    with _lock:
        _clients.add(device)


def before_new_client() -> None:
    """Wait for closes under way, and close the clients of a dead server; their supervisors open other devices."""
    with _lock:
        clients = list(_clients)
        # All have the same server: one that ended means that the others end any moment.
        dead = any(client.ended for client in clients)
        deadline = time.monotonic() + END_SECONDS
        while dead and not all(client.ended or client.closed for client in clients):
            # libjack tells each client on a thread of its own, which may be at work on the client that would be closed.
            if time.monotonic() > deadline:
                break
            time.sleep(0.001)
        for client in clients:
            if dead or client.closed:
                client.close()
                _clients.discard(client)
