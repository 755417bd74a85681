"""Endpoint: the server of the console: the API with a key, a given URL, or an offline server that it starts.

Thread: the event loop's; the server is started in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

from .errors import UserError
from .keys import Key, find_key
from .local_llm import ChatChoice, ChatModel
from .settings import DotEnv, Settings
from .state import ServerState
from .text import one_line
from .tools import GET_WEATHER, SET_MEMORY, Memory, get_weather, sample_weather

__all__ = ["INSTRUCTIONS", "Endpoint", "connected_to", "wants_offline"]

INSTRUCTIONS = (
    "You are a friendly voice assistant. Answer briefly. Use get_weather for the weather anywhere, and set_memory to "
    "remember what the user tells you about themselves."
)


def wants_offline(offline: bool, url: str | None, key: Key) -> bool:
    """Return True if offline was asked for, or if there is neither a key nor a URL."""
    return offline or (url is None and not key)


class Endpoint:
    """Makes clients. If an offline server is needed, it starts with the first client and ends with `close`.

    Parameters
    ----------
    offline : bool
        Start an offline server even if there is a key.
    url : str, optional
        Another server than the API: ws:// or wss://.
    model : str, optional
        The model to ask for.
    key : Key, optional
        Default: the key that `find_key` finds.
    chat : ChatChoice, optional
        A chat model that answers through the offline server, which is then used.

    Attributes
    ----------
    chat_model : ChatModel or None
        The chat model that answers, once it was found.
    """

    def __init__(
        self,
        *,
        offline: bool = False,
        url: str | None = None,
        model: str | None = None,
        key: Key | None = None,
        chat: ChatChoice = ChatChoice(),  # noqa: B008 - frozen
    ) -> None:
        self._chat = chat
        self.chat_model: ChatModel | None = None
        self._asked_offline = offline or bool(chat)
        self._url = url
        self._model = model
        self._server: Any = None
        self.key = find_key(os.environ, DotEnv()) if key is None else key

    @classmethod
    def of(cls, settings: Settings) -> Endpoint:
        """Return the endpoint that the settings ask for."""
        chat = ChatChoice(settings.llm == "auto", settings.llm_url, settings.llm_model)
        return cls(offline=settings.offline, url=settings.url, model=settings.model, chat=chat)

    @property
    def offline(self) -> bool:
        """True if the next client goes to the offline server; a key can change that."""
        return wants_offline(self._asked_offline, self._url, self.key)

    @property
    def name(self) -> str:
        """The server of the next client, in words for the user."""
        return "offline server" if self.offline else self._url or "api.openai.com"

    @property
    def local_models(self) -> str:
        """What answers offline, in words for the user; empty for another server."""
        if not self.offline:
            return ""
        hears, speaks = (importlib.util.find_spec(name) is not None for name in ("ctranslate2", "hibari"))
        chat = self.chat_model
        return ", ".join(
            (
                "fixed replies" if chat is None else f"{chat.name} ({chat.server})",
                "Whisper hears" if hears else "a stand-in hears",
                "Hibari speaks" if speaks else "a stand-in speaks",
            )
        )

    def describe(self, server: ServerState) -> None:
        """Note in *server* who will answer."""
        server.endpoint = one_line(self.name, 60)
        server.local_models = one_line(self.local_models, 100)
        server.key_source = self.key.source if self.key else "none"

    async def make_client(self, **session: Any) -> Any:
        """Return a RealtimeClient that is configured and not yet connected.

        Parameters
        ----------
        **session
            Settings of the session, in addition to instructions and transcription.

        Raises
        ------
        UserError
            A package is missing, the offline server does not start, or a setting is wrong.
        """
        where = await self._address()
        from realtime import RealtimeClient

        settings: dict[str, Any] = {
            "instructions": INSTRUCTIONS,
            "input_audio_transcription": {"model": "whisper-1"},
            **session,
        }
        if self._model is not None:
            settings["model"] = self._model
        try:
            return RealtimeClient(**where, **settings)
        except (TypeError, ValueError) as error:
            # ConfigurationError, and a setting that does not exist
            raise UserError(str(error)) from error

    def offer(self, tools: Any, client: Any, fetch_weather: Any) -> None:
        """Offer the console's tools to the model of *client*; *fetch_weather* replaces the weather service."""
        tools.add_to(client, fetch_weather or (sample_weather if self.offline else get_weather))

    def is_new(self, client: Any) -> bool:
        """True for a client that has no handlers of the console yet: here each connection has its own."""
        return True

    async def make_transcriber(self, model: str | None) -> Any:
        """Return a Transcriber that is not yet connected; *model* None takes its default. Raises UserError."""
        where = await self._address()
        from realtime import Transcriber

        try:
            return Transcriber(**where) if model is None else Transcriber(model, **where)
        except (TypeError, ValueError) as error:
            raise UserError(str(error)) from error

    async def _address(self) -> dict[str, Any]:
        """URL and key of the server, which is started if it is the offline server. Raises UserError."""
        try:
            from realtime.offline import ServerStartError, start_server_process
        except ImportError as error:
            raise UserError(
                f"{error.name} is missing; install it with: pip install 'wavtools[realtime]'"
            ) from error
        url = self._url
        if self.offline:
            if self._server is None:
                self.chat_model = chat = await self._chat.find()
                arguments = () if chat is None else ("--llm-url", chat.url, "--llm-model", chat.name)
                try:
                    self._server = await asyncio.to_thread(start_server_process, *arguments)
                except (ServerStartError, OSError) as error:
                    raise UserError(str(error)) from error
            url = self._server.url
        # The offline server needs no key, so it does not get one
        return {"url": url, "api_key": "" if self.offline else self.key.reveal()}

    async def close(self) -> None:
        """Stop the offline server, if there is one."""
        server, self._server = self._server, None
        if server is not None:
            await asyncio.to_thread(server.stop)


@contextlib.asynccontextmanager
async def connected_to(endpoint: Endpoint, **session: Any) -> AsyncIterator[Any]:
    """Give a RealtimeClient with the console's tools that is not yet connected; close *endpoint* at the end."""
    if endpoint.offline:
        print("starting the offline server (no key, no network) ...", file=sys.stderr, flush=True)
    try:
        client = await endpoint.make_client(**session)
        if endpoint.chat_model is not None:
            print(f"answers come from {endpoint.chat_model}", file=sys.stderr, flush=True)
        client.add_tool(GET_WEATHER, sample_weather if endpoint.offline else get_weather)
        client.add_tool(SET_MEMORY, Memory().set)
        yield client
    finally:
        await endpoint.close()
