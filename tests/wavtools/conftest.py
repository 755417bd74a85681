"""A RemoteDevice in virtual time, for the test_remote_... files; its peers are in tests/remote_peer.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import wavtools
from tests.remote_peer import World
from wavtools import _remote_link

RATE = 24_000


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(_remote_link, "monotonic", lambda: world.now)
    return world


@pytest.fixture
def device() -> wavtools.RemoteDevice:
    return wavtools.RemoteDevice()


@pytest.fixture
def events() -> list[wavtools.DeviceEvent]:
    """What the player tells."""
    return []


@pytest.fixture
def player(
    device: wavtools.RemoteDevice, events: list[wavtools.DeviceEvent]
) -> Iterator[wavtools.WavStreamPlayer]:
    with wavtools.WavStreamPlayer(RATE, device=device, on_event=events.append) as player:
        yield player
