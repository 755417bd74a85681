"""Reads what a refused connection says about its cause and the next attempt, and whether a proxy stands in between.

Thread: any; stateless.
"""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from ..protocol import codec
from ..protocol.endpoint import Endpoint
from ..protocol.reading import Wire, dict_of

__all__ = ["retry_after_of", "stated_error", "uses_proxy"]

# A server that asks for more is wrong, or has another clock.
MAX_RETRY_AFTER = 86_400.0


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Seconds that ``Retry-After`` asks to wait, from a number or from a date; None without a usable one."""
    try:
        text = headers.get("Retry-After")
    except LookupError:
        # Stated several times.
        return None
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
    # Not for NaN either.
    return max(0.0, seconds) if seconds <= MAX_RETRY_AFTER else None


def stated_error(body: bytes) -> Wire:
    """The error object in the JSON body of an HTTP answer; empty if there is none."""
    try:
        stated = dict_of(codec.loads(body)).get("error")
    except (ValueError, RecursionError):
        return {}
    return {"message": stated} if isinstance(stated, str) else dict_of(stated)


def uses_proxy(endpoint: Endpoint) -> bool:
    """True if the environment names a proxy for this server; never for plain ``ws://``."""
    if not endpoint.secure or not {"wss", "socks", "https"} & urllib.request.getproxies().keys():
        return False
    return not urllib.request.proxy_bypass(f"{endpoint.host}:{endpoint.port}")
