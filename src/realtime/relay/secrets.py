"""Client secrets of the vendor's: short-lived keys for clients that connect to the vendor directly.

``POST {base}/realtime/client_secrets`` (protocol notes, part 1). Your backend calls this for a user it knows and
hands the result to that user's browser or app; the session's settings travel inside the secret.

Thread: the event loop's only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from ..protocol.redact import Redactor, Secret
from .policy import is_loopback

__all__ = ["ClientSecret", "ClientSecretError", "mint_client_secret"]

MAX_ANSWER_BYTES = 256 * 1024
TIMEOUT_SECONDS = 10.0
SHORTEST_SECONDS, LONGEST_SECONDS = 10, 7200  # the vendor's limits


class ClientSecretError(ConfigurationError):
    """The vendor minted none; ``status`` is the HTTP status, None if there was no answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class ClientSecret:
    """``value`` opens sessions until ``expires_at`` (Unix seconds); a running session outlives it."""

    value: Secret
    expires_at: int


async def mint_client_secret(
    key: Secret,
    *,
    session: Mapping[str, Any] | None = None,
    seconds: int = 600,
    base_url: str = "https://api.openai.com/v1",
    safety_identifier: str | None = None,
    transport: Any = None,
) -> ClientSecret:
    """Ask the vendor for a client secret.

    Parameters
    ----------
    key : Secret
    session : mapping, optional
        Settings that every session opened with the secret begins with.
    seconds : int
        10 to 7200.
    base_url : str
        ``https``; ``http`` only to a loopback address.
    safety_identifier : str, optional
        A hash of the end user's id, for the vendor's abuse detection.
    transport : httpx.AsyncBaseTransport, optional
        In place of the network.

    Raises
    ------
    ValueError          *seconds* out of range
    ConfigurationError  httpx is missing, or the key would go over an open network
    ClientSecretError   no answer, or not a secret; its message never holds the key
    """
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise ValueError(f"seconds is {seconds}, expected {SHORTEST_SECONDS} to {LONGEST_SECONDS}")
    parts = urlsplit(base_url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise ConfigurationError(
            f"refusing to send an API key to {parts.scheme}://{parts.hostname}: use https://"
        )
    try:
        import httpx
    except ImportError:
        raise ConfigurationError("client secrets need httpx: pip install 'wavtools[relay]'") from None
    redactor = Redactor([key.reveal()])
    headers = {"Authorization": f"Bearer {key.reveal()}"}
    if safety_identifier is not None:
        headers["OpenAI-Safety-Identifier"] = safety_identifier
    body = {
        "expires_after": {"anchor": "created_at", "seconds": seconds},
        "session": dict(session or {"type": "realtime"}),
    }
    url = f"{base_url.rstrip('/')}/realtime/client_secrets"
    try:
        # No redirect and no proxy of the environment's: both would be handed the key.
        async with (
            httpx.AsyncClient(
                transport=transport, follow_redirects=False, trust_env=False, timeout=TIMEOUT_SECONDS
            ) as client,
            client.stream("POST", url, json=body, headers=headers) as response,
        ):
            answer = b""
            async for chunk in response.aiter_bytes():
                answer += chunk
                if len(answer) > MAX_ANSWER_BYTES:
                    raise ClientSecretError(
                        f"the answer has more than {MAX_ANSWER_BYTES} bytes", response.status_code
                    )
            status = response.status_code
    except httpx.HTTPError as error:
        raise ClientSecretError(redactor.text(f"no answer from {parts.hostname}: {error}")) from None
    try:
        tree = json.loads(answer)
    except (ValueError, RecursionError):
        tree = None
    if status != 200 or not isinstance(tree, dict):
        said = tree.get("error") if isinstance(tree, dict) else None
        message = said.get("message") if isinstance(said, dict) else None
        raise ClientSecretError(
            redactor.text(
                f"{parts.hostname} minted no secret (HTTP status {status}){f': {message}' if message else ''}"
            ),
            status,
        )
    value, expires_at = tree.get("value"), tree.get("expires_at")
    if not isinstance(value, str) or not value or not isinstance(expires_at, int):
        raise ClientSecretError(f"{parts.hostname} answered without a secret", status)
    return ClientSecret(Secret(value), expires_at)
