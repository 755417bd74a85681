"""Decides from the upgrade request alone if a client may connect, to which model and in which dialect.

A refused client is connected first, as at the vendor: it gets one ``error`` event and then a close code. Only an
unknown path is refused by HTTP.

Thread: any; pure.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers

from ..protocol.schema import RequestError
from .checks.session_object import DEFAULT_MODEL
from .client_secrets import ClientSecret, ClientSecrets

Dialect = Literal["ga", "beta"]

CLOSE_UNAUTHORIZED = 3000
CLOSE_BAD_REQUEST = 4000
BETA_SUBPROTOCOL = "openai-beta.realtime-v1"
KEY_SUBPROTOCOL = "openai-insecure-api-key."

# Any name of a realtime model is accepted, retired ones too: the same models always answer.
_MODEL = re.compile(r"(?i)(?=.*realtime|gpt-audio)[\w.:/@-]{1,128}")
# On Azure the name of a deployment, which its owner chooses.
_DEPLOYMENT = re.compile(r"[\w.:/@ -]{1,128}")
_CALL_ID = re.compile(r"[\w.:-]{1,128}")


@dataclass(frozen=True)
class Admission:
    """What a connection is for.

    Attributes
    ----------
    kind : str
        "realtime" or "transcription".
    model : str
        The model that the client named; "" for a transcription.
    dialect : "ga" or "beta"
        The dialect that the client speaks.
    secret : ClientSecret, optional
        The client secret that opened it.
    call_id : str, optional
        The call that a sideband connection joins.
    """

    kind: str
    model: str
    dialect: Dialect
    secret: ClientSecret | None = None
    call_id: str | None = None


class AdmissionError(Exception):
    """A refusal: the client gets *error* as an event, then the connection is closed with *close_code*."""

    def __init__(self, error: RequestError, close_code: int) -> None:
        super().__init__(error.message)
        self.error = error
        self.close_code = close_code

    @property
    def reason(self) -> str:
        """The close reason, such as ``invalid_request_error.invalid_api_key``."""
        return self.error.kind if self.error.code is None else f"{self.error.kind}.{self.error.code}"


def is_our_path(target: str) -> bool:
    """True if the server opens a session at this request target: [...]/realtime, or the address alone."""
    try:
        path = urlsplit(target).path.rstrip("/")
    except ValueError:
        # An absolute target with a host that no URL may have.
        return False
    return path == "" or path.endswith("/realtime")


def admit(
    target: str,
    headers: Headers,
    subprotocols: Sequence[str],
    dialect: str = "auto",
    key: str | None = None,
    secrets: ClientSecrets | None = None,
) -> Admission:
    """Decide about an upgrade request.

    Parameters
    ----------
    target : str
        Path and query, such as "/v1/realtime?model=gpt-realtime-2.1".
    headers : Headers
        The request's headers.
    subprotocols : sequence of str
        The subprotocols that the client offered.
    dialect : "auto", "ga" or "beta"
        "auto" follows the client's beta header or subprotocol; "ga" refuses both, as the vendor does since
        May 2026; "beta" speaks beta with every client.
    key : str, optional
        The API key that a client must send; None: no key is needed.
    secrets : ClientSecrets, optional
        The client secrets that count as a key.

    Returns
    -------
    Admission
        What the connection is for.

    Raises
    ------
    AdmissionError
        A wrong or missing key, a missing or unknown model, or a dialect that is disabled.
    """
    wants_beta = BETA_SUBPROTOCOL in subprotocols or any(
        "realtime=v1" in value for value in headers.get_all("OpenAI-Beta")
    )
    secret = _offered_secret(headers, subprotocols, secrets)
    if key is not None and secret is None:
        check_key(headers, subprotocols, key)
    if wants_beta and dialect == "ga":
        raise AdmissionError(
            RequestError(
                "beta_api_shape_disabled",
                "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API.",
            ),
            CLOSE_BAD_REQUEST,
        )
    spoken: Dialect = "beta" if dialect == "beta" or (wants_beta and dialect == "auto") else "ga"
    return _purpose(target, headers, spoken, secret)


def _purpose(target: str, headers: Headers, spoken: Dialect, secret: ClientSecret | None) -> Admission:
    """What the URL of an admitted client asks for. Raises AdmissionError if it names no model, or an unknown one."""
    url = urlsplit(target)
    query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
    if "call_id" in query:
        return Admission("realtime", DEFAULT_MODEL, spoken, secret, _check_call_id(query["call_id"]))
    if query.get("intent") == "transcription" or (secret is not None and secret.kind == "transcription"):
        return Admission("transcription", "", spoken, secret)
    is_azure = "/openai/" in url.path or "deployment" in query or "api-key" in headers
    model = query.get("model", query.get("deployment"))
    if model is None and secret is not None:
        return Admission("realtime", secret.model, spoken, secret)
    if model is None and url.path.rstrip("/") == "":
        # The address alone, as a person types it.
        return Admission("realtime", DEFAULT_MODEL, spoken)
    return Admission("realtime", _check_model(model, _DEPLOYMENT if is_azure else _MODEL), spoken, secret)


def _check_call_id(call_id: str) -> str:
    if not _CALL_ID.fullmatch(call_id):
        raise AdmissionError(
            RequestError("invalid_value", "The call_id of the URL is not an id of a call.", "call_id"),
            CLOSE_BAD_REQUEST,
        )
    return call_id


def _check_model(model: str | None, allowed: re.Pattern[str]) -> str:
    if not model:
        raise AdmissionError(
            RequestError("missing_model", "You must provide a model parameter.", "model"), CLOSE_BAD_REQUEST
        )
    if not allowed.fullmatch(model):
        raise AdmissionError(
            RequestError(
                "invalid_model",
                f"Model \"{model[:128]}\" not found. This server takes any name with 'realtime' in it.",
                "model",
            ),
            CLOSE_BAD_REQUEST,
        )
    return model


def _offered_keys(headers: Headers, subprotocols: Sequence[str]) -> list[str]:
    """The keys that a client sends: by subprotocol, as a bearer token, or in Azure's header."""
    offered = [name[len(KEY_SUBPROTOCOL) :] for name in subprotocols if name.startswith(KEY_SUBPROTOCOL)]
    for value in headers.get_all("Authorization"):
        scheme, _, token = value.partition(" ")
        if scheme.lower() == "bearer":
            offered.append(token.strip())
    return offered + [value.strip() for value in headers.get_all("api-key")]


def _offered_secret(
    headers: Headers, subprotocols: Sequence[str], secrets: ClientSecrets | None
) -> ClientSecret | None:
    """The valid client secret among the keys of a client."""
    keys = [] if secrets is None else _offered_keys(headers, subprotocols)
    found = [secret for key in keys if secrets is not None and (secret := secrets.find(key)) is not None]
    return found[0] if found else None


def check_key(headers: Headers, subprotocols: Sequence[str], key: str) -> None:
    """Raise AdmissionError unless the client sends *key*."""
    offered = _offered_keys(headers, subprotocols)
    if not offered:
        raise AdmissionError(
            RequestError(None, "Missing bearer or basic authentication in header"), CLOSE_UNAUTHORIZED
        )
    expected = key.encode()
    if not any(hmac.compare_digest(candidate.encode("utf-8", "replace"), expected) for candidate in offered):
        raise AdmissionError(
            RequestError("invalid_api_key", "Incorrect API key provided."), CLOSE_UNAUTHORIZED
        )
