"""A recorder under forks, Ctrl-C, failing begins and dropped references: nothing hangs or is lost."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import pickle
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.waiting import until_blocking as until
from wavtools import DeviceError, DuplexDevice, OfflineDevice, WavRecorder, _device_watch

RATE = 24_000


def ramp(count: int, start: int = 0) -> np.ndarray:
    return np.arange(start, start + count, dtype=np.int16)


def run(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# Ctrl-C, and begins that fail


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_ctrl_c_in_end_closes_the_device_and_the_audio_stays_readable(
    error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    device = OfflineDevice(RATE)
    recorder = WavRecorder(RATE, device=device)
    recorder.begin()
    recorder.record(lambda chunk: None)
    device.capture(ramp(100))
    recorder.pause()

    def interrupted(delivery: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("wavtools._delivery.Delivery.finished", interrupted)
        with pytest.raises(error):
            recorder.end()
    assert recorder.get_status() == "ended"
    np.testing.assert_array_equal(recorder.save().pcm, ramp(100))
    with WavRecorder(RATE, device=device):
        pass


STEPS_OF_BEGIN = [
    "_capture_session.CaptureState",
    "_capture_session.AudioStore",
    "_capture_session.Delivery",
    "_delivery.threading.Thread.start",
    "_capture_session.CaptureSession.fit",
    "_capture_session.CaptureSession.begin_file",
    "_recording_file.RecordingFile.start",
    "_recording_file.WavWriter",
    "_recorder_states.open_stream",
]


@pytest.mark.parametrize("error", [MemoryError, RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("step", STEPS_OF_BEGIN)
@pytest.mark.parametrize("kind", ["offline", "duplex"])
def test_a_begin_that_fails_at_any_step_leaves_device_file_and_recorder_free(
    step: str, error: type[BaseException], kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from wavtools import _recording_file  # noqa: F401 - it is loaded before it is patched

    def fails(*arguments: Any, **keywords: Any) -> None:
        raise error("mine")

    path = tmp_path / "take.wav"
    path.write_bytes(b"as it was")
    device = OfflineDevice(RATE) if kind == "offline" else DuplexDevice("null", "null")
    recorder = WavRecorder(RATE, device=device, record_to=path)
    with monkeypatch.context() as patch:
        patch.setattr(f"wavtools.{step}", fails)
        with pytest.raises((error, DeviceError)):
            recorder.begin()
        assert recorder.get_status() == "ended"
    assert path.read_bytes() == b"as it was"
    with WavRecorder(RATE, device=device):
        pass
    with recorder:
        recorder.record()


def test_no_call_waits_for_a_delivery_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    device = OfflineDevice(RATE)
    recorder = WavRecorder(RATE, device=device)
    recorder.begin()
    recorder.record(lambda chunk: None)
    with monkeypatch.context() as patch:
        patch.setattr("wavtools._delivery.to_int16", lambda frames: 1 / 0)
        device.capture(ramp(100))
        until(lambda: recorder._session.delivery.failed)  # type: ignore[union-attr]
    # More than the ring holds: it came back after 5 s for each 10 ms.
    device.capture(np.zeros(30 * RATE, np.int16))
    assert recorder.stats.frames_dropped > 0
    recorder.end()


def test_clear_and_keep_seconds_together_keep_the_newest_since_the_clear() -> None:
    device = OfflineDevice(RATE)
    recorder = WavRecorder(RATE, device=device, keep_seconds=0.1)
    recorder.begin()
    recorder.record(lambda chunk: None)
    device.capture(ramp(5000))
    recorder.clear()
    device.capture(ramp(1000, 5000))
    recorder.pause()
    np.testing.assert_array_equal(recorder.save().pcm, ramp(1000, 5000))
    recorder.record(lambda chunk: None)
    device.capture(ramp(5000, 6000))
    np.testing.assert_array_equal(recorder.end().pcm, ramp(2400, 8600))


# References


class Owner:
    """A program's object: it has the recorder, and the recorder has its methods."""

    def __init__(self, device: Any) -> None:
        self.recorder = WavRecorder(RATE, device=device, on_event=self.on_event)

    def on_event(self, event: object) -> None: ...
    def on_chunk(self, chunk: object) -> None: ...
    def on_devices(self, devices: object) -> None: ...


@pytest.mark.parametrize("kind", ["offline", "null"])
def test_callbacks_that_know_the_recorder_do_not_keep_it_alive(kind: str) -> None:
    device = OfflineDevice(RATE) if kind == "offline" else "null"
    owner = Owner(device)
    owner.recorder.begin()
    owner.recorder.listen_for_device_change(owner.on_devices)
    owner.recorder.record(owner.on_chunk)
    gone = weakref.ref(owner.recorder)
    del owner

    def collected() -> bool:
        # A thread that calls back at the moment holds its argument.
        gc.collect()
        return gone() is None

    until(collected)
    until(lambda: not {"wavtools-delivery", "wavtools-devices"} & {one.name for one in threading.enumerate()})
    if kind == "offline":
        with WavRecorder(RATE, device=device):
            pass


def test_a_recorder_dropped_inside_its_own_callback_lets_its_device_go() -> None:
    device = OfflineDevice(RATE)
    recorders = [WavRecorder(RATE, device=device)]
    gone = weakref.ref(recorders[0])
    dropped = threading.Event()

    def callback(chunk: object) -> None:
        recorders.clear()
        gc.collect()
        dropped.set()

    recorders[0].begin()
    recorders[0].record(callback, 100)
    device.capture(ramp(250))
    assert dropped.wait(10)
    until(lambda: gone() is None)
    with WavRecorder(RATE, device=device):
        pass


@pytest.mark.parametrize("make", [WavRecorder, OfflineDevice, DuplexDevice])
def test_what_owns_a_device_is_not_copied(make: Any) -> None:
    for copies in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot be copied or pickled; make another"):
            copies(make())


# Iteration


def test_dropped_iterators_leave_nothing_behind() -> None:
    device = OfflineDevice(RATE)
    with WavRecorder(RATE, device=device) as recorder:
        recorder.record(chunk_size=100)
        device.capture(ramp(1000))
        recorder.pause()
        for _ in range(4):
            for _chunk in recorder:
                break

        async def takes_one() -> None:
            async for _chunk in recorder:
                break

        asyncio.run(takes_one())
        gc.collect()
        chunks = recorder._session.chunks  # type: ignore[union-attr]
        assert chunks._wakers == set()
        recorder.end()
    assert sum(1 for _ in recorder) == 5


def test_an_iteration_ends_with_its_session_and_loses_no_chunk_to_the_next() -> None:
    device = OfflineDevice(RATE)
    recorder = WavRecorder(RATE, device=device)
    recorder.begin()
    recorder.record(chunk_size=100)
    iteration = iter(recorder)
    device.capture(ramp(250))
    first = next(iteration)
    recorder.end()
    recorder.begin()
    recorder.record(chunk_size=100)
    device.capture(ramp(50, 1000))
    rest = list(iteration)
    np.testing.assert_array_equal(np.concatenate([first.mono, *(chunk.mono for chunk in rest)]), ramp(250))
    recorder.end()
    assert [len(chunk.mono) for chunk in recorder] == [50]
    assert list(WavRecorder()) == []


def test_many_iterations_share_the_chunks() -> None:
    device = OfflineDevice(RATE)
    recorder = WavRecorder(RATE, device=device)
    recorder.begin()
    got: list[list[int]] = [[] for _ in range(4)]

    def take(mine: list[int]) -> None:
        for chunk in recorder:
            mine.append(int(chunk.mono[0]))

    threads = [threading.Thread(target=take, args=(mine,)) for mine in got]
    for thread in threads:
        thread.start()
    recorder.record(chunk_size=10)
    for start in range(0, 20_000, 100):
        device.capture(ramp(100, start))
    recorder.end()
    for thread in threads:
        thread.join(30)
    assert sorted(one for mine in got for one in mine) == list(range(0, 20_000, 10))
    assert all(mine == sorted(mine) for mine in got)


# The watcher of devices


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, ValueError])
def test_whatever_the_listing_or_the_callback_raises_the_devices_stay_watched(
    error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_device_watch, "POLL_SECONDS", 0.005)
    lists: list[list[Any]] = []
    listings = 0

    class Device:
        def __init__(self, id: str) -> None:
            self.id = id

    def listing() -> list[Any]:
        nonlocal listings
        listings += 1
        if listings % 2:
            raise error("listing")
        return [Device("a")]

    def callback(devices: list[Any]) -> None:
        lists.append(devices)
        raise error("callback")

    watch = _device_watch.DeviceWatch(listing, callback)
    until(lambda: listings > 6)
    watch.close()
    assert lists[0] == []


def test_a_callback_that_stops_the_watching_or_calls_the_recorder_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(WavRecorder, "list_devices", staticmethod(list))
    recorder = WavRecorder(RATE, device=OfflineDevice(RATE))
    called = threading.Event()

    def callback(devices: object) -> None:
        recorder.listen_for_device_change(None)
        recorder.begin()
        recorder.end()
        called.set()

    recorder.listen_for_device_change(callback)
    assert called.wait(10)


# Forked children


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("kind", ["OfflineDevice(24000)", 'DuplexDevice("null", "null")'])
def test_a_forked_child_is_told_at_every_device(kind: str) -> None:
    code = f"""
import os, sys
import numpy as np
from wavtools import *
device = {kind}
def expect(call):
    try:
        call()
    except (DeviceError, StateError) as error:
        assert "spawn" in str(error), error
    else:
        os._exit(3)
with WavRecorder(24000, device=device) as recorder:
    recorder.record()
    child = os.fork()
    if child == 0:
        expect(WavRecorder(24000, device=device).begin)
        expect(WavStreamPlayer(24000, device=device).connect)
        for call in (recorder.pause, recorder.end, recorder.record, recorder.clear, recorder.begin):
            expect(call)
        if isinstance(device, OfflineDevice):
            expect(lambda: device.capture(np.zeros(10, np.int16)))
            # A new one works.
            with WavRecorder(24000, device=OfflineDevice(24000)) as own:
                own.record()
        assert recorder.quit() is None
        expect(lambda: next(iter(recorder)))
        expect(lambda: recorder.use_device(OfflineDevice(24000)))
        sys.exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run(code) == "0\n"
