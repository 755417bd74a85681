"""Removes secrets from what a tap shows and saves: those of the request, and those that events hold.

Known are the secrets of the request by their values (servers echo keys), fields of events by their names, and keys of the
vendor by their form.

Thread: any.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, quote_plus

from realtime.protocol.audio_frames import AUDIO_DELTAS
from realtime.protocol.redact import MASK, Redactor
from realtime.protocol.request_secrets import is_secret_name, secrets_in

from .http_head import Head

__all__ = ["Scrubber"]

_NAMES = frozenset(
    (
        "authorization",
        "api_key",
        "apikey",
        "api-key",
        "password",
        "secret",
        "client_secret",
        "access_token",
        "cookie",
    )
)
# Objects of headers, as tools of MCP servers have them
_HEADERS = frozenset(("headers", "http_headers"))
_KEY = re.compile(r"\b(?:sk|ek|rk)[-_][A-Za-z0-9_-]{12,}")
# Event type -> the field that holds its audio
_AUDIO = {"input_audio_buffer.append": "audio", **dict.fromkeys(AUDIO_DELTAS, "delta")}
# Audio and images: in base64 a match can only be chance
_LONG = 2_048


class Scrubber:
    """Removes the secrets of one connection.

    Parameters
    ----------
    request : Head
        The request that opened it.
    """

    def __init__(self, request: Head) -> None:
        path, _, query = request.target.partition("?")
        self._path = path
        self._query = parse_qsl(query, keep_blank_values=True)
        offered = [part.strip() for part in request.get("sec-websocket-protocol").split(",")]
        headers = {
            f"{name}{number}": value
            for number, (name, value) in enumerate(request.fields)
            if name.lower() not in ("sec-websocket-key", "sec-websocket-protocol")
        }
        self._redactor = Redactor(secrets_in(headers, self._query, offered))

    def target(self) -> str:
        """Path and query of the request."""
        fields = [
            f"{quote_plus(name)}={MASK if is_secret_name(name) else quote_plus(value)}"
            for name, value in self._query
        ]
        return self.text(self._path + ("?" + "&".join(fields) if fields else ""))

    def headers(self, head: Head) -> dict[str, str]:
        """The headers of a request or an answer; of secret ones the name alone."""
        shown = {}
        for name, value in head.fields:
            secret = is_secret_name(name) and not name.lower().startswith("sec-websocket-")
            shown[name] = MASK if secret else self.text(value)
        return shown

    def text(self, text: str) -> str:
        """*text* without secrets."""
        text = self._redactor.text(text)
        return _KEY.sub(MASK, text) if len(text) <= _LONG or not _is_base64(text) else text

    def event(self, event: dict[str, Any]) -> dict[str, Any]:
        """An event without secrets; its audio is not looked at."""
        kind = event.get("type")
        audio = _AUDIO.get(kind) if isinstance(kind, str) else None
        return {
            self.text(name): value if name == audio else self._tree(name, value)
            for name, value in event.items()
        }

    def _tree(self, name: str, value: Any, in_headers: bool = False) -> Any:
        if isinstance(value, str):
            secret = name.lower() in _NAMES or (in_headers and is_secret_name(name))
            return MASK if secret and value else self.text(value)
        if isinstance(value, dict):
            inside = name.lower() in _HEADERS
            # The value of a client secret stands in a field of its own
            if name.lower() == "client_secret" and isinstance(value.get("value"), str):
                value = {**value, "value": MASK}
            return {self.text(key): self._tree(key, part, inside) for key, part in value.items()}
        if isinstance(value, list):
            return [self._tree(name, part, in_headers) for part in value]
        return value


def _is_base64(text: str) -> bool:
    """True if *text* begins like audio or an image in base64."""
    return text.startswith("data:") or re.fullmatch(r"[A-Za-z0-9+/=]{256}", text[:256]) is not None
