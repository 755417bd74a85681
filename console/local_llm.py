"""Finds a chat model on this machine: Ollama, llama.cpp or LM Studio, by asking for its list of models.

Only the loopback interface is asked, without proxies and redirects. All three are asked at the same time.

Thread: each server is asked in a thread.
"""

from __future__ import annotations

import asyncio
import http.client
import json
from dataclasses import dataclass
from urllib.parse import urlsplit

from .errors import UserError
from .text import one_line
from .untrusted import mapping, sequence

__all__ = ["SERVERS", "ChatChoice", "ChatModel"]

# Name, port, and how it is started
SERVERS = (
    ("Ollama", 11434, "ollama serve"),
    ("llama.cpp", 8080, "llama-server -m MODEL.gguf"),
    ("LM Studio", 1234, "lms server start"),
)
ASK_SECONDS = 0.5
MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class ChatModel:
    """A chat model: the server's name in words, its base address, and the model's name."""

    server: str
    url: str
    name: str

    def __str__(self) -> str:
        return f"{self.name} ({self.server}, {self.url})"


def _models(url: str) -> list[str] | None:
    """Return the names of the models at a base address; None if no such server answers there."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=ASK_SECONDS)
        try:
            connection.request("GET", parts.path.rstrip("/") + "/models", headers={"Connection": "close"})
            response = connection.getresponse()
            body = response.read(MAX_BYTES)
        finally:
            connection.close()
        if response.status != 200:
            return None
        answer = mapping(json.loads(body))
    except (OSError, ValueError, RecursionError, http.client.HTTPException):
        return None
    if "data" not in answer:
        return None
    names = [mapping(model).get("id") for model in sequence(answer["data"])]
    # A model that only makes vectors cannot chat
    return [one_line(name, 120) for name in names if isinstance(name, str) and name and "embed" not in name]


async def _find() -> ChatModel:
    """Return the first chat model of this machine. Raises UserError that says what was asked."""
    urls = [f"http://127.0.0.1:{port}/v1" for _, port, _ in SERVERS]
    lists = await asyncio.gather(*(asyncio.to_thread(_models, url) for url in urls))
    for (server, _, _), url, names in zip(SERVERS, urls, lists, strict=True):
        if names:
            return ChatModel(server, url, names[0])
    empty = [
        f"{server} has no model" for (server, _, _), names in zip(SERVERS, lists, strict=True) if names == []
    ]
    asked = ", ".join(f"{server} (port {port}: {how})" for server, port, how in SERVERS)
    raise UserError(
        f"no chat model runs on this machine{': ' + ', '.join(empty) if empty else ''}; start one of {asked}, "
        "or give --llm-url"
    )


async def _first_model(url: str) -> ChatModel:
    """Return the first chat model at a base address. Raises UserError if none answers."""
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise UserError(
            f"--llm-url is {one_line(url, 100)!r}; expected an address such as http://127.0.0.1:11434/v1"
        )
    names = await asyncio.to_thread(_models, url)
    if not names:
        raise UserError(
            f"{one_line(url, 100)} names no chat model; start it, or name the model with --llm-model"
        )
    return ChatModel("chat model", url, names[0])


@dataclass(frozen=True)
class ChatChoice:
    """The chat model that the user wants: any of this machine ("auto"), or one at an address; neither: no chat model."""

    auto: bool = False
    url: str | None = None
    name: str | None = None

    def __bool__(self) -> bool:
        return self.auto or self.url is not None

    async def find(self) -> ChatModel | None:
        """Return the model, or None if none is wanted. Raises UserError if it cannot be found."""
        if not self:
            return None
        if self.url is not None and self.name is not None:
            return ChatModel("chat model", self.url, self.name)
        found = await (_find() if self.url is None else _first_model(self.url))
        return found if self.name is None else ChatModel(found.server, found.url, self.name)
