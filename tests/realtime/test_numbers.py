"""Numbers that applications pass: integers are integers, times are numbers, and anything else is refused at the call."""

from __future__ import annotations

import math

import numpy as np
import pytest

from realtime import Conversation, LinkOptions, RealtimeClient, VoiceSession
from realtime.protocol.numbers import not_negative, whole_number
from tests.client_bench import Bench

NO_INTEGERS = [2.0, 2.5, math.nan, math.inf, "2", None, [2], 2 + 0j]
NO_AMOUNTS = [math.nan, -1, -math.inf, "2", [2], 2 + 0j, 10**400]


@pytest.mark.parametrize("value", NO_INTEGERS)
def test_a_number_that_is_only_nearly_an_integer_is_refused(value):
    with pytest.raises(ValueError, match="count must be an integer"):
        whole_number(value, "count")
    with pytest.raises(ValueError, match="max_items must be an integer"):
        RealtimeClient(api_key="", url="ws://127.0.0.1:1", max_items=value)
    with pytest.raises(ValueError, match="max_message_bytes must be an integer"):
        LinkOptions(max_message_bytes=value)
    if value != math.inf:
        with pytest.raises(ValueError, match="max_attempts must be an integer"):
            LinkOptions(max_attempts=value)


def test_integers_of_any_kind_are_taken():
    assert whole_number(np.int16(7), "count") == 7 and type(whole_number(np.uint8(7), "count")) is int
    assert whole_number(-7, "count") == -7 and LinkOptions(max_attempts=math.inf).max_attempts == math.inf
    with pytest.raises(ValueError, match="count must be at least 1, not 0"):
        whole_number(0, "count", least=1)


@pytest.mark.parametrize("value", NO_AMOUNTS)
async def test_a_time_that_is_no_number_or_below_0_is_refused(value):
    with pytest.raises(ValueError, match="keep must be 0 or more"):
        not_negative(value, "keep")
    for name in ("keep_audio_seconds", "keep_input_seconds"):
        with pytest.raises(ValueError, match=name):
            Conversation(**{name: value})
    for name in ("input_queue_seconds", "tool_timeout", "connect_timeout"):
        with pytest.raises(ValueError, match=name):
            RealtimeClient(api_key="", url="ws://127.0.0.1:1", **{name: value})
    for name in ("first_delay", "max_delay", "stable_after", "renew_before"):
        with pytest.raises(ValueError, match=name):
            LinkOptions(**{name: value})
    client = Bench().client
    for name in ("fade_ms", "chunk_ms"):
        with pytest.raises(ValueError, match=name):
            VoiceSession(client, **{name: value})


async def test_a_wait_takes_a_deadline_that_has_passed_and_no_other_nonsense():
    client = Bench().client
    with pytest.raises(TimeoutError):
        await client.wait_for_next("app.x", timeout=-1)
    for value in (math.nan, "2", [2]):
        with pytest.raises((TypeError, ValueError)):
            client.wait_for_next_item(timeout=value)
    assert not_negative(0.5, "keep") == 0.5 and not_negative(math.inf, "keep") == math.inf


def test_a_value_that_cannot_even_be_shown_is_named_by_its_type():
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    with pytest.raises(ValueError, match="count must be an integer, not a Broken"):
        whole_number(Broken(), "count")
    with pytest.raises(ValueError, match="seconds must be 0 or more, not a Broken"):
        not_negative(Broken(), "seconds")
