"""Conversations over an open loudspeaker: no answer interrupts itself, and a person who speaks over it is heard at once.

WAVTOOLS_SOAK=1 adds three minutes of long answers and ten interruptions in each of the rooms.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.echo import voices
from tests.echo.caller import CallerOptions
from tests.echo.cancellers import available
from tests.echo.conversations import Outcome, converse
from tests.echo.rooms import HEADPHONES, ROOMS, USUAL
from tests.echo.soak import soak
from tests.room import Room, RoomSettings, counted, require_real_time

pytestmark = [pytest.mark.audio, pytest.mark.server, pytest.mark.models, pytest.mark.timeout(3600)]

# Milliseconds from the person's first sample to the end of playback
CUT_MS = {"native": 400.0, "webrtc": 500.0}
# Headphones: how much later than without cancellation a person may be noticed
LATER_MS = 50.0


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server that hears and speaks; the person's sentences are ready when it is."""
    from realtime.offline import start_server_process

    require_real_time()
    voices.require_models()
    for text in voices.SENTENCES:
        voices.person(text)
    with start_server_process("--voice", "models") as server:
        yield server.url


def held(
    tmp_path_factory, settings: RoomSettings, options: CallerOptions, answers: int, barge_ins: int
) -> Outcome:
    """A conversation whose run counts."""

    def once() -> Outcome:
        with Room(tmp_path_factory.mktemp("room"), settings) as room:
            return converse(room, options, answers, barge_ins)

    return counted(once)


def noticed(outcome: Outcome) -> list[float]:
    return sorted(barge_in.noticed_ms or float("inf") for barge_in in outcome.barge_ins)


def test_a_conversation_over_an_open_loudspeaker_is_cut_by_the_person_alone(url, tmp_path_factory) -> None:
    outcome = held(tmp_path_factory, USUAL, CallerOptions(url, echo="auto"), 0, 2)
    assert outcome.false_starts == 0, outcome
    assert all(barge_in.cut_ms is not None for barge_in in outcome.barge_ins), outcome
    assert all(barge_in.heard for barge_in in outcome.barge_ins), outcome


@soak
def test_without_cancellation_an_answer_interrupts_itself(url, tmp_path_factory) -> None:
    outcome = held(tmp_path_factory, USUAL, CallerOptions(url, echo="off"), 1, 0)
    assert outcome.finished == 0
    assert outcome.false_starts_a_minute >= 10, outcome


@soak
def test_half_duplex_lets_nobody_interrupt(url, tmp_path_factory) -> None:
    outcome = held(tmp_path_factory, USUAL, CallerOptions(url, echo="half-duplex"), 1, 1)
    assert outcome.false_starts == 0 and outcome.finished == 1, outcome
    assert outcome.barge_ins[0].cut_ms is None, outcome


@soak
@pytest.mark.parametrize("canceller", ["native", "webrtc"])
@pytest.mark.parametrize("name", list(ROOMS))
def test_three_minutes_of_answers_and_ten_interruptions(
    url, tmp_path_factory, name: str, canceller: str
) -> None:
    if not available(canceller):
        pytest.skip(f"not installed: {canceller}")
    options = CallerOptions(url, echo="cancel", canceller=canceller)
    outcome = held(tmp_path_factory, ROOMS[name], options, 4, 10)
    assert outcome.finished == outcome.asked, outcome
    assert outcome.false_starts == 0, outcome
    cuts = [barge_in.cut_ms for barge_in in outcome.barge_ins]
    assert all(cut is not None and cut <= CUT_MS[canceller] for cut in cuts), cuts
    assert sum(barge_in.whole for barge_in in outcome.barge_ins) >= 8, outcome.barge_ins


@soak
def test_with_headphones_a_person_is_noticed_as_without_cancellation(url, tmp_path_factory) -> None:
    auto, off = (
        noticed(held(tmp_path_factory, HEADPHONES, CallerOptions(url, echo=echo), 1, 5))
        for echo in ("auto", "off")
    )
    middle = len(auto) // 2
    assert auto[middle] <= off[middle] + LATER_MS, (auto, off)
