"""Makes the client's own events of what servers and handlers do: errors, failures, usage, limits.

Thread: the event loop's only.
"""

from __future__ import annotations

import logging
from typing import Any

from ..events import ErrorEvent, Event, RateLimitsEvent, ResponseFailedEvent, UsageEvent
from ..protocol.bounded_dict import remember
from ..protocol.error_codes import is_benign
from ..protocol.reading import Wire, dict_of, list_of, text_of
from ..protocol.redact import Redactor, logger_with
from .emitter import EventEmitter
from .meter import Meter

__all__ = ["Reports", "error_of"]

log = logging.getLogger("realtime")


NO_REASON = "the server gave no reason"


def error_of(event: Wire) -> Wire:
    """The error object of an event; made from whatever stands in its place."""
    error = event.get("error")
    if isinstance(error, dict):
        return error
    return {} if isinstance(error, list) else {"message": str(error)}


class Reports:
    """Emits events about errors, usage and limits.

    Parameters
    ----------
    emitter : EventEmitter
        Emits the events.
    meter : Meter
        Sums up the usage.

    Attributes
    ----------
    redactor : Redactor
        Removes its secrets from every text.
    rate_limits : dict
        What the server last said, by name.
    """

    def __init__(self, emitter: EventEmitter, meter: Meter) -> None:
        self._emitter = emitter
        self._meter = meter
        self.redactor = Redactor()
        self.rate_limits: dict[str, Event] = {}

    def error(self, error: ErrorEvent) -> None:
        """Emit ``error``; log it if it has no handler."""
        if self._emitter.wants("error"):
            self._emitter.emit("error", error)
        else:
            log.warning("%s", self.redactor.text(error.message))

    def server_error(self, event: Event, cause: Wire | None, *, harmless: bool) -> None:
        """Emit ``error``, or ``error.benign`` for a harmless one.

        Parameters
        ----------
        event : Event
            The server's error event.
        cause : dict or None
            The client event that it answers.
        harmless : bool
            True if the caller knows that it needs no attention; races are recognized here.
        """
        error = error_of(event)
        code = text_of(error.get("code"))
        report = ErrorEvent(
            text_of(error.get("message")) or code or NO_REASON,
            "server",
            text_of(error.get("type")),
            code,
            text_of(error.get("param")),
            text_of(error.get("event_id")),
            cause["type"] if cause is not None else None,
            event=event,
        )
        if harmless or is_benign(code, report.message, report.caused_by):
            log.debug("harmless error: %s (%s)", report.message, code)
            self._emitter.emit("error.benign", report)
        else:
            self.error(report)

    def handler_failed(self, error: BaseException, name: str) -> None:
        """Log an exception that a handler of *name* raised, and emit ``error`` with it."""
        message = self.redactor.text(f"the handler of {name!r} raised {type(error).__name__}: {error}")
        logger_with(self.redactor, "realtime").error("%s", message, exc_info=error)
        # An error handler that raises would be called again for its own error, without end.
        if name != "error":
            self.error(ErrorEvent(message, "handler", type(error).__name__, exception=error))

    def response_failed(self, response_id: str | None, response: Wire, event: Event) -> None:
        """Emit ``response.failed`` for a response with status "failed"."""
        error = dict_of(dict_of(response.get("status_details")).get("error"))
        code = text_of(error.get("code"))
        message = text_of(error.get("message")) or code or NO_REASON
        self._emitter.emit(
            "response.failed",
            ResponseFailedEvent(response_id, message, text_of(error.get("type")), code, event),
        )

    def on_rate_limits(self, event: Event) -> None:
        """``rate_limits.updated``"""
        for limit in list_of(event.get("rate_limits")):
            name = text_of(dict_of(limit).get("name"))
            if name is not None:
                remember(self.rate_limits, name, Event(limit))
        self._emitter.emit("rate_limits", RateLimitsEvent(dict(self.rate_limits)))

    def on_transcribed(self, event: Event) -> None:
        """``conversation.item.input_audio_transcription.completed``"""
        usage = event.get("usage")
        if isinstance(usage, dict):
            item_id = text_of(event.get("item_id"))
            total = dict(self._meter.total)
            self._emitter.emit("usage", UsageEvent(Event(usage), total, "transcription", item_id=item_id))

    def on_transcription_failed(self, event: Event) -> None:
        """``conversation.item.input_audio_transcription.failed``"""
        error = error_of(event)
        code = text_of(error.get("code"))
        reason = text_of(error.get("message")) or code
        message = f"the user's speech was not transcribed: {reason}"
        self.error(ErrorEvent(message, type=text_of(error.get("type")), code=code, event=event))

    def usage(self, usage: Any, response_id: str | None) -> None:
        """Add the tokens of a response, and emit ``usage``."""
        if isinstance(usage, dict):
            self._meter.add_usage(usage)
            total = dict(self._meter.total)
            self._emitter.emit("usage", UsageEvent(Event(usage), total, "response", response_id))
