"""Exceptions raised by realtime.

* RealtimeError

    * ConfigurationError (ValueError): an option that cannot work or must not be used, such as a key over ws://
    * StateError (RuntimeError): a call at the wrong time; the message names the call to make first
    * ConnectError (ConnectionError): connect() failed; has code, reason, status, server_message,
      retry_after
    * ConnectionLostError (ConnectionError): the connection ended while a call waited for it; has code, reason
    * BudgetError: no answer is requested, because the budget is spent; has cost, budget
    * AnswerError: an answer ended otherwise than "completed" while a call waited for it; has status, reason, code
    * TranscriptionError: speech was not transcribed; has status, reason, code
    * ServerError: the server's ``error`` event as an exception; has type, code, param, event_id
    * ToolError: a tool call could not be run; the model receives its message

Bad arguments raise the builtin TypeError or ValueError. Malformed messages from a server are counted and reported
through the ``error`` event, and never raise.

Thread: any.
"""

from __future__ import annotations

__all__ = [
    "AnswerError",
    "BudgetError",
    "ConfigurationError",
    "ConnectError",
    "ConnectionLostError",
    "RealtimeError",
    "ServerError",
    "StateError",
    "ToolError",
    "TranscriptionError",
]


class RealtimeError(Exception):
    """Base of every exception that realtime defines."""


class ConfigurationError(RealtimeError, ValueError):
    """An option that cannot work, or that would send a key to where it must not go."""


class StateError(RealtimeError, RuntimeError):
    """A call at the wrong time; the message names the call to make first."""


class ConnectError(RealtimeError, ConnectionError):
    """``connect()`` failed before ``session.created`` arrived.

    Attributes
    ----------
    code : int or None
        Websocket close code; None if the connection was never opened.
    reason : str or None
        The text of the close code.
    status : int or None
        HTTP status of a refused upgrade.
    server_message : str or None
        The text of the server's ``error`` event.
    fatal : bool
        True if another attempt cannot succeed.
    retry_after : float or None
        Seconds after which the server wants to be asked again (HTTP header ``Retry-After``).
    """

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        reason: str | None = None,
        status: int | None = None,
        server_message: str | None = None,
        fatal: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.status = status
        self.server_message = server_message
        self.fatal = fatal
        self.retry_after = retry_after


class ConnectionLostError(RealtimeError, ConnectionError):
    """The connection ended while a call was waiting for it.

    Attributes
    ----------
    code : int or None
        Websocket close code.
    reason : str or None
    """

    def __init__(self, message: str, *, code: int | None = None, reason: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class AnswerError(RealtimeError):
    """An answer ended without the item that a call was waiting for.

    Attributes
    ----------
    status : str
        "failed", "incomplete" or "cancelled", as the server stated it.
    reason : str or None
        Why: "max_output_tokens", "content_filter", "client_cancelled", the type of a failure, ...
    code : str or None
        The error code of a failure.
    """

    def __init__(
        self, status: str, reason: str | None = None, code: str | None = None, message: str | None = None
    ) -> None:
        why = code or reason
        text = message or f"the answer ended as {status!r}"
        if why and why not in text:
            text += f" ({why})" if message else f": {why}"
        super().__init__(text)
        self.status = status
        self.reason = reason
        self.code = code


class BudgetError(RealtimeError):
    """No answer is requested, because the client's budget is spent.

    Attributes
    ----------
    cost, budget : float
        US dollars.
    """

    def __init__(self, cost: float, budget: float) -> None:
        super().__init__(
            f"the budget of ${budget:.4f} is spent (${cost:.4f} so far): set client.budget to a higher one to go on"
        )
        self.cost = cost
        self.budget = budget


class TranscriptionError(RealtimeError):
    """Speech was not transcribed, or a transcription session was refused.

    Attributes
    ----------
    status : str
        "failed" (one utterance, or the server had an error), "refused" (the session's settings) or "lost" (the
        connection ended first).
    reason : str or None
        The type of the failure.
    code : str or None
        The error code.
    item_id : str or None
        The utterance; None if the error concerns no single one.
    """

    def __init__(
        self,
        status: str,
        reason: str | None = None,
        code: str | None = None,
        message: str | None = None,
        item_id: str | None = None,
    ) -> None:
        text = message or f"the transcription ended as {status!r}"
        super().__init__(f"{text} ({code})" if code and code not in text else text)
        self.status = status
        self.reason = reason
        self.code = code
        self.item_id = item_id


class ServerError(RealtimeError):
    """The server refused something: its ``error`` event.

    Attributes
    ----------
    type, code, param : str or None
        As the server stated them.
    event_id : str or None
        Id of the client event that caused the error; None where the server did not name it.
    """

    def __init__(
        self,
        message: str,
        *,
        type: str | None = None,
        code: str | None = None,
        param: str | None = None,
        event_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.type = type
        self.code = code
        self.param = param
        self.event_id = event_id


class ToolError(RealtimeError):
    """A tool call could not be run, or took too long; the model receives the message."""
