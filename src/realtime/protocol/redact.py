"""Keeps keys out of logs, events, exceptions and reprs.

A `Redactor` knows the secrets of one client and replaces every occurrence. Servers do echo keys in their
error texts, and `websockets` logs request headers at DEBUG: both pass through here first.

Thread: any; the set of secrets is fixed after construction.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from websockets.frames import Frame, Opcode

__all__ = ["MASK", "Redactor", "Secret", "logger_with"]

MASK = "[key removed]"
# Shorter values would match by chance and blank out ordinary text; they cannot be real keys.
MIN_SECRET_LENGTH = 6
AUDIO_DELTAS = ("response.output_audio.delta", "response.audio.delta")


class Secret:
    """A key that does not show in a repr, a traceback's locals or a debugger's list of attributes."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Secret(***)" if self._value else "Secret('')"

    __str__ = __repr__


class Redactor:
    """Replaces the secrets it was given with `MASK`."""

    __slots__ = ("_bytes", "_texts")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # Longest first: a secret that contains another must go as a whole.
        texts = sorted({s for s in secrets if len(s) >= MIN_SECRET_LENGTH}, key=len, reverse=True)
        self._texts = texts
        self._bytes = [(text.encode(), MASK.encode(), _rare_byte(text.encode())) for text in texts]

    def __repr__(self) -> str:
        return f"Redactor({len(self._texts)} secrets)"

    def text(self, text: str) -> str:
        for secret in self._texts:
            if secret in text:
                text = text.replace(secret, MASK)
        return text

    def frame(self, data: bytes) -> bytes:
        """The same for a frame that is passed on without being parsed: the relay's."""
        for secret, mask, rare in self._bytes:
            if rare in data and secret in data:
                data = data.replace(secret, mask)
        return data

    def event(self, event: dict[str, Any]) -> dict[str, Any]:
        """The same for a parsed event. Audio is passed over: base64 that holds a key decodes to noise."""
        if not self._texts:
            return event
        audio = event.get("delta") if event.get("type") in AUDIO_DELTAS else None
        if not isinstance(audio, str):
            return self.tree(event)  # type: ignore[no-any-return]
        return {key: value if key == "delta" else self.tree(value) for key, value in event.items()}

    def tree(self, value: Any) -> Any:
        """The same for parsed JSON, keys of objects included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self.tree(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self.tree(part) for part in value]
        return value


def _rare_byte(secret: bytes) -> int:
    """A byte of *secret* that audio in base64 does not hold, if it has one: looking for it alone takes a tenth."""
    return next((byte for byte in secret if byte in b"-.~!"), secret[0])


if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    _Adapter = logging.LoggerAdapter  # not subscriptable before Python 3.11


class _RedactingLogger(_Adapter):
    """Gives records to a shared logger with the keys taken out.

    A filter on the shared logger would know the keys of one client only, and would stay behind it.
    """

    def __init__(self, logger: logging.Logger, redactor: Redactor) -> None:
        super().__init__(logger, {})
        self._redactor = redactor

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        if not self.isEnabledFor(level):
            return
        error = kwargs.pop("exc_info", None)
        text = str(msg) % tuple(_without_body(arg) for arg in args) if args else str(msg)
        if isinstance(error, BaseException):
            text += "\n" + "".join(traceback.format_exception(type(error), error, error.__traceback__))
        elif error:
            text += "\n" + traceback.format_exc()
        self.logger.log(level, "%s", self._redactor.text(text), **kwargs)


def _without_body(argument: object) -> object:
    """A data frame as its kind and size: websockets would show the ends of its text, and half a key with them."""
    if isinstance(argument, Frame) and argument.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
        return f"{argument.opcode.name} [{len(argument.data)} bytes]"
    return argument


def logger_with(redactor: Redactor, name: str) -> _Adapter:
    """A logger called *name* whose records never hold a secret of *redactor*."""
    return _RedactingLogger(logging.getLogger(name), redactor)
