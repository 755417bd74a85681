"""A scripted server and a client of it, for the tests of the client."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from realtime import RealtimeClient
from tests.canary import KEY
from tests.wire_server import ScriptedServer


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    """Says ``session.created`` to every connection, and then what the test tells it."""
    async with ScriptedServer() as server:
        yield server


@pytest.fixture
async def client(server: ScriptedServer) -> AsyncIterator[RealtimeClient]:
    """A client of that server, not connected; disconnected at the end."""
    client = RealtimeClient(api_key=KEY, url=server.url)
    yield client
    await client.disconnect()
