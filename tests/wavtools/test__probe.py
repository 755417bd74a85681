"""Probe: a question that an audio server leaves unanswered is asked again, a few times."""

from __future__ import annotations

import threading

import pytest

from tests.waiting import until_blocking
from wavtools import DeviceError, _probe
from wavtools._miniaudio import NULL_BACKEND
from wavtools._probe import MOST_QUESTIONS, Probe


@pytest.mark.parametrize("last", [True, False])
def test_a_question_that_gets_no_answer_is_asked_again(monkeypatch, last):
    asked, end = [], threading.Event()
    real = _probe.Context

    def context(backends):
        asked.append(backends)
        if len(asked) < MOST_QUESTIONS:
            end.wait()
        if not last:
            raise DeviceError("refused")
        return real(backends)

    monkeypatch.setattr(_probe, "Context", context)
    probe = Probe(NULL_BACKEND)
    until_blocking(lambda: probe.answer is not None)
    assert probe.answer is last
    assert len(asked) == MOST_QUESTIONS
    end.set()


def test_no_more_questions_are_asked_than_a_frozen_server_can_hold(monkeypatch):
    asked, end = [], threading.Event()

    def context(backends):
        asked.append(backends)
        end.wait()
        raise DeviceError("refused")

    monkeypatch.setattr(_probe, "Context", context)
    monkeypatch.setattr(_probe, "ASK_AGAIN_SECONDS", 0)
    probe = Probe(NULL_BACKEND)
    for _ in range(100):
        assert probe.answer is None
    assert len(asked) <= MOST_QUESTIONS
    end.set()
    until_blocking(lambda: probe.answer is False)
