"""Events read by key and attribute, and say what happened; what the package exports."""

from __future__ import annotations

import numpy as np
import pytest

import realtime
from realtime import ConnectionEvent, RealtimeClient
from realtime.conversation.change import Change
from realtime.conversation.items import Item
from realtime.events import Delta, Event, ItemUpdatedEvent, RealtimeEvent, TimingsEvent


def test_everything_exported_exists_and_is_sorted():
    assert list(realtime.__all__) == sorted(realtime.__all__)
    assert all(hasattr(realtime, name) for name in realtime.__all__)


def test_an_event_reads_by_key_and_by_attribute():
    event = Event({"type": "response.done", "response": {"status": "failed", "output": [1]}})
    assert event.response.status == event["response"]["status"] == "failed"
    assert event.response.output == [1]
    with pytest.raises(AttributeError, match="this 'response.done' event has no 'nothing'"):
        _ = event.nothing


def test_reprs_say_what_happened_without_the_audio():
    samples = np.zeros(480, np.int16)
    assert repr(Delta(samples)) == "Delta(audio=480 samples)"
    assert "transcript='x'" in repr(Delta(transcript="x"))
    assert repr(ItemUpdatedEvent(Item("i"), None)) == "ItemUpdatedEvent(item='i', delta=False)"
    assert repr(Change("updated", Item("i"))) == "Change('updated', 'i', None)"
    assert "audio=0 samples at 24000 Hz" in repr(Item("i").formatted)
    assert repr(RealtimeClient(api_key="", url="ws://h")).startswith("<RealtimeClient disconnected")


def test_the_time_of_an_event_reads_as_javascript_writes_it():
    assert RealtimeEvent("server", Event(), 1_700_000_000.1234).time == "2023-11-14T22:13:20.123Z"


def test_latency_ends_at_the_first_sample_where_that_is_known():
    assert TimingsEvent().latency is None
    assert TimingsEvent(speech_end=1.0, first_delta=1.5).latency == 0.5
    assert TimingsEvent(speech_end=1.0, first_delta=1.5, first_sample=2.0).latency == 1.0


def test_connection_events_say_why():
    assert ConnectionEvent("reconnecting", 1, 0.2, 1011, "x").code == 1011
