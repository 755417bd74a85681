"""The relay: lets clients use a Realtime API under a policy, and keeps the API key on the server.

    python -m realtime.relay [--host 127.0.0.1] [--port 8081] [--upstream URL] [--token T] [--policy FILE] ...

In a program::

    async with Relay(load_policy("relay.toml"), find_key()) as relay:
        print(relay.url)

Modules, from the outside in: ``__main__``, ``subcommands``, ``workers``, ``run`` (the command) · ``server``
(listening) · ``handshake``, ``health``, ``minting``, ``plain_http``, ``admission``, ``tokens``, ``addresses``, ``targets``
(HTTP requests, and who may connect) · ``sessions``
(all sessions), ``pipe`` (one session), ``opening``, ``heartbeat`` · ``client_rules`` (with ``plain_append`` and
``strict_json``) and ``server_rules`` (which messages may pass) · ``server_tools``, ``turns``, ``upstream`` ·
``context`` · ``policy``, ``policy_file`` · ``socket`` (one websocket) · ``buckets``, ``close_codes``, ``functions``,
``journal``, ``keys``, ``metrics`` · ``secrets`` (client secrets).

A relay keeps no state beyond its sessions, so any number of relays can run behind a load balancer.

Thread: each Relay belongs to one event loop.
"""

from ..name_clash import check_ours
from .admission import LoginRequest
from .keys import find_key
from .policy import Policy, UpstreamPolicy
from .policy_file import load_policy
from .secrets import ClientSecret, ClientSecretError, mint_client_secret
from .server import Relay
from .tokens import Identity, mint_token, verify_token

check_ours()

__all__ = [
    "ClientSecret",
    "ClientSecretError",
    "Identity",
    "LoginRequest",
    "Policy",
    "Relay",
    "UpstreamPolicy",
    "find_key",
    "load_policy",
    "mint_client_secret",
    "mint_token",
    "verify_token",
]
