"""The verb ``web``: serves the page until the program ends; the API key is entered here and never in the page.

Thread: the event loop's; lines of the terminal are read in a thread.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import importlib
import os
import ssl
import sys
import threading
import webbrowser
from dataclasses import replace
from typing import Any

from ..call import Call
from ..errors import UserError
from ..settings import Settings
from .desk import Desk
from .gate import is_loopback
from .server import PageServer
from .verbs import PAGE_NAME

__all__ = ["web"]

HELP = "Enter: an address for one more browser · a: enter an API key · q: quit"


async def web(settings: Settings, arguments: argparse.Namespace) -> int:
    """Serve the page until the user quits; return the exit status.

    Raises
    ------
    UserError
        the address, the certificate or a setting cannot be used
    """
    tls = _tls(arguments)
    # It takes a moment
    await asyncio.to_thread(importlib.import_module, "realtime")
    from wavtools import RemoteDevice

    call = Call(replace(settings, mode=settings.mode or "manual"))
    device: Any = RemoteDevice()
    desk = Desk(call, device)
    server = PageServer(desk, arguments.host, arguments.port, tls=tls, origins=tuple(arguments.origin))
    try:
        if settings.input is None:
            await call.use_microphone(device, PAGE_NAME)
        if settings.output is None:
            await call.use_speaker(device, PAGE_NAME)
        call.model.notices.clear()
        await server.start()
        _tell(server, arguments)
        ticks = asyncio.create_task(desk.run())
        try:
            await _until_quit(server, call)
        finally:
            ticks.cancel()
            await server.close()
    finally:
        await desk.close()
        await call.close()
    return 0


def _tls(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    certificate, key = arguments.tls_certificate, arguments.tls_key
    if bool(certificate) != bool(key):
        raise UserError("--tls-certificate and --tls-key belong together; give both")
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(certificate, key, password="")
        except (OSError, ssl.SSLError, ValueError) as error:
            raise UserError(f"cannot use the certificate {certificate}: {error}") from error
        return context
    if not is_loopback(arguments.host) and not arguments.insecure_host:
        raise UserError(
            f"{arguments.host} can be reached from other machines; give --tls-certificate and --tls-key, or reach "
            "127.0.0.1 through ssh -L, or accept with --insecure-host that everybody on the way hears the conversation "
            "(browsers give such a page no microphone)"
        )
    return None


def _tell(server: PageServer, arguments: argparse.Namespace) -> None:
    """Print the address, alone on the first line, then how to reach it, and open a browser if there is one here."""
    address = server.address
    print(address, flush=True)
    remote = bool(os.environ.get("SSH_CONNECTION"))
    if remote and is_loopback(arguments.host):
        here = os.environ["SSH_CONNECTION"].split()[2:3]
        name = here[0] if here else "THIS-MACHINE"
        print(
            f"on your machine: ssh -L {server.port}:127.0.0.1:{server.port} {getpass.getuser()}@{name}",
            flush=True,
        )
    if _has_terminal():
        print(HELP, flush=True)
    if not arguments.no_browser and not remote and _has_browser():
        # It may wait for the browser
        threading.Thread(target=webbrowser.open, args=(address,), name="console-browser", daemon=True).start()


def _has_browser() -> bool:
    """True where a browser opens a window; one that draws in the terminal would take it over."""
    on_desktop = sys.platform in ("win32", "darwin")
    return on_desktop or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _has_terminal() -> bool:
    try:
        return sys.stdin is not None and sys.stdin.isatty()
    except ValueError:
        return False


async def _until_quit(server: PageServer, call: Any) -> None:
    """Take lines of the terminal; without one, wait until the program is ended."""
    while _has_terminal():
        line = await _line()
        if line in (None, "q"):
            return
        if line == "a":
            key = await asyncio.to_thread(getpass.getpass, "API key (not shown): ")
            if await call.use_key(key.strip(), keep=False):
                print("the key is used until you quit; connect again in the page", flush=True)
            else:
                print(call.model.notices[-1].text, file=sys.stderr, flush=True)
        elif line == "":
            print(server.address, flush=True)
        else:
            print(HELP, flush=True)
    await asyncio.Event().wait()


async def _line() -> str | None:
    """The next line of the terminal; None at its end. A daemon thread reads it, because reading cannot be cancelled."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[str | None] = loop.create_future()

    def give(line: str | None) -> None:
        if not found.done():
            found.set_result(line)

    def read() -> None:
        try:
            line = sys.stdin.readline(1_000)
        except (OSError, ValueError):
            line = ""
        try:
            loop.call_soon_threadsafe(give, line.strip() if line else None)
        except RuntimeError:
            # The loop is closed: the program has ended
            pass

    threading.Thread(target=read, name="console-input", daemon=True).start()
    return await found
