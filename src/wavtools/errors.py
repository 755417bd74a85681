"""Exceptions raised by wavtools.

* WavtoolsError

    * DeviceError (OSError): an audio device or server call failed; has operation, code, code_name
    * StateError (RuntimeError): right call, wrong moment; the message names the call to make first
    * ConcurrencyError (RuntimeError): one end of a ring, or a resampler, used by two threads at once
    * QueueFullError (BufferError): the player's queue has no room; nothing of the call was queued
    * DecodeError (ValueError): the bytes are not the audio file they claim to be

Bad arguments raise the builtin TypeError or ValueError. Under- and overruns are counters, never exceptions.

Thread: any.
"""

from __future__ import annotations

__all__ = [
    "ConcurrencyError",
    "DecodeError",
    "DeviceError",
    "QueueFullError",
    "StateError",
    "WavtoolsError",
]


class WavtoolsError(Exception):
    """Base of every exception that wavtools defines."""


class DeviceError(WavtoolsError, OSError):
    """An audio device or audio server refused a call.

    ``operation`` says what was tried, ``code`` is miniaudio's result code and ``code_name`` its name
    (``None`` where no native call was made).
    """

    def __init__(
        self, message: str, *, operation: str = "", code: int | None = None, code_name: str | None = None
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.code = code
        self.code_name = code_name


class StateError(WavtoolsError, RuntimeError):
    """The call is fine, the moment is not; the message names the call to make first."""


class ConcurrencyError(WavtoolsError, RuntimeError):
    """One end of a single-producer single-consumer ring, or a Resampler, was used by two threads at once."""


class QueueFullError(WavtoolsError, BufferError):
    """The player's queue has no room for the whole chunk; nothing of it was queued."""


class DecodeError(WavtoolsError, ValueError):
    """The bytes are not a readable audio file; the message says what was found."""
