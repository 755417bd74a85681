"""A scripted server and a client of it, for the tests of the client; a certificate for those of the relay."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator

import pytest

from realtime import RealtimeClient
from tests.canary import KEY
from tests.conftest import require_program
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


@pytest.fixture
def certificate(tmp_path) -> tuple[str, str]:
    """A certificate for 127.0.0.1, and its key."""
    openssl = require_program("openssl", "openssl")
    command = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext"
    )
    subprocess.run(
        [openssl, *command.split(), "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    return str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
