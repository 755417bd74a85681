"""The supervisor on the null device: what a device that is being restored does to its stream."""

from __future__ import annotations

import queue
import threading

import pytest

from wavtools import DeviceError, DeviceEvent, WavStreamPlayer, _device, _supervisor
from wavtools._device import NativeDevice
from wavtools._miniaudio import lib
from wavtools._states import now_ns
from wavtools._supervisor import SupervisedDevice

WAIT = 30


class Seated:
    """A stream that notes what it was fitted to."""

    kind = "playback"
    channels = None
    outputs = 1
    room = 0

    def __init__(self) -> None:
        self.fits: list[float | None] = []

    @property
    def last_callback_ns(self) -> int:
        return now_ns()

    def fit(self, seat, sample_rate, channels, lost_seconds, duplex) -> None:
        self.fits.append(lost_seconds)


class Rig:
    """A running device, its stream, and the events it told."""

    def __init__(self) -> None:
        self.stream = Seated()
        self.events: queue.Queue[str] = queue.Queue()
        self.device = SupervisedDevice({"playback": "null"}, self.stream, lambda e: self.events.put(e.kind))
        self.device.start()

    def lose(self) -> None:
        """Have the supervisor thread find the device lost, once."""
        watch = self.device._watch

        def watch_and_lose(native: NativeDevice) -> None:
            self.device._watch = watch
            self.device._lose(native, "test")

        self.device._watch = watch_and_lose
        assert self.events.get(timeout=WAIT) == "lost"

    def close(self) -> None:
        self.device.close()
        self.device._thread.join(WAIT)
        assert self.events.empty()
        assert not _device._open_devices


@pytest.fixture
def rig():
    rig = Rig()
    yield rig
    rig.close()


def test_a_lost_device_is_replaced_and_the_stream_told_what_it_held(rig):
    rig.lose()
    assert rig.events.get(timeout=WAIT) == "restored"
    assert rig.stream.fits == [None, 0.03]


def test_a_device_that_ends_by_itself_is_lost_though_its_server_answers(rig):
    """As a card that is unplugged: miniaudio's loop ends. The null system always answers."""
    (native,) = _device._open_devices
    lib.ma_device_stop(native._device)
    assert rig.events.get(timeout=WAIT) == "lost"
    assert rig.events.get(timeout=WAIT) == "restored"
    assert rig.stream.fits == [None, 0.03]


def test_a_device_that_does_not_start_is_not_seated_and_is_tried_again(rig, monkeypatch):
    failures = []

    class StartsLater(NativeDevice):
        def start(self) -> None:
            if len(failures) < 3:
                failures.append(self)
                raise DeviceError("cannot start")
            super().start()

    monkeypatch.setattr(_supervisor, "NativeDevice", StartsLater)
    rig.lose()
    assert rig.events.get(timeout=WAIT) == "restored"
    assert len(failures) == 3
    assert rig.stream.fits == [None, 0.03]


def test_a_named_device_that_is_listed_and_does_not_open_is_replaced_by_the_default_one(monkeypatch):
    """As one that another program holds alone. The event says so."""
    events: queue.Queue[DeviceEvent] = queue.Queue()
    lost, tries = threading.Event(), []

    class Busy(NativeDevice):
        def __init__(self, context, kind, wanted, *rest) -> None:
            if lost.is_set() and any(wanted.values()):
                tries.append(wanted)
                raise DeviceError("another program holds it", operation="ma_device_init")
            super().__init__(context, kind, wanted, *rest)

    monkeypatch.setattr(_supervisor, "NativeDevice", Busy)
    monkeypatch.setenv("WAVTOOLS_BACKENDS", "null")
    name = WavStreamPlayer.list_devices()[0].name
    device = SupervisedDevice({"playback": name}, Seated(), events.put)
    device.start()
    lost.set()
    (native,) = _device._open_devices
    lib.ma_device_stop(native._device)
    assert events.get(timeout=WAIT).kind == "lost"
    event = events.get(timeout=WAIT)
    assert event.kind == "restored"
    assert event.reason.endswith(
        "on the default device, because the chosen one failed: another program holds it"
    )
    # Not twenty times in that second.
    assert 2 <= len(tries) <= 8
    device.close()
    device._thread.join(WAIT)


def test_opens_that_fail_come_less_often_and_a_server_that_is_away_is_asked_often(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(_supervisor.time, "monotonic", lambda: now[0])
    retries = _supervisor._Retries()

    def wait(operation: str) -> float:
        retries.failed(DeviceError("no", operation=operation), True)
        before = now[0]
        while not retries.due:
            now[0] += 0.001
        return round(now[0] - before, 2)

    assert [wait("ma_device_init") for _ in range(6)] == [0.1, 0.2, 0.4, 0.8, 0.8, 0.8]
    assert [wait("connect") for _ in range(3)] == [0.05] * 3
    assert wait("open") == 0.1


def test_a_device_that_is_closed_while_it_is_restored_touches_the_stream_no_more(rig, monkeypatch):
    starting, go_on = threading.Event(), threading.Event()

    class StartsSlowly(NativeDevice):
        def start(self) -> None:
            starting.set()
            assert go_on.wait(WAIT)
            super().start()

    monkeypatch.setattr(_supervisor, "NativeDevice", StartsSlowly)
    rig.lose()
    assert starting.wait(WAIT)
    rig.device.close()
    go_on.set()
    rig.device._thread.join(WAIT)
    assert rig.stream.fits == [None]
