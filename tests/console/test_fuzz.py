"""Arbitrary values: the model with any event, saved sessions with any content, and every view of them.

``WAVTOOLS_FUZZ_VALUES`` is the number of values for each test (default: a few hundred).
"""

from __future__ import annotations

import asyncio
import functools
import io
import json
import os
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from console.answer_end import answer_end
from console.event_book import EventBook
from console.model_tools import ModelTools
from console.plain import JsonView, PlainView
from console.replay import Replay
from console.session import SessionModel
from console.session_files import load_session, save_session
from console.tools import Memory, get_weather
from console.transcript import ItemRow, Transcript
from console.world import position, world_map
from realtime import Conversation, Event, RealtimeEvent
from realtime.printing import guarded_streams
from tests.console.fakes import answer, updated, wire

VALUES = int(os.environ.get("WAVTOOLS_FUZZ_VALUES", "300"))
fuzz = settings(
    max_examples=VALUES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
TEXTS = st.one_of(
    st.text(st.characters(), max_size=20),
    st.sampled_from(["\x1b[2J", "\x9b31m", "\u202e", "\ud83d", "a\nb", "x" * 70_000, "<99 bytes of audio>"]),
)
NUMBERS = st.one_of(
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.sampled_from([float("inf"), float("-inf"), float("nan"), 10**400, -(10**400), 1e308, 2**63]),
)
JSON = st.recursive(
    st.one_of(TEXTS, NUMBERS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=12,
)
TYPES = st.one_of(
    JSON,
    st.sampled_from(["error", "response.done", "response.output_audio.delta", "input_audio_buffer.append"]),
)
EVENTS = st.builds(
    lambda kind, fields: {**fields, "type": kind},
    TYPES,
    st.dictionaries(
        st.one_of(TEXTS, st.sampled_from(["audio", "delta", "response", "session", "item"])), JSON, max_size=4
    ),
)


def is_shown_safely(text: str) -> bool:
    text.encode("utf-8")
    return not any(c in text for c in "\x1b\x9b\u202e\x00")


@fuzz
@given(st.lists(EVENTS, max_size=6), TEXTS)
def test_the_event_book_takes_any_event(events, pattern):
    book = EventBook()
    lines: list[str] = []
    book.tap = lines.append
    for event in events:
        row = book.add(1.0, "server", event)
        assert is_shown_safely(row.label) and is_shown_safely(row.payload) and len(row.label) < 300
    book.matching(pattern)
    assert len(lines) == len(events)
    for line in [*lines, *book.journal()]:
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@fuzz
@given(JSON, EVENTS, st.dictionaries(TEXTS, NUMBERS, max_size=4))
def test_the_model_takes_any_session_usage_and_end_of_an_answer(session, event, total):
    model = SessionModel()
    model.on_wire(RealtimeEvent("server", Event(event), 1.0))
    model.on_session(session)
    model.on_usage(SimpleNamespace(total=total))
    model.on_response_done(Event(event))
    model.remember({"key": str(event)[:50]})
    end = answer_end(event.get("response"))
    assert end is None or is_shown_safely(end)
    assert all(is_shown_safely(notice.text) for notice in model.notices)
    assert is_shown_safely(model.server.model + model.server.voice)


@fuzz
@given(
    st.lists(
        st.tuples(TEXTS, TEXTS, st.sampled_from(["message", "function_call", "function_call_output"]), TEXTS)
    )
)
def test_the_transcript_takes_any_item(items):
    transcript = Transcript()
    conversation = Conversation()
    for item_id, role, kind, text in items:
        wire_item = {
            "id": item_id,
            "role": role,
            "type": kind,
            "content": [{"type": "output_text", "text": text}],
            "name": text,
            "arguments": text,
            "output": text,
        }
        for change in conversation.apply({"type": "conversation.item.added", "item": wire_item}):
            transcript.take(change.item, 1.0)
    for row in transcript:
        assert is_shown_safely(row.shown) and is_shown_safely(row.role)


@fuzz
@given(st.floats(-90, 90), st.floats(-180, 180), st.integers(1, 200), st.integers(1, 100), st.booleans())
def test_the_map_shows_any_place_in_any_size(latitude, longitude, columns, rows, zoomed):
    lines = world_map(latitude, longitude, columns, rows, zoomed)
    assert len(lines) == rows and all(len(line) == columns for line in lines)
    assert position(latitude, longitude)


# Saved sessions

DOCUMENTS = st.fixed_dictionaries(
    {"version": st.just(1)},
    optional={
        "model": JSON,
        "voice": JSON,
        "mode": JSON,
        "items": st.one_of(
            JSON,
            st.lists(
                st.fixed_dictionaries(
                    {},
                    optional={
                        name: st.one_of(NUMBERS, JSON)
                        for name in (*vars(ItemRow("", "")), "heard_samples", "latency", "audio")
                    },
                ),
                max_size=3,
            ),
        ),
        "turns": st.one_of(
            JSON,
            st.lists(
                st.fixed_dictionaries(
                    {}, optional=dict.fromkeys(("item_id", "latency", "speech_end", "first_sample"), NUMBERS)
                ),
                max_size=3,
            ),
        ),
        "tokens": JSON,
        "memory": JSON,
        "place": st.one_of(
            JSON,
            st.fixed_dictionaries(
                {}, optional=dict.fromkeys(("latitude", "longitude", "wind", "name"), JSON)
            ),
        ),
    },
)
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "time": st.one_of(NUMBERS, JSON),
        "source": JSON,
        "event": st.one_of(EVENTS, JSON),
        "repeat": NUMBERS,
    },
)


def as_json(value: Any) -> str:
    try:
        return json.dumps(value)
    except ValueError:
        # An integer that Python does not write in decimal
        return "1" * 5_000


def replayed(folder) -> SessionModel:
    """Replay a session and print it in both forms."""

    async def run() -> SessionModel:
        replay = Replay(load_session(folder), speed=0)
        await replay.start()
        for view in (PlainView(replay), JsonView(replay)):
            view.draw()
        await replay.close()
        return replay.model

    return asyncio.run(run())


@fuzz
@given(DOCUMENTS, st.lists(st.one_of(ENTRIES.map(as_json), TEXTS), max_size=4))
def test_a_saved_session_with_any_values_is_replayed(tmp_path_factory, document, lines):
    folder = tmp_path_factory.getbasetemp()
    (folder / "session.json").write_text(as_json(document), encoding="utf-8")
    text = "\n".join(lines)
    (folder / "events.jsonl").write_text(text, encoding="utf-8", errors="backslashreplace")
    with guarded_streams():
        model = replayed(folder)
    for row in model.transcript:
        assert is_shown_safely(row.text + row.role + row.id) and row.heard_chars <= len(row.text)
        assert row.heard_samples is None or 0 <= row.heard_samples <= 1e12
    json.dumps([vars(turn) for turn in model.turns], allow_nan=False)


@fuzz
@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_bytes_in_the_files_are_one_line_or_a_session(tmp_path_factory, document, events):
    from console.errors import UserError

    folder = tmp_path_factory.getbasetemp()
    (folder / "session.json").write_bytes(document)
    (folder / "events.jsonl").write_bytes(events)
    try:
        replayed(folder)
    except UserError as error:
        assert "\n" not in str(error) and str(folder) in str(error)


def session_in(folder, count: int = 3):
    model = SessionModel()
    for number in range(count):
        model.on_wire(wire("server", float(number), type=f"kind.{number}"))
    model.on_updated(updated(answer("u1", "hello", 1, "user")))
    return save_session(model, folder)


@pytest.mark.parametrize(
    "line",
    [
        b'{"time": 1e999, "source": "s", "event": {"type": "x"}}',
        b'{"time": NaN, "source": "s", "event": {"type": "x"}}',
        b'{"time": 1, "source": "s", "event": {"type": ' + b"1" * 5_000 + b"}}",
        b'{"tor',
        b"\x00\xff\xfe binary",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'"' + b"x" * (5 * 1024 * 1024) + b'"',
        b"null",
        b'{"time": 1, "source": "s", "event": 5}',
    ],
    ids=["infinite", "nan", "digits", "torn", "binary", "deep", "deeper", "huge", "null", "no event"],
)
def test_a_torn_line_is_one_lines_loss(tmp_path, line):
    folder = session_in(tmp_path)
    path = folder / "events.jsonl"
    first, *rest = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([first, line, *rest]))
    model = replayed(folder)
    assert [row.type for row in model.events.rows] == ["kind.0", "kind.1", "kind.2"]
    assert [row.text for row in model.transcript] == ["hello"]


def test_an_infinite_repeat_and_an_infinite_position_are_bounded(tmp_path):
    folder = session_in(tmp_path, 1)
    with (folder / "events.jsonl").open("a") as file:
        file.write('{"time": 2, "source": "s", "event": {"type": "y"}, "repeat": 1e999}\n')
    document = json.loads((folder / "session.json").read_text())
    document["items"][0] |= {
        "heard_samples": float("inf"),
        "received": 1e300,
        "audio": "a\0b",
        "began": "now",
    }
    document["turns"] = [
        {"latency": "x"},
        {"item_id": "u1", "latency": 1, "speech_end": 2, "first_sample": 3},
    ]
    (folder / "session.json").write_text(json.dumps(document))
    model = replayed(folder)
    row = next(iter(model.transcript))
    assert (row.heard_samples, row.received, row.text) == (None, 10**12, "hello")
    assert model.events.rows[-1].count == 1 and model.latency == 1.0


@pytest.mark.parametrize("name", ["session.json", "events.jsonl"])
def test_a_folder_or_a_pipe_in_the_place_of_a_file_is_one_line(tmp_path, name, run_here):
    folder = session_in(tmp_path)
    (folder / name).unlink()
    (folder / name).mkdir()
    done = run_here("replay", folder)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "not a plain file" in done.stderr
    if hasattr(os, "mkfifo"):
        (folder / name).rmdir()
        os.mkfifo(folder / name)
        assert "not a plain file" in run_here("replay", folder).stderr


@pytest.mark.parametrize("data", [b"\xef\xbb\xbf" + b'{"version": 1}', b'{"version": 1, "items": 1e999}'])
def test_a_document_that_an_editor_has_marked_is_read(tmp_path, data):
    folder = session_in(tmp_path, 1)
    (folder / "session.json").write_bytes(data)
    assert len(replayed(folder).transcript) == 0


@pytest.mark.parametrize(
    "document", [b"[" * 100_000, '{"version": 1}'.encode("utf-16"), b'{"version": 1' + b"0" * 5_000]
)
def test_a_damaged_document_is_one_line(tmp_path, document, run_here):
    folder = session_in(tmp_path, 1)
    (folder / "session.json").write_bytes(document)
    done = run_here("replay", folder)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr


def test_the_journal_is_written_whatever_the_events_held(tmp_path):
    model = SessionModel()
    model.on_wire(wire("client", 1.0, type="x\ud83d", n=float("nan")))
    saved = save_session(model, tmp_path)
    lines = io.StringIO((saved / "events.jsonl").read_text("utf-8"))
    assert [json.loads(line)["event"]["n"] for line in lines] == ["nan"]


# The tools, whose arguments come from a model


@fuzz
@given(JSON, JSON)
def test_the_memory_takes_any_arguments(key, value):
    memory = Memory()
    result = asyncio.run(memory.set(key=key, value=value))
    json.dumps(result)
    for text in [*memory.entries, *memory.entries.values()]:
        text.encode("utf-8")


class Sent:
    """A weather service that answers with these bytes."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def __call__(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=self.body)


@fuzz
@given(
    st.one_of(NUMBERS, JSON),
    st.one_of(NUMBERS, JSON),
    JSON,
    st.one_of(
        st.binary(max_size=50),
        st.sampled_from([b"[" * 60_000, b'{"current": {"temperature_2m": 1e999, "wind_speed_10m": 1}}']),
        JSON.map(lambda v: as_json({"current": {"temperature_2m": v, "wind_speed_10m": v}}).encode()),
    ),
)
def test_the_weather_takes_any_arguments_and_any_answer(lat, lng, location, body):
    real = httpx.AsyncClient
    httpx.AsyncClient = functools.partial(real, transport=httpx.MockTransport(Sent(body)))
    try:
        model = SessionModel()
        tools = ModelTools(model)
        result = asyncio.run(tools.weather(get_weather, lat=lat, lng=lng, location=location))
    finally:
        httpx.AsyncClient = real
    json.dumps(result, allow_nan=False).encode("utf-8")
    assert is_shown_safely(model.place.name + model.place.state)
    assert -90 <= model.place.latitude <= 90 and -180 <= model.place.longitude <= 180
