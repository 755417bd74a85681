"""The command ``tap``: its arguments, and the views that show a tap.

Thread: the main one, which runs the event loop.
"""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from .address import DEFAULT_LISTEN, DEFAULT_UPSTREAM, is_loopback, read_listen, read_upstream

if TYPE_CHECKING:
    from .tap import Tap

__all__ = ["add_arguments", "make_tap", "show"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        default=DEFAULT_LISTEN,
        help="where clients connect (default: %(default)s)",
    )
    parser.add_argument(
        "--upstream",
        metavar="URL",
        default=DEFAULT_UPSTREAM,
        help="the server behind it (default: %(default)s)",
    )
    parser.add_argument("--tls-certificate", metavar="FILE", help="PEM file: let clients connect by TLS")
    parser.add_argument("--tls-key", metavar="FILE", help="PEM file with the certificate's private key")
    parser.add_argument(
        "--insecure-no-tls",
        action="store_true",
        help="listen beyond this machine without TLS: others on the network can read keys and speech",
    )


def make_tap(arguments: argparse.Namespace, *, output: str | None, sessions: str) -> Tap:
    """The tap that the arguments ask for. Raises UserError for one that cannot be."""
    from .tap import Tap, TapSettings

    host, port = read_listen(arguments.listen)
    upstream = read_upstream(arguments.upstream)
    if port == upstream.port and is_loopback(upstream.host):
        raise UserError(f"--upstream {upstream.name} is the tap itself; name the server behind it")
    certificate, key = getattr(arguments, "tls_certificate", None), getattr(arguments, "tls_key", None)
    if key and not certificate:
        raise UserError("--tls-key needs --tls-certificate")
    for file in filter(None, (certificate, key)):
        if not Path(file).is_file():
            raise UserError(f"{file} is no file; give the path of a PEM file")
    insecure = getattr(arguments, "insecure_no_tls", False)
    return Tap(TapSettings(host, port, arguments.upstream, certificate, key, insecure, output, sessions))


async def show(tap: Tap, screen: Callable[[Any], Awaitable[int]]) -> int:
    """Start the tap, show it with *screen* until the user quits, and say what goes on; returns the exit status."""
    await tap.start()
    try:
        return await screen(tap)
    finally:
        await tap.close()
        if tap.farewell():
            print(tap.farewell(), flush=True)
