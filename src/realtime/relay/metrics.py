"""Counters for Prometheus, of one process or of all workers together.

The path of a message touches plain integers (`Totals`); they are handed over once a second.

Thread: the event loop's only.
"""

from __future__ import annotations

import os
from collections import Counter as Tally
from typing import Any

__all__ = ["Metrics", "Totals"]

try:
    import prometheus_client as prometheus
except ImportError:  # the [relay] extra installs it
    prometheus = None  # type: ignore[assignment]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SESSION_SECONDS = (1, 10, 60, 300, 900, 1800, 3600)


class Totals:
    """What has happened since the start of this process."""

    def __init__(self) -> None:
        self.messages_up = 0
        self.messages_down = 0
        self.bytes_up = 0
        self.bytes_down = 0
        self.dropped = 0
        self.sessions = 0
        self.refused: Tally[str] = Tally()  # connections, by reason
        self.refused_events: Tally[str] = Tally()  # messages, by code of the error
        self.closed: Tally[str] = Tally()  # sessions, by why
        self.tool_calls: Tally[str] = Tally()  # by outcome


class Metrics:
    """See the module. Without prometheus-client, `text` is None and the rest does nothing."""

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
            "From dialling to session.created",
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
        """Hand over what has happened since the last time."""
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
        """Count a duration in ``connect_seconds`` or ``session_seconds``."""
        if prometheus is not None:
            getattr(self, name).observe(seconds)

    def text(self) -> bytes | None:
        """All of it as Prometheus reads it; of all workers where several run."""
        if prometheus is None:
            return None
        registry = self._registry
        if self._shared:
            from prometheus_client import multiprocess

            registry = prometheus.CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return prometheus.generate_latest(registry)
