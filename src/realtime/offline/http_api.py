"""Answers the requests that are no websocket: client secrets, the list of models, and a sentence for the rest.

Bodies and errors have the vendor's JSON.

Thread: the event loop; pure.
"""

from __future__ import annotations

import http
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from websockets.datastructures import Headers

from ..protocol.schema import RequestError
from .admission import AdmissionError, check_key
from .checks.json_text import parse_json
from .client_secrets import ClientSecrets

# The models of the list. Every name of a realtime model opens a session.
MODELS = (
    "gpt-realtime-2.1",
    "gpt-realtime-2.1-mini",
    "gpt-realtime-2",
    "gpt-realtime-1.5",
    "gpt-live-transcribe",
    "gpt-realtime-whisper",
)
NOT_HERE = {
    "calls": "This server has no WebRTC and no SIP. Connect by websocket to /v1/realtime?model=gpt-realtime-2.1.",
    "translations": "This server does not translate. Connect by websocket to /v1/realtime?model=gpt-realtime-2.1.",
    "sessions": "The beta endpoint for sessions has ended. POST to /v1/realtime/client_secrets.",
    "transcription_sessions": "The beta endpoint for sessions has ended. POST to /v1/realtime/client_secrets.",
}
LIVE = "This server does not speak the GPT-Live protocol. Connect by websocket to /v1/realtime."


@dataclass(frozen=True)
class HttpRequest:
    """A request with its whole body."""

    method: str
    target: str
    headers: Headers
    body: bytes = b""


@dataclass(frozen=True)
class HttpAnswer:
    """Status, JSON body and additional headers of an answer."""

    status: int
    body: Any
    headers: tuple[tuple[str, str], ...] = ()

    def serialise(self) -> bytes:
        """The bytes of the answer; the connection closes after it."""
        body = json.dumps(self.body).encode()
        head = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Server": "wavtools",
            "Connection": "close",
            **dict(self.headers),
        }
        lines = [f"HTTP/1.1 {self.status} {http.HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in head.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class HttpApi:
    """The HTTP side of one server.

    Parameters
    ----------
    secrets : ClientSecrets
        Mints the client secrets.
    key : str, optional
        The API key that a client must send; None: no key is needed.
    hang_up : callable taking a call id
        Ends a call; returns False if there is none of that id.
    """

    def __init__(self, secrets: ClientSecrets, key: str | None, hang_up: Callable[[str], bool]) -> None:
        self._secrets = secrets
        self._key = key
        self._hang_up = hang_up

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """The answer to *request*; every mistake in it is answered too."""
        try:
            route = self._route(urlsplit(request.target).path.rstrip("/"))
        except ValueError:
            # An absolute target with a host that no URL may have.
            route = None
        if route is None:
            shown = request.target.partition("?")[0][:200]
            sentence = f"This server has nothing at {shown!r}; the Realtime API is at /v1/realtime."
            return refusal(404 if request.method == "GET" else 501, sentence)
        method, handler = route
        if request.method != method:
            sentence = f"{request.method[:20]} is not supported here; use {method}."
            return refusal(405, sentence, headers=(("Allow", method),))
        try:
            return handler(request)
        except RequestError as error:
            return refusal(400, error.message, error.code, error.param)

    def _route(self, path: str) -> tuple[str, Callable[[HttpRequest], HttpAnswer]] | None:
        """Method and handler of a path."""
        if path == "" or path.endswith("/realtime"):
            return "GET", _upgrade
        parts = path.split("/")
        if parts[-1] == "models":
            return "GET", self._models
        if "models" in parts[-2:-1]:
            return "GET", lambda request: self._model(request, parts[-1])
        if path.endswith("/live/sessions"):
            return "GET", lambda _: refusal(501, LIVE)
        if "realtime" not in parts:
            return None
        rest = parts[parts.index("realtime") + 1 :]
        if not rest:
            return None
        if rest == ["client_secrets"]:
            return "POST", self._mint
        if len(rest) == 3 and rest[0] == "calls" and rest[2] == "hangup":
            return "POST", lambda request: self._end_call(request, rest[1])
        sentence = NOT_HERE.get(rest[0])
        return None if sentence is None else ("POST", lambda _: refusal(501, sentence))

    # --- handlers -----------------------------------------------------------------------------------------

    def _mint(self, request: HttpRequest) -> HttpAnswer:
        if (unauthorised := self._unauthorised(request)) is not None:
            return unauthorised
        return HttpAnswer(200, self._secrets.mint(parse_json(request.body or b"{}")))

    def _models(self, request: HttpRequest) -> HttpAnswer:
        return self._unauthorised(request) or HttpAnswer(
            200, {"object": "list", "data": [_described(name) for name in MODELS]}
        )

    def _model(self, request: HttpRequest, name: str) -> HttpAnswer:
        if (unauthorised := self._unauthorised(request)) is not None:
            return unauthorised
        if name not in MODELS:
            return refusal(404, f"The model '{name[:200]}' does not exist.", "model_not_found", "model")
        return HttpAnswer(200, _described(name))

    def _end_call(self, request: HttpRequest, call_id: str) -> HttpAnswer:
        if (unauthorised := self._unauthorised(request)) is not None:
            return unauthorised
        if not self._hang_up(call_id):
            return refusal(404, "No call has this id.", "call_id_not_found", "call_id")
        return HttpAnswer(200, {})

    def _unauthorised(self, request: HttpRequest) -> HttpAnswer | None:
        """The refusal of a request without the key; None if it has the key or needs none."""
        if self._key is None:
            return None
        try:
            check_key(request.headers, (), self._key)
        except AdmissionError as error:
            return refusal(401, error.error.message, error.error.code)
        return None


def refusal(
    status: int,
    message: str,
    code: str | None = None,
    param: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
) -> HttpAnswer:
    """An answer with the vendor's ``error`` object."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return HttpAnswer(status, {"error": error}, headers)


def _upgrade(request: HttpRequest) -> HttpAnswer:
    sentence = (
        "This is a websocket endpoint: connect by ws:// or wss://, for example with websockets or wavtools."
    )
    return refusal(426, sentence, headers=(("Upgrade", "websocket"),))


def _described(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "wavtools"}
