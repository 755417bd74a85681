"""print_transcript(): a line for each turn, in the order of the conversation, and a reason for each missing answer."""

from __future__ import annotations

import io

from realtime import CloseEvent, print_transcript
from tests import wire_turns as turns
from tests.client_bench import Bench
from tests.wire_server import session_object

TRANSCRIBES = session_object(
    audio={"input": {"transcription": {"model": "gpt-transcribe"}, "turn_detection": None}, "output": {}}
)
FAILED = {
    "type": "conversation.item.input_audio_transcription.failed",
    "item_id": "item_user",
    "error": {"type": "server_error", "code": "audio_unintelligible", "message": "no words in it"},
}
QUOTA = {"type": "failed", "error": {"type": "insufficient_quota", "code": "insufficient_quota"}}


class Printed:
    """What is printed of a client without a connection."""

    def __init__(self, **session: object) -> None:
        self.bench = Bench(**session)
        self.bench.say({"type": "session.updated", "session": TRANSCRIBES})
        self.file = io.StringIO()
        print_transcript(self.bench.client, self.file)

    def say(self, *events: object) -> list[str]:
        """All lines after these events."""
        self.bench.say(*events)
        return self.file.getvalue().splitlines()


async def test_the_words_of_the_user_come_before_the_answer_that_the_server_sent_first():
    printed = Printed()
    assert printed.say(*turns.committed(), *turns.text_answer("It rains.")) == []
    assert printed.say(*turns.transcription("what is the weather?")) == [
        "user: what is the weather?",
        "assistant: It rains.",
    ]


async def test_typed_questions_and_answers_are_printed_at_once(capsys):
    bench = Bench()
    print_transcript(bench.client)
    bench.say(*turns.user_text("Hello"), *turns.text_answer("Hi."))
    assert capsys.readouterr().out == "user: Hello\nassistant: Hi.\n"


async def test_speech_without_words_is_said_to_be_speech():
    bench = Bench()
    file = io.StringIO()
    print_transcript(bench.client, file)
    bench.say(*turns.committed(), *turns.text_answer("Hi."))
    assert file.getvalue() == "user: [speech]\nassistant: Hi.\n"
    printed = Printed()
    assert printed.say(*turns.committed(), FAILED) == ["user: [not transcribed]"]


async def test_words_that_never_come_hold_up_four_turns_at_most():
    printed = Printed()
    printed.say(*turns.committed())
    for number in range(4):
        lines = printed.say(*turns.text_answer(f"Answer {number}.", f"item_{number}", f"resp_{number}"))
    assert lines[0] == "user: [speech]" and "assistant: Answer 0." in lines


async def test_of_an_interrupted_answer_the_part_that_was_heard_is_printed():
    printed = Printed()
    printed.say(*turns.committed(), *turns.audio_answer("one two three four", turns.tone(24_000)))
    printed.bench.client.cancel_response("item_answer", 12_000)
    assert printed.say(*turns.transcription("count")) == ["user: count", "assistant: one two [interrupted]"]


async def test_the_lines_go_into_every_file():
    bench, files = Bench(), (io.StringIO(), io.StringIO())
    print_transcript(bench.client, *files)
    bench.say(*turns.user_text("Hello"))
    assert [file.getvalue() for file in files] == ["user: Hello\n"] * 2


async def test_calls_of_tools_and_answers_without_words_are_no_turns():
    printed = Printed()
    printed.bench.client.add_tool({"name": "look"}, lambda: "seen")
    assert printed.say(*turns.function_call("look", "{}"), *turns.text_answer("")) == []
    await printed.bench.tools_end()


async def test_a_deleted_item_is_no_turn():
    printed = Printed()
    printed.say(*turns.committed())
    printed.say({"type": "conversation.item.deleted", "item_id": "item_user"})
    assert printed.say(*turns.text_answer("Hi.")) == ["assistant: Hi."]


async def test_why_an_answer_is_missing_is_printed_at_once_even_if_words_are_due():
    printed = Printed()
    lines = printed.say(
        *turns.committed(),
        *turns.response_created(),
        *turns.response_done(status="failed", details=QUOTA),
    )
    assert len(lines) == 1 and lines[0].startswith("no answer: ") and "insufficient_quota" in lines[0]
    lines = printed.say(
        *turns.response_created("resp_2"),
        *turns.response_done(
            "resp_2", status="cancelled", details={"type": "cancelled", "reason": "turn_detected"}
        ),
    )
    assert len(lines) == 1


async def test_an_error_is_printed_on_one_line_without_what_could_control_a_terminal():
    printed = Printed()
    assert printed.say(turns.error("no\nsuch \x1b[31mvoice", "invalid_value")) == [
        "error: no such [31mvoice (invalid_value)"
    ]


async def test_a_lost_connection_is_printed_after_what_was_said():
    printed = Printed()
    printed.say(*turns.committed())
    printed.bench.session.closed(CloseEvent(1011, "server is down", True))
    lines = printed.say()
    assert lines[0].startswith("user: [") and lines[-1] == "connection lost: server is down (1011)"


async def test_a_disconnection_of_ones_own_prints_nothing():
    printed = Printed()
    printed.bench.session.closed(CloseEvent(1000, "", False))
    assert printed.say() == []
