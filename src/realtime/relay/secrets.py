"""Requests client secrets from the vendor: short-lived keys for clients that connect to the vendor directly.

``POST {base}/realtime/client_secrets`` (protocol notes, part 1). Your backend calls this for a user whom it has
authenticated, and hands the result to that user's browser or app. The secret carries the session's settings.

Thread: the event loop only.
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
# The vendor's limits
SHORTEST_SECONDS, LONGEST_SECONDS = 10, 7200


class ClientSecretError(ConfigurationError):
    """The vendor gave no client secret; ``status`` is the HTTP status, None if there was no answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class ClientSecret:
    """A client secret of the vendor.

    Attributes
    ----------
    value : Secret
        Opens sessions until ``expires_at``; a running session may go on after that.
    expires_at : int
        Unix time in seconds.
    """

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
    """Request a client secret from the vendor.

    Parameters
    ----------
    key : Secret
        The API key.
    session : mapping, optional
        Initial settings of every session that is opened with the secret.
    seconds : int
        How long the secret is valid, 10 to 7200.
    base_url : str
        ``https``; ``http`` only to a loopback address.
    safety_identifier : str, optional
        A hash of the end user's id, for the vendor's abuse detection.
    transport : httpx.AsyncBaseTransport, optional
        Replaces the network.

    Returns
    -------
    ClientSecret

    Raises
    ------
    ValueError
        *seconds* is out of range.
    ConfigurationError
        httpx is missing, or the key would cross a network unencrypted.
    ClientSecretError
        The vendor did not answer, or not with a secret. The message never contains the key.
    """
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise ValueError(f"seconds is {seconds}, expected {SHORTEST_SECONDS} to {LONGEST_SECONDS}")
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ConfigurationError(f"refusing to send an API key to {parts.scheme}://{host}: use https://")
    headers = {"Authorization": f"Bearer {key.reveal()}"}
    if safety_identifier is not None:
        headers["OpenAI-Safety-Identifier"] = safety_identifier
    body = {
        "expires_after": {"anchor": "created_at", "seconds": seconds},
        "session": dict(session or {"type": "realtime"}),
    }
    redactor = Redactor([key.reveal()])
    url = f"{base_url.rstrip('/')}/realtime/client_secrets"
    status, answer = await _post(url, body, headers, redactor, transport)
    return _secret_in(answer, status, host, redactor)


async def _post(
    url: str, body: Mapping[str, Any], headers: Mapping[str, str], redactor: Redactor, transport: Any
) -> tuple[int, bytes]:
    """HTTP status and body of the answer."""
    try:
        import httpx
    except ImportError:
        raise ConfigurationError("client secrets need httpx: pip install 'wavtools[relay]'") from None
    # Neither redirects nor proxies from the environment: both would receive the key.
    client = httpx.AsyncClient(
        transport=transport, follow_redirects=False, trust_env=False, timeout=TIMEOUT_SECONDS
    )
    try:
        async with client, client.stream("POST", url, json=body, headers=headers) as response:
            answer = b""
            async for chunk in response.aiter_bytes():
                answer += chunk
                if len(answer) > MAX_ANSWER_BYTES:
                    raise ClientSecretError(
                        f"the answer has more than {MAX_ANSWER_BYTES} bytes", response.status_code
                    )
            return response.status_code, answer
    except httpx.HTTPError as error:
        message = redactor.text(f"no answer from {urlsplit(url).hostname}: {error}")
        raise ClientSecretError(message) from None


def _secret_in(answer: bytes, status: int, host: str, redactor: Redactor) -> ClientSecret:
    """The secret in the vendor's answer. Raises ClientSecretError if there is none."""
    try:
        tree = json.loads(answer)
    except (ValueError, RecursionError):
        tree = None
    if status != 200 or not isinstance(tree, dict):
        error = tree.get("error") if isinstance(tree, dict) else None
        reason = error.get("message") if isinstance(error, dict) else None
        message = f"{host} gave no client secret (HTTP status {status})" + (f": {reason}" if reason else "")
        raise ClientSecretError(redactor.text(message), status)
    value, expires_at = tree.get("value"), tree.get("expires_at")
    if not isinstance(value, str) or not value or not isinstance(expires_at, int):
        raise ClientSecretError(f"{host} answered without a client secret", status)
    return ClientSecret(Secret(value), expires_at)
