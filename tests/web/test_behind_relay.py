"""The page that a relay serves: the same panes, a client in the page, and the relay's policy between it and the API."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio

from tests.page import TALKS, Browser, Page
from tests.relay_spy import INSTRUCTIONS, PATH, TOKEN, relay_to
from tests.web.heard import TAP
from tests.wire_server import Peer, ScriptedServer

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.server,
    pytest.mark.skipif(sys.platform == "win32", reason="the test starts Debian's Chromium"),
]
STATE = "document.getElementById('state-word').textContent"
SERVED = {"listen": {"page": "console"}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory) -> AsyncIterator[Browser]:
    flags = (*TALKS, "--use-fake-device-for-media-stream")
    async with Browser(tmp_path_factory.mktemp("browser"), *flags) as found:
        yield found


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def no_old_pages(browser) -> AsyncIterator[None]:
    yield
    await browser.close_pages()


async def opened(browser: Browser, url: str, query: str = "") -> Page:
    page = await browser.page()
    await page.call("Page.setBypassCSP", enabled=True)
    await page.call("Page.addScriptToEvaluateOnNewDocument", source=TAP)
    await page.goto(f"{url.replace('ws', 'http', 1)}/{query}")
    await page.wait(f"{STATE}.includes('disconnected')")
    return page


async def connected(page: Page) -> None:
    await page.click("#connect")
    await page.wait(f"{STATE}.endsWith(' connected')", 40)
    await page.wait("heard.length")


async def write(page: Page, text: str) -> None:
    await page.evaluate(f"document.getElementById('say').value = {json.dumps(text)}")
    await page.evaluate("document.getElementById('write').requestSubmit()")


async def test_a_typed_turn_is_answered_and_heard_through_the_relay(browser, offline_url):
    policy = {**SERVED, "auth": {"tokens": ()}, "session": {"instructions": INSTRUCTIONS}}
    async with relay_to(offline_url + PATH, **policy) as relay:
        page = await opened(browser, relay.url)
        await connected(page)
        await write(page, "Hello")
        await page.wait("document.querySelector('.item.assistant .play')?.checkVisibility()")
        await page.wait("document.querySelector('.item.user .text').textContent.includes('Hello')")
        assert "BLUEBIRD" not in await page.evaluate("document.body.textContent")
        assert page.problems == []
        await page.click("#connect")
        await page.wait(f"{STATE}.includes('disconnected')")
        for _ in range(100):
            if relay.sessions == 0:
                break
            await asyncio.sleep(0.02)
        assert relay.sessions == 0


async def test_a_page_without_the_right_token_is_told(browser, offline_url):
    from realtime.protocol.redact import Secret

    async with relay_to(offline_url + PATH, **SERVED, auth={"tokens": (Secret(TOKEN),)}) as relay:
        page = await opened(browser, relay.url, "?token=wrong")
        await page.click("#connect")
        await page.wait("document.getElementById('status').textContent.includes('token')")
        page = await opened(browser, relay.url, f"?token={TOKEN}")
        assert await page.evaluate("location.search") == ""
        await connected(page)


def level_answers(peer: Peer, number: int, samples: np.ndarray) -> list[dict]:
    place = {
        "response_id": f"resp_{number}",
        "item_id": f"item_{number}",
        "content_index": 0,
        "output_index": 0,
    }
    message = {"id": f"item_{number}", "type": "message", "role": "assistant", "content": []}
    return [
        {"type": "response.created", "response": {"id": f"resp_{number}", "status": "in_progress"}},
        {"type": "conversation.item.added", "item": message},
        {
            "type": "response.output_audio.delta",
            **place,
            "delta": base64.b64encode(samples.tobytes()).decode(),
        },
        {"type": "response.output_audio_transcript.delta", **place, "delta": "word " * 40},
    ]


async def test_the_server_is_told_to_the_sample_how_much_of_an_answer_the_page_has_played(browser):
    async with ScriptedServer() as upstream, relay_to(upstream.url + PATH, **SERVED) as relay:
        page = await opened(browser, relay.url)
        await connected(page)
        peer = upstream.peer
        played = "heard.reduce((sum, part) => sum + part.filter((one) => one === LEVEL).length, 0)"
        for number in range(5):
            level = 1_000 + number
            await peer.say(*level_answers(peer, number, np.full(72_000, level, np.int16)))
            await page.wait(f"heard.some((part) => part.includes({level}))")
            await asyncio.sleep(0.07 * number)
            await page.click("#interrupt")
            truncated = await peer.expect("conversation.item.truncate")
            assert truncated["item_id"] == f"item_{number}"
            await peer.say(
                {"type": "response.done", "response": {"id": f"resp_{number}", "status": "cancelled"}}
            )
            await asyncio.sleep(0.2)
            # The tail that fades has other levels, so what is counted was played as a whole
            heard = await page.evaluate(played.replace("LEVEL", str(level)))
            assert truncated["audio_end_ms"] == heard * 1000 // 24_000
        assert [event["type"] for event in peer.received].count("response.cancel") == 5
        assert page.problems == []


async def test_push_to_talk_sends_what_the_microphone_hears_and_asks_for_an_answer(browser):
    async with ScriptedServer() as upstream, relay_to(upstream.url + PATH, **SERVED) as relay:
        page = await opened(browser, relay.url)
        await connected(page)
        peer = upstream.peer
        assert (await peer.expect("session.update"))["session"]["audio"]["input"]["turn_detection"] is None
        await page.pointer("mousePressed", "#talk")
        await asyncio.sleep(1.5)
        await page.pointer("mouseReleased", "#talk")
        await peer.expect("input_audio_buffer.commit")
        await peer.expect("response.create")
        sent = b"".join(
            base64.b64decode(event["audio"]) for event in peer.of_type("input_audio_buffer.append")
        )
        # Chromium's fake microphone beeps
        samples = np.frombuffer(sent, np.int16)
        assert len(samples) > 24_000 and np.abs(samples.astype(np.int32)).max() > 1_000
        assert page.problems == []
