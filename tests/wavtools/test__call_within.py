"""A call with a deadline: its result is returned or discarded, never both, never neither."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from wavtools import DeviceError, _call_within, _context, _device, _supervisor
from wavtools._call_within import call_within
from wavtools._context import Context
from wavtools._device import NativeDevice
from wavtools._miniaudio import NULL_BACKEND
from wavtools._supervisor import SupervisedDevice

WAIT = 30


def helpers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "wavtools-call"]


def end_helpers() -> None:
    for helper in helpers():
        helper.join(WAIT)
        assert not helper.is_alive()


def test_the_result_is_returned_and_not_discarded():
    discarded: list[str] = []
    assert call_within(WAIT, lambda: "device", discarded.append) == "device"
    end_helpers()
    assert discarded == []


def test_what_the_call_raises_is_raised_here():
    def work() -> None:
        raise DeviceError("no such device")

    with pytest.raises(DeviceError, match="no such device"):
        call_within(WAIT, work, pytest.fail)


def test_a_late_result_is_discarded_by_the_helper():
    go_on = threading.Event()
    discarded: list[tuple[str, str]] = []

    def work() -> str:
        assert go_on.wait(WAIT)
        return "device"

    with pytest.raises(TimeoutError, match="within 0 s"):
        call_within(0, work, lambda result: discarded.append((result, threading.current_thread().name)))
    assert discarded == []
    go_on.set()
    end_helpers()
    assert discarded == [("device", "wavtools-call")]


def test_a_late_failure_is_dropped():
    go_on = threading.Event()

    def work() -> None:
        assert go_on.wait(WAIT)
        raise DeviceError("too late")

    with pytest.raises(TimeoutError):
        call_within(0, work, pytest.fail)
    go_on.set()
    end_helpers()


def test_a_result_that_arrives_while_the_caller_gives_up_is_returned(monkeypatch):
    """The deadline has passed, and the helper ends before the caller takes the lock."""
    caller = threading.current_thread()
    go_on, stored = threading.Event(), threading.Event()

    class HelperFirst:
        def __init__(self) -> None:
            self._lock = threading.Lock()

        def __enter__(self) -> None:
            if threading.current_thread() is caller:
                go_on.set()
                assert stored.wait(WAIT)
            self._lock.acquire()

        def __exit__(self, *exc: object) -> None:
            self._lock.release()
            if threading.current_thread() is not caller:
                stored.set()

    patched = SimpleNamespace(Lock=HelperFirst, Event=threading.Event, Thread=threading.Thread)
    monkeypatch.setattr(_call_within, "threading", patched)
    discarded: list[str] = []

    def work() -> str:
        assert go_on.wait(WAIT)
        return "device"

    assert call_within(0, work, discarded.append) == "device"
    end_helpers()
    assert discarded == []


@pytest.mark.parametrize("finished", [True, False], ids=["the call has ended", "the call goes on"])
def test_ctrl_c_while_waiting_leaks_no_result(monkeypatch, finished):
    go_on = threading.Event()
    discarded: list[str] = []

    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            if finished:
                assert super().wait(WAIT)
            raise KeyboardInterrupt

    patched = SimpleNamespace(Lock=threading.Lock, Event=Interrupted, Thread=threading.Thread)
    monkeypatch.setattr(_call_within, "threading", patched)

    def work() -> str:
        assert finished or go_on.wait(WAIT)
        return "device"

    with pytest.raises(KeyboardInterrupt):
        call_within(WAIT, work, discarded.append)
    go_on.set()
    end_helpers()
    assert discarded == ["device"]


class NoStream:
    """A stream that no device is started for."""

    kind = "playback"
    channels = None
    outputs = 1


def open_late(monkeypatch) -> tuple[threading.Event, list[bool], list[NativeDevice]]:
    """Make devices open after the deadline, when the event is set.

    Returns the event, whether the context was open then, and the devices that opened.
    """
    go_on = threading.Event()
    connected: list[bool] = []
    opened: list[NativeDevice] = []

    class LateDevice(NativeDevice):
        def __init__(self, context, *arguments) -> None:
            assert go_on.wait(WAIT)
            connected.append(context._finalizer.alive)
            super().__init__(context, *arguments)
            opened.append(self)

    monkeypatch.setattr(_supervisor, "OPEN_SECONDS", 0)
    monkeypatch.setattr(_supervisor, "NativeDevice", LateDevice)
    return go_on, connected, opened


def test_a_context_stays_open_while_a_late_device_initialises_on_it(monkeypatch):
    go_on, connected, opened = open_late(monkeypatch)
    with pytest.raises(DeviceError, match="does not open within 0 s"):
        SupervisedDevice({"playback": "null"}, NoStream(), print)
    go_on.set()
    end_helpers()
    assert connected == [True]
    assert not opened[0].context._finalizer.alive
    assert opened[0] not in _device._open_devices


def test_a_context_is_closed_by_the_late_side_when_the_device_does_not_open(monkeypatch):
    contexts: list[Context] = []
    go_on = threading.Event()

    def fail(context, *arguments):
        contexts.append(context)
        assert go_on.wait(WAIT)
        raise DeviceError("no such device")

    monkeypatch.setattr(_supervisor, "OPEN_SECONDS", 0)
    fail.close = None
    monkeypatch.setattr(_supervisor, "NativeDevice", fail)
    with pytest.raises(DeviceError, match="does not open within"):
        SupervisedDevice({"playback": "null"}, NoStream(), print)
    go_on.set()
    end_helpers()
    assert not contexts[0]._finalizer.alive


def test_a_connection_that_comes_late_is_closed(monkeypatch):
    go_on = threading.Event()
    connected: list[Context] = []

    class LateContext(Context):
        def __init__(self, backends) -> None:
            assert go_on.wait(WAIT)
            super().__init__(backends)
            connected.append(self)

    monkeypatch.setattr(_context, "CONNECT_SECONDS", 0)
    monkeypatch.setattr(_context, "Context", LateContext)
    with pytest.raises(DeviceError, match="the audio server does not answer within 0 s"):
        _context.connect_server([NULL_BACKEND])
    go_on.set()
    end_helpers()
    assert not connected[0]._finalizer.alive
