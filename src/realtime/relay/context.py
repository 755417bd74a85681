"""What all sessions of one relay share: policy, key, tool handlers, counters, TLS settings for upstream.

Thread: the event loop only.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from .metrics import Metrics, Totals
from .policy import Policy
from .server_tools import Handlers

__all__ = ["RelayContext"]


@dataclass(frozen=True)
class RelayContext:
    """The shared objects of a relay; the object itself does not change, its counters do."""

    policy: Policy
    key: str
    handlers: Handlers
    totals: Totals
    metrics: Metrics
    upstream_tls: ssl.SSLContext | None
