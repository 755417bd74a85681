"""The command `python -m realtime.relay`: arguments, errors, exit status.

    python -m realtime.relay [options]                    run the relay
    python -m realtime.relay token --subject NAME         print a signed token for one client
    python -m realtime.relay client-secret                print a client secret of the vendor, for direct connections

The first line on stdout is ``listening on ws://HOST:PORT``; logs go to stderr, one JSON object a line. SIGTERM
drains; a second SIGTERM ends at once. Exit status: 0 after SIGTERM or Ctrl-C, 128 + n after another signal n, 2 for an
error that the caller can correct.

Thread: main.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from typing import Any

from ..command_line import Parser, count, port
from ..errors import ConfigurationError
from ..printing import guarded_streams
from ..protocol.redact import Secret
from . import workers
from .keys import find_key
from .page import CONSOLE
from .policy import Policy
from .policy_file import load_policy
from .run import PROGRAM, run, serve, set_up_logs
from .subcommands import SUBCOMMANDS


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = Parser(
        prog=PROGRAM,
        description="Connects clients to a Realtime API without giving them the API key.",
        epilog="Other commands: token, client-secret (each with --help). A policy file has all other settings.",
    )
    p.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    p.add_argument("--port", type=port, help="port to listen on; 0 picks a free one (default: 8081)")
    p.add_argument("--upstream", metavar="URL", help="the server to connect to (default: the vendor's)")
    p.add_argument(
        "--origin", action="append", metavar="O", help="allow web pages of this origin; repeatable"
    )
    p.add_argument(
        "--token", action="append", metavar="T", help="require this token from clients; repeatable"
    )
    p.add_argument(
        "--model",
        action="append",
        metavar="M",
        help="a model that clients may choose; the first is the default; repeatable",
    )
    p.add_argument("--instructions", metavar="TEXT", help="instructions that clients neither set nor see")
    p.add_argument("--policy", metavar="FILE", help="a policy file (TOML); options given here override it")
    p.add_argument(
        "--page",
        nargs="?",
        const=CONSOLE,
        metavar="FOLDER",
        help="serve a web page that talks through this relay: the console's, or that of a folder",
    )
    p.add_argument("--allow-host", action="append", metavar="NAME", help="accept this host name; repeatable")
    p.add_argument("--workers", type=count(256), help="processes that share the port (default: 1)")
    p.add_argument("--tls-certificate", metavar="FILE", help="PEM file with the certificate chain")
    p.add_argument("--tls-key", metavar="FILE", help="PEM file with the certificate's private key")
    p.add_argument(
        "--insecure-no-tls",
        action="store_true",
        default=None,
        help="listen beyond the loopback without TLS: others on the network can read tokens and speech",
    )
    p.add_argument(
        "--insecure-no-auth",
        action="store_true",
        default=None,
        help="listen beyond the loopback without tokens: everyone who can reach the port spends your key",
    )
    return p


def policy_of(arguments: argparse.Namespace) -> Policy:
    """The policy of the policy file, overridden by the command line's options. Raises ConfigurationError."""
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
            "page",
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


def main(argv: list[str] | None = None) -> int:
    """Run the relay or another command; returns the exit status."""
    # Without a reader of its output the relay goes on
    with guarded_streams():
        return _main(sys.argv[1:] if argv is None else argv)


def _main(argv: list[str]) -> int:
    where = ""
    try:
        if argv and argv[0] in SUBCOMMANDS:
            return SUBCOMMANDS[argv[0]](argv[1:])
        policy = policy_of(parser().parse_args(argv))
        where = f"{policy.listen.host}:{policy.listen.port}"
        policy.check()
        key = find_key(policy.upstream.key_env)
        if policy.listen.workers > 1:
            return workers.supervise(policy, key)
        set_up_logs()
        return run(serve(policy, key))
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
