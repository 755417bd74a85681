"""Finds a client's IP address behind trusted proxies, in the notations that proxies write.

Understood are an address alone, with a port (``203.0.113.5:4711``, ``[2001:db8::7]:4711``), in brackets, in quotes,
with a zone id, and as ``for=...`` of RFC 7239. Any other text names no address.

Thread: any; stateless.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from websockets.datastructures import Headers

from .policy import Network

__all__ = ["address_in", "client_address", "plain_address"]

# RFC 7239, 6: a port is a number, or a name that begins with an underscore.
_PORT = r"(?::(?:\d{1,5}|_[\w.-]+))?"
_IPV4 = re.compile(rf"([\d.]+){_PORT}", re.ASCII)
_IPV6 = re.compile(rf"\[([0-9A-Fa-f:.]+(?:%[\w.~-]+)?)\]{_PORT}", re.ASCII)


def client_address(peer: str, headers: Headers, trusted: Sequence[Network]) -> str:
    """The client's address: the peer's, or the one that a trusted proxy reports.

    A trusted proxy appends the address it sees to X-Forwarded-For, or to Forwarded, which is read only if there is no
    X-Forwarded-For. So this is the last address there that is not a trusted proxy's own; earlier entries may have been
    written by anyone. A text that names no address ends the search.
    """
    address = peer
    hops = _hops(headers)
    while hops and _is_in(address, trusted):
        named = address_in(hops.pop())
        if named is None:
            break
        address = named
    return address


def _hops(headers: Headers) -> list[str]:
    """The entries of X-Forwarded-For, else of Forwarded, as they are written."""
    values = headers.get_all("X-Forwarded-For")
    if values:
        return [hop for value in values for hop in value.split(",")]
    return [_for_of(hop) for value in headers.get_all("Forwarded") for hop in value.split(",")]


def _for_of(element: str) -> str:
    """The ``for`` of one element of a Forwarded header; empty if it does not have exactly one."""
    pairs = [pair.partition("=") for pair in element.split(";")]
    found = [value for name, _, value in pairs if name.strip().lower() == "for"]
    return found[0] if len(found) == 1 else ""


def address_in(hop: str) -> str | None:
    """The IP address that one entry names; None if it names none."""
    text = hop.strip()
    if text[:4].lower() == "for=":
        text = text[4:].strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1].strip()
    found = _IPV4.fullmatch(text) or _IPV6.fullmatch(text)
    try:
        return plain_address(found[1] if found else text)
    except ValueError:
        return None


def plain_address(text: str) -> str:
    """An IP address in its one usual form: without a zone id, an IPv4 address in IPv6 as IPv4. Raises ValueError."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or ipaddress.IPv6Address(int(address))
    return str(address)


def _is_in(address: str, networks: Sequence[Network]) -> bool:
    try:
        one = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(one.version == network.version and one in network for network in networks)
