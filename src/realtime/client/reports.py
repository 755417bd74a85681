"""Turns what servers and handlers do into the client's own events: errors, failures, usage, limits.

Thread: the event loop's only.
"""

from __future__ import annotations

import logging
from typing import Any

from ..events import ErrorEvent, Event, RateLimitsEvent, ResponseFailedEvent, UsageEvent
from ..protocol.reading import Wire, text_of
from ..protocol.redact import Redactor, logger_with
from .emitter import EventEmitter
from .meter import Meter

__all__ = ["Reports"]

log = logging.getLogger("realtime")


class Reports:
    """Emits through *emitter*; no secret of ``redactor`` in any of it."""

    def __init__(self, emitter: EventEmitter, meter: Meter) -> None:
        self._emitter = emitter
        self.meter = meter
        self.redactor = Redactor()
        self.rate_limits: dict[str, Event] = {}

    def error(self, error: ErrorEvent) -> None:
        """Emit ``error``; one that nobody listens for is logged."""
        if self._emitter.wants("error"):
            self._emitter.emit("error", error)
        else:
            log.warning("%s", self.redactor.text(error.message))

    def handler_failed(self, error: BaseException, name: str) -> None:
        message = self.redactor.text(f"the handler of {name!r} raised {type(error).__name__}: {error}")
        logger_with(self.redactor, "realtime").error("%s", message, exc_info=error)
        if name != "error":  # an error handler that raises would be told of itself for ever
            self.error(ErrorEvent(message, "handler", type(error).__name__, exception=error))

    def response_failed(self, response_id: str | None, response: Wire, event: Event) -> None:
        details = response.get("status_details")
        error = details.get("error") if isinstance(details, dict) else None
        if not isinstance(error, dict):
            error = {}
        message = str(error.get("message") or error.get("code") or "the server gave no reason")
        self._emitter.emit(
            "response.failed",
            ResponseFailedEvent(
                response_id, message, text_of(error.get("type")), text_of(error.get("code")), event
            ),
        )

    def on_rate_limits(self, event: Event) -> None:
        limits = event.get("rate_limits")
        for limit in limits if isinstance(limits, list) else ():
            if isinstance(limit, dict) and isinstance(limit.get("name"), str):
                self.rate_limits[limit["name"]] = Event(limit)
        self._emitter.emit("rate_limits", RateLimitsEvent(dict(self.rate_limits)))

    def on_transcribed(self, event: Event) -> None:
        usage = event.get("usage")
        if isinstance(usage, dict):
            item_id = text_of(event.get("item_id"))
            total = dict(self.meter.total)
            self._emitter.emit("usage", UsageEvent(Event(usage), total, "transcription", item_id=item_id))

    def on_transcription_failed(self, event: Event) -> None:
        error = event.get("error")
        error = error if isinstance(error, dict) else {}
        message = f"the user's speech was not transcribed: {error.get('message') or error.get('code')}"
        self.error(
            ErrorEvent(message, type=text_of(error.get("type")), code=text_of(error.get("code")), event=event)
        )

    def usage(self, usage: Any, response_id: str | None) -> None:
        """Tokens of a response."""
        if isinstance(usage, dict):
            self.meter.add_usage(usage)
            total = dict(self.meter.total)
            self._emitter.emit("usage", UsageEvent(Event(usage), total, "response", response_id))
