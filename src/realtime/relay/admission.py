"""Decides from the upgrade request who may connect, and to which model, before anything goes upstream.

Nothing of the request is forwarded, except a call's id if the policy allows that. The upstream request is the relay's
own: its key, and one of its models. A client may ask for the beta dialect; the relay translates, and upstream is asked
for GA.

Thread: the event loop only; only the deployer's authenticator may wait.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeader
from websockets.headers import parse_subprotocol
from websockets.http11 import Request

from ..protocol.beta import asks_for_beta
from .functions import import_function
from .policy import AuthPolicy, Policy, is_loopback
from .targets import Target, TargetError, read_target
from .tokens import Identity, check_shared, verify_token

__all__ = ["Admission", "Gate", "LoginRequest", "RefusedError", "query_of", "target_of"]

KEY_SUBPROTOCOL = "openai-insecure-api-key."
TOKEN_SUBPROTOCOL = "token."
# Names that contain no credential; any other name may be one.
_PLAIN_SUBPROTOCOL = re.compile(r"realtime|openai-(beta|organization|project)\b.*")
# What JavaScript writes into a text for a key that was not set, as the reference client does without one
_NO_KEY = ("", "null", "undefined")
# Fields that select another kind of session
_FORBIDDEN_QUERY = ("deployment", "api-version")
_CALL_ID = re.compile(r"[\w.:-]{1,256}", re.ASCII)
# Models that ended together with beta; the clients of beta name one of them without being told to.
_BETA_MODEL = re.compile(r"gpt-4o(-mini)?-realtime-preview.*")
# At most once each: with two values, a proxy in front of the relay could use one and the relay the other.
_SINGLE_HEADERS = ("Host", "Origin", "Authorization", "X-Forwarded-For", "OpenAI-Beta", "Sec-WebSocket-Key")
MAX_SUBPROTOCOLS = 8


class RefusedError(Exception):
    """The request is refused with ``status``; ``kind`` is the reason it is counted under."""

    def __init__(self, status: HTTPStatus, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


@dataclass(frozen=True)
class LoginRequest:
    """The argument of the deployer's authenticator.

    Attributes
    ----------
    token : str or None
        None if the client sent none.
    address : str
        The client's IP address.
    origin : str or None
        The ``Origin`` header, which browsers send.
    path : str
        Path and query of the request.
    headers : websockets.datastructures.Headers
    """

    token: str | None
    address: str
    origin: str | None
    path: str
    headers: Headers


@dataclass(frozen=True)
class Admission:
    """The result of admitting a client.

    Attributes
    ----------
    client : str
        The name that limits count by: ``sub:NAME`` of the token's subject, else ``ip:ADDRESS``.
    address : str
        The client's IP address.
    model : str
        The model to connect to.
    beta : bool
        True if the client asked for the beta dialect.
    call_id : str or None
        The running call to join, instead of a new session.
    subprotocol : str or None
        The subprotocol of the answer.
    kind : str
        One of `policy.SESSION_KINDS`. A transcription has no model in its address.
    """

    client: str
    address: str
    model: str
    beta: bool
    subprotocol: str | None
    call_id: str | None = None
    kind: str = "realtime"


class Gate:
    """Judges upgrade requests by a policy. Raises ConfigurationError for a callable that cannot be imported."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._callable = import_function(policy.auth.callable) if policy.auth.callable else None

    def check_request(self, request: Request) -> None:
        """Check path, repeated headers, host and origin, which need no credential. Raises RefusedError."""
        paths = self._policy.listen.paths
        target = target_of(request.path)
        if target.path not in paths and target.path.rstrip("/") not in paths:
            raise RefusedError(HTTPStatus.NOT_FOUND, "path", f"unknown path; try {paths[-1]}")
        self.check_headers(target, request.headers)

    def check_headers(self, target: Target, headers: Headers) -> None:
        """Check repeated headers, host and origin of any request. Raises RefusedError."""
        for name in _SINGLE_HEADERS:
            if len(headers.get_all(name)) > 1:
                raise RefusedError(HTTPStatus.BAD_REQUEST, "headers", f"more than one {name} header")
        self._check_host(headers.get("Host"))
        if target.host is not None:
            self._check_host(target.host)
        self._check_origin(headers.get("Origin"), headers.get("Host", ""))

    async def admit(self, request: Request, address: str) -> Admission:
        """Check everything else, after `check_request`. Raises RefusedError."""
        headers = request.headers
        subprotocols = _subprotocols(headers)
        query = query_of(request.path)
        identity = await self.authenticate(request, query, subprotocols, address)
        for name in _FORBIDDEN_QUERY:
            if name in query:
                raise RefusedError(HTTPStatus.FORBIDDEN, "query", f"{name}= is not allowed here")
        beta = asks_for_beta(headers.get_all("OpenAI-Beta"), subprotocols)
        if beta and not self._policy.clients.beta:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "beta", "the beta dialect is not allowed here")
        client = f"sub:{identity.subject}" if identity.subject else f"ip:{address}"
        call_id = self._call_id(query)
        kind = self._kind(query)
        if beta and kind != "realtime":
            raise RefusedError(
                HTTPStatus.BAD_REQUEST, "beta", f"a {kind} needs GA: leave out the beta header"
            )
        # The model of a transcription stands in its session.
        model = self.model(query.get("model") if kind == "realtime" else None, beta=beta)
        return Admission(client, address, model, beta, _select(subprotocols), call_id, kind)

    def _kind(self, query: dict[str, str]) -> str:
        """The kind of session that a client asks for. Raises RefusedError for one that the policy does not name."""
        intent = query.get("intent")
        kinds = self._policy.clients.kinds
        if intent is None and "realtime" not in kinds and "call_id" not in query:
            message = f"only {' and '.join(kinds)} is allowed here: add ?intent={kinds[0]}"
            raise RefusedError(HTTPStatus.FORBIDDEN, "query", message)
        if intent is not None and (intent not in kinds or "call_id" in query):
            raise RefusedError(HTTPStatus.FORBIDDEN, "query", "this intent= is not allowed here")
        return intent or "realtime"

    def _call_id(self, query: dict[str, str]) -> str | None:
        call_id = query.get("call_id")
        if call_id is None:
            return None
        if not self._policy.clients.calls:
            raise RefusedError(HTTPStatus.FORBIDDEN, "query", "call_id= is not allowed here")
        if not _CALL_ID.fullmatch(call_id):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "query", "this is not the id of a call")
        return call_id

    def model(self, asked: str | None, *, beta: bool = False) -> str:
        """The model to connect to. If the policy lists no models, the model that is asked for is ignored.

        Raises RefusedError for a model that is not listed.
        """
        allowed = self._policy.clients.models
        if not allowed:
            return self._policy.upstream.model
        if not asked or (beta and asked not in allowed and _BETA_MODEL.fullmatch(asked)):
            return allowed[0]
        if asked not in allowed:
            raise RefusedError(HTTPStatus.FORBIDDEN, "model", f"the allowed models are {', '.join(allowed)}")
        return asked

    def _check_host(self, host: str | None) -> None:
        """Prevent DNS rebinding: a web page whose host name is made to resolve to 127.0.0.1."""
        hosts, listen = self._policy.clients.hosts, self._policy.listen
        if host is None:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "host", "a request needs a Host header")
        name = _host_name(host)
        if name is None:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "host", "the Host header is not a host name")
        if not hosts and not is_loopback(listen.host):
            return
        if not (is_loopback(name) if not hosts else name in hosts or host.lower() in hosts):
            raise RefusedError(HTTPStatus.FORBIDDEN, "host", "this host name is not served here")

    def _check_origin(self, origin: str | None, host: str) -> None:
        """Check the web page's origin, which browsers send and programs do not."""
        own = (f"http://{host}", f"https://{host}") if self._policy.listen.page is not None else ()
        if origin is not None and origin not in own and origin not in self._policy.clients.origins:
            raise RefusedError(HTTPStatus.FORBIDDEN, "origin", "web pages of this origin may not connect")

    # --- credentials

    async def authenticate(
        self, request: Request, query: dict[str, str], subprotocols: Sequence[str], address: str
    ) -> Identity:
        """The client that a request comes from. Raises RefusedError."""
        auth = self._policy.auth
        offered = set(_credentials(request.headers, query, subprotocols))
        if len(offered) > 1:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "token", "more than one token was given")
        token = next(iter(offered), None)
        if not auth.required:
            return Identity()
        identity = check_token(auth, token)
        if identity is None and self._callable is not None:
            login = LoginRequest(token, address, request.headers.get("Origin"), request.path, request.headers)
            identity = await _ask(self._callable, login)
        if identity is None:
            message = "a token is needed: Authorization: Bearer ..."
            if token:
                message = "this token is invalid or has expired"
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "token", message)
        return identity


def check_token(auth: AuthPolicy, token: str | None) -> Identity | None:
    """The client that *token* belongs to, by shared and signed tokens; None if it is neither."""
    if token is None:
        return None
    shared = check_shared([one.reveal() for one in auth.tokens], token)
    signed = verify_token(
        [one.reveal() for one in auth.hmac_secrets], token, max_seconds=auth.max_token_seconds
    )
    return signed if signed is not None else Identity() if shared else None


def _host_name(host: str) -> str | None:
    """The name in a Host header, without the port."""
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?", host)
    return match.group(1).lower().strip("[]").rstrip(".") if match else None


def target_of(text: str) -> Target:
    """The target of a request. Raises RefusedError."""
    try:
        return read_target(text)
    except TargetError as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "path", str(error)) from None


def query_of(text: str) -> dict[str, str]:
    """The query of a request's target, each field once. Raises RefusedError."""
    query = target_of(text).query
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=16, errors="strict")
    except ValueError:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "query", "the query cannot be read") from None
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "query", "a query field is given twice")
    return dict(pairs)


def _subprotocols(headers: Headers) -> list[str]:
    try:
        names = [
            str(name)
            for value in headers.get_all("Sec-WebSocket-Protocol")
            for name in parse_subprotocol(value)
        ]
    except InvalidHeader:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "headers", "the subprotocols cannot be read") from None
    if len(names) > MAX_SUBPROTOCOLS:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "headers", f"more than {MAX_SUBPROTOCOLS} subprotocols")
    return names


def _credentials(headers: Headers, query: dict[str, str], subprotocols: Sequence[str]) -> list[str]:
    """Every token in the request: header, query, subprotocols (browsers cannot set headers)."""
    found = []
    value = headers.get("Authorization")
    if value is not None:
        scheme, _, token = value.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "token", "Authorization must be: Bearer TOKEN")
        found.append(token.strip())
    if "token" in query:
        found.append(query["token"])
    for name in subprotocols:
        if name.startswith(KEY_SUBPROTOCOL):
            if name[len(KEY_SUBPROTOCOL) :] not in _NO_KEY:
                found.append(name[len(KEY_SUBPROTOCOL) :])
        elif name.startswith(TOKEN_SUBPROTOCOL):
            found.append(name[len(TOKEN_SUBPROTOCOL) :])
        elif not _PLAIN_SUBPROTOCOL.fullmatch(name):
            found.append(name)
    return found


def _select(subprotocols: Sequence[str]) -> str | None:
    """The subprotocol of the answer. Browsers close the connection if none of those they offered is chosen."""
    plain = [name for name in subprotocols if _PLAIN_SUBPROTOCOL.fullmatch(name)]
    if "realtime" in plain:
        return "realtime"
    return plain[0] if plain else subprotocols[0] if subprotocols else None


async def _ask(function: Any, login: LoginRequest) -> Identity | None:
    """Call the deployer's authenticator, which returns a subject, True, an Identity, or None."""
    answer = function(login)
    if inspect.isawaitable(answer):
        answer = await answer
    if isinstance(answer, Identity):
        return answer
    if isinstance(answer, str) and answer:
        return Identity(answer)
    return Identity() if answer is True else None
