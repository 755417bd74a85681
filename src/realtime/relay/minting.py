"""Answers requests other than upgrades: mints client secrets if the policy says so, and refuses the rest in a sentence.

``POST /v1/realtime/client_secrets`` has the vendor's form. The client authenticates as for a session, the policy
decides about the session that it asks for, and the relay asks the vendor with its own key.

Thread: the event loop only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from websockets.http11 import Request

from ..errors import ConfigurationError
from ..protocol.dialect import merge_session
from ..protocol.redact import Secret
from .admission import Gate, RefusedError, query_of, target_of
from .buckets import Buckets
from .client_rules import ClientRules, Refusal
from .context import RelayContext
from .journal import record
from .plain_http import Answer, PlainRequest, error_answer
from .secrets import SHORTEST_SECONDS, ClientSecret, ClientSecretError, mint_client_secret
from .strict_json import StrictJSONError, parse

__all__ = ["MINTING_PATHS", "Minting"]

MINTING_PATHS = ("/v1/realtime/client_secrets", "/realtime/client_secrets")
_DEFAULT_SECONDS = 600


class _BodyError(Exception):
    """The body asks for something that is not allowed; *param* names it."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class Minting:
    """The requests other than upgrades, of all clients of a relay.

    Parameters
    ----------
    context : RelayContext
    gate : Gate
        Judges the request as it judges upgrade requests.
    """

    def __init__(self, context: RelayContext, gate: Gate) -> None:
        self._context = context
        self._gate = gate
        # Handlers run in the relay, and a client with a secret does not pass through it.
        self._policy = replace(context.policy, tools=())
        rate = context.policy.limits.client_secrets_per_minute
        self._minted = Buckets(rate / 60, max(rate, 1))

    async def answer(self, request: PlainRequest, address: str) -> Answer:
        """The answer to a request from *address*. Raises RefusedError."""
        policy = self._policy
        target = target_of(request.target)
        if target.path in policy.listen.paths:
            message = (
                f"{target.path} takes websocket connections, which begin with GET, and not {request.method}"
            )
            return error_answer(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", message, Allow="GET")
        if target.path not in MINTING_PATHS:
            message = "this relay passes on websocket sessions, and no other API"
            return error_answer(HTTPStatus.NOT_IMPLEMENTED, "not_implemented", message)
        if not policy.clients.client_secret_seconds:
            message = (
                "this relay mints no client secrets: connect through it, or set clients.client_secret_seconds"
            )
            return error_answer(HTTPStatus.NOT_IMPLEMENTED, "not_implemented", message)
        self._gate.check_headers(target, request.headers)
        cross_origin = _cross_origin(request)
        if request.method == "OPTIONS" and cross_origin:
            return Answer(HTTPStatus.NO_CONTENT, None, cross_origin)
        if request.method != "POST":
            message = f"client secrets are minted by POST, and not by {request.method}"
            return error_answer(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", message, Allow="POST")
        answer = await self._mint(request, address)
        return replace(answer, headers={**answer.headers, **cross_origin})

    async def _mint(self, request: PlainRequest, address: str) -> Answer:
        query = query_of(request.target)
        identity = await self._gate.authenticate(Request(request.target, request.headers), query, (), address)
        client = f"sub:{identity.subject}" if identity.subject else f"ip:{address}"
        if not self._minted.of(client).take(asyncio.get_running_loop().time()):
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, "client_secrets", "too many client secrets")
        try:
            shown, session, seconds = self._read(request.body)
        except _BodyError as error:
            answer = error_answer(HTTPStatus.BAD_REQUEST, "invalid_value", str(error))
            answer.value["error"]["param"] = error.param
            return answer
        try:
            minted = await mint_client_secret(
                Secret(self._context.key),
                session=session,
                seconds=seconds,
                base_url=_base_url(self._policy.upstream.url),
            )
        except (ClientSecretError, ConfigurationError) as error:
            status = getattr(error, "status", None)
            record("client_secret.failed", client=client, status=status)
            return error_answer(
                HTTPStatus.BAD_GATEWAY,
                "upstream_failed",
                "the server behind this relay gave no client secret",
            )
        record("client_secret.minted", client=client, seconds=seconds)
        return Answer(HTTPStatus.OK, _written(minted, shown))

    def _read(self, body: bytes) -> tuple[dict[str, Any], dict[str, Any], int]:
        """The session to show in the answer, the session with the policy's settings, and the secret's seconds."""
        try:
            tree = parse(body) if body else {}
        except (StrictJSONError, UnicodeDecodeError) as error:
            raise _BodyError(f"the body cannot be read: {error}") from None
        if not isinstance(tree, dict):
            raise _BodyError("the body must be an object")
        for key in tree:
            if key not in ("session", "expires_after"):
                raise _BodyError(f"unknown parameter {key[:64]!r}", key[:64])
        given = tree.get("session") or {}
        if not isinstance(given, dict):
            raise _BodyError("session must be an object", "session")
        asked = self._allowed(dict(given))
        settings = self._policy.session_settings
        if "tools" in asked:
            # They hold the policy's tools already.
            settings.pop("tools", None)
        # What the client wrote itself: tools of the policy are not shown.
        shown = {**given, "type": "realtime", "model": asked["model"]}
        return shown, merge_session(asked, settings), self._seconds(tree.get("expires_after"))

    def _allowed(self, session: dict[str, Any]) -> dict[str, Any]:
        """*session* with the model to use. Raises _BodyError for what the policy does not allow."""
        model = session.pop("model", None)
        if model is not None and not isinstance(model, str):
            raise _BodyError("model must be a text", "session.model")
        model = self._gate.model(model)
        refusal: Refusal | None = ClientRules(self._policy, model).check_session(session)
        if refusal is not None:
            raise _BodyError(refusal.message, refusal.param)
        return {**session, "type": "realtime", "model": model}

    def _seconds(self, given: Any) -> int:
        most = self._policy.clients.client_secret_seconds
        if given is None:
            return min(_DEFAULT_SECONDS, most)
        seconds = given.get("seconds", _DEFAULT_SECONDS) if isinstance(given, dict) else None
        anchored = isinstance(given, dict) and given.get("anchor", "created_at") == "created_at"
        if (
            isinstance(seconds, bool)
            or not isinstance(seconds, int)
            or seconds < SHORTEST_SECONDS
            or not anchored
            or set(given) - {"anchor", "seconds"}
        ):
            raise _BodyError(
                f'expires_after must be {{"anchor": "created_at", "seconds": {SHORTEST_SECONDS} to {most}}}',
                "expires_after",
            )
        return min(seconds, most)


def _cross_origin(request: PlainRequest) -> dict[str, str]:
    """The headers that let a web page read the answer. The gate has checked its origin."""
    origin = request.headers.get("Origin")
    if origin is None:
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Headers": "authorization, content-type",
        "Access-Control-Allow-Methods": "POST",
        "Vary": "Origin",
    }


def _base_url(url: str) -> str:
    """The root of the vendor's API from the address of its websockets."""
    parts = urlsplit(url)
    scheme = "https" if parts.scheme in ("wss", "https") else "http"
    return f"{scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/realtime')}"


def _written(minted: ClientSecret, session: Mapping[str, Any]) -> dict[str, Any]:
    """The answer as the vendor writes it; of the session it shows what the client asked for."""
    return {"value": minted.value.reveal(), "expires_at": minted.expires_at, "session": dict(session)}
