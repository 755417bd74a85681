"""The page in Firefox, where it is installed: it connects, is heard and hears."""

from __future__ import annotations

import asyncio
import shutil

import pytest

from tests.conftest import require_program
from tests.firefox import Firefox
from tests.web.rig import site

pytestmark = pytest.mark.server


@pytest.fixture
def firefox() -> str:
    """Path of Firefox; a failure in CI and a skip elsewhere if it is missing."""
    return shutil.which("firefox") or require_program("firefox-esr", "firefox-esr")


async def test_a_typed_turn_is_played_in_firefox_and_its_microphone_heard(
    firefox, tmp_path, offline_url, audio_server
):
    async with site(offline_url) as found, Firefox(firefox, tmp_path, audio_server.env) as browser:
        await browser.goto(found.server.address)
        state = "document.getElementById('state-word').textContent"
        await browser.wait(f"{state}.includes('disconnected')")
        assert await browser.evaluate("location.search") == ""
        await browser.evaluate("document.getElementById('connect').click()")
        await browser.wait(f"{state}.endsWith(' connected')")
        await browser.evaluate("document.getElementById('say').value = 'Hello'")
        await browser.evaluate("document.getElementById('write').requestSubmit()")
        await browser.wait("document.querySelector('.item.assistant .play')?.checkVisibility()")
        answer = [row for row in found.model.transcript if row.role == "assistant"][-1]
        device, speaker = found.desk.device, found.desk.call._speaker
        for _ in range(400):
            if speaker.stats.frames_played >= len(answer.audio) > 0 and device.peer.captured > 12_000:
                break
            await asyncio.sleep(0.05)
        assert speaker.stats.frames_played == len(answer.audio)
        assert device.peer.captured > 12_000
        assert device.stats.malformed == device.stats.frames_missing == 0
