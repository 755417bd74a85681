"""WavRecorder delivers every recorded sample once, across pauses, rates and ways to take chunks."""

from __future__ import annotations

import asyncio
import random
import threading
import time

import numpy as np
import pytest

from wavtools import OfflineDevice, StateError, WavRecorder, _delivery
from wavtools._callbacks import StandIn
from wavtools._delivery import Delivery
from wavtools._states import CaptureState, now_ns
from wavtools.resample import resample

RATE = 24_000


def ramp(count: int, start: int = 1) -> np.ndarray:
    return np.arange(start, start + count, dtype=np.int16)


class Sink:
    """A callback that stores its chunks."""

    def __init__(self) -> None:
        self.chunks: list[np.ndarray] = []
        self.threads: set[str] = set()

    def __call__(self, data) -> None:
        self.chunks.append(data.mono)
        self.threads.add(threading.current_thread().name)

    @property
    def samples(self) -> np.ndarray:
        return np.concatenate([np.empty(0, np.int16), *self.chunks])


@pytest.fixture
def rig():
    device = OfflineDevice(RATE)
    recorder = WavRecorder(RATE, device=device)
    recorder.begin()
    yield recorder, device
    recorder.quit()


def test_the_states_follow_the_calls():
    device = OfflineDevice(RATE)
    recorder = WavRecorder(RATE, device=device)
    assert recorder.get_status() == "ended"
    recorder.begin()
    assert recorder.get_status() == "paused"
    recorder.record()
    assert recorder.get_status() == "recording"
    recorder.pause()
    assert recorder.get_status() == "paused"
    recorder.end()
    assert recorder.get_status() == "ended"


@pytest.mark.parametrize("device_rate", [24_000, 48_000, 44_100, 16_000])
def test_each_sample_is_delivered_exactly_once_across_pauses(device_rate):
    """Random scripts: the callback got the recorded stretches, each resampled as one signal."""
    random_ = random.Random(device_rate)
    for _ in range(25):
        device = OfflineDevice(device_rate)
        recorder = WavRecorder(RATE, device=device)
        recorder.begin()
        sink = Sink()
        expected, stretch, position = [], [], 0
        for _ in range(random_.randint(1, 15)):
            action = random_.random()
            if action < 0.6:
                count = random_.choice([1, 7, 128, 441, 1000, 5000])
                frames = (np.arange(position, position + count) % 20_000).astype(np.int16)
                position += count
                device.capture(frames)
                if recorder.get_status() == "recording":
                    stretch.append(frames)
            elif recorder.get_status() == "recording":
                recorder.pause()
                expected.append(resampled(stretch, device_rate))
                np.testing.assert_array_equal(sink.samples, np.concatenate(expected))
                stretch = []
            else:
                recorder.record(sink, chunk_size=random_.choice([1000, 333, 8192]))
        wav = recorder.end()
        expected.append(resampled(stretch, device_rate))
        np.testing.assert_array_equal(sink.samples, np.concatenate(expected))
        np.testing.assert_array_equal(wav.pcm.reshape(-1), np.concatenate(expected))


def resampled(stretch: list[np.ndarray], device_rate: int) -> np.ndarray:
    frames = np.concatenate([np.empty(0, np.int16), *stretch])
    if device_rate == RATE:
        return frames
    floats = resample(frames.astype(np.float32) / 32768, device_rate, RATE)
    return np.clip(np.rint(floats * 32768), -32768, 32767).astype(np.int16)


def test_int16_from_a_device_of_the_same_rate_arrives_bit_for_bit(rig, rng):
    recorder, device = rig
    pcm = rng.integers(-32768, 32768, 30_000).astype(np.int16)
    recorder.record()
    device.capture(pcm)
    np.testing.assert_array_equal(recorder.end().pcm.reshape(-1), pcm)


def test_chunks_have_chunk_size_samples_and_the_last_is_the_rest(rig):
    recorder, device = rig
    sink = Sink()
    recorder.record(sink, chunk_size=1000)
    device.capture(ramp(3456))
    recorder.pause()
    assert [len(chunk) for chunk in sink.chunks] == [1000, 1000, 1000, 456]
    assert sink.threads == {"wavtools-delivery"}


def test_leading_silence_is_captured_too(rig):
    recorder, device = rig
    recorder.record()
    device.capture(np.zeros(500, np.int16))
    device.capture(ramp(10))
    recorder.pause()
    assert len(recorder.save().pcm.reshape(-1)) == 510


def test_what_is_captured_while_paused_is_not_recorded(rig):
    recorder, device = rig
    device.capture(ramp(100))
    recorder.record()
    device.capture(ramp(50, 1000))
    recorder.pause()
    device.capture(ramp(100))
    recorder.record()
    device.capture(ramp(50, 2000))
    np.testing.assert_array_equal(
        recorder.end().pcm.reshape(-1), np.concatenate([ramp(50, 1000), ramp(50, 2000)])
    )


def test_stereo_gives_raw_channels_and_the_mean_as_mono():
    device = OfflineDevice(RATE, channels=2)
    recorder = WavRecorder(RATE, device=device)
    recorder.begin()
    got = []
    recorder.record(got.append, chunk_size=100)
    frames = np.stack([ramp(250), ramp(250) * 3], axis=1)
    device.capture(frames)
    recorder.pause()
    raw = np.concatenate([chunk.raw for chunk in got])
    np.testing.assert_array_equal(raw, frames)
    np.testing.assert_array_equal(np.concatenate([chunk.mono for chunk in got]), ramp(250) * 2)
    audio = recorder.read()
    assert [len(channel) for channel in audio.channels] == [250, 250]
    np.testing.assert_array_equal(audio.channels[1] * 32768, ramp(250) * 3)
    np.testing.assert_array_equal(audio.mean_values * 32768, ramp(250) * 2)
    wav = recorder.end()
    assert wav.channel_count == 2
    assert wav.duration == pytest.approx(250 / RATE)


@pytest.mark.parametrize("device_rate", [24_000, 48_000])
def test_clear_drops_what_was_captured_before_it_and_recording_goes_on(device_rate):
    device = OfflineDevice(device_rate)
    recorder = WavRecorder(RATE, device=device)
    recorder.begin()
    sink = Sink()
    recorder.record(sink)
    device.capture(np.full(9600, 1000, np.int16))
    recorder.clear()
    assert recorder.get_status() == "recording"
    device.capture(np.full(4800, 1000, np.int16))
    wav = recorder.end()
    assert len(wav.pcm.reshape(-1)) == 4800 * RATE // device_rate
    assert len(sink.samples) == 14_400 * RATE // device_rate


def test_keep_seconds_bounds_the_store_to_the_newest(rig):
    device = OfflineDevice(RATE)
    recorder = WavRecorder(RATE, device=device, keep_seconds=0.1)
    recorder.begin()
    recorder.record()
    device.capture(ramp(10_000))
    recorder.pause()
    np.testing.assert_array_equal(recorder.save().pcm.reshape(-1), ramp(2400, 7601))
    recorder.end()


def test_pause_inside_the_callback_returns_at_once_and_the_rest_is_delivered(rig):
    recorder, device = rig
    sink = Sink()
    first = threading.Event()

    def callback(data):
        sink(data)
        if not first.is_set():
            first.set()
            recorder.pause()

    recorder.record(callback, chunk_size=100)
    device.capture(ramp(250))
    assert first.wait(10)
    np.testing.assert_array_equal(recorder.end().pcm.reshape(-1), ramp(250))
    np.testing.assert_array_equal(sink.samples, ramp(250))


def test_end_inside_the_callback_delivers_the_rest_first(rig):
    recorder, device = rig
    sink, wavs = Sink(), []
    ended = threading.Event()

    def callback(data):
        sink(data)
        if not wavs:
            wavs.append(None)
            wavs.append(recorder.end())
            ended.set()

    recorder.record(callback, chunk_size=100)
    device.capture(ramp(250))
    assert ended.wait(10)
    assert recorder.get_status() == "ended"
    assert len(wavs[1].pcm.reshape(-1)) == len(sink.samples)
    np.testing.assert_array_equal(sink.samples, ramp(len(sink.samples)))


def test_a_callback_that_raises_is_logged_and_stops_nothing(rig, caplog):
    recorder, device = rig
    sink = Sink()

    def callback(data):
        sink(data)
        raise RuntimeError("user error")

    recorder.record(callback, chunk_size=100)
    device.capture(ramp(250))
    recorder.pause()
    np.testing.assert_array_equal(sink.samples, ramp(250))
    assert "user error" in caplog.text


def test_iteration_gives_the_chunks_across_pauses_until_end(rig):
    recorder, device = rig
    got = []
    reader = threading.Thread(target=lambda: got.extend(chunk.mono for chunk in recorder))
    reader.start()
    recorder.record(chunk_size=100)
    device.capture(ramp(150))
    recorder.pause()
    recorder.record(chunk_size=100)
    device.capture(ramp(150, 151))
    recorder.end()
    reader.join(10)
    assert not reader.is_alive()
    np.testing.assert_array_equal(np.concatenate(got), ramp(300))
    assert [len(chunk) for chunk in got] == [100, 50, 100, 50]


async def test_async_iteration_gives_the_same(rig):
    recorder, device = rig
    recorder.record(chunk_size=100)

    async def speak():
        for start in range(1, 500, 100):
            device.capture(ramp(100, start))
            await asyncio.sleep(0)
        await asyncio.to_thread(recorder.end)

    speaking = asyncio.create_task(speak())
    got = [chunk.mono async for chunk in recorder]
    await speaking
    np.testing.assert_array_equal(np.concatenate(got), ramp(500))


async def test_cancelling_async_iteration_loses_no_chunk(rig):
    recorder, device = rig
    recorder.record(chunk_size=100)

    async def one():
        async for chunk in recorder:
            return chunk.mono
        return None

    waiting = asyncio.create_task(one())
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    device.capture(ramp(100))
    np.testing.assert_array_equal(await one(), ramp(100))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda r: r.record(), r"\.begin\(\) first"),
        (lambda r: r.pause(), r"\.begin\(\) first"),
        (lambda r: r.clear(), r"\.begin\(\) first"),
        (lambda r: r.read(), r"\.begin\(\) first"),
        (lambda r: r.save(), r"\.begin\(\) first"),
        (lambda r: r.end(), r"\.begin\(\) first"),
        (lambda r: r.get_frequencies(), r"\.begin\(\) first"),
    ],
)
def test_without_a_session_calls_name_begin(call, words):
    with pytest.raises(StateError, match=words):
        call(WavRecorder(device=OfflineDevice()))


def test_calls_in_the_wrong_order_name_the_call_to_make_first(rig):
    recorder, _ = rig
    with pytest.raises(StateError, match=r"\.end\(\) first"):
        recorder.begin()
    with pytest.raises(StateError, match=r"\.record\(\) first"):
        recorder.pause()
    recorder.record()
    with pytest.raises(StateError, match=r"\.pause\(\) first"):
        recorder.record()
    with pytest.raises(StateError, match=r"\.pause\(\) first, or \.save\(force=True\)"):
        recorder.save()
    assert recorder.save(force=True).duration == 0
    recorder.quit()
    assert recorder.quit() is None


@pytest.mark.parametrize(
    ("arguments", "error"), [({"callback": 5}, TypeError), ({"chunk_size": 0}, ValueError)]
)
def test_bad_record_arguments_change_nothing(rig, arguments, error):
    recorder, _ = rig
    with pytest.raises(error):
        recorder.record(**arguments)
    assert recorder.get_status() == "paused"


@pytest.mark.parametrize("arguments", [{"sample_rate": 100}, {"channels": 9}, {"keep_seconds": -1}])
def test_constructor_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError):
        WavRecorder(**arguments)


def test_two_recorders_cannot_share_one_offline_device(rig):
    _, device = rig
    with pytest.raises(StateError, match=r"\.end\(\)"):
        WavRecorder(device=device).begin()


def test_stats_count_the_devices_frames(rig):
    recorder, device = rig
    recorder.record()
    device.capture(ramp(1234))
    recorder.end()
    assert recorder.stats.frames_captured == 1234
    assert recorder.stats.frames_dropped == 0
    assert recorder.stats.callbacks > 0


def test_the_live_spectrum_shows_a_tone_recording_or_not(rig):
    recorder, device = rig
    tone = (np.sin(2 * np.pi * 440 * np.arange(12_000) / RATE) * 16_000).astype(np.int16)
    device.capture(tone)
    recorder.record()
    # Returns after the delivery thread has taken all that was captured.
    recorder.pause()
    loudest = recorder.get_frequencies("music")
    assert loudest.labels[int(np.argmax(loudest.values))].startswith(("G#4", "A4", "A 4"))


def test_the_null_device_records_silence():
    with WavRecorder(RATE, device="null") as recorder:
        recorder.record()
        threading.Event().wait(0.2)
        wav = recorder.end()
    assert wav.duration > 0.05
    assert not wav.pcm.any()
    assert recorder.stats.frames_dropped == 0


@pytest.mark.parametrize("device_rate", [24_000, 48_000])
def test_chunks_are_numbered_by_frames_since_begin_pauses_included(device_rate):
    device = OfflineDevice(device_rate)
    with WavRecorder(RATE, device=device) as recorder:
        chunks = []
        device.capture(np.zeros(device_rate // 10, np.int16))
        recorder.record(chunks.append, chunk_size=1000)
        device.capture(np.zeros(device_rate // 10, np.int16))
        recorder.pause()
        device.capture(np.zeros(device_rate // 10, np.int16))
        recorder.record(chunks.append, chunk_size=1000)
        device.capture(np.zeros(device_rate // 10, np.int16))
        recorder.end()
    assert [chunk.frame for chunk in chunks] == [2400, 3400, 4400, 7200, 8200, 9200]


def test_chunks_carry_the_monotonic_time_of_their_capture():
    started = time.monotonic()
    with WavRecorder(RATE, device="null") as recorder:
        recorder.record(chunk_size=RATE // 20)
        chunks = []
        for chunk in recorder:
            chunks.append(chunk)
            if len(chunks) == 6:
                break
    times = [chunk.time for chunk in chunks]
    assert times == sorted(times)
    assert started - 0.1 <= times[0] <= time.monotonic()
    assert times[-1] - times[0] == pytest.approx((chunks[-1].frame - chunks[0].frame) / RATE, abs=0.1)


def test_without_a_duplex_device_there_is_nothing_played_beside_a_chunk(rig):
    recorder, device = rig
    chunks = []
    recorder.record(chunks.append)
    device.capture(ramp(10))
    recorder.end()
    assert chunks[0].played is None


def test_delivery_sleeps_until_the_next_callback_is_due_and_looks_more_often_only_when_that_is_late(
    monkeypatch,
):
    state, device = CaptureState(48_000, 1, 48_000), StandIn(1)
    device.seat.take_capture(state)
    delivery = Delivery(state, 48_000, 48_000, lambda raw, cleared: None, lambda mono: None)
    # The delivery's own thread would call _until_due() too.
    delivery.close()
    moment = now_ns()
    monkeypatch.setattr(_delivery, "now_ns", lambda: moment)
    # Nothing is recorded.
    assert delivery._until_due() == _delivery.IDLE_SECONDS
    delivery.record(480, lambda chunk: None)

    def call(periods: int) -> None:
        nonlocal moment
        for _ in range(periods):
            device.capture(np.zeros((240, 1), np.float32))
        moment = state.last_callback_ns

    call(2)
    assert delivery._until_due() == pytest.approx(0.005)
    assert delivery._until_due() == _delivery.LATE_SECONDS
    call(1)
    moment += 3_000_000
    assert delivery._until_due() == pytest.approx(0.002)
    call(1)
    # The delivery thread itself is late.
    moment += 30_000_000
    assert delivery._until_due() == _delivery.LATE_SECONDS
    moment += 1_000_000_000
    # The device has stopped.
    assert delivery._until_due() == _delivery.POLL_SECONDS
    delivery._intervals.clear()
    call(1)
    # Nobody waits for a chunk.
    assert delivery._until_due() == _delivery.IDLE_SECONDS
