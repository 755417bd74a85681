"""The forwarding process of a tap: accepts clients, connects each to the server, and outlives the console.

    python -m console.tap.forward '{"host": ..., "port": ..., "upstream": ..., "certificate": ..., "key": ...}'

Reports go to stdout (see `report`). When its input ends, because the console has ended or was killed, the process accepts
no more clients, and ends with the last connection: whatever becomes of the console, no client notices.

Thread: main; one thread writes reports, one waits for the end of the input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import ssl
import sys
import threading
from typing import Any

from ..errors import UserError
from .address import Upstream, read_upstream
from .link import Link
from .report import Kind, Reporter

__all__ = ["serve"]

FINISH_SECONDS = 2.0


async def serve(settings: dict[str, Any], reporter: Reporter, input_ended: asyncio.Event) -> None:
    """Accept clients until the input ends, and forward until the last one has gone.

    Raises
    ------
    UserError
        The address cannot be used, or the certificate cannot be read.
    """
    upstream = read_upstream(settings["upstream"])
    tls_in, tls_out = _contexts(settings, upstream)
    links: set[Link] = set()
    idle = asyncio.Event()
    numbers = iter(range(1, 1 << 32))

    def closed(link: Link) -> None:
        links.discard(link)
        if not links:
            idle.set()

    def accept() -> asyncio.Protocol:
        link = Link(next(numbers), upstream, tls_out, reporter, closed)
        links.add(link)
        idle.clear()
        return link.client

    host, port = settings["host"], settings["port"]
    try:
        server = await asyncio.get_running_loop().create_server(accept, host, port, ssl=tls_in)
    except OSError as error:
        raise UserError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    port = server.sockets[0].getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    reporter.send(Kind.LISTENING, data=f"{'ws' if tls_in is None else 'wss'}://{shown}:{port}".encode())
    await input_ended.wait()
    server.close()
    for link in tuple(links):
        # A connection without a request: its client does not need it
        if not link.is_open:
            link.client.transport.abort()
    if links:
        idle.clear()
        await idle.wait()


def _contexts(
    settings: dict[str, Any], upstream: Upstream
) -> tuple[ssl.SSLContext | None, ssl.SSLContext | None]:
    """TLS for clients, and for the server. Raises UserError."""
    incoming = None
    if settings.get("certificate"):
        incoming = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            incoming.load_cert_chain(settings["certificate"], settings.get("key") or None)
        except (OSError, ssl.SSLError) as error:
            raise UserError(
                f"cannot use the certificate {settings['certificate']}: {error.strerror or error}"
            ) from error
    return incoming, ssl.create_default_context() if upstream.secure else None


def _watch_input(loop: asyncio.AbstractEventLoop, input_ended: asyncio.Event) -> None:
    with contextlib.suppress(OSError, ValueError):
        while sys.stdin.buffer.read(1024):
            pass
    # A closed loop: the process ends anyway
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(input_ended.set)


async def _main() -> int:
    reporter = Reporter(sys.stdout.buffer)
    input_ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    threading.Thread(target=_watch_input, args=(loop, input_ended), name="tap-input", daemon=True).start()
    try:
        await serve(json.loads(sys.argv[1]), reporter, input_ended)
        status = 0
    except UserError as error:
        reporter.send(Kind.FAILED, data=str(error).encode())
        status = 2
    reporter.finish(FINISH_SECONDS)
    return status


if __name__ == "__main__":
    # Without the clean-up of the interpreter: a thread may wait in stdin for ever
    os._exit(asyncio.run(_main()))
