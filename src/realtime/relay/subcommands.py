"""The commands beside running the relay: print a token for a client of the relay, or a client secret of the vendor.

Thread: main.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import replace

from ..command_line import Parser
from ..errors import ConfigurationError
from .keys import find_key
from .policy_file import load_policy
from .run import PROGRAM
from .secrets import ClientSecret, mint_client_secret
from .tokens import mint_token

__all__ = ["SUBCOMMANDS"]


def token(argv: list[str]) -> int:
    """Print a signed token."""
    p = Parser(prog=f"{PROGRAM} token", description="Print a signed token for one client of the relay.")
    p.add_argument(
        "--subject", required=True, metavar="NAME", help="the client's name; limits per client count by it"
    )
    p.add_argument(
        "--seconds", type=float, default=600, help="how long the token is valid (default: %(default)g)"
    )
    p.add_argument(
        "--secret-env",
        default="RELAY_SECRET",
        metavar="VARIABLE",
        help="environment variable with the secret (default: %(default)s)",
    )
    arguments = p.parse_args(argv)
    secret = os.environ.get(arguments.secret_env, "").partition(",")[0].strip()
    if not secret:
        raise ConfigurationError(f"the environment variable {arguments.secret_env} is not set")
    try:
        print(mint_token(secret, arguments.subject, arguments.seconds))
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    return 0


def client_secret(argv: list[str]) -> int:
    """Print a client secret."""
    p = Parser(
        prog=f"{PROGRAM} client-secret",
        description="Print a short-lived secret of the vendor, with which a client connects to the vendor directly.",
    )
    p.add_argument(
        "--seconds", type=int, default=600, help="how long it is valid, 10 to 7200 (default: %(default)s)"
    )
    p.add_argument(
        "--policy", metavar="FILE", help="policy whose model, instructions and tools the secret carries"
    )
    p.add_argument("--base-url", default="https://api.openai.com/v1", help="default: %(default)s")
    arguments = p.parse_args(argv)
    policy = load_policy(arguments.policy) if arguments.policy else None
    session: dict[str, object] = {"type": "realtime"}
    variable = "OPENAI_API_KEY"
    if policy is not None:
        variable = policy.upstream.key_env
        # Without the tools that run in the relay: a client with a secret does not pass through it.
        session.update(replace(policy, tools=()).session_settings)
        session["model"] = policy.clients.models[0] if policy.clients.models else policy.upstream.model
    key = find_key(variable)
    if not key:
        raise ConfigurationError(f"no API key: set {variable}, or write it into .env (chmod 600)")
    minting = mint_client_secret(key, session=session, seconds=arguments.seconds, base_url=arguments.base_url)
    return _print(asyncio.run(minting))


def _print(minted: ClientSecret) -> int:
    print(json.dumps({"value": minted.value.reveal(), "expires_at": minted.expires_at}))
    return 0


SUBCOMMANDS: dict[str, Callable[[list[str]], int]] = {"token": token, "client-secret": client_secret}
