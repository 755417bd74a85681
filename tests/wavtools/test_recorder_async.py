"""The recorder's asyncio calls: the loop goes on, and whatever is cancelled, the recorder's state is known."""

from __future__ import annotations

import asyncio
import errno
import io
import threading
from pathlib import Path

import numpy as np
import pytest

from wavtools import OfflineDevice, StateError, WavRecorder, read_wav
from wavtools._aio import in_thread
from wavtools._stream import Device, Stream

RATE = 24_000


def ramp(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.int16)


class SlowDevice(OfflineDevice):
    """Opens when it is allowed to."""

    def __init__(self) -> None:
        super().__init__(RATE)
        self.opens = threading.Event()
        self.asked = threading.Event()

    def attach(self, stream: Stream, on_event: object) -> Device:
        self.asked.set()
        assert self.opens.wait(30)
        return super().attach(stream, on_event)


async def ticks(task: asyncio.Task, count: int = 20) -> None:
    """The loop runs while *task* waits."""
    for _ in range(count):
        await asyncio.sleep(0.001)
    assert not task.done()


async def test_async_with_begins_and_ends(tmp_path: Path):
    device = OfflineDevice(RATE)
    async with WavRecorder(RATE, device=device, record_to=tmp_path / "take.wav") as recorder:
        assert recorder.get_status() == "paused"
        recorder.record(chunk_size=1000)
        device.capture(ramp(2500))
        assert await recorder.pause_async() is True
        got = []
        async for chunk in recorder:
            got.append(chunk.mono)
            if len(got) == 3:
                break
    assert recorder.get_status() == "ended"
    np.testing.assert_array_equal(np.concatenate(got), ramp(2500))
    np.testing.assert_array_equal(read_wav(tmp_path / "take.wav").pcm, ramp(2500))


async def test_end_async_returns_the_file_and_errors_come_through():
    device = OfflineDevice(RATE)
    recorder = WavRecorder(RATE, device=device)
    assert await recorder.begin_async() is True
    recorder.record()
    device.capture(ramp(100))
    np.testing.assert_array_equal((await recorder.end_async()).pcm, ramp(100))
    for call in (recorder.pause_async, recorder.end_async):
        with pytest.raises(StateError, match=r"begin\(\) first"):
            await call()


async def test_the_loop_goes_on_while_a_device_opens():
    device = SlowDevice()
    recorder = WavRecorder(RATE, device=device)
    beginning = asyncio.create_task(recorder.begin_async())
    await ticks(beginning)
    device.opens.set()
    await beginning
    assert recorder.get_status() == "paused"
    await recorder.end_async()


async def test_a_cancelled_begin_async_leaves_no_session(tmp_path: Path):
    device = SlowDevice()
    recorder = WavRecorder(RATE, device=device)
    beginning = asyncio.create_task(recorder.begin_async(record_to=tmp_path / "take.wav"))
    await asyncio.to_thread(device.asked.wait, 10)
    for _ in range(3):
        beginning.cancel()
        await ticks(beginning, 5)
    device.opens.set()
    with pytest.raises(asyncio.CancelledError):
        await beginning
    assert recorder.get_status() == "ended"
    with WavRecorder(RATE, device=device):
        pass


@pytest.mark.parametrize("kind", ["a path", "a file object"])
async def test_a_cancelled_begin_async_leaves_the_file_as_it_was(kind: str, tmp_path: Path):
    path = tmp_path / "take.wav"
    path.write_bytes(b"an older take" * 50)
    target = path if kind == "a path" else path.open("r+b")
    device = SlowDevice()
    recorder = WavRecorder(RATE, device=device, record_to=target)
    beginning = asyncio.create_task(recorder.begin_async())
    await asyncio.to_thread(device.asked.wait, 10)
    beginning.cancel()
    device.opens.set()
    with pytest.raises(asyncio.CancelledError):
        await beginning
    assert path.read_bytes() == b"an older take" * 50
    # Nothing was recorded, so the file is not protected from the next session.
    async with recorder:
        recorder.record(lambda chunk: None)
        device.capture(ramp(100))
    np.testing.assert_array_equal(read_wav(path, strict=True).pcm, ramp(100))
    if kind != "a path":
        target.close()


async def test_a_begin_async_whose_file_fails_leaves_no_session():
    class Full(io.BytesIO):
        def write(self, data, /):
            raise OSError(errno.ENOSPC, "full")

    device = OfflineDevice(RATE)
    recorder = WavRecorder(RATE, device=device, record_to=Full())
    with pytest.raises(OSError, match="full"):
        await recorder.begin_async()
    assert recorder.get_status() == "ended"
    with WavRecorder(RATE, device=device):
        pass


async def test_a_cancelled_pause_async_leaves_the_recorder_paused_and_everything_delivered():
    device = OfflineDevice(RATE)
    recorder = WavRecorder(RATE, device=device)
    recorder.begin()
    goes_on, inside, got = threading.Event(), threading.Event(), []

    def callback(chunk):
        inside.set()
        assert goes_on.wait(30)
        got.append(chunk.mono)

    recorder.record(callback, 1000)
    device.capture(ramp(2500))
    pausing = asyncio.create_task(recorder.pause_async())
    # Its first step: from Python 3.14 on, awaiting a thread that has ended lets no other task run.
    await asyncio.sleep(0)
    await asyncio.to_thread(inside.wait, 10)
    pausing.cancel()
    await ticks(pausing)
    goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await pausing
    assert recorder.get_status() == "paused"
    np.testing.assert_array_equal(np.concatenate(got), ramp(2500))
    await recorder.end_async()


async def test_a_call_cancelled_by_a_timeout_keeps_its_failure_as_the_cause():
    goes_on = threading.Event()

    def call():
        assert goes_on.wait(30)
        raise ValueError("mine")

    waiting = asyncio.create_task(in_thread(call))
    await asyncio.sleep(0)
    waiting.cancel()
    goes_on.set()
    with pytest.raises(asyncio.CancelledError) as cancelled:
        await waiting
    assert isinstance(cancelled.value.__cause__, ValueError)


def test_a_call_that_outlives_its_loop_ends_quietly():
    goes_on, done = threading.Event(), threading.Event()

    def call():
        assert goes_on.wait(30)
        done.set()

    loop = asyncio.new_event_loop()
    task = loop.create_task(in_thread(call))
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()
    goes_on.set()
    assert done.wait(10)
    task._log_destroy_pending = False
