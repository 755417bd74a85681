"""JACK's clients in this process: after the server's death all of them are closed before another one is made.

libjack frees every client of a dead server as soon as somebody opens a new one. A device that still has such a client
would crash the process when it is closed.

Thread: control threads.
"""

from __future__ import annotations

import threading
import weakref
from typing import Protocol

__all__ = ["before_new_client", "keep_client"]


class _Client(Protocol):
    """An open JACK device."""

    @property
    def running(self) -> bool:
        """False once the server ended it."""
        ...

    def close(self) -> None:
        """Close the client; waits for a close that is under way."""
        ...


_clients: weakref.WeakSet[_Client] = weakref.WeakSet()
_lock = threading.Lock()


def keep_client(device: _Client) -> None:
    """Note a device that has started; it is forgotten when it is collected."""
    with _lock:
        _clients.add(device)


def before_new_client() -> None:
    """Close the clients of a dead server. Each one's supervisor then opens another device."""
    with _lock:
        clients = list(_clients)
        # All had the same server: one that ended means that the others end any moment.
        if all(client.running for client in clients):
            return
        for client in clients:
            client.close()
        _clients.clear()
