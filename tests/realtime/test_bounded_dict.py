"""The bounded dictionary keeps the newest entries."""

from __future__ import annotations

from realtime.protocol.bounded_dict import MAX_REMEMBERED, remember


def test_the_oldest_entries_are_removed():
    table: dict[str, int] = {}
    for number in range(1_000):
        remember(table, str(number), number)
    assert list(table) == [str(number) for number in range(1_000 - MAX_REMEMBERED, 1_000)]
    assert MAX_REMEMBERED == 256
