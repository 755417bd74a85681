"""Saved sessions: written and read again; damaged and hostile folders do no harm."""

from __future__ import annotations

import json

import numpy as np
import pytest

from console.errors import UserError
from console.replay import Replay
from console.session import SessionModel
from console.session_files import load_session, save_session
from tests.console.fakes import answer, cut, timings, updated, wire


@pytest.fixture
def model():
    model = SessionModel()
    model.on_wire(wire("server", 1.0, type="session.created"))
    for _ in range(3):
        model.on_wire(wire("client", 2.0, type="input_audio_buffer.append", audio="AAAA"))
    user, item = answer("u1", "Hello?", 1, "user"), answer("a1", "one two three four", 4)
    user.status = item.status = "completed"
    model.on_updated(updated(user))
    model.on_updated(updated(item))
    model.on_cut(cut(item, 48_000))
    model.on_timings(timings("a1", 1.0, 1.25), 10.0, 2.0)
    model.remember({"name": "Ada"})
    model.tokens = {"input_tokens": 7}
    model.dollars = 0.0125
    model.place.name = "Paris"
    return model


async def test_a_saved_session_happens_again_in_the_same_model(model, tmp_path):
    folder = save_session(model, tmp_path)
    assert sorted(p.name for p in folder.iterdir()) == [
        "000-user.wav", "001-assistant.wav", "events.jsonl", "session.json",
    ]  # fmt: skip
    replay = Replay(load_session(folder), speed=0)
    await replay.start()
    again = replay.model
    assert [row.label.split(" ", 1)[1] for row in again.events.rows] == [
        row.label.split(" ", 1)[1] for row in model.events.rows
    ]
    for old, new in zip(model.transcript, again.transcript, strict=True):
        assert (old.id, old.role, old.text, old.heard_samples, old.heard_chars, old.latency) == (
            new.id, new.role, new.text, new.heard_samples, new.heard_chars, new.latency,
        )  # fmt: skip
        np.testing.assert_array_equal(old.audio, new.audio)
    assert (again.memory, again.tokens, again.place.name) == ({"name": "Ada"}, {"input_tokens": 7}, "Paris")
    assert again.latency == pytest.approx(0.25) and again.dollars == 0.0125
    await replay.close()


def test_two_sessions_saved_at_once_are_two_folders(model, tmp_path):
    assert save_session(model, tmp_path) != save_session(model, tmp_path)
    assert not list(tmp_path.glob("*.partial"))


def test_nothing_to_save_and_nowhere_to_save_are_said(model, tmp_path):
    with pytest.raises(UserError, match="nothing to save"):
        save_session(SessionModel(), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot save"):
        save_session(model, tmp_path / "file")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (None, "not a saved session"),
        ("{", "damaged"),
        ("[]", "not saved by this version"),
        ('{"version": 9}', "this version"),
    ],
)
def test_a_folder_that_is_none_is_refused_in_words(tmp_path, document, words):
    (tmp_path / "events.jsonl").write_text("")
    if document is not None:
        (tmp_path / "session.json").write_text(document)
    with pytest.raises(UserError, match=words):
        load_session(tmp_path)


async def test_a_hostile_folder_cannot_leave_itself_nor_steer_the_terminal(tmp_path):
    item = {
        "id": 5,
        "role": "assistant\x1b[2J",
        "text": "\x1b]52;c;x\x07",
        "audio": "../secret.wav",
        "heard_chars": 1e9,
    }
    document = {
        "version": 1,
        "items": [item, 3, None],
        "turns": [{}],
        "memory": {"a\x1b": "b\x9b"},
        "tokens": [1],
        "place": 4,
    }
    (tmp_path / "session.json").write_text(json.dumps(document))
    (tmp_path / "events.jsonl").write_text(
        '{"time":1,"source":"s\\u001b","event":{"type":"t\\u001b"}}\n{"tor'
    )
    replay = Replay(load_session(tmp_path), speed=0)
    await replay.start()
    row = next(iter(replay.model.transcript))
    shown = row.text + row.role + replay.model.events.rows[0].label + str(replay.model.memory)
    assert "\x1b" not in shown and "\x9b" not in shown
    assert len(row.audio) == 0 and row.heard_chars <= len(row.text)
    await replay.close()
