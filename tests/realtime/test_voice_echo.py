"""VoiceSession in a room: what it does about the echo of its loudspeaker, and how it says so."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from realtime import ConfigurationError, EchoEvent, VoiceSession
from realtime.voice import echo as module
from tests.realtime.test_voice import heard_by
from tests.voice_room import RATE, Room, speech
from tests.waiting import until
from wavtools import DeviceError, OfflineDevice, WavRecorder, WavStreamPlayer


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """The room runs ten times as fast as real time, and so do the looks."""
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(module, "BYPASS_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.2)


@dataclass
class State:
    canceller: str | None = "own"
    erle_db: float = 30.0
    delay_seconds: float | None = 0.1


class Cancelling(WavRecorder):
    """A recorder of an application's own that says it cancels, as it likes."""

    cancelling = False
    state: State | None

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        self.state = State()

    @property
    def echo(self) -> State | None:
        return self.state


@dataclass
class Entry:
    name: str
    cancels_echo: bool


class Cancelled(Cancelling):
    """Its microphone's echo is cancelled by the system."""

    def get_device_info(self) -> Entry:
        return Entry("Built-in (echo cancelled with Speakers)", True)


class Unplugged(Cancelling):
    def get_device_info(self) -> Entry:
        raise DeviceError("no server answers", operation="connect")


async def test_a_recorder_without_a_canceller_becomes_half_duplex_once_the_speaker_is_heard_and_says_so_once(
    server, caplog
):
    room = Room(server)
    async with room.session() as voice:
        assert voice.echo == "off"
        await room.answer(server.peer, speech("answer", 8))
        await room.run(5)
        await until(lambda: voice.echo == "half-duplex")
        (event,) = room.of("voice.echo")
        assert event == EchoEvent(True, event.delay_ms, None, "half-duplex", event.reason)
        assert event.delay_ms == pytest.approx(100, abs=10)
        assert "no echo canceller" in event.reason
        (warning,) = [record for record in caplog.records if record.name == "realtime"]
        assert "nobody can interrupt by speaking" in warning.getMessage()
        await room.run(1, speech("hello", 1))
        await until(lambda: len(heard_by(server.peer)) == 6 * RATE)
        assert not heard_by(server.peer)[5 * RATE :].any()
        await room.run(2.5)  # the end of the answer and its tail
        await room.run(1, speech("hello", 1))
        await until(lambda: len(heard_by(server.peer)) == 9.5 * RATE)
        assert np.abs(heard_by(server.peer)[-RATE:]).max() > 1_000
        assert len(room.of("voice.echo")) == 1 and not room.of("error")


async def test_headphones_after_half_duplex_open_the_microphone_again(server, monkeypatch):
    monkeypatch.setattr(module, "CLEARED_SECONDS", 3.5)
    room = Room(server)
    async with room.session() as voice:
        await room.answer(server.peer, speech("answer", 20))
        await room.run(4)
        await until(lambda: voice.echo == "half-duplex")
        room.gain = 0
        await room.run(12)
        await until(lambda: voice.echo == "off")
        assert [(event.action, event.heard) for event in room.of("voice.echo")] == [
            ("half-duplex", True),
            ("off", False),
        ]


async def test_without_an_echo_the_canceller_stands_aside_after_three_seconds_and_an_echo_calls_it_back(
    server,
):
    room = Room(server, gain=0, recorder=Cancelling)
    async with room.session() as voice:
        assert voice.echo == "cancel" and room.recorder.cancelling
        await room.answer(server.peer, speech("answer", 20))
        await room.run(2)
        assert voice.echo == "cancel" and not room.of("voice.echo")
        await room.run(2)
        await until(lambda: voice.echo == "bypass")
        assert not room.recorder.cancelling
        room.gain = 0.3
        await room.run(4)
        await until(lambda: voice.echo == "cancel")
        assert room.recorder.cancelling
        assert [(event.action, event.heard) for event in room.of("voice.echo")] == [
            ("bypass", False),
            ("cancel", True),
        ]
        assert room.of("voice.echo")[-1].delay_ms == 100 and room.of("voice.echo")[-1].erle_db == 30


async def test_a_user_who_speaks_over_an_answer_in_headphones_is_no_echo(server):
    room = Room(server, gain=0, recorder=Cancelling)
    async with room.session() as voice:
        await room.answer(server.peer, speech("answer", 8))
        await room.run(6, speech("weather", 6))
        await until(lambda: voice.echo == "bypass")
        assert [event.heard for event in room.of("voice.echo")] == [False]


async def test_an_echo_that_is_cancelled_is_told_once_and_the_canceller_stays(server):
    room = Room(server, recorder=Cancelling)
    async with room.session() as voice:
        await room.answer(server.peer, speech("answer", 8))
        await room.run(7)
        await until(lambda: room.of("voice.echo"))
        (event,) = room.of("voice.echo")
        assert (event.action, event.heard, event.erle_db) == ("cancel", True, 30)
        assert voice.echo == "cancel"
        assert np.abs(heard_by(server.peer)).max() > 100  # nothing is muted


async def test_a_canceller_that_fails_gives_way_to_half_duplex_and_comes_back_when_it_works(server, caplog):
    room = Room(server, recorder=Cancelling)
    room.recorder.state = State(erle_db=1.0, delay_seconds=None)
    async with room.session() as voice:
        await room.answer(server.peer, speech("answer", 20))
        await room.run(8)
        await until(lambda: voice.echo == "half-duplex")
        assert not room.recorder.cancelling
        room.recorder.state = State(erle_db=25.0)
        await room.run(3)
        await until(lambda: voice.echo == "cancel")
        assert [event.action for event in room.of("voice.echo")] == ["cancel", "half-duplex", "cancel"]
        # Where the canceller does not know the delay, the detector does
        assert room.of("voice.echo")[0].delay_ms == pytest.approx(100, abs=10)


async def test_a_microphone_that_the_system_cancels_is_left_alone_and_that_is_said(server):
    room = Room(server, recorder=Cancelled)
    async with room.session() as voice:
        await until(lambda: room.of("voice.echo"))
        (event,) = room.of("voice.echo")
        assert event.action == voice.echo == "off" and not room.recorder.cancelling
        assert "Built-in (echo cancelled with Speakers)" in event.reason
        await room.answer(server.peer, speech("answer", 4))
        await room.run(3)
        assert len(room.of("voice.echo")) == 1
        voice.set_echo("cancel")  # who asks for it gets it
        assert voice.echo == "cancel" and room.recorder.cancelling


async def test_a_microphone_whose_name_nobody_knows_is_cancelled(server):
    room = Room(server, recorder=Unplugged)
    async with room.session() as voice:
        await until(lambda: voice._echo._asking.done())
        assert voice.echo == "cancel" and not room.of("voice.echo") and not room.of("error")


async def test_half_duplex_sends_silence_while_an_answer_is_audible_and_for_four_tenths_of_a_second(server):
    room = Room(server, gain=0)
    async with room.session(echo="half-duplex") as voice:
        assert voice.echo == "half-duplex"
        await room.answer(server.peer, np.full(RATE, 8_000, np.int16))
        await room.run(2, np.full(2 * RATE, 5_000, np.int16))
        await until(lambda: len(heard_by(server.peer)) == 2 * RATE)
        sent = heard_by(server.peer)
        opened = RATE + int(0.4 * RATE)
        assert not sent[: opened - 240].any()
        assert sent[opened + 480 :].all()
        assert not room.of("voice.echo")


async def test_half_duplex_is_for_vad_only(server):
    room = Room(server, gain=0)
    async with room.session(echo="half-duplex", mode="manual") as voice:
        await voice.talk()
        await room.answer(server.peer, np.full(RATE, 8_000, np.int16))
        await room.run(0.5, np.full(RATE, 5_000, np.int16))
        await voice.release()
        assert heard_by(server.peer)[480:].all()


async def test_off_does_nothing_and_looks_at_nothing(server):
    room = Room(server, recorder=Cancelling)
    async with room.session(echo="off") as voice:
        await room.answer(server.peer, speech("answer", 3))
        await room.run(2)
        assert voice.echo == "off" and not room.recorder.cancelling and voice._echo._watching is None
        assert not room.of("voice.echo")


async def test_cancel_keeps_the_canceller_and_tells_what_is_heard(server, monkeypatch):
    monkeypatch.setattr(module, "CLEARED_SECONDS", 3.5)
    room = Room(server, recorder=Cancelling)
    async with room.session(echo="cancel") as voice:
        await room.answer(server.peer, speech("answer", 20))
        await room.run(4)
        await until(lambda: room.of("voice.echo"))
        room.gain = 0
        await room.run(12)
        await until(lambda: len(room.of("voice.echo")) == 2)
        assert [(event.heard, event.action) for event in room.of("voice.echo")] == [
            (True, "cancel"),
            (False, "cancel"),
        ]
        assert voice.echo == "cancel"


async def test_cancel_without_a_canceller_is_refused_and_says_what_to_do(server):
    room = Room(server)
    with pytest.raises(ConfigurationError, match=r"WavRecorder\(echo_canceller='auto', reference=player\)"):
        await room.session(echo="cancel").start()
    assert room.recorder.get_status() == "ended"
    room = Room(server, recorder=Cancelling)
    room.recorder.state = None
    async with room.session() as voice:
        with pytest.raises(ConfigurationError, match="canceller"):
            voice.set_echo("cancel")
        assert voice.echo == "off"


async def test_what_is_done_can_be_changed_at_any_time_and_from_any_thread(server):
    room = Room(server, recorder=Cancelling)
    voice = room.session(echo="off")
    voice.set_echo("cancel")  # before it starts
    assert voice.echo == "off"
    async with voice:
        assert voice.echo == "cancel"
        for mode in ("half-duplex", "off", "auto"):
            await asyncio.to_thread(voice.set_echo, mode)
            assert voice.echo == ("cancel" if mode == "auto" else mode)
            assert room.recorder.cancelling == (mode == "auto")
        await room.answer(server.peer, speech("answer", 6))
        await room.run(2)
        voice.set_echo("auto")  # in the middle of an answer: it begins anew
        await room.run(3)
        await until(lambda: room.of("voice.echo"))
    assert voice.echo == "off"


@pytest.mark.parametrize("echo", ["loud", None, True, 1])
def test_an_echo_that_does_not_exist_is_refused(echo):
    with pytest.raises(ValueError, match="echo must be 'auto', 'cancel', 'half-duplex' or 'off'"):
        VoiceSession(None, echo=echo)  # type: ignore[arg-type]


@dataclass
class Sound:
    """A chunk of an application's own recorder: what the protocol asks for, and no more."""

    mono: np.ndarray


class Microphone:
    """A recorder of an application's own: what the protocol asks for, and no more."""

    sample_rate = RATE

    def __init__(self) -> None:
        self.status = "ended"
        self.callback: Callable[[Any], object] | None = None

    def get_status(self) -> str:
        return self.status

    def begin(self) -> None:
        self.status = "paused"

    def record(self, callback: Callable[[Any], object] | None = None, chunk_size: int = 480) -> None:
        self.status, self.callback = "recording", callback

    def pause(self) -> None:
        self.status = "paused"

    def end(self) -> None:
        self.status = "ended"

    def hear(self, samples: np.ndarray) -> None:
        assert self.callback is not None
        self.callback(Sound(samples))


async def test_what_was_played_is_found_from_the_player_where_the_recorder_does_not_know_it(server):
    room, microphone, device = Room(server), Microphone(), OfflineDevice(RATE)
    loud = np.full(240, 9_000, np.int16)
    room.recorder, room.player = microphone, WavStreamPlayer(RATE, device=device)
    async with room.session() as voice:
        await room.answer(server.peer, speech("answer", 6))
        air = np.zeros(2_400, np.int16)
        for step in range(400):
            noise = np.random.default_rng(step).normal(size=240) * 10
            microphone.hear((air[:240] * 0.3 + noise).astype(np.int16))
            air = np.concatenate((air[240:], device.render(240)))
            await asyncio.sleep(0.001)
        await until(lambda: voice.echo == "half-duplex")
        assert room.of("voice.echo")[0].delay_ms == pytest.approx(100, abs=30)
        microphone.hear(loud)
        await until(lambda: len(heard_by(server.peer)) == 401 * 240)
        assert not heard_by(server.peer)[-240:].any()
        voice.interrupt()
        for _ in range(60):
            microphone.hear(loud)
        await until(lambda: len(heard_by(server.peer)) == 461 * 240)
        assert heard_by(server.peer)[-240:].all()


@pytest.mark.parametrize("kind", ["native", "webrtc"])
async def test_a_real_canceller_keeps_the_answer_out_of_what_is_sent_and_the_user_in_it(server, kind):
    if kind == "webrtc":
        pytest.importorskip("pywebrtc_audio")
    room = Room(server)
    room.recorder = WavRecorder(RATE, device=room.device, echo_canceller=kind, reference=room.player)
    async with room.session() as voice:
        assert voice.echo == "cancel"
        await room.answer(server.peer, speech("answer", 8))
        await room.run(8)
        await until(lambda: room.of("voice.echo"))
        assert {(event.action, event.heard) for event in room.of("voice.echo")} == {("cancel", True)}
        assert room.of("voice.echo")[0].delay_ms == pytest.approx(100, abs=15)
        await until(lambda: len(heard_by(server.peer)) >= 7.5 * RATE)
        sent = heard_by(server.peer)[RATE : 7 * RATE].astype(float)
        echo = speech("answer", 6).astype(float) * room.gain
        assert 20 * np.log10(echo.std() / sent.std()) > 20
        await room.run(1, speech("hello", 1))
        await until(lambda: len(heard_by(server.peer)) >= 8.9 * RATE)
        assert heard_by(server.peer)[8 * RATE :].astype(float).std() == pytest.approx(
            speech("hello", 0.9).astype(float).std(), rel=0.15
        )
        assert not room.of("error")


async def test_a_recorder_that_only_knows_what_was_played_becomes_half_duplex(server):
    room = Room(server)
    room.recorder = WavRecorder(RATE, device=room.device, reference=room.player)
    async with room.session() as voice:
        assert voice.echo == "off"
        await room.answer(server.peer, speech("answer", 8))
        await room.run(5)
        await until(lambda: voice.echo == "half-duplex")


@pytest.mark.parametrize(
    ("echo", "canceller"), [("auto", True), ("cancel", True), ("half-duplex", False), ("off", None)]
)
async def test_the_recorder_that_a_session_makes_has_what_its_mode_needs(server, echo, canceller):
    room = Room(server)
    voice = VoiceSession(room.client, player=room.player, mode="manual", echo=echo)
    made = voice._echo.make_recorder(RATE, room.player)
    made.begin("null")
    try:
        state = made.echo
        assert (state is None) == (canceller is None)
        assert state is None or (state.canceller is not None) == canceller
    finally:
        made.end()


async def test_an_interruption_before_the_devices_are_open_and_after_they_closed_is_no_mistake(server):
    room = Room(server)
    voice = room.session()
    voice._echo.cut()
    voice._echo.queue(np.zeros(10, np.int16), "a")
    async with voice:
        pass
    voice._echo.cut()
    voice._echo.queue(np.zeros(10, np.int16), "a")


async def test_turning_it_off_in_the_middle_of_an_answer_ends_the_looks(server):
    room = Room(server)
    async with room.session() as voice:
        await room.answer(server.peer, speech("answer", 3))
        voice.set_echo("off")
        await until(lambda: voice._echo._watching.done())
        assert not room.of("error")


async def test_a_look_that_ends_after_the_mode_was_changed_decides_nothing(server, monkeypatch):
    room = Room(server, recorder=Cancelling)
    async with room.session() as voice:
        control, looking, proceed = voice._echo, threading.Event(), threading.Event()
        look = control._look

        def slowly(tapes):
            found = look(tapes)
            looking.set()
            assert proceed.wait(10)
            return found

        monkeypatch.setattr(control, "_look", slowly)
        await room.answer(server.peer, speech("answer", 6))
        await room.run(1)
        await until(looking.is_set)
        voice.set_echo("half-duplex")
        proceed.set()
        await room.run(1)
        assert voice.echo == "half-duplex" and not room.of("error")


async def test_the_watch_ends_when_the_speaker_has_been_silent_for_long(server, monkeypatch):
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.01)
    room = Room(server)
    async with room.session() as voice:
        voice._echo.queue(speech("answer", 1), "item_1")
        watching = voice._echo._watching
        assert watching is not None
        await until(watching.done)
        assert watching.exception() is None and not room.of("error")
