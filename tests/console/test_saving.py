"""Sessions are saved while they happen: events, items, both sides as heard; bounded, and never at the session's cost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from console.event_lines import EventLines
from console.saved_folders import make_folder, prune
from console.saving import Saver
from console.session import SessionModel
from console.session_files import load_session
from console.sound_track import SoundTrack
from realtime.offline import OfflineServer, choose_voice
from tests.console.fakes import answer, timings, updated, wire
from tests.console.screens import make_call
from tests.console.servers import spoken
from tests.terminal import ROOT
from tests.waiting import until, until_blocking
from wavtools import OfflineDevice, read_wav

pytestmark = pytest.mark.audio

RATE = 24_000


class Rig:
    """Two offline devices that a thread runs in real time; it keeps what they captured and rendered."""

    def __init__(self) -> None:
        self.speaker, self.microphone = OfflineDevice(RATE), OfflineDevice(RATE)
        self.rendered: list[np.ndarray] = []
        self.captured: list[np.ndarray] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        noise = np.random.default_rng(2)
        while not self._end.wait(0.01):
            self.rendered.append(self.speaker.render(240))
            self.captured.append(noise.integers(-2000, 2000, 240).astype(np.int16))
            self.microphone.capture(self.captured[-1])

    def stop(self) -> None:
        self._end.set()
        self._thread.join()


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.stop()


def folder_of(parent: Path) -> Path:
    [folder] = parent.iterdir()
    return folder


def items_of(folder: Path) -> list[dict]:
    document = folder / "session.json"
    return json.loads(document.read_text()).get("items", []) if document.exists() else []


def found(whole: np.ndarray, part: np.ndarray) -> int:
    """Where *part* begins in *whole*."""
    place = bytes(whole.astype("<i2")).find(bytes(part.astype("<i2")))
    assert place >= 0 and place % 2 == 0, "the file does not hold what the device had"
    return place // 2


async def test_a_session_is_saved_while_it_happens_with_both_sides_as_heard(serve, rig, tmp_path):
    server = serve(spoken("Good evening."))
    call = make_call(server.url, save_to=tmp_path / "s", input=rig.microphone, output=rig.speaker)
    try:
        assert await call.connect()
        await asyncio.sleep(0.3)
        await call.talk()
        await asyncio.sleep(0.5)
        await call.release()
        await until(lambda: (tmp_path / "s").exists() and len(items_of(folder_of(tmp_path / "s"))) == 2, 10)
        assert call.saver.folder == folder_of(tmp_path / "s")
        assert sum("saved as it happens" in notice.text for notice in call.model.notices) == 1
        # The console could die here
        saved = load_session(folder_of(tmp_path / "s"))
        assert [(row.role, row.text) for row in saved.rows] == [
            ("user", "hello"),
            ("assistant", "Good evening."),
        ]
        await asyncio.sleep(1.5)
        await call.interrupt()
        await asyncio.sleep(0.3)
    finally:
        await call.close()
    folder = folder_of(tmp_path / "s")
    sound = read_wav(folder / "heard.wav")
    left, right = sound.pcm[:, 0], sound.pcm[:, 1]
    assert sound.sample_rate == RATE and not sound.truncated
    played, taken = np.concatenate(rig.rendered), np.concatenate(rig.captured)
    # The answer lies in the file as it lay in the device, and what was said beside it as the microphone had it
    first = int(np.flatnonzero(right)[0])
    assert not right[: first - 1].any() and np.count_nonzero(right) > RATE // 2
    last = int(np.flatnonzero(right)[-1])
    at_speaker = found(played, right[first : last + 1])
    spoken_at = np.flatnonzero(left)
    assert RATE // 5 < len(spoken_at) < len(left)
    at_microphone = found(taken, left[spoken_at[0] : spoken_at[-1] + 1])
    # Both devices are run by one thread, and the recorder may begin between them: the same distance in the file and in the
    # room, but for one of its periods. test_sound_track_rig.py measures it to the sample
    assert abs((first - spoken_at[0]) - (at_speaker - at_microphone)) <= RATE // 100
    document = json.loads((folder / "session.json").read_text())
    assert document["sound"]["sample_rate"] == RATE
    [piece, *_] = document["sound"]["pieces"]
    assert piece["frame"] == 0 and abs(piece["time"] - time.time()) < 60
    kinds = [event["type"] for _, _, event, _ in load_session(folder).events()]
    assert kinds[0] == "session.created" and "response.done" in kinds


async def test_the_offline_server_answers_from_a_saved_folder_as_the_session_went(serve, tmp_path):
    """A recorded call is a test: the same words of both sides, and the same audio."""
    server = serve(spoken("Good evening."))
    call = make_call(server.url, save_to=tmp_path / "s")
    try:
        assert await call.connect()
        await call.talk()
        await asyncio.sleep(0.4)
        await call.release()
        await until(lambda: len(call.model.transcript) == 2, 10)
        await until(
            lambda: all(row.text and row.status != "in_progress" for row in call.model.transcript), 10
        )
    finally:
        await call.close()
    folder = folder_of(tmp_path / "s")
    assert "Good evening." in (folder / "report.html").read_text()
    assert (folder / "transcript.txt").read_text().endswith("model: Good evening.\n")
    saved = load_session(folder)
    recorded = [(row.role, row.text) for row in saved.rows]
    async with OfflineServer(voice=choose_voice("standin"), script=folder) as offline:
        again = make_call(offline.url)
        try:
            assert await again.connect()
            await again.talk()
            await asyncio.sleep(0.4)
            await again.release()
            await until(lambda: [(row.role, row.text) for row in again.model.transcript] == recorded, 20)
            answered = list(again.model.transcript)[1]
            await until(lambda: answered.status == "completed", 20)
            np.testing.assert_array_equal(answered.audio, saved.rows[1].audio)
        finally:
            await again.close()


def test_a_killed_console_leaves_a_session_that_is_replayed(serve, tmp_path):
    server = serve(spoken("I stay."))
    command = [
        sys.executable,
        "-m",
        "console",
        "--plain",
        "--url",
        server.url,
        "--save-to",
        str(tmp_path / "s"),
    ]
    program = subprocess.Popen(
        [*command, "--input", "null", "--output", "null", "--mode", "manual"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "OPENAI_API_KEY": "sk-test"},
    )
    assert program.stdin is not None
    try:
        program.stdin.write(b"hello\n")
        program.stdin.flush()
        until_blocking(lambda: (tmp_path / "s").exists() and any((tmp_path / "s").iterdir()), 30)
        folder = folder_of(tmp_path / "s")
        until_blocking(lambda: any(item["text"] == "I stay." for item in items_of(folder)), 20)
        # The sound is written some seconds late
        until_blocking(lambda: (folder / "heard.wav").exists(), 20)
        program.kill()
    finally:
        program.kill()
        program.communicate()
    with (folder / "events.jsonl").open("ab") as file:
        file.write(b'{"time": 1, "source": "ser')
    with (folder / "heard.wav").open("ab") as file:
        file.write(b"\1")
    replayed = subprocess.run(
        [sys.executable, "-m", "console", "replay", str(folder)], cwd=ROOT, capture_output=True, text=True
    )
    assert replayed.returncode == 0, replayed.stderr
    assert "I stay." in replayed.stdout
    assert len(read_wav(folder / "heard.wav").pcm) > 0


async def test_a_full_disk_is_told_once_and_the_session_goes_on(tmp_path):
    resource = pytest.importorskip("resource")
    model = SessionModel()
    saver = Saver(model, tmp_path / "s")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        for count in range(300):
            model.on_wire(wire("server", float(count), type="test.event", text="x" * 100))
        await until(lambda: saver.problem)
        await until(lambda: len(model.notices) == 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    model.on_wire(wire("server", 1.0, type="later"))
    await saver.close()
    assert [notice.level for notice in model.notices] == ["info", "warning"]
    assert "no longer saved: File too large" in model.notices[-1].text
    assert model.events.rows[-1].type == "later"


async def test_a_folder_that_cannot_be_made_is_told_and_the_session_goes_on(tmp_path):
    (tmp_path / "file").write_text("")
    model = SessionModel()
    saver = Saver(model, tmp_path / "file" / "s")
    model.on_wire(wire("server", 1.0, type="session.created"))
    await until(lambda: model.notices)
    assert "no longer saved" in model.notices[0].text
    await saver.close()


async def test_a_session_in_which_nothing_was_said_leaves_nothing(tmp_path):
    model = SessionModel()
    saver = Saver(model, tmp_path / "s")
    model.on_wire(wire("server", 1.0, type="session.created"))
    await until(lambda: saver.folder)
    await saver.close()
    assert not list((tmp_path / "s").iterdir())


async def test_deleted_items_go_and_evicted_ones_stay(tmp_path, monkeypatch):
    monkeypatch.setattr("console.transcript.MAX_ROWS", 3)
    model = SessionModel()
    saver = Saver(model, tmp_path / "s")
    for count in range(5):
        item = answer(f"a{count}", f"answer {count}", 0.1)
        item.status = "completed"
        model.on_wire(wire("server", float(count), type="response.done"))
        model.on_updated(updated(item))
        saver._snapshot()
    model.on_timings(timings("a4", 1.0, 1.25), 10.0, 2.0)
    model.forget("a3")
    await saver.close()
    folder = folder_of(tmp_path / "s")
    assert [item["id"] for item in items_of(folder)] == ["a0", "a1", "a2", "a4"]
    assert [row.id for row in load_session(folder).rows if len(row.audio)] == ["a0", "a1", "a2", "a4"]
    assert sorted(path.name for path in folder.glob("*.wav")) == [
        f"00{count}-assistant.wav" for count in (0, 1, 2, 4)
    ]


async def test_the_key_s_keeps_a_copy_of_all_of_it(tmp_path):
    model = SessionModel()
    saver = Saver(model, tmp_path / "s")
    item = answer("a1", "kept", 0.1)
    item.status = "completed"
    model.on_wire(wire("server", 1.0, type="response.done"))
    model.on_updated(updated(item))
    kept = await saver.keep(tmp_path / "kept")
    # What the user keeps is never deleted
    assert kept is not None and not (kept / ".automatic").exists()
    assert [row.text for row in load_session(kept).rows] == ["kept"]
    assert [event["type"] for _, _, event, _ in load_session(kept).events()] == ["response.done"]
    (tmp_path / "file").write_text("")
    assert await saver.keep(tmp_path / "file") is None
    assert model.notices[-1].level == "error"
    await saver.close()


def blocks(frames: int, frame: int = 0, *, recorded=True, played=0, at=0.0, muted=False):
    left = np.full(frames, 7, np.int16)
    right = np.full(frames, played, np.int16)
    return [(SimpleNamespace(captured=left, played=right, frame=frame, time=at, recorded=recorded), muted)]


def test_what_push_to_talk_did_not_record_and_what_was_muted_is_silence(tmp_path):
    track = SoundTrack(tmp_path / "heard.wav")
    track.add(blocks(100), RATE, 0.0)
    track.add(blocks(100, 100, recorded=False, played=3), RATE, 0.0)
    track.add(blocks(100, 200, muted=True), RATE, 0.0)
    track.close()
    pcm = read_wav(tmp_path / "heard.wav").pcm
    assert pcm[:, 0].tolist() == [7] * 100 + [0] * 200
    assert pcm[:, 1].tolist() == [0] * 100 + [3] * 100 + [0] * 100


def test_missing_frames_are_silence_and_a_new_recorder_is_a_new_piece(tmp_path):
    track = SoundTrack(tmp_path / "heard.wav")
    track.add(blocks(RATE), RATE, 100.0)
    track.add(blocks(RATE, RATE + 50, at=1.0 + 50 / RATE), RATE, 100.0)
    track.add(blocks(RATE, 0, at=60.0), RATE, 100.0)
    track.close()
    assert track.frames == 3 * RATE + 50
    assert [piece["time"] for piece in track.pieces if piece["frame"] in (0, 2 * RATE + 50)] == [100.0, 160.0]


def test_a_long_pause_is_left_out_and_the_time_still_known(tmp_path):
    track = SoundTrack(tmp_path / "heard.wav")
    for second in range(100):
        track.add(blocks(RATE, second * RATE, recorded=False, at=float(second)), RATE, 0.0)
    track.add(blocks(RATE, 100 * RATE, at=100.0), RATE, 0.0)
    track.close()
    assert track.frames == 31 * RATE
    assert track.pieces[-1] == {"frame": 30 * RATE, "time": 100.0}


def test_a_recorder_with_another_rate_is_resampled(tmp_path):
    track = SoundTrack(tmp_path / "heard.wav")
    track.add(blocks(RATE), RATE, 0.0)
    track.add(blocks(8_000, at=5.0), 8_000, 0.0)
    track.close()
    assert abs(track.frames - 2 * RATE) < 200
    assert [piece["time"] for piece in track.pieces] == [0.0, 5.0]


def test_the_file_ends_at_its_limit(tmp_path):
    track = SoundTrack(tmp_path / "heard.wav", 4_000)
    for second in range(3):
        track.add(blocks(600, second * 600), RATE, 0.0)
    track.close()
    assert track.full and len(read_wav(tmp_path / "heard.wav").pcm) == 1_000


def test_a_run_of_microphone_chunks_is_one_line_and_the_file_is_bounded(tmp_path):
    lines = EventLines(tmp_path / "events.jsonl", 300)
    for count in range(50):
        lines.add(float(count), "client", "input_audio_buffer.append", '{"type":"input_audio_buffer.append"}')
    lines.add(50.0, "server", "a", '{"type":"a"}')
    for _ in range(5):
        lines.add(51.0, "client", "input_audio_buffer.append", '{"type":"input_audio_buffer.append"}')
    for _ in range(9):
        lines.add(52.0, "server", "b", json.dumps({"type": "b", "text": "x" * 60}))
    lines.close()
    entries = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [(entry["event"]["type"], entry.get("repeat", 1)) for entry in entries[:3]] == [
        ("input_audio_buffer.append", 50),
        ("a", 1),
        ("input_audio_buffer.append", 5),
    ]
    assert lines.dropped and (tmp_path / "events.jsonl").stat().st_size <= 300


def test_old_sessions_go_beyond_the_limits_and_only_sessions(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    (tmp_path / "mine" / "session.json").write_text("{}")
    os.utime(tmp_path / "mine" / "session.json", (0, 0))
    folders = [make_folder(tmp_path) for _ in range(5)]
    assert len(set(folders)) == 5
    for age, folder in enumerate(folders):
        (folder / "session.json").write_text("x" * 1000)
        past = time.time() - 3600 * (10 - age)
        os.utime(folder / "session.json", (past, past))
    assert prune(tmp_path, keep=3) == [folders[1], folders[0]]
    assert prune(tmp_path, most_bytes=2500) == [folders[2]]
    os.utime(folders[3] / "session.json")
    os.utime(folders[4] / "session.json")
    assert prune(tmp_path, keep=0) == [], "another console may write there"
    assert (tmp_path / "mine" / "letter.txt").exists()
