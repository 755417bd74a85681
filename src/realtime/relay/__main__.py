"""`python -m realtime.relay`: arguments, the first line, signals, exit status.

    python -m realtime.relay [options]                    run the relay
    python -m realtime.relay token --subject NAME         print a signed token for one client
    python -m realtime.relay client-secret                print a client secret of the vendor's, for direct connections

The first line on stdout is ``listening on ws://HOST:PORT``; logs go to stderr, one JSON object a line. SIGTERM
drains; a second one ends at once. Exit status 0 after a signal, 2 for anything the caller can mend.

Thread: main.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, NoReturn

from ..errors import ConfigurationError
from ..protocol.redact import Secret
from .journal import JsonLines
from .keys import find_key
from .policy import Policy
from .policy_file import load_policy

PROGRAM = "python -m realtime.relay"


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{PROGRAM}: {message}; see --help\n")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = Parser(
        prog=PROGRAM,
        description="Lets clients talk to a Realtime API without giving them the key.",
        epilog="Other verbs: token, client-secret (each with --help). Everything else is set in a policy file.",
    )
    p.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    p.add_argument("--port", type=_port, help="port to listen on; 0 picks a free one (default: 8081)")
    p.add_argument("--upstream", metavar="URL", help="the server to connect to (default: the vendor's)")
    p.add_argument(
        "--origin", action="append", metavar="O", help="let pages of this origin connect; repeatable"
    )
    p.add_argument("--token", action="append", metavar="T", help="ask clients for this token; repeatable")
    p.add_argument(
        "--model",
        action="append",
        metavar="M",
        help="a model that clients may choose; the first is the default",
    )
    p.add_argument("--instructions", metavar="TEXT", help="instructions that clients neither set nor see")
    p.add_argument("--policy", metavar="FILE", help="a policy file (TOML); options given here go before it")
    p.add_argument("--allow-host", action="append", metavar="NAME", help="serve this host name; repeatable")
    p.add_argument("--workers", type=_count, help="processes that share the port (default: 1)")
    p.add_argument("--tls-certificate", metavar="FILE", help="PEM file with the certificate chain")
    p.add_argument("--tls-key", metavar="FILE", help="PEM file with its key")
    p.add_argument(
        "--insecure-no-tls",
        action="store_true",
        default=None,
        help="listen off the loopback without TLS: tokens and voices can be read on the way",
    )
    p.add_argument(
        "--insecure-no-auth",
        action="store_true",
        default=None,
        help="listen off the loopback without tokens: whoever reaches the port spends your key",
    )
    return p


def _port(value: str) -> int:
    port = int(value) if value.isdecimal() else -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{value!r} is no port, expected 0 to 65535")
    return port


def _count(value: str) -> int:
    count = int(value) if value.isdecimal() else 0
    if not 1 <= count <= 256:
        raise argparse.ArgumentTypeError(f"{value!r} is no number from 1 to 256")
    return count


def policy_of(arguments: argparse.Namespace) -> Policy:
    """The policy file's policy with the command line's options over it. Raises ConfigurationError."""
    policy = load_policy(arguments.policy) if arguments.policy else Policy()
    listen = {
        name: getattr(arguments, name)
        for name in (
            "host",
            "port",
            "workers",
            "tls_certificate",
            "tls_key",
            "insecure_no_tls",
            "insecure_no_auth",
        )
        if getattr(arguments, name) is not None
    }
    clients: dict[str, Any] = {
        name: tuple(value)
        for name, value in (
            ("origins", arguments.origin),
            ("models", arguments.model),
            ("hosts", arguments.allow_host),
        )
        if value
    }
    if any(not token for token in arguments.token or ()):
        raise ConfigurationError("--token must not be empty")
    return replace(
        policy,
        listen=replace(policy.listen, **listen),
        clients=replace(policy.clients, **clients),
        upstream=replace(policy.upstream, url=arguments.upstream) if arguments.upstream else policy.upstream,
        auth=replace(policy.auth, tokens=tuple(Secret(token) for token in arguments.token))
        if arguments.token
        else policy.auth,
        session=replace(policy.session, instructions=arguments.instructions)
        if arguments.instructions
        else policy.session,
    )


async def serve(policy: Policy, key: Secret, *, share_port: bool = False, ready: Any = None) -> None:
    """Listen until a signal, then drain; *ready* is released in place of the first line.

    Raises ConfigurationError or OSError if that cannot be.
    """
    from .server import Relay

    stop = asyncio.Event()
    _on_stop_signal(stop)
    relay = Relay(policy, key, share_port=share_port)
    async with relay:
        # What exists now lives as long as the process: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        if ready is not None:
            ready.release()
        else:
            print(f"listening on {relay.url}", flush=True)
        await stop.wait()
        stop.clear()
        again = asyncio.create_task(stop.wait())
        drained = asyncio.create_task(relay.drain())
        await asyncio.wait([again, drained], return_when=asyncio.FIRST_COMPLETED)
        for task in (again, drained):
            task.cancel()
        await asyncio.gather(again, drained, return_exceptions=True)


def _on_stop_signal(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    if sys.platform == "win32":  # a console process gets no SIGTERM there
        signal.signal(signal.SIGBREAK, lambda *_: loop.call_soon_threadsafe(stop.set))


def run(main: Coroutine[Any, Any, None]) -> None:
    """asyncio.run on uvloop where it is installed: about twice the sessions on a core."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


def set_up_logs() -> None:
    """JSON lines on stderr for the relay, nothing else changed."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    log = logging.getLogger("realtime.relay")
    log.handlers = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False
    logging.getLogger("asyncio").handlers = [handler]
    logging.getLogger("asyncio").propagate = False


def main(argv: list[str] | None = None) -> int:
    """Run the relay, or another verb; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    from . import verbs, workers

    where = ""
    try:
        if argv and argv[0] in verbs.VERBS:
            return verbs.VERBS[argv[0]](argv[1:])
        policy = policy_of(parser().parse_args(argv))
        where = f"{policy.listen.host}:{policy.listen.port}"
        policy.check()
        key = find_key(policy.upstream.key_env)
        if policy.listen.workers > 1:
            return workers.supervise(policy, key)
        set_up_logs()
        run(serve(policy, key))
    except ConfigurationError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        print(f"{PROGRAM}: cannot listen on {where}: {reason}; try another --port", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
