"""What host and peer of a RemoteDevice tell each other in JSON: HELLO and OPENED.

Thread: any; pure.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from wavtools import _remote_frames as wire
from wavtools._remote_frames import Malformed

__all__ = ["Opened", "OpenedMicrophone", "OpenedSpeaker", "Tempo", "read_opened"]

RATES = range(8_000, 192_001)
CHANNELS = range(1, 9)


@dataclasses.dataclass(frozen=True)
class OpenedSpeaker:
    """A loudspeaker as its peer has opened it; with *error*, it could not."""

    stream: int
    latency: float
    suspended: bool
    error: str


@dataclasses.dataclass(frozen=True)
class OpenedMicrophone:
    """A microphone as its peer has opened it; with *error*, it could not."""

    stream: int
    sample_rate: int
    channels: int
    latency: float
    name: str
    cancels_echo: bool
    error: str


@dataclasses.dataclass(frozen=True)
class Opened:
    """An OPENED that keeps all rules."""

    version: int
    name: str
    speaker: OpenedSpeaker | None
    microphone: OpenedMicrophone | None


def read_opened(content: dict[str, Any]) -> Opened:
    """What an OPENED says; raises Malformed."""
    speaker, microphone = _part(content, "speaker"), _part(content, "microphone")
    return Opened(
        version=_whole(content, "version", range(2**32)),
        name=wire.readable(content.get("name")),
        speaker=None if speaker is None else _speaker(speaker),
        microphone=None if microphone is None else _microphone(microphone),
    )


def _part(content: dict[str, Any], name: str) -> dict[str, Any] | None:
    part = content.get(name)
    if part is not None and not isinstance(part, dict):
        raise Malformed(f"{name} is no object")
    return part


def _speaker(part: dict[str, Any]) -> OpenedSpeaker:
    return OpenedSpeaker(
        stream=_whole(part, "stream", range(2**16)),
        latency=wire.latency(part.get("latency", 0)),
        suspended=part.get("suspended") is True,
        error=_error(part),
    )


def _microphone(part: dict[str, Any]) -> OpenedMicrophone:
    error = _error(part)
    return OpenedMicrophone(
        stream=_whole(part, "stream", range(2**16)),
        sample_rate=0 if error else _whole(part, "rate", RATES),
        channels=0 if error else _whole(part, "channels", CHANNELS),
        latency=wire.latency(part.get("latency", 0)),
        name=wire.readable(part.get("name")),
        cancels_echo=part.get("echo_cancellation") is True,
        error=error,
    )


def _error(part: dict[str, Any]) -> str:
    error = part.get("error")
    return "" if error is None else wire.readable(error) or "the peer does not say why"


def _whole(part: dict[str, Any], name: str, allowed: range) -> int:
    number = part.get(name)
    if isinstance(number, bool) or not isinstance(number, int) or number not in allowed:
        raise Malformed(f"{name} is {number!r:.40}")
    return number


class Tempo:
    """How often something may happen: so many times at once, then so many a second."""

    def __init__(self, at_once: int, per_second: float) -> None:
        self._most = self._left = float(at_once)
        self._per_second = per_second
        self._at = time.monotonic()

    def take(self) -> bool:
        """True if it may happen now."""
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
