"""Fixtures of the console's tests."""

from __future__ import annotations

import asyncio

import pytest


@pytest.fixture(autouse=True)
def pilot_without_pauses(monkeypatch):
    """Textual's Pilot waits after each key until the process idles, up to a second; moving bars never let it idle.

    The messages of a key are handled in order without that wait, and the tests wait for what they expect.
    """

    async def wait_for_idle(*_: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr("textual.app.wait_for_idle", wait_for_idle)
    monkeypatch.setattr("textual.pilot.wait_for_idle", wait_for_idle)
