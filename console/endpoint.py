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

from console.errors import UserError
from console.tools import GET_WEATHER, SET_MEMORY, Memory, get_weather, weather_is_offline

__all__ = ["INSTRUCTIONS", "connected_to", "wants_offline"]

INSTRUCTIONS = (
    "You are a friendly voice assistant. Answer briefly. Use get_weather for the weather anywhere, and set_memory to "
    "remember what the user tells you about themselves."
)


def wants_offline(offline: bool, url: str | None) -> bool:
    """Offline when asked for, and by default when there is neither a key nor a URL."""
    return offline or (url is None and not os.environ.get("OPENAI_API_KEY"))


@contextlib.asynccontextmanager
async def connected_to(offline: bool, url: str | None, model: str | None) -> AsyncIterator[Any]:
    """A RealtimeClient, configured but not connected yet, for a real endpoint or for an offline server started here.

    Raises UserError when the offline server does not start, or the client's packages are missing.
    """
    try:
        from realtime import RealtimeClient
        from realtime.offline import ServerStartError, start_server_process
    except ImportError as error:
        raise UserError(
            f"{error.name} is missing; install it with: pip install 'wavtools[realtime]'"
        ) from error

    settings: dict[str, Any] = {
        "instructions": INSTRUCTIONS,
        "input_audio_transcription": {"model": "whisper-1"},
    }
    if model is not None:
        settings["model"] = model
    server = None
    if wants_offline(offline, url):
        print("starting the offline server (no key, no network) ...", file=sys.stderr, flush=True)
        try:
            server = await asyncio.to_thread(start_server_process)
        except ServerStartError as error:
            raise UserError(str(error)) from error
        url = server.url
    try:
        client = RealtimeClient(url=url, **settings)
        client.add_tool(GET_WEATHER, get_weather if server is None else weather_is_offline)
        client.add_tool(SET_MEMORY, Memory().set)
        yield client
    finally:
        if server is not None:
            await asyncio.to_thread(server.stop)
