"""Mints and verifies clients' tokens: shared tokens, and signed tokens that every replica can verify by itself.

A signed token is ``rt1.PAYLOAD.SIGNATURE``. The payload is base64url (without padding) of
``{"sub": ..., "exp": ...}``, the signature base64url of the HMAC-SHA-256 (RFC 2104) over everything before the last
dot. Unlike a JWT, a token has no header and so no choice of algorithm. Your backend mints a token for each of its
users (`mint_token`); the relays know only the secret. Several secrets can be valid at once, so that you can change
them without an interruption.

Thread: any; stateless.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..protocol import codec

__all__ = ["MIN_SECRET_BYTES", "Identity", "check_shared", "mint_token", "verify_token"]

PREFIX = "rt1"
# An HMAC key should be as long as the HMAC (RFC 2104, section 3).
MIN_SECRET_BYTES = 32
MAX_TOKEN_CHARS = 2048
MAX_SUBJECT_CHARS = 128
# Unix time, in seconds, that no token reaches: far beyond the year 10 000
_LAST_TIME = 1e15


@dataclass(frozen=True)
class Identity:
    """An authenticated client.

    Attributes
    ----------
    subject : str or None
        Limits per client count by this name; None counts by address.
    """

    subject: str | None = None


def mint_token(secret: str | bytes, subject: str, seconds: float = 600, *, now: float | None = None) -> str:
    """Make a signed token for one of your users.

    Parameters
    ----------
    secret : str or bytes
        At least 32 bytes; the relays verify with the same secret.
    subject : str
        Name of the user, 1 to 128 characters.
    seconds : float
        How long the token is valid, from now; positive.
    now : float, optional
        Unix time to use as now.

    Raises
    ------
    ValueError
        An argument is out of range.
    """
    key = _key(secret)
    if not subject or len(subject) > MAX_SUBJECT_CHARS:
        raise ValueError(f"a subject has 1 to {MAX_SUBJECT_CHARS} characters, not {len(subject)}")
    if not 0 < seconds < math.inf:
        raise ValueError(f"a token needs a positive, finite number of seconds, not {seconds!r}")
    expires = int((time.time() if now is None else now) + seconds)
    payload = codec.dumps({"sub": subject, "exp": expires}).encode()
    body = f"{PREFIX}.{_encode(payload)}"
    return f"{body}.{_encode(_sign(key, body))}"


def verify_token(
    secrets: Iterable[str | bytes], token: str, *, max_seconds: float = math.inf, now: float | None = None
) -> Identity | None:
    """Verify a signed token.

    Parameters
    ----------
    secrets : iterable of str or bytes
        The secrets that are valid now.
    token : str
    max_seconds : float
        A token with more remaining time than this is refused.
    now : float, optional
        Unix time to use as now.

    Returns
    -------
    Identity or None
        None if *token* is not a valid token, or has expired.

    Raises
    ------
    ValueError
        A secret has under 32 bytes.
    """
    if len(token) > MAX_TOKEN_CHARS or not token.isascii():
        return None
    body, _, signature = token.rpartition(".")
    good = False
    # All secrets are tried, so that the time taken does not show which one matched.
    for secret in secrets:
        good |= hmac.compare_digest(_encode(_sign(_key(secret), body)), signature)
    prefix, _, encoded = body.partition(".")
    if not good or prefix != PREFIX:
        return None
    try:
        payload = codec.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except ValueError:
        return None
    if not isinstance(payload, dict):
        return None
    subject, expires = payload.get("sub"), payload.get("exp")
    if not isinstance(subject, str) or not subject or len(subject) > MAX_SUBJECT_CHARS:
        return None
    if isinstance(expires, bool) or not isinstance(expires, (int, float)):
        return None
    current = time.time() if now is None else now
    # Compared before it is subtracted: an integer may be too large for a float.
    if not current < expires < _LAST_TIME:
        return None
    return Identity(subject) if expires - current <= max_seconds else None


def check_shared(tokens: Sequence[str], offered: str) -> bool:
    """True if *offered* is one of *tokens*; the time taken reveals nothing about them."""
    digest = hashlib.sha256(offered.encode("utf-8", "surrogatepass")).digest()
    found = False
    for token in tokens:
        found |= hmac.compare_digest(hashlib.sha256(token.encode()).digest(), digest)
    return found


def _key(secret: str | bytes) -> bytes:
    key = secret.encode() if isinstance(secret, str) else secret
    if len(key) < MIN_SECRET_BYTES:
        raise ValueError(f"the secret has {len(key)} bytes, at least {MIN_SECRET_BYTES} are needed")
    return key


def _sign(key: bytes, body: str) -> bytes:
    return hmac.new(key, body.encode(), hashlib.sha256).digest()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
