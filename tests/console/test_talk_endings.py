"""What ends a turn of ``talk`` and what does not; what it says then; the answer that is saved whatever happens."""

from __future__ import annotations

import errno
import json

import pytest

from console import event_log, talk
from console.event_log import EventLog, event_line
from realtime.offline import question_path
from tests import wire_turns as turns
from tests.console.fakes import wire
from tests.console.servers import spoken
from wavtools import read_wav


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(talk, "ERROR_SECONDS", 0.5)


@pytest.fixture
def hold(run_here, serve, tmp_path):
    """Holds a turn with a server of these answers; gives what the program printed and where the answer is."""
    out = tmp_path / "a.wav"

    def run(answers, *more):
        return run_here("talk", question_path("hello"), "--out", out, "--url", serve(answers).url, *more), out

    return run


FAILED_TRANSCRIPTION = {
    "type": "conversation.item.input_audio_transcription.failed",
    "item_id": "item_user",
    "content_index": 0,
    "error": {"type": "transcription_error", "code": "audio_unintelligible", "message": "nothing understood"},
}


@pytest.mark.parametrize(
    "event",
    [
        FAILED_TRANSCRIPTION,
        turns.error("clear is not implemented", "unknown_event"),
        {"type": "response.output_audio.delta", "delta": 5},
        "this is no JSON",
        {"type": "brand.new", "field": [1]},
    ],
    ids=["transcription", "error", "malformed", "no JSON", "unknown"],
)
def test_only_what_ends_the_turn_ends_it(hold, event):
    done, out = hold(spoken("fine", before=[event]))
    assert done.returncode == 0, done.stderr
    assert "answered: fine" in done.stdout and read_wav(out).duration == pytest.approx(1.0)
    assert "Traceback" not in done.stderr


def test_a_failed_transcription_is_a_note(hold):
    done, _ = hold(spoken("fine", before=[FAILED_TRANSCRIPTION]))
    assert "note: the user's speech was not transcribed: nothing understood" in done.stderr


def refusing(kind, message="no tokens are left", code="insufficient_quota"):
    def answers(event):
        if event["type"] == kind:
            return [turns.error(message, code, event["event_id"])]
        if event["type"] == "response.create":
            return []
        return spoken("")(event)

    return answers


@pytest.mark.parametrize("kind", ["response.create", "input_audio_buffer.commit", "session.update"])
def test_an_error_after_which_no_answer_comes_ends_the_turn_with_its_text(hold, kind):
    done, out = hold(refusing(kind))
    assert done.returncode == 2 and "no tokens are left" in done.stderr.splitlines()[-1]
    assert not out.exists()


def test_a_closed_connection_is_told_with_code_and_reason(hold):
    done, _ = hold(lambda event: [(4000, "beta is over")] if event["type"] == "response.create" else [])
    assert done.returncode == 2
    assert "the server closed the connection (4000: beta is over)" in done.stderr.splitlines()[-1]


def ending(status, details, text="half an"):
    def answers(event):
        if event["type"] != "response.create":
            return spoken("")(event)
        end = turns.audio_end(text, status=status, details=details)
        return [*turns.audio_begin(), turns.transcript_delta(text), turns.audio_delta(turns.tone(2400)), *end]

    return answers


@pytest.mark.parametrize(
    ("status", "details", "says"),
    [
        ("incomplete", {"type": "incomplete", "reason": "max_output_tokens"}, "limit of output tokens"),
        ("incomplete", {"type": "incomplete", "reason": "content_filter"}, "content filter"),
        ("cancelled", {"type": "cancelled", "reason": "turn_detected"}, "the server heard speech"),
        ("incomplete", None, "gave no reason"),
        ("incomplete", {"reason": ["\x1b[2J"]}, "the answer is incomplete"),
        ("exploded", "why", "the answer is exploded"),
    ],
)
def test_an_answer_that_did_not_end_well_is_saved_and_says_how_it_ended(hold, status, details, says):
    done, out = hold(ending(status, details))
    assert done.returncode == 0, done.stderr
    assert says in done.stderr and "\x1b" not in done.stderr
    assert "answered: half an" in done.stdout and read_wav(out).duration == pytest.approx(0.1)


def test_a_failed_answer_is_one_line_with_the_servers_text(hold):
    details = {"type": "failed", "error": {"code": "rate_limit_exceeded", "message": "slow down"}}
    done, out = hold(ending("failed", details))
    assert done.returncode == 2 and "the server could not answer: slow down" in done.stderr.splitlines()[-1]
    assert not out.exists()


def test_an_escape_sequence_of_the_answer_does_not_reach_the_terminal(hold):
    done, _ = hold(spoken("a\x1b]52;c;ZXZpbA==\x07b\x9b2J\u202ec\ntool:     x"))
    assert "answered: a]52;c;ZXZpbA==b2Jc tool:     x" in done.stdout


# The event log


def test_a_log_that_cannot_be_written_any_more_costs_neither_turn_nor_answer(hold, tmp_path, monkeypatch):
    def full(self, line):
        raise OSError(errno.ENOSPC, "No space left on device")

    real = EventLog.__init__

    def with_full_disk(self, path):
        real(self, path)
        self._file.close()
        self._file = type("Full", (), {"write": full, "close": lambda self: None})()

    monkeypatch.setattr(EventLog, "__init__", with_full_disk)
    done, out = hold(spoken("fine"), "--events", tmp_path / "log.jsonl")
    assert done.returncode == 0 and out.exists()
    assert "log.jsonl is incomplete: No space left on device" in done.stderr


def test_a_log_takes_half_of_a_surrogate_pair(tmp_path):
    with EventLog(tmp_path / "log.jsonl") as log:
        log.add(wire("server", 1.0, type="x\ud83dy"))
    line = json.loads((tmp_path / "log.jsonl").read_text("utf-8"))
    assert line["event"]["type"] == "x\ud83dy" and not log.problem


def test_a_line_of_the_log_is_json_whatever_the_event_holds():
    deep: list[object] = []
    for _ in range(5_000):
        deep = [deep]

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    event = {
        "type": ["x"],
        "n": float("nan"),
        "deep": deep,
        (1, 2): {3},
        "big": 10**30,
        "o": Broken(),
        "t": (1,),
    }
    line = json.loads(event_line(event), parse_constant=lambda name: pytest.fail(name))
    assert line["n"] == "nan" and line["t"] == [1] and "<too deep>" in json.dumps(line)
    assert json.loads(event_line({"big": 10**5_000}))["type"] == "unreadable"
    assert event_log.without_audio({"audio": "AAAA", "type": "x"})["audio"] == "<3 bytes of audio>"
