"""Who a client is: the shared token, or a short-lived token that any replica can check without asking anybody.

A signed token is ``rt1.PAYLOAD.SIGNATURE``: base64url (without padding) of ``{"sub": ..., "exp": ...}`` and of
its HMAC-SHA-256 (RFC 2104) over everything before the last dot. Unlike a JWT there is no header and so
no algorithm to choose. Your own backend mints one for each of its users (`mint_token`); the relays only know
the secret. Several secrets may be valid at once, so that they can be changed without an interruption.

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
MIN_SECRET_BYTES = 32  # of the key of an HMAC: as long as its output (RFC 2104, section 3)
MAX_TOKEN_CHARS = 2048
MAX_SUBJECT_CHARS = 128


@dataclass(frozen=True)
class Identity:
    """Who was let in: ``subject`` is what limits per client count by; None counts by address."""

    subject: str | None = None


def mint_token(secret: str | bytes, subject: str, seconds: float = 600, *, now: float | None = None) -> str:
    """A token for one user of yours, good for *seconds* from now.

    Raises ValueError: a secret under 32 bytes, a subject that is empty or too long, or a time that is not positive.
    """
    key = _key(secret)
    if not subject or len(subject) > MAX_SUBJECT_CHARS:
        raise ValueError(f"a subject has 1 to {MAX_SUBJECT_CHARS} characters, not {len(subject)}")
    if not 0 < seconds < math.inf:
        raise ValueError(f"a token is good for some seconds, not {seconds!r}")
    expires = int((time.time() if now is None else now) + seconds)
    payload = codec.dumps({"sub": subject, "exp": expires}).encode()
    body = f"{PREFIX}.{_encode(payload)}"
    return f"{body}.{_encode(_sign(key, body))}"


def verify_token(
    secrets: Iterable[str | bytes], token: str, *, max_seconds: float = math.inf, now: float | None = None
) -> Identity | None:
    """Whose token it is; None if it is not one, has expired, or is good for longer than *max_seconds*."""
    if len(token) > MAX_TOKEN_CHARS or not token.isascii():
        return None
    body, _, signature = token.rpartition(".")
    good = False
    for secret in secrets:  # all of them: which one it was does not show in the time it takes
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
    remaining = expires - (time.time() if now is None else now)
    return Identity(subject) if 0 < remaining <= max_seconds else None


def check_shared(tokens: Sequence[str], offered: str) -> bool:
    """Whether *offered* is one of *tokens*, in a time that tells nothing about them."""
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
