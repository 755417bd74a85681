"""The exceptions that wavtools raises.

* WavtoolsError

    * DeviceError (OSError): an audio device or server call failed; has operation, code, code_name
    * StateError (RuntimeError): a call at the wrong moment; the message names the call to make first
    * ConcurrencyError (RuntimeError): two threads used one end of a ring, or a resampler, at once
    * QueueFullError (BufferError): the player's queue has no room; nothing of the call was queued
    * DecodeError (ValueError): the bytes are not a readable audio file

Bad arguments raise the builtin TypeError or ValueError. Underruns and overruns are counted and raise nothing.

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
    """A call to an audio device or audio server failed.

    Attributes
    ----------
    operation : str
        What was tried.
    code : int or None
        miniaudio's result code; None where no native call was made.
    code_name : str or None
        Name of the code.
    """

    def __init__(
        self, message: str, *, operation: str = "", code: int | None = None, code_name: str | None = None
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.code = code
        self.code_name = code_name


class StateError(WavtoolsError, RuntimeError):
    """The call came at the wrong moment; the message names the call to make first."""


class ConcurrencyError(WavtoolsError, RuntimeError):
    """Two threads used one end of a single-producer single-consumer ring, or a Resampler, at once."""


class QueueFullError(WavtoolsError, BufferError):
    """The player's queue has no room for the whole chunk, and nothing of it was queued."""


class DecodeError(WavtoolsError, ValueError):
    """The bytes are not a readable audio file; the message says what was found."""
