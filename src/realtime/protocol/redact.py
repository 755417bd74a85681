"""Removes secrets from logs, events, exceptions and reprs.

A `Redactor` knows the secrets of one client and replaces every occurrence. It is needed because some servers echo
keys in their error texts, and `websockets` logs request headers at DEBUG.

Thread: any; the set of secrets is fixed after construction.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .audio_frames import AUDIO_DELTAS

__all__ = ["MASK", "Redactor", "Secret", "logger_with"]

MASK = "[key removed]"
# Shorter values are no real keys, and would match ordinary text by chance.
MIN_SECRET_LENGTH = 6
# Of one redactor: each is looked for in every event.
MAX_SECRETS = 32


class Secret:
    """A key that does not appear in a repr, in a traceback's locals or in a debugger's list of attributes."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The key itself."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Secret(***)" if self._value else "Secret('')"

    __str__ = __repr__


class Redactor:
    """Replaces secrets with `MASK`.

    Parameters
    ----------
    secrets : iterable of str
        Values shorter than `MIN_SECRET_LENGTH` are ignored.
    """

    __slots__ = ("_bytes", "_texts")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # Longest first: a secret that contains another one must be replaced as a whole.
        texts = sorted({s for s in secrets if len(s) >= MIN_SECRET_LENGTH}, key=len, reverse=True)
        self._texts = texts
        self._bytes = [(text.encode(), MASK.encode(), _rare_byte(text.encode())) for text in texts]

    def __repr__(self) -> str:
        return f"Redactor({len(self._texts)} secrets)"

    def joined(self, earlier: Redactor) -> Redactor:
        """A redactor of these secrets and, up to `MAX_SECRETS` in all, of the *earlier* ones."""
        return Redactor([*self._texts, *earlier._texts][:MAX_SECRETS])

    def text(self, text: str) -> str:
        """*text* with every secret replaced."""
        for secret in self._texts:
            if secret in text:
                text = text.replace(secret, MASK)
        return text

    def frame(self, data: bytes) -> bytes:
        """The bytes of a frame with every secret replaced; for the relay, which passes frames on unparsed."""
        for secret, mask, rare in self._bytes:
            if rare in data and secret in data:
                data = data.replace(secret, mask)
        return data

    def event(self, event: dict[str, Any]) -> dict[str, Any]:
        """A parsed event with every secret replaced. Audio is skipped: in base64 a match can only be chance."""
        if not self._texts:
            return event
        if event.get("type") not in AUDIO_DELTAS or not isinstance(event.get("delta"), (str, bytes)):
            return self.tree(event)  # type: ignore[no-any-return]
        # Runs for every delta: nearly all of them hold no secret, and stay as they are.
        texts = self._texts
        for key, value in event.items():
            if key == "delta" or type(value) is int:
                continue
            if type(value) is not str:
                break
            for secret in texts:
                if secret in value or secret in key:
                    break
            else:
                continue
            break
        else:
            return event
        return {self.text(key): value if key == "delta" else self.tree(value) for key, value in event.items()}

    def tree(self, value: Any) -> Any:
        """Parsed JSON with every secret replaced, also in the keys of objects."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self.tree(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self.tree(part) for part in value]
        return value


def _rare_byte(secret: bytes) -> int:
    """A byte of *secret* that base64 does not contain, if there is one: searching for it first takes a tenth of the time."""
    return next((byte for byte in secret if byte in b"-.~!"), secret[0])


if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    # Not subscriptable before Python 3.11.
    _Adapter = logging.LoggerAdapter


class _RedactingLogger(_Adapter):
    """Passes records to a shared logger with the secrets removed.

    A filter on the shared logger would know the secrets of one client only, and would remain after that client.
    """

    def __init__(self, logger: logging.Logger, redactor: Redactor) -> None:
        super().__init__(logger, {})
        self._redactor = redactor

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Format the record with its traceback, remove the secrets, and log the result."""
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
    """The kind and size of a data frame; websockets would log both ends of its text, which may hold half a key."""
    frames = sys.modules.get("websockets.frames")
    if frames is None:
        # Without the module there are no frames.
        return argument
    if isinstance(argument, frames.Frame) and argument.opcode in frames.DATA_OPCODES:
        return f"{argument.opcode.name} [{len(argument.data)} bytes]"
    return argument


def logger_with(redactor: Redactor, name: str) -> _Adapter:
    """The logger *name*, wrapped so that no record holds a secret of *redactor*."""
    return _RedactingLogger(logging.getLogger(name), redactor)
