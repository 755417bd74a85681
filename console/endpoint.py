"""Where the console talks to: the API with a key, a given URL, or the offline server that it starts inside.

Thread: one event loop; starting the server waits in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

from .errors import UserError
from .keys import Key, find_key
from .settings import DotEnv
from .tools import GET_WEATHER, SET_MEMORY, Memory, get_weather, weather_is_offline

__all__ = ["INSTRUCTIONS", "Endpoint", "connected_to", "wants_offline"]

INSTRUCTIONS = (
    "You are a friendly voice assistant. Answer briefly. Use get_weather for the weather anywhere, and set_memory to "
    "remember what the user tells you about themselves."
)


def wants_offline(offline: bool, url: str | None, key: Key) -> bool:
    """Offline when asked for, and by default when there is neither a key nor a URL."""
    return offline or (url is None and not key)


class Endpoint:
    """Makes clients. The offline server, where one is wanted, starts with the first client and ends with close()."""

    def __init__(
        self,
        *,
        offline: bool = False,
        url: str | None = None,
        model: str | None = None,
        key: Key | None = None,
    ) -> None:
        self._asked_offline = offline
        self._url = url
        self._model = model
        self._server: Any = None
        self.key = find_key(os.environ, DotEnv()) if key is None else key

    @property
    def offline(self) -> bool:
        """Whether it is the server inside; it changes when a key is given."""
        return wants_offline(self._asked_offline, self._url, self.key)

    @property
    def name(self) -> str:
        """For the user: where the next client goes."""
        return "offline server" if self.offline else self._url or "api.openai.com"

    async def make_client(self, **session: Any) -> Any:
        """A RealtimeClient, configured but not connected yet. Raises UserError."""
        try:
            from realtime import RealtimeClient
            from realtime.errors import ConfigurationError
            from realtime.offline import ServerStartError, start_server_process
        except ImportError as error:
            raise UserError(
                f"{error.name} is missing; install it with: pip install 'wavtools[realtime]'"
            ) from error
        settings: dict[str, Any] = {
            "instructions": INSTRUCTIONS,
            "input_audio_transcription": {"model": "whisper-1"},
            **session,
        }
        if self._model is not None:
            settings["model"] = self._model
        url = self._url
        if self.offline:
            if self._server is None:
                try:
                    self._server = await asyncio.to_thread(start_server_process)
                except ServerStartError as error:
                    raise UserError(str(error)) from error
            url = self._server.url
        # The server inside needs no key, and a key goes nowhere that it need not go.
        api_key = "" if self.offline else self.key.reveal()
        try:
            return RealtimeClient(api_key=api_key, url=url, **settings)
        except ConfigurationError as error:
            raise UserError(str(error)) from error

    async def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await asyncio.to_thread(server.stop)


@contextlib.asynccontextmanager
async def connected_to(offline: bool, url: str | None, model: str | None) -> AsyncIterator[Any]:
    """A RealtimeClient with the console's tools, not connected yet; its endpoint is closed at the end. UserError."""
    endpoint = Endpoint(offline=offline, url=url, model=model)
    if endpoint.offline:
        print("starting the offline server (no key, no network) ...", file=sys.stderr, flush=True)
    try:
        client = await endpoint.make_client()
        client.add_tool(GET_WEATHER, weather_is_offline if endpoint.offline else get_weather)
        client.add_tool(SET_MEMORY, Memory().set)
        yield client
    finally:
        await endpoint.close()
