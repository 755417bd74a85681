"""Counts what a relay does and reports it to Prometheus, for one process or for all workers together.

Messages increment plain integers (`Traffic`); Prometheus' counters are updated once a second.

Thread: the event loop only.
"""

from __future__ import annotations

import os
from collections import Counter as Tally
from dataclasses import dataclass
from typing import Any

__all__ = ["Metrics", "Totals", "Traffic"]

try:
    import prometheus_client as prometheus
# The [relay] extra installs it.
except ImportError:
    prometheus = None  # type: ignore[assignment]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SESSION_SECONDS = (1, 10, 60, 300, 900, 1800, 3600)


class Totals:
    """Counts since the start of this process.

    Attributes
    ----------
    messages_up, messages_down, bytes_up, bytes_down : int
        Messages passed on, and their bytes, to upstream and to clients.
    dropped : int
        Server events that were not allowed.
    sessions : int
        Sessions opened.
    refused : Counter
        Connections refused, by reason.
    refused_events : Counter
        Client events refused, by error code.
    closed : Counter
        Sessions closed, by reason.
    tool_calls : Counter
        Calls of server-side tools, by outcome.
    """

    def __init__(self) -> None:
        self.messages_up = 0
        self.messages_down = 0
        self.bytes_up = 0
        self.bytes_down = 0
        self.dropped = 0
        self.sessions = 0
        self.refused: Tally[str] = Tally()
        self.refused_events: Tally[str] = Tally()
        self.closed: Tally[str] = Tally()
        self.tool_calls: Tally[str] = Tally()


@dataclass(slots=True)
class Traffic:
    """Messages and bytes that one session has passed on, to upstream and to the client."""

    messages_up: int = 0
    messages_down: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    # The four numbers that the totals hold already
    _added: tuple[int, int, int, int] = (0, 0, 0, 0)

    def add_to(self, totals: Totals) -> None:
        """Add what has passed since the last call to *totals*."""
        messages_up, messages_down, bytes_up, bytes_down = self._added
        totals.messages_up += self.messages_up - messages_up
        totals.messages_down += self.messages_down - messages_down
        totals.bytes_up += self.bytes_up - bytes_up
        totals.bytes_down += self.bytes_down - bytes_down
        self._added = (self.messages_up, self.messages_down, self.bytes_up, self.bytes_down)


class Metrics:
    """Prometheus metrics of a relay. Without prometheus-client, `text` is None and the other methods do nothing."""

    def __init__(self, totals: Totals) -> None:
        self._totals = totals
        self._seen: dict[tuple[str, str], float] = {}
        if prometheus is None:
            return
        self._shared = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        self._registry = prometheus.CollectorRegistry()
        target: Any = None if self._shared else self._registry
        self._sessions = prometheus.Gauge(
            "relay_sessions", "Sessions now", registry=target, multiprocess_mode="livesum"
        )
        self._draining = prometheus.Gauge(
            "relay_draining", "1 while shutting down", registry=target, multiprocess_mode="livemax"
        )
        self.connect_seconds = prometheus.Histogram(
            "relay_upstream_connect_seconds",
            "From connecting to an open session",
            buckets=_SECONDS,
            registry=target,
        )
        self.session_seconds = prometheus.Histogram(
            "relay_session_seconds", "Length of sessions", buckets=_SESSION_SECONDS, registry=target
        )
        self._counters = {
            name: prometheus.Counter(f"relay_{name}", help, [label], registry=target)
            for name, help, label in (
                ("messages", "Messages passed on", "direction"),
                ("bytes", "Bytes of messages passed on", "direction"),
                ("opened", "Sessions opened", "kind"),
                ("refused", "Connections refused", "reason"),
                ("refused_events", "Client events refused", "code"),
                ("dropped_events", "Server events dropped", "kind"),
                ("closed", "Sessions closed", "reason"),
                ("tool_calls", "Calls of server-side tools", "outcome"),
            )
        }

    def publish(self, sessions: int, draining: bool) -> None:
        """Report the number of sessions now, and the totals' growth since the last call."""
        if prometheus is None:
            return
        totals = self._totals
        self._sessions.set(sessions)
        self._draining.set(int(draining))
        current: dict[tuple[str, str], float] = {
            ("messages", "up"): totals.messages_up,
            ("messages", "down"): totals.messages_down,
            ("bytes", "up"): totals.bytes_up,
            ("bytes", "down"): totals.bytes_down,
            ("opened", "session"): totals.sessions,
            ("dropped_events", "not_allowed"): totals.dropped,
        }
        for name, tally in (
            ("refused", totals.refused),
            ("refused_events", totals.refused_events),
            ("closed", totals.closed),
            ("tool_calls", totals.tool_calls),
        ):
            current.update({(name, label): count for label, count in tally.items()})
        for key, value in current.items():
            grown = value - self._seen.get(key, 0)
            if grown:
                self._counters[key[0]].labels(key[1]).inc(grown)
                self._seen[key] = value

    def observe(self, name: str, seconds: float) -> None:
        """Add a duration to the histogram *name*, ``connect_seconds`` or ``session_seconds``."""
        if prometheus is not None:
            getattr(self, name).observe(seconds)

    def text(self) -> bytes | None:
        """All metrics in Prometheus' text format, of all workers if several run."""
        if prometheus is None:
            return None
        registry = self._registry
        if self._shared:
            from prometheus_client import multiprocess

            registry = prometheus.CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return prometheus.generate_latest(registry)
