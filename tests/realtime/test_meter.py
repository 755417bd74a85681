"""Meter: usage adds up, and the steps of an answer are timed."""

from __future__ import annotations

import pytest

from realtime.client.meter import Meter


def test_usage_adds_up_under_dotted_names():
    meter = Meter()
    meter.add_usage({"total_tokens": 3, "details": {"text": 2, "deep": {"x": 1}}, "note": "y", "flag": True})
    meter.add_usage({"total_tokens": 4, "details": {"text": 1}})
    meter.add_usage("nonsense")
    assert meter.total == {"total_tokens": 7, "details.text": 3, "details.deep.x": 1}


def test_the_steps_of_an_answer_are_timed():
    meter = Meter()
    meter.turn_ended(1.0)
    meter.created("r", 1.1)
    meter.delta("r", "call", 1.2, audio=False, call=True)
    timings = meter.done("r", 1.3)
    assert not timings.answered and timings.latency == pytest.approx(0.2)
    meter.created("r2", 1.5)  # the answer after the tool: the user waits since the same moment
    meter.delta("r2", "i", 1.6, audio=False)
    meter.delta("r2", "i", 1.7, audio=True)
    assert meter.first_sample("other", 1.8) is None
    assert meter.first_sample("i", 1.8) is None  # not done yet
    timings = meter.done("r2", 1.9)
    assert (timings.speech_end, timings.first_delta, timings.first_audio, timings.first_sample) == (
        1.0,
        1.6,
        1.7,
        1.8,
    )
    assert timings.answered and meter.first_sample("i", 2.0) is None
    meter.created("r3", 3.0)
    meter.delta("r3", "j", 3.1, audio=True)
    meter.delta("r3", "k", 3.2, audio=True)
    done = meter.done("r3", 3.2)
    assert meter.first_sample("j", 3.3) is done and meter.first_sample("k", 3.4) is None
    meter.delta("unknown", "l", 3.5, audio=True)
    assert meter.done("unknown", 4.0) is None
