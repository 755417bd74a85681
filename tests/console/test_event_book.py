"""The event book: rows, counts and bounds; no audio is kept."""

from __future__ import annotations

import base64
import json

from console.event_book import MAX_JOURNAL_CHARS, MAX_PAYLOAD_CHARS, MAX_ROWS, EventBook

AUDIO = base64.b64encode(bytes(960)).decode()


def test_equal_neighbours_share_a_row_with_their_count_and_audio_as_bytes():
    book = EventBook()
    for i in range(3):
        book.add(10.0 + i, "client", {"type": "input_audio_buffer.append", "audio": AUDIO})
    book.add(13.5, "server", {"type": "response.done"})
    first, second = book.rows
    assert (first.count, first.audio_bytes, first.arrow) == (3, 2880, "↑")
    assert first.label == "00:00.00 ↑ client input_audio_buffer.append ×3  2 880 B audio"
    assert second.label == "00:03.50 ↓ server response.done"
    assert "960 bytes of audio" in first.payload
    assert AUDIO[:20] not in "".join(book.journal())


def test_errors_carry_the_word_and_are_not_merged():
    book = EventBook()
    book.add(1, "server", {"type": "error", "error": {"message": "a"}})
    book.add(1, "server", {"type": "error", "error": {"message": "b"}})
    book.add(1, "server", {"type": "response.done", "response": {"status": "failed"}})
    assert [row.error for row in book.rows] == [True, True, True]
    assert all("error! " in row.label for row in book.rows)


def test_the_filter_wants_every_word():
    book = EventBook()
    book.add(1, "client", {"type": "session.update"})
    book.add(1, "server", {"type": "session.updated"})
    book.add(1, "server", {"type": "error"})
    assert [row.type for row in book.matching("server session")] == ["session.updated"]
    assert [row.type for row in book.matching("error!")] == ["error"]
    assert len(book.matching(" ")) == 3


def test_rows_payloads_and_journal_are_bounded_and_evictions_counted():
    book = EventBook()
    for i in range(MAX_ROWS + 50):
        book.add(i, "server", {"type": f"t{i % 7}", "text": "x" * 12_000})
    assert len(book.rows) == MAX_ROWS
    assert book.evicted_rows == 50
    assert sum(map(len, book.journal())) <= MAX_JOURNAL_CHARS
    assert book.evicted_lines > 0
    book.add(9e9, "server", {"type": "huge", "text": "y" * 100_000})
    assert len(book.rows[-1].payload) < MAX_PAYLOAD_CHARS + 10


def test_payloads_and_types_come_out_without_control_characters():
    book = EventBook()
    row = book.add(1, "server", {"type": "a\x1b[2J", "text": "\x9b31m\u202e\x7f"})
    assert not set("\x1b\x9b\u202e\x7f") & set(row.label + row.payload)


def test_journal_lines_are_json_and_a_run_of_microphone_chunks_is_one():
    book, seen = EventBook(), []
    book.tap = seen.append
    for i in range(100):
        book.add(i, "client", {"type": "input_audio_buffer.append", "audio": AUDIO})
    book.add(100, "client", {"type": "input_audio_buffer.commit"})
    lines = [json.loads(line) for line in book.journal()]
    assert [(line["event"]["type"], line.get("repeat", 1)) for line in lines] == [
        ("input_audio_buffer.append", 100),
        ("input_audio_buffer.commit", 1),
    ]
    assert len(seen) == 101
