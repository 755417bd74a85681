"""The head of an HTTP message: reads it, and writes the one that goes to the server behind a tap.

Names, values and the order of header lines are passed on as they came. Only these change: the target and Host, which name
the server; and Connection, for a request that is no upgrade, because each connection carries one request.

Thread: any; stateless.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .address import Upstream

__all__ = ["END", "MAX_HEAD_BYTES", "Head", "HeadError", "error_answer", "read_head", "request_to"]

END = b"\r\n\r\n"
MAX_HEAD_BYTES = 64 * 1024
_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*", re.S)


class HeadError(ValueError):
    """The bytes are no head of HTTP/1.1; the message says so to the client."""


@dataclass(frozen=True)
class Head:
    """The first line of a message and its header lines, as names and values in order."""

    start: str
    fields: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str:
        """The values of a header, joined by commas; empty if there is none."""
        return ", ".join(value for key, value in self.fields if key.lower() == name)

    @property
    def is_upgrade(self) -> bool:
        """True for a websocket's upgrade request, and for its answer."""
        return "websocket" in self.get("upgrade").lower()

    @property
    def status(self) -> int:
        """The status of an answer; 0 if the line has none."""
        status = self.start.split(" ")[1:2]
        return int(status[0]) if status and re.fullmatch(r"\d{3}", status[0], re.ASCII) else 0

    @property
    def target(self) -> str:
        """The target of a request."""
        return self.start.split(" ")[1]


def read_head(data: bytes) -> Head:
    """Read a head, without the empty line behind it. Raises HeadError."""
    start, *lines = data.decode("latin-1").split("\r\n")
    found = [_LINE.fullmatch(line) for line in lines]
    parts = start.split(" ")
    if len(parts) < 2 or "HTTP/1." not in (parts[0][:7], parts[-1][:7]):
        raise HeadError(
            "this is no request of HTTP/1.1; without a certificate the tap speaks http:// and ws://"
        )
    if any(one is None for one in found):
        raise HeadError("a header line of the request cannot be read")
    return Head(start, tuple((one[1], one[2]) for one in found if one is not None))


def request_to(upstream: Upstream, head: Head) -> bytes:
    """The head of the request that goes to *upstream*, with the empty line behind it."""
    method, *_, version = head.start.split(" ")
    dropped = {"host"} if head.is_upgrade else {"host", "connection", "keep-alive", "proxy-connection"}
    lines = [f"{method} {upstream.target(head.target)} {version}", f"Host: {upstream.authority}"]
    lines += [f"{name}: {value}" for name, value in head.fields if name.lower() not in dropped]
    if not head.is_upgrade:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode("latin-1") + END


def error_answer(status: str, code: str, message: str) -> bytes:
    """An answer that the tap itself gives, as the vendor writes errors."""
    # Imported here: most connections need none
    import json

    kind = "server_error" if status.startswith("5") else "invalid_request_error"
    error = {"type": kind, "code": code, "message": message, "param": None}
    body = json.dumps({"error": error}).encode()
    lines = [f"HTTP/1.1 {status}", "Connection: close", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode("latin-1") + END + body
