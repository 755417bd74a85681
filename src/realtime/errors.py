"""Exceptions raised by realtime.

* RealtimeError

    * ConfigurationError (ValueError): an option that cannot work or must not be used, such as a key over ws://
    * StateError (RuntimeError): right call, wrong moment; the message names the call to make first
    * ConnectError (ConnectionError): connect() failed; has code, reason, status, server_message
    * ConnectionLostError (ConnectionError): the connection ended while something waited for it; has code, reason
    * ServerError: the server's ``error`` event as an exception; has type, code, param, event_id
    * ToolError: a tool call could not be run; its message is what the model is told

Bad arguments raise the builtin TypeError or ValueError. What arrives malformed from a server is counted
and reported through the ``error`` event, never raised.

Thread: any.
"""

from __future__ import annotations

__all__ = [
    "ConfigurationError",
    "ConnectError",
    "ConnectionLostError",
    "RealtimeError",
    "ServerError",
    "StateError",
    "ToolError",
]


class RealtimeError(Exception):
    """Base of every exception that realtime defines."""


class ConfigurationError(RealtimeError, ValueError):
    """An option that cannot work, or that would send a key where it must not go."""


class StateError(RealtimeError, RuntimeError):
    """The call is fine, the moment is not; the message names the call to make first."""


class ConnectError(RealtimeError, ConnectionError):
    """``connect()`` did not reach ``session.created``.

    ``code`` and ``reason`` are the websocket close code and its text, ``status`` the HTTP status of a
    refused upgrade, ``server_message`` the text of the server's ``error`` event; each is None where
    that step was not reached. ``fatal`` says that trying again cannot help.
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
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.status = status
        self.server_message = server_message
        self.fatal = fatal


class ConnectionLostError(RealtimeError, ConnectionError):
    """The connection ended while something was waiting for it."""

    def __init__(self, message: str, *, code: int | None = None, reason: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class ServerError(RealtimeError):
    """The server refused something: its ``error`` event.

    ``event_id`` is the id of the client event that caused it, None where the server did not say.
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
    """A tool call could not be run, or took too long; the text is what the model is told."""
