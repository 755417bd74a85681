"""Holds the options of a connection: timeouts, backoff, renewal and limits.

Thread: any; immutable.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LinkOptions"]


@dataclass(frozen=True)
class LinkOptions:
    """Timeouts, backoff and renewal of a connection; times in seconds.

    Attributes
    ----------
    connect_timeout : float
        Until ``session.created`` must have arrived.
    reconnect : bool
        True restores lost connections and renews expiring sessions.
    max_attempts : int
        Consecutive failures that end the connection.
    first_delay, max_delay : float
        Wait before the first attempt, which doubles with each failure, and its upper limit.
    stable_after : float
        A connection that held this long starts the count of failures anew.
    renew_before : float
        How long before its expiry a session is renewed; at most half its lifetime.
    max_message_bytes : int
        Largest message accepted from the server.
    max_retry_after : float
        Longest wait that a server may ask for with ``Retry-After``; one that asks for more ends the connection.
    call : bool
        True for a connection that joins a call: the session is the call's. It is not renewed, and its end is no
        error.
    """

    connect_timeout: float = 15.0
    reconnect: bool = True
    max_attempts: int = 10
    first_delay: float = 0.25
    max_delay: float = 10.0
    stable_after: float = 5.0
    renew_before: float = 300.0
    max_message_bytes: int = 64 * 1024 * 1024
    max_retry_after: float = 300.0
    call: bool = False
