"""Fixtures of the page's tests."""

from __future__ import annotations

import pytest

from tests.console.servers import ThreadedServer


@pytest.fixture
def silent_server():
    """A server that opens sessions and says nothing more."""
    server = ThreadedServer(lambda event: [])
    yield server
    server.stop()
