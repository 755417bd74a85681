"""The page in a real browser: it connects, talks, is heard, and can be used by everybody."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from tests.conftest import require_program
from tests.console.fakes import answer, updated
from tests.page import TALKS, Browser, Page
from tests.web.heard import TAP
from tests.web.rig import Site, site

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.server,
    pytest.mark.skipif(sys.platform == "win32", reason="the test starts Debian's Chromium"),
]
STATE = "document.getElementById('state-word').textContent"
# At 24 kHz: the fade of an interruption, and what a page holds at most
FADE_FRAMES, WINDOW_FRAMES = 240, 9_600
VIOLATIONS = (
    "axe.run().then(({violations}) => violations.map(({id, nodes}) => [id, nodes.map(({html}) => html)]))"
)


@pytest.fixture(scope="module")
def axe(tmp_path_factory) -> str:
    """The source of axe-core."""
    npm = require_program("npm", "npm")
    folder = tmp_path_factory.mktemp("axe")
    shutil.copy(Path(__file__).parent / "package.json", folder)
    subprocess.run(
        [npm, "install", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True, timeout=100
    )
    return (folder / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def question(tmp_path_factory) -> Path:
    """What the fake microphone hears, once: three seconds of silence, a question about the weather, silence."""
    from realtime.offline import question_path

    path = tmp_path_factory.mktemp("microphone") / "question.wav"
    with wave.open(str(question_path("weather"))) as spoken, wave.open(str(path), "wb") as file:
        file.setparams(spoken.getparams())
        second = bytes(2 * spoken.getframerate())
        file.writeframes(3 * second + spoken.readframes(spoken.getnframes()) + 60 * second)
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory, question) -> AsyncIterator[Browser]:
    flags = (
        *TALKS,
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={question}%noloop",
    )
    async with Browser(tmp_path_factory.mktemp("browser"), *flags) as found:
        yield found


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def no_old_pages(browser) -> AsyncIterator[None]:
    yield
    await browser.close_pages()


async def opened(browser: Browser, found: Site, *, tap: bool = False, width: int = 1280) -> Page:
    """A page of the site, with the view there."""
    page = await browser.page(width)
    if tap:
        await page.call("Page.setBypassCSP", enabled=True)
        await page.call("Page.addScriptToEvaluateOnNewDocument", source=TAP)
    await page.goto(found.server.address)
    await page.wait(f"{STATE}.includes('disconnected')")
    return page


async def connected(page: Page) -> None:
    await page.click("#connect")
    await page.wait(f"{STATE}.endsWith(' connected')", 40)
    # The recorder of the page, where there is one, joins a moment after its loudspeaker
    await page.wait("!window.all || heard.length")


async def write(page: Page, text: str) -> None:
    await page.evaluate(f"document.getElementById('say').value = {json.dumps(text)}")
    await page.evaluate("document.getElementById('write').requestSubmit()")


async def until(condition, seconds: float = 30.0) -> None:
    for _ in range(int(seconds / 0.05)):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it never came true")


async def recorded(page: Page) -> np.ndarray:
    return np.frombuffer(base64.b64decode(await page.evaluate("all()")), np.int16)


def sounding(samples: np.ndarray) -> np.ndarray:
    """*samples* without silence: a page that runs dry on a busy machine plays zeros, and goes on."""
    return samples[samples != 0]


def place(part: np.ndarray, whole: np.ndarray) -> int:
    """Where *part* stands in *whole*, bit for bit; -1 if nowhere. Both are compared without silence."""
    part, whole = sounding(part), sounding(whole)
    for at in np.flatnonzero(whole == part[0]):
        if np.array_equal(whole[at : at + len(part)], part):
            return int(at)
    return -1


async def heard_all(page: Page, answer: np.ndarray) -> None:
    """Every sample of *answer* was played, once and in order. The recorder of the page may be late."""
    for _ in range(100):
        if place(answer, await recorded(page)) >= 0:
            return
        await asyncio.sleep(0.1)
    played, wanted = sounding(await recorded(page)), sounding(answer)
    raise AssertionError(f"{len(wanted)} samples were to be heard, of {len(played)} in the page none match")


def last_answer(found: Site):
    return [row for row in found.model.transcript if row.role == "assistant"][-1]


async def test_the_page_opens_without_a_complaint_and_the_token_leaves_the_address(browser):
    async with site() as found:
        page = await opened(browser, found)
        assert await page.evaluate("location.href") == f"{found.origin}/"
        assert await page.evaluate("crossOriginIsolated")
        assert await page.evaluate("document.cookie") == ""
        assert page.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(browser, axe, scheme, offline_url):
    async with site(offline_url) as found:
        page = await opened(browser, found)
        await page.scheme(scheme)
        await page.evaluate(axe)
        for filled in (False, True):
            if filled:
                await connected(page)
                await write(page, "What is the weather in Toronto? Remember that my name is Ada.")
                await until(lambda: found.model.turns and not found.model.answering)
                await page.evaluate("document.querySelector('#events-list button').click()")
                await page.wait("document.querySelector('#events-list pre')?.textContent")
                found.model.notice("error", "something to read")
                await page.wait("document.getElementById('status').textContent")
            for width in (390, 1280, 2560):
                await page.size(width, 900)
                for pane in ("events", "tools", "settings", "conversation"):
                    await page.evaluate(f"document.querySelector('[data-show={pane}]').click()")
                    result = await page.evaluate(VIOLATIONS)
                    assert result == [], (width, pane, result)
                assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
        assert page.problems == []


async def test_a_typed_turn_is_answered_and_heard_in_the_page_bit_for_bit(browser, offline_url):
    async with site(offline_url) as found:
        page = await opened(browser, found, tap=True)
        await connected(page)
        await write(page, "Hello")
        await page.wait("document.querySelector('.item.assistant .play')?.checkVisibility()")
        await until(lambda: not found.model.answering and not found.desk.call.is_audible())
        row = last_answer(found)
        assert (
            await page.evaluate(
                "document.querySelector('.item.assistant .text').textContent.replace('|', '')"
            )
            == row.text
        )
        await heard_all(page, row.audio)
        assert page.problems == []


async def test_an_interrupted_answer_is_cut_in_the_page_where_the_page_stopped_to_play(browser, offline_url):
    async with site(offline_url) as found:
        page = await opened(browser, found, tap=True)
        await connected(page)
        await write(page, "Tell me a long story about the sea.")
        await page.wait("heard.some((part) => part.some(Boolean))")
        await asyncio.sleep(1.5)
        whole = last_answer(found).audio.copy()
        await page.click("#interrupt")
        await until(lambda: last_answer(found).heard_samples is not None)
        await page.wait("document.querySelector('.was-cut .cut')?.checkVisibility()")
        await asyncio.sleep(0.5)
        played = await recorded(page)
        samples = last_answer(found).heard_samples
        at = place(whole[:samples], played)
        assert at >= 0
        # The fade stands behind the cut, and then nothing is heard
        assert len(sounding(played)) - at - len(sounding(whole[:samples])) <= FADE_FRAMES
        assert "cut: heard" in await page.evaluate("document.querySelector('.was-cut .notes').textContent")


async def test_after_a_reload_in_mid_answer_the_rest_is_heard_and_nothing_twice(browser, offline_url):
    async with site(offline_url) as found:
        page = await opened(browser, found, tap=True)
        await connected(page)
        await write(page, "Tell me a long story about the sea.")
        await page.wait("heard.reduce((sum, part) => sum + part.filter(Boolean).length, 0) > 12000")
        await until(lambda: not found.model.answering)
        whole = last_answer(found).audio.copy()
        await page.reload()
        await page.wait(f"{STATE}.endsWith(' connected')")
        before = np.frombuffer(base64.b64decode(await page.evaluate("sessionStorage.heard")), np.int16)
        await page.wait("heard.some((part) => part.some(Boolean))")
        await until(lambda: not found.desk.call.is_audible())
        after = await recorded(page)
        resumed = place(after, whole)
        assert resumed >= 0, "what is heard after the reload is not the answer"
        assert resumed + len(sounding(after)) == len(sounding(whole)), "the rest was not heard"
        # What the page held is played again, and no more
        assert abs(len(sounding(before)) - resumed) <= WINDOW_FRAMES
        assert await page.evaluate("document.querySelectorAll('.item.assistant').length") == 1


@pytest.mark.models
async def test_a_spoken_question_is_answered_from_microphone_to_loudspeaker(browser, offline_voice_url):
    async with site(offline_voice_url) as found:
        page = await opened(browser, found, tap=True)
        await connected(page)
        await page.pointer("mousePressed", "#talk")
        await page.wait("document.getElementById('talk').classList.contains('open')")
        await asyncio.sleep(7)
        await page.pointer("mouseReleased", "#talk")
        await until(
            lambda: any(
                row.role == "assistant" and row.status == "completed" for row in found.model.transcript
            ),
            60,
        )
        await until(lambda: not found.desk.call.is_audible(), 60)
        rows = {row.role: row for row in found.model.transcript}
        assert "weather" in rows["user"].text.lower()
        assert rows["function"].text.startswith("get_weather(")
        await heard_all(page, last_answer(found).audio)
        assert page.problems == []


async def test_space_talks_and_escape_discards_but_not_while_writing(browser, silent_server):
    async with site(silent_server.url) as found:
        page = await opened(browser, found)
        await connected(page)
        await page.evaluate("document.activeElement.blur()")
        await page.key("keyDown", " ")
        await until(lambda: found.model.talk.active)
        await asyncio.sleep(0.4)
        await page.key("keyUp", " ")
        await until(lambda: not found.model.talk.active)
        # A short press opens, and the next one sends
        await page.key("keyDown", " ")
        await page.key("keyUp", " ")
        await until(lambda: found.model.talk.active)
        await page.key("keyDown", "Escape")
        await until(lambda: not found.model.talk.active)
        await until(
            lambda: any(notice.text == "cancelled: nothing was sent" for notice in found.model.notices)
        )
        await page.evaluate("document.getElementById('say').focus()")
        for key in (" ", "c", "x"):
            await page.key("keyDown", key)
            await page.key("keyUp", key)
        assert await page.evaluate("document.getElementById('say').value") == " cx"
        assert found.model.state == "connected" and not found.model.talk.active


async def test_a_second_page_takes_the_sound_and_the_first_one_is_told(browser, silent_server):
    async with site(silent_server.url) as found:
        first = await opened(browser, found)
        await connected(first)
        second = await browser.tab(first.context)
        await second.goto(f"{found.origin}/")
        await second.wait(f"{STATE}.endsWith(' connected')")
        await first.wait(
            "document.getElementById('banner-text').textContent.includes('Another page has the sound')"
        )
        await first.click("#banner-do")
        await second.wait("!document.getElementById('banner').hidden")
        assert found.model.state == "connected"


async def test_another_microphone_of_the_browser_goes_on_where_the_first_one_ended(browser, silent_server):
    async with site(silent_server.url) as found:
        page = await opened(browser, found)
        await connected(page)
        device = found.desk.device
        await until(lambda: device.peer.captured > 4_800)
        first = device.peer.opened["microphone"]["name"]
        options = "[...document.getElementById('input').options]"
        await page.wait(f"{options}.length > 2")
        await page.evaluate(
            f"(() => {{ const other = {options}.find(({{text}}) => text !== 'default' && text !== {json.dumps(first)});"
            " other.selected = true;"
            " document.getElementById('input').dispatchEvent(new Event('change', { bubbles: true })); })()"
        )
        await until(lambda: (device.peer.opened.get("microphone") or {}).get("name") not in (None, first))
        await until(lambda: device.peer.captured > 4_800)
        assert device.stats.frames_missing == 0
        assert found.model.microphone.name == "this page" and found.model.state == "connected"
        assert page.problems == []


async def test_a_browser_without_a_track_processor_captures_through_a_worklet(browser, silent_server):
    async with site(silent_server.url) as found:
        page = await browser.page()
        await page.call(
            "Page.addScriptToEvaluateOnNewDocument", source="delete globalThis.MediaStreamTrackProcessor"
        )
        await page.goto(found.server.address)
        await page.wait(f"{STATE}.includes('disconnected')")
        await connected(page)
        device = found.desk.device
        await until(lambda: device.peer.captured > 24_000)
        assert device.stats.frames_missing == device.stats.malformed == 0
        await page.pointer("mousePressed", "#talk")
        await until(lambda: any(row.type == "input_audio_buffer.append" for row in found.model.events.rows))
        await page.pointer("mouseReleased", "#talk")
        assert page.problems == []


async def test_a_microphone_that_is_not_allowed_is_told_and_typing_works(tmp_path, offline_url):
    async with (
        site(offline_url) as found,
        Browser(tmp_path, TALKS[0], "--use-fake-device-for-media-stream") as own,
    ):
        page = await opened(own, found)
        await own.call(
            "Browser.setPermission",
            permission={"name": "microphone"},
            setting="denied",
            browserContextId=page.context,
        )
        await connected(page)
        told = "document.getElementById('banner-text').textContent"
        await page.wait(f"{told}.includes('the microphone is not allowed')")
        await write(page, "Hello")
        await page.wait("document.querySelector('.item.assistant .play')?.checkVisibility()")
        await own.call(
            "Browser.setPermission",
            permission={"name": "microphone"},
            setting="granted",
            browserContextId=page.context,
        )
        await page.click("#banner-do")
        await until(lambda: found.desk.device.peer.captured > 4_800)
        await page.wait("document.getElementById('banner').hidden")


async def test_text_of_a_model_is_text(browser):
    hostile = "<img src=x onerror=\"document.title='in'\"><script>document.title='in'</script>\u202e&amp;"
    async with site() as found:
        page = await opened(browser, found)
        found.model.on_updated(updated(answer("a1", hostile, 0.5)))
        found.model.events.add(1.0, "server", {"type": hostile, "text": hostile})
        found.model.remember({hostile: hostile})
        found.model.place.name = hostile
        found.model.notice("error", hostile)
        await page.wait("document.querySelector('.item .text')?.textContent.includes('onerror')")
        await page.evaluate("document.querySelector('#events-list button').click()")
        await page.wait("document.querySelector('#events-list pre')?.textContent")
        await page.wait("document.querySelector('dd')?.textContent.includes('onerror')")
        assert await page.evaluate("document.title") == "realtime console"
        assert await page.evaluate("document.querySelectorAll('main img, main script').length") == 0


async def test_an_item_is_played_again_and_deleted(browser):
    async with site() as found:
        page = await opened(browser, found)
        found.model.on_updated(updated(answer("a 1/ü", "Hello", 2.0)))
        await page.wait("document.querySelector('.play')?.checkVisibility()")
        await page.click(".play")
        await page.wait("document.querySelector('.item .time').textContent.startsWith('0:00.')")
        await page.click(".play")
        await page.click(".delete")
        await page.wait("!document.querySelector('.item')")
        assert len(found.model.transcript) == 0


async def test_the_filter_shows_the_rows_that_match(browser):
    async with site() as found:
        page = await opened(browser, found)
        for kind in ("response.created", "response.done", "error"):
            found.model.events.add(1.0, "server", {"type": kind})
        await page.wait("document.querySelectorAll('.event').length === 3")
        await page.evaluate("document.activeElement.blur()")
        await page.key("keyDown", "/")
        await page.key("keyUp", "/")
        await page.call("Input.insertText", text="response done")
        await page.wait("document.querySelectorAll('.event:not([hidden])').length === 1")
        await page.key("keyDown", "Escape")
        await page.wait("document.querySelectorAll('.event:not([hidden])').length === 3")


async def test_a_console_that_ends_is_told(browser):
    async with site() as found:
        page = await opened(browser, found)
    await page.wait("document.getElementById('banner-text').textContent.includes('does not answer')")
