"""A report: one file that opens anywhere, follows its player, and lets no text of a session become code."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from console.__main__ import main
from console.errors import UserError
from console.report import write_report
from console.saved_sound import SavedSound
from console.session_files import load_session
from console.sound_track import SoundTrack
from tests.page import Browser
from wavtools import WavPacker, read_wav

RATE = 24_000
ATTACKS = (
    "</script><script>document.title = 'owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "<a href='javascript:document.title=1'>x</a>",
    '"><svg onload=alert(1)>',
    "{{script}} {{style_hash}} \\1",
    "\x1b]52;c;x\x07 \u202e & &amp;",
)


def voice(seconds: float, seed: int) -> np.ndarray:
    """Sound that is like nothing else: noise with an envelope of syllables."""
    rng = np.random.default_rng(seed)
    count = int(seconds * RATE)
    places = np.arange(0, count + 2400, 2400)
    envelope = np.interp(np.arange(count), places, rng.uniform(0.1, 1, len(places)))
    smooth = np.convolve(rng.normal(size=count), np.ones(9) / 9, "same")
    return (9000 * envelope * smooth / np.abs(smooth).max()).astype(np.int16)


def make_session(
    folder: Path, *, sound: bool = True, texts: tuple[str, ...] = (), seconds: float = 12.0
) -> Path:
    """A session with a question at second 2, an answer at 4 that is cut after 1.5 of 3 s, and another one at 8."""
    folder.mkdir(parents=True)
    question, first, second = voice(1.0, 1), voice(1.5, 2), voice(2.0, 3)
    sides = np.zeros((int(seconds * RATE), 2), np.int16)
    sides[:, 0] = np.random.default_rng(9).integers(-30, 30, len(sides))
    for at, side, samples in ((2, 0, question), (4, 1, first), (8, 1, second)):
        sides[at * RATE : at * RATE + len(samples), side] += samples
    began = 1_000_000.0
    words = "one two three four five six"
    items = [
        {"id": "u1", "role": "user", "text": "What <b>is</b> it?", "began": began + 3.2, "audio": "000-user.wav"},
        {"id": "a1", "role": "assistant", "text": words, "began": began + 3.8, "audio": "001-assistant.wav",
         "heard_samples": int(1.5 * RATE), "heard_chars": 13, "received": 3 * RATE},
        {"id": "f1", "role": "function", "text": 'look({"a": 1})', "began": began + 6, "ended": began + 6, "call_id": "c"},
        {"id": "o1", "role": "output", "text": "12 & 13", "began": began + 6.5, "call_id": "c"},
        {"id": "a2", "role": "assistant", "text": "seven eight", "began": began + 7, "audio": "004-assistant.wav",
         "received": 2 * RATE},
        *({"id": f"x{n}", "role": "assistant", "text": text, "began": began + 9} for n, text in enumerate(texts)),
    ]  # fmt: skip
    for name, samples in (("000-user", question), ("001-assistant", first), ("004-assistant", second)):
        WavPacker.pack(samples, RATE).save(folder / f"{name}.wav")
    if sound:
        track = SoundTrack(folder / "heard.wav")
        for start in range(0, len(sides), RATE):
            part = sides[start : start + RATE]
            block = SimpleNamespace(
                captured=part[:, 0], played=part[:, 1], frame=start, time=start / RATE, recorded=True
            )
            track.add([(block, False)], RATE, began)
        track.close()
    turn = {"number": 1, "kind": "speech", "item_id": "a1", "outcome": "cut", "spoken": True,
            "speech_start": began + 2, "speech_end": began + 3, "stopped": began + 3.2, "committed": began + 3.21,
            "created": began + 3.3, "first_delta": began + 3.7, "first_sample": began + 4,
            "tools": [{"name": "look", "call_id": "c", "began": began + 3.4, "ended": began + 3.5}]}  # fmt: skip
    turn_ = {"item_id": "a1", "latency": 0.8, "speech_end": began + 3.2, "first_sample": began + 4}
    document = {
        "version": 1, "model": "gpt-realtime", "voice": "marin", "items": items, "turns": [turn_], "waterfall": [turn],
        "tokens": {"input_tokens": 1200}, "dollars": 0.25,
        "sound": {"sample_rate": RATE, "pieces": [{"frame": 0, "time": began}]},
    }  # fmt: skip
    (folder / "session.json").write_text(json.dumps(document))
    events = [
        {"time": began, "source": "server", "event": {"type": "session.created"}},
        {"time": began + 1, "source": "server", "event": {"type": "error", "error": {"message": "bad"}}},
        *({"time": began + 2, "source": "server", "event": {"type": text, "text": text}} for text in texts),
    ]
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_session(tmp_path / "call")


def test_each_item_is_found_where_it_is_heard_within_a_millisecond(folder):
    sound = SavedSound.of(load_session(folder))
    assert sound is not None and sound.seconds == 12
    for item_id, start, length in (("u1", 2.0, 1.0), ("a1", 4.0, 1.5), ("a2", 8.0, 2.0)):
        first, last = sound.spans[item_id]
        assert abs(first - start) <= 0.001 and abs(last - start - length) <= 0.001
    assert sound.second_of(1_000_004.5) == pytest.approx(4.5)
    assert sound.time_of(4.5) == pytest.approx(1_000_004.5)
    assert (sound.second_of(0.0), sound.second_of(2e9)) == (0.0, 12.0)


def test_a_session_without_its_sound_is_laid_out_from_its_items(tmp_path):
    sound = SavedSound.of(load_session(make_session(tmp_path / "call", sound=False)))
    assert sound is not None and sound.path is None
    assert sound.seconds == pytest.approx(1.0 + 1.5 + 2.0 + 0.8)
    sides = np.concatenate(list(sound.blocks(10_000)))
    assert len(sides) == sound.frames
    np.testing.assert_array_equal(sides[:RATE, 0], voice(1.0, 1))
    start = round(sound.spans["a2"][0] * RATE)
    np.testing.assert_array_equal(sides[start : start + 2 * RATE, 1], voice(2.0, 3))


@pytest.mark.parametrize("damage", [b"", b"RIFF", b"x" * 100])
def test_a_damaged_sound_file_is_as_none(folder, damage):
    (folder / "heard.wav").write_bytes(damage)
    sound = SavedSound.of(load_session(folder))
    assert sound is not None and sound.path is None


def test_a_torn_sound_file_is_read_as_far_as_it_goes(folder):
    data = (folder / "heard.wav").read_bytes()
    (folder / "heard.wav").write_bytes(data[: len(data) // 2 + 1])
    sound = SavedSound.of(load_session(folder))
    assert sound is not None and sound.path is not None and 5.9 < sound.seconds < 6.1
    write_report(folder)


def test_the_page_holds_its_sound_and_loads_nothing(folder, capsys):
    assert main(["report", str(folder)]) == 0
    assert capsys.readouterr().out == f"written: {folder / 'report.html'}\n"
    page = (folder / "report.html").read_text()
    assert not re.search(r"(?:src|href|action)\s*=\s*(?![\"']?data:)", page)
    assert "url(" not in page and "@import" not in page and "fetch(" not in page
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy and "http" not in policy
    [data] = re.findall(r'src="data:audio/wav;base64,([^"]*)"', page)
    sound = read_wav(io.BytesIO(base64.b64decode(data)))
    assert sound.sample_rate == 16_000 and sound.duration == pytest.approx(12.0, abs=0.01)
    # Both sides are in it, where they are in the session
    assert all(
        np.abs(sound.pcm[int(at * 16_000) : int((at + 0.5) * 16_000)]).max() > 500 for at in (2.2, 4.2, 8.2)
    )
    assert np.abs(sound.pcm[:16_000]).max() < 500
    assert page.count('<line class="cut"') == 1
    assert "cut: heard 1.5 of 3.0 s" in page and "$0.2500" in page and "1,200" in page
    assert "12 &amp; 13" in page and "you waited <b>1.00 s</b>" in page
    assert (folder / "transcript.txt").read_text().splitlines()[1] == (
        "[0:03] model: one two three | cut: heard 1.5 of 3.0 s"
    )


def test_no_text_of_a_session_becomes_markup(tmp_path):
    page = write_report(make_session(tmp_path / "call", texts=ATTACKS)).read_text()
    body = page.split("<body>")[1]
    assert body.count("<script>") == 1 and body.count("</script>") == 1
    assert not re.search(r"<(img|a|iframe|object|link|base|form|svg onload)\b", body)
    assert not re.search(r"<[^>]*\son\w+\s*=", body)
    assert "{{script}}" in body
    assert "\x1b" not in page and "\u202e" not in page


@pytest.mark.parametrize("seconds", [1_100, 2_100])
def test_a_long_session_is_embedded_at_a_lower_rate_and_bounded(tmp_path, monkeypatch, seconds):
    monkeypatch.setattr("console.report_sound.MAX_BYTES", 16_000)
    folder = make_session(tmp_path / "call", seconds=12 if seconds < 2_000 else 60)
    page = write_report(folder).read_text()
    [data] = re.findall(r'src="data:audio/wav;base64,([^"]*)"', page)
    sound = read_wav(io.BytesIO(base64.b64decode(data)))
    assert sound.sample_rate == 8_000 and len(sound.pcm) == 16_000
    assert "heard.wav holds all" in page


def test_a_folder_that_is_none_and_a_file_that_cannot_be_written_are_said(folder, tmp_path):
    with pytest.raises(UserError, match="is not a saved session"):
        write_report(tmp_path)
    with pytest.raises(UserError, match="cannot write .*; name another file with --out"):
        write_report(folder, tmp_path / "missing" / "x.html")


async def test_the_page_follows_its_player_and_a_word_seeks(tmp_path):
    """In a real browser, with texts that attack: nothing is reported on its console, and the title stays."""
    folder = make_session(tmp_path / "call", texts=ATTACKS)
    path = write_report(folder)
    async with Browser(tmp_path, "--autoplay-policy=no-user-gesture-required") as browser:
        page = await browser.page(1280, 1000)
        await page.goto(path.as_uri())
        await page.wait("document.querySelector('audio').duration > 11")
        await page.evaluate(
            "document.querySelectorAll('.row.assistant')[0].querySelectorAll('[data-t]')[1].click()"
        )
        at = await page.wait("document.querySelector('audio').currentTime")
        assert 4.0 < at < 5.0
        await page.wait("document.querySelector('.now')?.innerText.includes('one two')")
        assert await page.evaluate("document.querySelector('.lit').textContent") == "two"
        await page.evaluate("document.querySelector('audio').play()")
        await page.wait("document.querySelector('.lit')?.textContent === 'three'")
        await page.wait("document.querySelector('audio').currentTime > 8.5", 30)
        await page.wait("document.querySelector('.now').innerText.includes('seven')")
        place = await page.evaluate(
            "(({width, left}) => (document.querySelector('.head').getBoundingClientRect().left - left) / width)"
            "(document.querySelector('.waves').getBoundingClientRect())"
        )
        assert 8.4 / 12 < place < 1
        await page.evaluate("document.querySelector('#filter').value = 'error!'")
        await page.evaluate("document.querySelector('#filter').dispatchEvent(new Event('input'))")
        assert await page.evaluate("document.querySelectorAll('.list details:not([hidden])').length") == 1
        assert (await page.evaluate("document.title")).startswith("Session of")
        assert page.problems == []
