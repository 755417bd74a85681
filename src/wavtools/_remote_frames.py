"""Frames of the remote device protocol: bytes to fields and back, with every limit checked (docs/remote-protocol.md).

Thread: any; pure.
"""

from __future__ import annotations

import json
import math
import struct
from typing import Any, NamedTuple

__all__ = [
    "BYE",
    "CUT",
    "CUT_DONE",
    "GAIN",
    "HELLO",
    "MAX_JSON",
    "MIC",
    "OPENED",
    "PING",
    "PLAY",
    "PONG",
    "REPORT",
    "VERSION",
    "Frame",
    "Malformed",
    "bye",
    "cut",
    "decode",
    "encode",
    "encode_json",
    "read_cut",
    "read_json",
    "read_latency",
    "read_position",
    "readable",
]

VERSION = 1
HELLO, OPENED, PLAY, CUT, CUT_DONE, REPORT, PING, PONG, MIC, GAIN, BYE = range(1, 12)

MAX_FRAME = 65_536
MAX_JSON = 8192
MAX_LEVELS = 8
MAX_REASON = 512
MAX_NAME = 200
MAX_POSITION = 2.0**53
MAX_LATENCY = 10.0
_HEADER = struct.Struct("<BBHId")
_CUT = struct.Struct("<dI")
_LATENCY = struct.Struct("<d")


class Malformed(ValueError):
    """A frame that breaks the protocol; it changes nothing."""


class Frame(NamedTuple):
    """A frame as it came; only its length is checked.

    Attributes
    ----------
    type, flags, stream, aux : int
        The fields of the header.
    position : float
        Any f64, NaN too; `read_position` checks it.
    payload : bytes
    """

    type: int
    flags: int
    stream: int
    aux: int
    position: float
    payload: bytes


def encode(
    type: int, stream: int = 0, aux: int = 0, position: float = 0.0, payload: bytes = b"", flags: int = 0
) -> bytes:
    """A frame of these fields."""
    return _HEADER.pack(type, flags, stream, aux, position) + payload


def decode(data: bytes) -> Frame:
    """The frame in *data*; raises Malformed for a length that no frame has."""
    if not _HEADER.size <= len(data) <= MAX_FRAME:
        raise Malformed(f"a frame has {_HEADER.size} to {MAX_FRAME} bytes, not {len(data)}")
    type, flags, stream, aux, position = _HEADER.unpack_from(data)
    return Frame(type, flags, stream, aux, position, data[_HEADER.size :])


def encode_json(type: int, content: dict[str, Any]) -> bytes:
    """A HELLO or OPENED."""
    return encode(type, aux=VERSION, payload=json.dumps(content).encode())


def read_json(frame: Frame) -> dict[str, Any]:
    """The object in a HELLO or OPENED; raises Malformed."""
    if len(frame.payload) > MAX_JSON:
        raise Malformed(f"JSON has at most {MAX_JSON} bytes")
    try:
        content = json.loads(frame.payload.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Malformed("not JSON") from None
    if not isinstance(content, dict) or _levels(content) > MAX_LEVELS:
        raise Malformed("the JSON is no object, or too deep")
    return content


def read_position(frame: Frame) -> int:
    """The position in a header; raises Malformed."""
    position = frame.position
    # Written so that NaN fails too.
    if not (0 <= position <= MAX_POSITION and position == int(position)):
        raise Malformed(f"{position!r} is no position")
    return int(position)


def cut(stream: int, number: int, stop: int, resume: int, fade: int) -> bytes:
    """A CUT."""
    return encode(CUT, stream, number, stop, _CUT.pack(resume, fade))


def read_cut(frame: Frame) -> tuple[int, int]:
    """(resume position, frames of the fade) of a CUT; raises Malformed."""
    if len(frame.payload) != _CUT.size:
        raise Malformed(f"a CUT carries {_CUT.size} bytes")
    resume, fade = _CUT.unpack(frame.payload)
    return read_position(frame._replace(position=resume)), fade


def read_latency(frame: Frame) -> float | None:
    """The latency in a REPORT, in seconds; None if it has none. Raises Malformed."""
    if not frame.payload:
        return None
    if len(frame.payload) != _LATENCY.size:
        raise Malformed(f"a REPORT carries nothing or {_LATENCY.size} bytes")
    return latency(_LATENCY.unpack(frame.payload)[0])


def latency(value: object) -> float:
    """A latency as a peer states it, in seconds, 0 to 10; raises Malformed for what is no number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
        raise Malformed(f"{value!r:.40} is no latency")
    return min(max(float(value), 0.0), MAX_LATENCY)


def bye(code: int, reason: str) -> bytes:
    """A BYE; a long reason is cut."""
    return encode(BYE, aux=code, payload=reason.encode()[:MAX_REASON])


def readable(text: object) -> str:
    """A text that a peer sent, at most 200 characters, without any that could control a terminal; "" for no text."""
    if isinstance(text, bytes):
        text = text[:MAX_REASON].decode(errors="replace")
    if not isinstance(text, str):
        return ""
    return "".join(c if c.isprintable() else " " for c in text[:MAX_NAME]).strip()


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def _levels(value: object) -> int:
    """How deep *value* is nested; counts no further than one level too many."""
    level, inside = 0, [value]
    while inside and level <= MAX_LEVELS:
        level += 1
        inside = [
            one
            for outer in inside
            if isinstance(outer, (dict, list))
            for one in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return level
