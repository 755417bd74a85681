"""A relay that keeps the API key on the server and lets in only who and what its policy allows.

    python -m realtime.relay [--host 127.0.0.1] [--port 8081] [--upstream URL] [--token T] [--policy FILE] ...

In a program::

    async with Relay(load_policy("relay.toml"), find_key()) as relay:
        print(relay.url)

Modules, from the outside in: ``__main__``, ``workers`` and ``verbs`` (command) · ``server`` (listening, health) ·
``admission`` and ``tokens`` (who) · ``socket`` (one websocket) · ``pipe`` (one session) · ``client_rules`` and
``server_rules`` (what may be said) · ``server_tools`` · ``turns`` (when a session may be cut) · ``upstream`` ·
``policy`` and ``policy_file`` · ``buckets``, ``metrics``, ``journal`` · ``secrets`` (client secrets).

A relay keeps nothing that outlives a session, so any number of them can stand behind a load balancer.

Thread: each Relay belongs to one event loop.
"""

from .admission import LoginRequest
from .keys import find_key
from .policy import Policy
from .policy_file import load_policy
from .secrets import ClientSecret, ClientSecretError, mint_client_secret
from .server import Relay
from .tokens import Identity, mint_token, verify_token

__all__ = [
    "ClientSecret",
    "ClientSecretError",
    "Identity",
    "LoginRequest",
    "Policy",
    "Relay",
    "find_key",
    "load_policy",
    "mint_client_secret",
    "mint_token",
    "verify_token",
]
