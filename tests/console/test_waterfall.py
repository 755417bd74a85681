"""The times of a turn: every step at its time, numbers at the first sample, whatever is sent."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.input_clock import InputClock
from console.phase import phase_of
from console.screen.waterfall_pane import duration, summary
from console.session import SessionModel
from console.session_files import load_session, save_session
from console.state import Turn
from console.turn_times import TurnTimes
from console.waterfall import DELTAS, Waterfall
from tests.console.fakes import answer, timings, updated, wire
from wavtools import TrackOffset

CHUNK = "A" * 1280
VAD = {
    "type": "session.updated",
    "session": {
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
            }
        }
    },
}


def play(waterfall: Waterfall, *events: tuple[float, str, dict]) -> Waterfall:
    for time, source, event in events:
        waterfall.take(time, source, event)
    return waterfall


def client(time: float, kind: str, **fields):
    return time, "client", {"type": kind, **fields}


def server(time: float, kind: str, **fields):
    return time, "server", {"type": kind, **fields}


def speech(waterfall: Waterfall) -> Waterfall:
    """Two seconds of chunks of 20 ms from 10.0 on; speech from 0.3 s to 1.2 s, ended by half a second of silence."""
    play(waterfall, (9.0, "server", {"type": "session.created"}), (9.5, "server", VAD))
    play(waterfall, *(client(10.02 + i / 50, "input_audio_buffer.append", audio=CHUNK) for i in range(100)))
    return play(
        waterfall,
        server(10.45, "input_audio_buffer.speech_started", audio_start_ms=300),
        server(11.75, "input_audio_buffer.speech_stopped", audio_end_ms=1700),
        server(11.76, "input_audio_buffer.committed", item_id="u1"),
    )


def spoken_answer(waterfall: Waterfall, begun: float, name: str = "1") -> Waterfall:
    address = {"response_id": f"r{name}", "item_id": f"a{name}"}
    return play(
        waterfall,
        server(begun, "response.created", response={"id": f"r{name}"}),
        server(begun + 0.2, "response.output_audio_transcript.delta", delta="Hi", **address),
        server(begun + 0.25, "response.output_audio.delta", delta=CHUNK, **address),
    )


def test_under_vad_the_wait_is_silence_server_and_sound():
    waterfall = spoken_answer(speech(Waterfall()), 11.8)
    turn = waterfall.first_sample("a1", 12.1)
    assert turn is waterfall.newest
    assert (turn.speech_start, turn.speech_end, turn.stopped) == pytest.approx((10.3, 11.2, 11.75))
    assert turn.wait == pytest.approx(0.9) and turn.latency == pytest.approx(0.35)
    assert turn.silence + turn.server + turn.sound == pytest.approx(turn.wait)
    assert [span.name for span in turn.spans()] == [
        "speech", "silence window", "commit", "response.created", "first delta", "first sample", "last sample",
    ]  # fmt: skip
    assert summary(turn) == "you waited 900 ms = silence 550 + server 250 + sound 100"


def test_rows_appear_as_soon_as_their_step_begins():
    waterfall = speech(Waterfall())
    turn = waterfall.newest
    last = turn.spans()[-1]
    assert (last.name, last.began, last.ended) == ("response.created", 11.76, None) and waterfall.awaited
    spoken_answer(waterfall, 11.8)
    assert turn.spans()[-1].name == "first sample" and turn.spans()[-1].ended is None
    waterfall.first_sample("a1", 12.1)
    assert not waterfall.awaited and turn.spans()[-1].ended is None
    play(waterfall, server(12.2, "response.done", response={"id": "r1", "status": "completed"}))
    waterfall.heard("a1", 15.0, ended=True)
    assert turn.over and turn.spans()[-1].ended == 15.0 and turn.outcome == "completed"


def test_after_push_to_talk_and_after_text_there_is_no_silence_window():
    for kind, event in (
        ("speech", client(5.0, "input_audio_buffer.commit")),
        ("text", client(5.0, "conversation.item.create", item={"type": "message", "role": "user"})),
    ):
        waterfall = play(Waterfall(), event, client(5.01, "response.create"))
        turn = spoken_answer(waterfall, 5.1).newest
        waterfall.first_sample("a1", 5.5)
        assert (turn.kind, turn.silence, turn.wait, turn.latency) == (kind, None, 0.5, 0.5)


def test_tools_are_steps_of_the_turn_and_no_time_of_the_server():
    waterfall = play(
        Waterfall(),
        client(1.0, "conversation.item.create", item={"type": "message", "role": "user"}),
        client(1.0, "response.create"),
        server(1.1, "response.created", response={"id": "r0"}),
        *(
            server(
                1.3 + i / 10,
                "response.output_item.done",
                response_id="r0",
                item={"type": "function_call", "name": name, "call_id": f"c{i}"},
            )
            for i, name in enumerate(("get_weather", "set_memory"))
        ),
        server(1.5, "response.done", response={"id": "r0", "status": "completed"}),
        *(
            client(
                1.9 + i / 10,
                "conversation.item.create",
                item={"type": "function_call_output", "call_id": f"c{i}"},
            )
            for i in range(2)
        ),
        client(2.0, "response.create"),
    )
    turn = spoken_answer(waterfall, 2.1).newest
    waterfall.first_sample("a1", 2.4)
    assert waterfall.total == 1 and turn.number == 1
    assert [tool.name for tool in turn.tools] == ["get_weather", "set_memory"]
    # Both ran at once for a part of the time
    assert turn.tool_seconds == pytest.approx(0.7)
    assert turn.server == pytest.approx(1.3 - 0.7) and turn.wait == pytest.approx(1.4)
    assert [span.name for span in turn.spans()] == [
        "response.created", "tool call", "get_weather", "set_memory", "response.created", "first delta", "first sample",
        "last sample",
    ]  # fmt: skip


def test_a_user_who_goes_on_speaking_has_one_turn_and_a_new_question_another():
    waterfall = speech(Waterfall())
    play(waterfall, server(12.0, "input_audio_buffer.speech_started", audio_start_ms=1900))
    assert waterfall.total == 1 and waterfall.newest.stopped is None and not waterfall.awaited
    play(waterfall, server(13.0, "input_audio_buffer.speech_stopped", audio_end_ms=2900))
    spoken_answer(waterfall, 13.1)
    play(waterfall, server(13.5, "input_audio_buffer.speech_started", audio_start_ms=3500))
    assert waterfall.total == 2 and waterfall.turns[0].over


@pytest.mark.parametrize("heard_first", [True, False])
def test_a_turn_ends_when_its_response_is_done_and_heard_in_any_order(heard_first):
    waterfall = spoken_answer(speech(Waterfall()), 11.8)
    waterfall.first_sample("a1", 12.1)

    def done():
        play(waterfall, server(13.0, "response.done", response={"id": "r1", "status": "completed"}))

    if not heard_first:
        done()
        assert not waterfall.newest.over
    waterfall.heard("a1", 12.9, ended=True)
    if heard_first:
        assert not waterfall.newest.over
        done()
    assert waterfall.newest.over and waterfall.newest.outcome == "completed"


def test_words_before_a_tool_do_not_end_its_turn():
    waterfall = spoken_answer(speech(Waterfall()), 11.8)
    waterfall.first_sample("a1", 12.1)
    call = {"type": "function_call", "name": "get_weather", "call_id": "c1"}
    output = {"type": "function_call_output", "call_id": "c1"}
    play(
        waterfall,
        server(12.2, "response.output_item.done", response_id="r1", item=call),
        server(12.3, "response.done", response={"id": "r1", "status": "completed"}),
    )
    waterfall.heard("a1", 13.0, ended=True)
    play(waterfall, client(13.1, "conversation.item.create", item=output))
    waterfall.heard("a1", 13.1, ended=True)
    play(waterfall, client(13.1, "response.create"))
    spoken_answer(waterfall, 13.2, "2")
    waterfall.heard("a2", 14.0, ended=True)
    assert waterfall.total == 1 and not waterfall.newest.over
    play(waterfall, server(14.1, "response.done", response={"id": "r2", "status": "completed"}))
    assert waterfall.newest.over and waterfall.newest.last_sample == 14.0
    spans = waterfall.newest.spans()
    assert all(span.began <= span.ended for span in spans)
    assert [span.name for span in spans][-3:] == ["last sample", "get_weather", "response.created"]


def test_a_cut_ends_the_turn_and_is_its_outcome():
    waterfall = spoken_answer(speech(Waterfall()), 11.8)
    waterfall.first_sample("a1", 12.1)
    waterfall.heard("a1", 13.0, ended=True, cut=True)
    play(waterfall, server(13.1, "response.done", response={"id": "r1", "status": "cancelled"}))
    assert (waterfall.newest.outcome, waterfall.newest.last_sample) == ("cut", 13.0)


def test_an_answer_of_text_ends_with_its_response():
    waterfall = play(
        Waterfall(),
        client(1.0, "conversation.item.create", item={"type": "message", "role": "user"}),
        client(1.0, "response.create"),
        server(1.1, "response.created", response={"id": "r1"}),
        server(1.2, "response.output_text.delta", response_id="r1", item_id="a1", delta="x"),
        server(1.3, "response.done", response={"id": "r1", "status": "completed"}),
    )
    assert waterfall.newest.over and waterfall.newest.spans()[-1].name == "first delta"
    assert summary(waterfall.newest) == ""


def test_the_end_of_the_connection_ends_the_turn():
    model = SessionModel()
    model.waterfall = speech(Waterfall())
    model.set_state("disconnected")
    assert model.waterfall.newest.over and not model.waterfall.awaited


@pytest.mark.parametrize("given_format", [{"type": "audio/pcmu"}, "g711_ulaw"])
def test_the_input_clock_counts_other_formats(given_format):
    clock = InputClock()
    clock.session(0.0, {"session": {"input_audio_format": given_format, "turn_detection": None}})
    clock.appended(5.0, {"audio": "A" * 1068})
    # 100 ms of 8 bytes
    assert clock.when(50) == pytest.approx(4.95, abs=0.001) and clock.silence == 0
    assert clock.when(1_000) is None and clock.when(None) is None


def model_of_a_turn() -> SessionModel:
    model = SessionModel()
    for time, source, event in (
        client(100.0, "conversation.item.create", item={"type": "message", "role": "user"}),
        client(100.0, "response.create"),
        server(100.1, "response.created", response={"id": "r1"}),
        server(100.2, "response.output_audio.delta", response_id="r1", item_id="a1", delta=CHUNK),
    ):
        model.on_wire(wire(source, time, **event))
    model.on_played(None, 100.2)
    model.on_updated(updated(answer("a1", "one two", 2)))
    return model


def test_the_number_is_there_at_the_first_sample_and_stays():
    model = model_of_a_turn()
    assert model.latency is None
    model.on_played(TrackOffset("a1", 2_400, 0.1, 45_600, 0.0, {}), 100.5)
    assert model.latency == pytest.approx(0.4)
    assert model.transcript.get("a1").latency == pytest.approx(0.4)
    assert model.waterfall.newest.wait == pytest.approx(0.4)
    assert [row.type for row in model.events.rows].count("first_sample") == 1
    # The client's own number comes with response.done: it is the same turn
    model.on_timings(timings("a1", 50.0, 50.41), 200.0, 60.0)
    assert len(model.turns) == 1 and model.latency == pytest.approx(0.4)


def test_a_session_names_what_it_does():
    model = model_of_a_turn()
    assert model.phase == ""
    model.set_state("connected")
    model.on_played(None, 100.3)
    assert model.phase == "thinking"
    model.on_played(TrackOffset("a1", 2_400, 0.1, 45_600, 0.0, {}), 100.5)
    assert model.phase == "speaking"
    model.heard.release_all()
    model.heard.cut_at = 101.0
    assert [phase_of(model, 101.5), phase_of(model, 110.0)] == ["cut", "ready"]
    model.talk.active = True
    assert phase_of(model, 110.0) == "listening"
    model.talk.active, model.talk.mode = False, "vad"
    assert phase_of(model, 110.0) == "listening"
    model.talk.muted = True
    assert phase_of(model, 110.0) == "ready"
    model.set_state("disconnected")
    assert model.phase == ""


def test_it_is_saved_and_read_again(tmp_path):
    model = model_of_a_turn()
    model.on_played(TrackOffset("a1", 2_400, 0.1, 45_600, 0.0, {}), 100.5)
    folder = save_session(model, tmp_path)
    again = SessionModel()
    load_session(folder).apply_end(again)
    old, new = model.waterfall.newest.as_json(), again.waterfall.newest.as_json()
    # A turn under way is over when it is read
    assert {**old, "spans": 0} == {**new, "spans": 0}


def test_a_session_that_was_saved_before_there_was_a_waterfall_has_one(tmp_path):
    model = model_of_a_turn()
    model.on_played(TrackOffset("a1", 2_400, 0.1, 45_600, 0.0, {}), 100.5)
    folder = save_session(model, tmp_path)
    path = folder / "session.json"
    saved = json.loads(path.read_text())
    del saved["waterfall"]
    path.write_text(json.dumps(saved))
    again = SessionModel()
    load_session(folder).apply_end(again)
    assert again.waterfall.newest.wait == pytest.approx(0.4)


def test_turns_are_bounded():
    waterfall = Waterfall()
    for number in range(500):
        spoken_answer(speech(waterfall), 11.8, str(number))
    assert len(waterfall.turns) == 200 and waterfall.total == 500


scraps = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["r1", "a1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KINDS = [
    *DELTAS,
    "session.created",
    "session.updated",
    "input_audio_buffer.append",
    "input_audio_buffer.commit",
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.create",
    "response.create",
    "response.created",
    "response.output_item.done",
    "response.done",
]
fields = ("item", "session", "response", "response_id", "item_id", "audio", "audio_start_ms", "audio_end_ms")
events = st.builds(
    lambda kind, rest: {**rest, "type": kind},
    st.sampled_from(KINDS) | scraps,
    st.dictionaries(st.sampled_from(fields), scraps | st.fixed_dictionaries({"id": scraps, "type": scraps})),
)


@given(st.lists(st.tuples(st.floats(0, 1e9), st.sampled_from(["client", "server"]), events), max_size=30))
def test_whatever_is_sent_nothing_is_raised_and_json_can_hold_it(sent):
    waterfall = play(Waterfall(), *sent)
    waterfall.first_sample("a1", 5.0)
    waterfall.heard("a1", 6.0, ended=True)
    document = json.loads(json.dumps(waterfall.as_json(), allow_nan=False))
    assert [TurnTimes.from_json(turn).as_json()["wait"] for turn in document] == [
        turn.wait for turn in waterfall.turns
    ]
    for turn in waterfall.turns:
        assert all(span.ended is None or span.name for span in turn.spans()) and summary(turn) is not None


@given(
    scraps | st.fixed_dictionaries({"tools": scraps, "speech_end": scraps, "number": scraps, "kind": scraps})
)
def test_a_damaged_turn_is_read_as_far_as_it_goes(saved):
    turn = TurnTimes.from_json(saved)
    assert json.dumps(turn.as_json(), allow_nan=False)


def test_old_turns_and_durations():
    (turn,) = TurnTimes.from_turns([Turn("a1", 0.25, 1.0, 1.25)])
    assert (turn.wait, turn.over) == (0.25, True)
    assert [duration(0.0), duration(0.8125), duration(41.23)] == ["0 ms", "812 ms", "41.2 s"]
