"""Makes the client's own events of what servers and handlers do: errors, failures, usage, limits.

Thread: the event loop's only.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from math import inf
from typing import Any

from ..background import describe
from ..connection.undeliverable import APPEND, Culprit
from ..conversation.items import Item
from ..errors import AnswerError
from ..events import ErrorEvent, Event, RateLimitsEvent, ResponseEndedEvent, ResponseFailedEvent, UsageEvent
from ..protocol.bounded_dict import remember
from ..protocol.error_codes import ANOTHER_IS_ACTIVE, error_of, is_benign, is_final, is_unsupported
from ..protocol.reading import Wire, dict_of, list_of, text_of
from ..protocol.redact import Redactor, logger_with
from .emitter import EventEmitter
from .meter import Meter

__all__ = ["Reports", "answer_error", "ended_of", "leaves_waiting", "refusal"]

log = logging.getLogger("realtime")

NO_REASON = "the server gave no reason"
# What the server says of an answer that is not complete, by status and reason.
ENDS: dict[tuple[str, str | None], str] = {
    (
        "incomplete",
        "max_output_tokens",
    ): "the answer was cut off: it has max_output_tokens tokens; allow more of them",
    ("incomplete", "content_filter"): "the answer was cut off by the server's content filter",
    ("cancelled", "turn_detected"): "the answer was cancelled because the user began to speak",
    ("cancelled", "client_cancelled"): "the answer was cancelled by the application",
}
# What waits for an item of an answer.
ITEM_EVENTS = ("conversation.item.appended", "conversation.item.completed", "conversation.item.ended")
# Seconds between an error after which no session can work and the server's close that belongs to it.
FINAL_SECONDS = 10.0
# Characters of an event's name in messages.
MAX_NAME = 80


def ended_of(response: Wire, event: Event) -> ResponseEndedEvent | None:
    """How the response of a ``response.done`` event ended; None if it is complete or states no status."""
    status = text_of(response.get("status"))
    if status is None or status == "completed":
        return None
    details = dict_of(response.get("status_details"))
    error = dict_of(details.get("error"))
    response_id, code, kind = (
        text_of(value) for value in (response.get("id"), error.get("code"), error.get("type"))
    )
    message = text_of(error.get("message"))
    reason = text_of(details.get("reason")) or code or kind
    if status == "failed":
        return ResponseFailedEvent(
            response_id, message or reason or NO_REASON, kind, code, event, status, reason
        )
    message = (
        message or ENDS.get((status, reason)) or f"the answer ended as {status!r}: {reason or NO_REASON}"
    )
    return ResponseEndedEvent(response_id, message, kind, code, event, status, reason)


def answer_error(ended: ResponseEndedEvent) -> AnswerError:
    """What waits for an answer that ended in this way raise."""
    return AnswerError(ended.status, ended.reason, ended.code, ended.message)


def refusal(error: Wire) -> AnswerError:
    """The server's error about a client event, as the exception of those who wait for the answer to it."""
    code, message = text_of(error.get("code")), text_of(error.get("message"))
    return AnswerError("failed", code or text_of(error.get("type")), code, message)


def leaves_waiting(ended: ResponseEndedEvent, items: Iterable[Item]) -> bool:
    """True if an answer failed or has left none of *items*, and no turn of the user's is the reason."""
    if ended.reason == "turn_detected":
        return False
    if ended.status == "failed" and ended.event is not None:
        return True
    return not any(item.response_id == ended.response_id for item in items)


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
    after_usage : callable or None
        Called when usage was counted.
    """

    def __init__(self, emitter: EventEmitter, meter: Meter) -> None:
        self._emitter = emitter
        self._meter = meter
        self.redactor = Redactor()
        self.rate_limits: dict[str, Event] = {}
        self.after_usage: Callable[[], None] | None = None
        # Kinds of events that this server lacks, logged once each.
        self._lacking: set[str] = set()
        # The last error after which another session cannot work either, and when it came.
        self._final = ("", -inf)

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
        # A refused update says nothing about the session itself.
        if cause is None or "session" not in cause:
            self._note_final(error)
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
        if harmless or is_benign(code or report.type, report.message, report.caused_by):
            self._log_harmless(report)
            self._emitter.emit("error.benign", report)
        else:
            self.error(report)

    def _log_harmless(self, report: ErrorEvent) -> None:
        lacking = report.caused_by
        if (
            lacking
            and is_unsupported(report.code or report.type, report.message)
            and lacking not in self._lacking
        ):
            self._lacking.add(lacking)
            log.info("this server does not know %s, which is harmless: %s", lacking, report.message)
        else:
            log.debug("harmless error: %s (%s)", report.message, report.code)

    def _note_final(self, error: Wire) -> None:
        if is_final(error):
            text = text_of(error.get("message")) or text_of(error.get("code")) or NO_REASON
            self._final = (text, time.monotonic())

    def final_error(self, now: float) -> str | None:
        """The text of a recent error after which another session cannot work either; None without one."""
        text, came = self._final
        return text if now - came <= FINAL_SECONDS else None

    def renewal_refused(self, error: Exception, seconds_left: float) -> None:
        """Emit ``error``: the session ends soon, and no new one can be opened so far."""
        message = f"the session ends in {seconds_left:.0f} s and no new one can be opened so far: {error}"
        self.error(ErrorEvent(message, "connection", code="renewal_refused", exception=error))

    def warn(self, message: str, code: str) -> None:
        """Log a warning, and emit it as ``error.benign``."""
        log.warning("%s", self.redactor.text(message))
        self._emitter.emit("error.benign", ErrorEvent(message, "client", code=code))

    def handler_failed(self, error: BaseException, name: str) -> None:
        """Log an exception that a handler of *name* raised, and emit ``error`` with it."""
        message = self.redactor.text(f"the handler of {name[:MAX_NAME]!r} raised {describe(error)}")
        logger_with(self.redactor, "realtime").error("%s", message, exc_info=error)
        # An error handler that raises would be called again for its own error, without end.
        if name != "error":
            self.error(ErrorEvent(message, "handler", type(error).__name__, exception=error))

    def response_ended(self, ended: ResponseEndedEvent, *, waited_for: bool) -> None:
        """Emit ``response.ended``, and ``response.failed`` for a failure; log it if no handler could tell.

        Parameters
        ----------
        ended : ResponseEndedEvent
        waited_for : bool
            True if waits for an item of this response would wait for ever: they raise AnswerError.
        """
        emitter = self._emitter
        failed = isinstance(ended, ResponseFailedEvent)
        if failed and ended.event is not None:
            response = dict_of(ended.event.get("response"))
            self._note_final(dict_of(dict_of(response.get("status_details")).get("error")))
        names = ("response.ended", "server.response.done", *(("response.failed",) if failed else ()))
        wanted = any(emitter.wants(name) for name in names)
        if failed:
            emitter.emit("response.failed", ended)
        emitter.emit("response.ended", ended)
        if not wanted and ended.status != "cancelled":
            log.warning("%s", self.redactor.text(str(answer_error(ended))))
        if waited_for:
            emitter.fail_waiters(answer_error(ended), ITEM_EVENTS)

    def request_refused(self, error: Wire) -> None:
        """No answer will come to a request: waits for its item raise AnswerError."""
        if text_of(error.get("code")) != ANOTHER_IS_ACTIVE:
            self._emitter.fail_waiters(refusal(error), ITEM_EVENTS)

    def failed(self, what: str, source: str, error: BaseException, event: Event | None = None) -> None:
        """Log something unforeseen with its traceback, and emit ``error`` with it.

        Parameters
        ----------
        what : str
            What failed, as the beginning of a sentence.
        source : str
            As in `ErrorEvent`.
        error : BaseException
            What was raised.
        event : Event, optional
            The server event that could not be used.
        """
        message = self.redactor.text(f"{what}: {describe(error)}")
        logger_with(self.redactor, "realtime").error("%s", message, exc_info=error)
        self.error(ErrorEvent(message, source, type(error).__name__, exception=error, event=event))

    def undeliverable(self, culprit: Culprit, code: int, *, may_go_on: bool) -> None:
        """Emit ``error`` about a message for which the server closes the connection."""
        what = (
            culprit.kind if culprit.item is None else f"{culprit.kind} (item {culprit.item['item']['id']!r})"
        )
        if not may_go_on:
            then = "no session can do without it: make it smaller"
        elif culprit.kind == APPEND:
            then = "audio is sent in shorter pieces from now on"
        else:
            then = "it was dropped: make it smaller"
        message = f"the server closes the connection (code {code}) for a message of {culprit.size:,} bytes, {what}; {then}"
        self.error(ErrorEvent(message, "connection", code="message_not_taken", caused_by=culprit.kind))

    def on_rate_limits(self, event: Event) -> None:
        """``rate_limits.updated``"""
        for limit in list_of(event.get("rate_limits")):
            name = text_of(dict_of(limit).get("name"))
            if name is not None:
                remember(self.rate_limits, name, Event(limit))
        self._emitter.emit("rate_limits", RateLimitsEvent(dict(self.rate_limits)))

    def usage(self, usage: Any, model: str | None, response_id: str | None) -> None:
        """Add the tokens of a response, and emit ``usage``."""
        if isinstance(usage, dict):
            self._meter.add_usage(usage)
            self._used(Event(usage), "response", response_id, None, model)

    def transcription_usage(self, usage: Event, model: str | None, item_id: str | None) -> None:
        """Count what a transcription used, and emit ``usage``."""
        self._used(usage, "transcription", None, item_id, model)

    def _used(
        self, usage: Event, source: str, response_id: str | None, item_id: str | None, model: str | None
    ) -> None:
        self._meter.add_to_model(model, source, usage)
        total = dict(self._meter.total)
        self._emitter.emit("usage", UsageEvent(usage, total, source, response_id, item_id, model))
        if self.after_usage is not None:
            self.after_usage()
