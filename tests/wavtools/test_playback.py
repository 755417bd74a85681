"""start() gives a handle: positions are exact, a pause loses and repeats nothing, a loop has no gap."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wavtools
from tests.waiting import until_blocking
from wavtools import DecodeError, DeviceError, OfflineDevice, StateError

RATE = 24_000


def counted(frames: int) -> np.ndarray:
    """Samples that name their frame, and are never 0."""
    return (np.arange(frames) % 32_000 + 1).astype(np.int16)


class Rig:
    """A playback on an OfflineDevice, and a way to hear it that never comes before the thread that reads."""

    def __init__(self, audio: Any, **options: Any) -> None:
        self.device = OfflineDevice(options.get("sample_rate") or RATE, options.pop("channels", 1))
        self.playback = wavtools.start(audio, device=self.device, **options)

    def hear(self, frames: int) -> list[int]:
        """The next frames of the sound, once they wait; fewer at its end."""
        blocks = []
        while frames:
            step = min(frames, RATE)
            self._until_queued(step)
            blocks.append(self.device.render(step))
            frames -= step
        return np.concatenate(blocks).tolist() if blocks else []

    def _until_queued(self, frames: int) -> None:
        until_blocking(lambda: self.playback.ended or self._is_queued(frames))

    def _is_queued(self, frames: int) -> bool:
        handle = self.playback
        with handle._changed:
            return handle.paused or handle._all_read or handle._pieces.total - handle._offset() >= frames

    def run_out(self) -> list[int]:
        """What is left, without silence."""
        blocks = []
        while not self.playback.ended:
            blocks.append(self.device.render(240))
            time.sleep(0.0001)
        heard = np.concatenate(blocks) if blocks else np.empty(0, np.int16)
        return heard[heard != 0].tolist()


@pytest.fixture
def rigs() -> Iterator[type[Rig]]:
    made: list[Rig] = []

    class Kept(Rig):
        def __init__(self, audio: Any, **options: Any) -> None:
            super().__init__(audio, **options)
            made.append(self)

    yield Kept
    for rig in made:
        rig.playback.stop()


def test_the_position_is_what_the_device_was_handed(rigs: type[Rig]) -> None:
    rig = rigs(counted(72_000))
    handle = rig.playback
    assert (handle.position, handle.duration, handle.playing) == (0.0, 3.0, True)
    assert rig.hear(1234) == counted(1234).tolist()
    assert handle.position_frames == 1234
    assert handle.position == 1234 / RATE
    assert repr(handle) == "<Playback 0.051 of 3.000 s, playing>"
    rig.run_out()
    assert handle.ended and not handle.playing and not handle.paused
    assert handle.position_frames == 72_000
    assert handle.wait() is True


def test_a_pause_is_immediate_and_loses_and_repeats_nothing(rigs: type[Rig]) -> None:
    rig = rigs(counted(72_000))
    heard = []
    for frames in (100, 1, 7777, 24_000, 0, 13):
        heard += rig.hear(frames)
        rig.playback.pause()
        assert rig.playback.paused and not rig.playback.playing
        assert not any(rig.device.render(500))
        assert rig.playback.position_frames == len(heard)
        rig.playback.pause()
        rig.playback.resume()
        rig.playback.resume()
    heard += rig.run_out()
    assert heard == counted(72_000).tolist()


def test_a_loop_has_no_gap_and_exact_samples_over_its_seam(rigs: type[Rig]) -> None:
    rig = rigs(counted(30_000), loop=True)
    assert rig.hear(100_000) == np.resize(counted(30_000), 100_000).tolist()
    assert rig.playback.position_frames == 100_000 % 30_000


@pytest.mark.parametrize("frames", [1, 7, 1000, 23_999, 24_000, 24_001])
def test_a_loop_of_any_length_is_seamless_through_pauses(frames: int, rigs: type[Rig]) -> None:
    rig = rigs(counted(frames), loop=True)
    heard = []
    for step in (5, 3_000, 50_000, 1):
        heard += rig.hear(step)
        rig.playback.pause()
        assert rig.playback.position_frames == len(heard) % frames
        rig.playback.resume()
    assert heard == np.resize(counted(frames), len(heard)).tolist()


@pytest.mark.parametrize("frames", [10, 5_000, 60_000])
def test_a_loop_that_is_switched_off_ends_with_its_present_pass(frames: int, rigs: type[Rig]) -> None:
    rig = rigs(counted(frames), loop=True)
    heard = rig.hear(25_003)
    rig.playback.loop = False
    assert not rig.playback.loop
    heard += rig.run_out()
    assert len(heard) == -(-25_003 // frames) * frames
    assert heard == np.resize(counted(frames), len(heard)).tolist()


def test_a_loop_that_is_switched_on_before_the_end_begins_again(rigs: type[Rig]) -> None:
    rig = rigs(counted(5_000))
    heard = rig.hear(4_000)
    until_blocking(lambda: rig.playback._all_read)
    rig.playback.loop = True
    heard += rig.hear(9_000)
    assert heard == np.resize(counted(5_000), 13_000).tolist()


def test_seek_goes_on_at_exactly_that_frame(rigs: type[Rig]) -> None:
    rig = rigs(counted(72_000))
    rig.hear(500)
    for frame in (48_000, 3, 71_000, 0):
        rig.playback.seek(frame / RATE)
        assert rig.playback.position_frames == frame
        assert rig.hear(1000) == counted(72_000)[frame : frame + 1000].tolist()
        assert rig.playback.position_frames == frame + 1000


def test_seek_while_paused_stays_paused(rigs: type[Rig]) -> None:
    rig = rigs(counted(72_000))
    rig.playback.pause()
    rig.playback.seek(2.5)
    assert not any(rig.device.render(2000))
    assert rig.playback.position == 2.5
    rig.playback.resume()
    assert rig.run_out() == counted(72_000)[60_000:].tolist()


@pytest.mark.parametrize(
    ("seconds", "error"), [(3.1, ValueError), (-1, ValueError), (float("nan"), ValueError)]
)
def test_a_seek_out_of_range_is_refused_and_changes_nothing(
    seconds: float, error: type[Exception], rigs: type[Rig]
) -> None:
    rig = rigs(counted(72_000))
    heard = rig.hear(100)
    with pytest.raises(error, match="the sound has 0 to 3 s"):
        rig.playback.seek(seconds)
    assert heard + rig.run_out() == counted(72_000).tolist()


def test_seek_to_the_end_ends_the_sound(rigs: type[Rig]) -> None:
    rig = rigs(counted(72_000))
    rig.playback.seek(3)
    assert rig.run_out() == []
    assert rig.playback.position == 3.0


def test_start_begins_further_on(rigs: type[Rig]) -> None:
    assert rigs(counted(72_000), start=1.5).run_out() == counted(72_000)[36_000:].tolist()
    with pytest.raises(ValueError, match="start is 4"):
        rigs(counted(72_000), start=4)


def test_stop_is_immediate_frees_the_device_and_may_come_twice(rigs: type[Rig]) -> None:
    rig = rigs(counted(72_000))
    rig.hear(1000)
    rig.playback.stop()
    rig.playback.stop()
    assert rig.playback.ended
    assert rig.playback.wait() is True
    assert rig.playback.position_frames == 1000
    rig.playback.pause()
    rig.playback.resume()
    assert not rig.playback.paused
    with pytest.raises(StateError, match="has ended"):
        rig.playback.seek(0)
    assert not any(rig.device.render(1000))
    again = wavtools.start(counted(10), device=rig.device)
    assert rig.device.render(10).tolist() == counted(10).tolist()
    again.stop()


def test_several_handles_play_at_once(rigs: type[Rig]) -> None:
    sounds = [counted(5_000) + np.int16(k) for k in range(4)]
    made = [rigs(sound) for sound in sounds]
    made[1].playback.pause()
    assert [rig.run_out() for rig in (made[0], made[2], made[3])] == [sounds[k].tolist() for k in (0, 2, 3)]
    made[1].playback.resume()
    assert made[1].run_out() == sounds[1].tolist()


def test_the_volume_changes_what_is_heard_and_no_position(rigs: type[Rig]) -> None:
    rig = rigs(np.full(24_000, 8000, np.int16), volume=0.5)
    assert rig.hear(1000)[-1] == 4000
    rig.playback.volume = 0
    rig.hear(1000)
    assert rig.hear(10) == [0] * 10
    assert (rig.playback.volume, rig.playback.position_frames) == (0.0, 2010)
    with pytest.raises(ValueError, match="volume is 2"):
        rig.playback.volume = 2


def test_wait_with_a_timeout_tells_that_the_sound_goes_on(rigs: type[Rig]) -> None:
    rig = rigs(counted(1000))
    assert rig.playback.wait(0) is False
    assert rig.playback.wait(0.01) is False


def test_a_with_block_stops_the_sound_at_its_end() -> None:
    device = OfflineDevice(RATE)
    with wavtools.start(counted(24_000), device=device) as handle:
        assert handle.playing
    assert handle.ended
    assert not any(device.render(100))


def test_a_generator_is_played_as_its_chunks_come(rigs: type[Rig]) -> None:
    more = threading.Event()

    def chunks() -> Iterator[Any]:
        yield counted(100)
        more.wait(10)
        yield counted(50).tobytes()
        yield counted(25)[:, np.newaxis].astype(np.float32) / 32768

    rig = rigs(chunks())
    assert rig.device.render(100).tolist() == counted(100).tolist()
    assert rig.playback.duration is None
    with pytest.raises(StateError, match="iterator"):
        rig.playback.seek(0)
    with pytest.raises(ValueError, match="iterator"):
        rig.playback.loop = True
    more.set()
    assert rig.run_out() == counted(50).tolist() + counted(25).tolist()
    assert rig.playback.duration == 175 / RATE


def test_a_list_of_chunks_can_be_looped_and_an_empty_iterator_is_no_sound(rigs: type[Rig]) -> None:
    rig = rigs([counted(100), counted(10)], loop=True)
    assert rig.hear(500) == np.resize(np.concatenate([counted(100), counted(10)]), 500).tolist()
    assert rigs(iter([])).run_out() == []
    with pytest.raises(ValueError, match="read only once"):
        rigs(iter([counted(10)]), loop=True)
    with pytest.raises(ValueError, match="read only from its beginning"):
        rigs(iter([counted(10)]), start=1)


def test_what_a_generator_raises_is_raised_by_wait(rigs: type[Rig]) -> None:
    def chunks() -> Iterator[Any]:
        yield counted(100)
        raise LookupError("no more")

    rig = rigs(chunks())
    assert rig.run_out() == counted(100).tolist()
    with pytest.raises(LookupError, match="no more"):
        rig.playback.wait()


def test_a_file_that_is_cut_while_it_plays_ends_with_an_error_after_what_is_left(
    tmp_path: Path, rigs: type[Rig]
) -> None:
    path = tmp_path / "long.wav"
    sound = counted(40 * RATE)
    wavtools.save(path, sound, RATE)
    rig = rigs(path)
    with path.open("r+b") as file:
        file.truncate(44 + 2 * 30 * RATE)
    heard = rig.run_out()
    assert len(heard) >= 29 * RATE
    assert heard == sound[: len(heard)].tolist()
    with pytest.raises(DecodeError, match="became shorter"):
        rig.playback.wait()


def test_a_device_that_does_not_open_is_told_at_once() -> None:
    with pytest.raises(DeviceError):
        wavtools.start(counted(10), device="no such device")


def test_await_waits_for_the_end_and_may_be_cancelled(rigs: type[Rig]) -> None:
    rig = rigs(counted(2_000))

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(rig.playback.wait_async(), 0.01)
        assert rig.playback.playing
        loop = asyncio.get_running_loop()
        ending = loop.run_in_executor(None, rig.run_out)
        await rig.playback
        assert rig.playback.ended
        await rig.playback
        assert await ending == counted(2_000).tolist()

    asyncio.run(main())


def test_await_raises_what_ended_the_sound(rigs: type[Rig]) -> None:
    rig = rigs(chunk for chunk in [counted(10), "no samples"])

    async def main() -> None:
        ending = asyncio.get_running_loop().run_in_executor(None, rig.run_out)
        with pytest.raises(TypeError, match="str"):
            await rig.playback
        await ending

    asyncio.run(main())


def test_a_program_without_asyncio_does_not_load_it() -> None:
    code = (
        "import sys, numpy, wavtools\n"
        "with wavtools.start(numpy.zeros(100, 'i2'), device=wavtools.OfflineDevice(24000)) as p: p.pause()\n"
        "assert 'asyncio' not in sys.modules and 'miniaudio' not in sys.modules\n"
        "assert 'wavtools.recorder' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of a process")
def test_ctrl_c_in_play_stops_the_sound_at_once_and_is_raised() -> None:
    code = (
        "import numpy, threading, wavtools\n"
        "device = wavtools.OfflineDevice(24000)\n"
        "print('ready', flush=True)\n"
        "try:\n"
        "    wavtools.play(numpy.ones(24000, 'i2'), device=device)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', device.render(100).any(), threading.active_count() <= 2, flush=True)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    time.sleep(1.0)
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=20)
    assert out == "interrupted False True\n"


def test_a_file_of_hours_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    hours = 6
    path = tmp_path / "hours.wav"
    data = hours * 3600 * 48_000 * 2 * 2
    with path.open("wb") as file:
        header = bytearray(wavtools.WavPacker.pack(np.zeros((1, 2), np.int16), 48_000).data[:44])
        header[40:44] = min(data, 0xFFFFFFFF).to_bytes(4, "little")
        file.write(header)
        file.truncate(44 + data)
    code = f"""
import resource, time, wavtools
device = wavtools.OfflineDevice(48000)
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with wavtools.start({str(path)!r}, device=device) as playback:
    def pull(seconds):
        for _ in range(seconds):
            while True:
                with playback._changed:
                    if playback._pieces.total - playback._offset() >= 48000: break
                time.sleep(0.0005)
            device.render(48000)
    pull(30)
    before = peak()
    pull(600)
    playback.seek(5.5 * 3600)
    playback.pause()
    playback.resume()
    pull(300)
    print(playback.duration, playback.position == 5.5 * 3600 + 300, (peak() - before) // 1024)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    duration, moved, grown = result.stdout.split()
    assert (float(duration), moved) == (hours * 3600, "True")
    scale = 1024 if sys.platform == "darwin" else 1
    assert int(grown) <= 8 * scale


def test_a_signal_handler_may_stop_in_the_middle_of_any_call(rigs: type[Rig]) -> None:
    if sys.platform == "win32":
        pytest.skip("signals of a process")
    for delay in np.linspace(0.0002, 0.004, 12):
        rig = rigs(counted(200_000), loop=True)
        before = signal.signal(signal.SIGALRM, lambda *_, handle=rig.playback: handle.stop())
        try:
            signal.setitimer(signal.ITIMER_REAL, float(delay))
            for turn in range(100_000):
                rig.playback.pause()
                rig.playback.resume()
                rig.playback.loop = bool(turn % 2)
                if rig.playback.ended:
                    break
        finally:
            signal.signal(signal.SIGALRM, before)
        assert rig.playback.wait(5)


@settings(max_examples=40, deadline=None)
@given(
    frames=st.integers(1, 60_000),
    loop=st.booleans(),
    script=st.lists(
        st.tuples(st.sampled_from(["hear", "pause", "resume", "seek", "loop"]), st.integers(0, 30_000)),
        max_size=12,
    ),
)
def test_any_script_is_heard_as_a_model_says(frames: int, loop: bool, script: list[tuple[str, int]]) -> None:
    rig = Rig(counted(frames), loop=loop)
    sound, position, paused, repeats = counted(frames), 0, False, loop
    try:
        for action, amount in script:
            if not repeats and position == frames and not paused:
                break
            if action == "hear":
                rig._until_queued(amount)
                heard = rig.hear(amount)
                wanted = 0 if paused else amount if repeats else min(amount, frames - position)
                index = (position + np.arange(wanted)) % frames if repeats else position + np.arange(wanted)
                assert heard == sound[index].tolist() + [0] * (amount - wanted)
                position = (position + wanted) % frames if repeats else position + wanted
            elif action == "pause":
                rig.playback.pause()
                paused = True
            elif action == "resume":
                rig.playback.resume()
                paused = False
            elif action == "seek":
                position = amount % frames
                rig.playback.seek(position / RATE)
            else:
                repeats = bool(amount % 2)
                rig.playback.loop = repeats
            assert rig.playback.position_frames % frames == position % frames
    finally:
        rig.playback.stop()


def test_a_stereo_sound_plays_in_stereo_through_pauses_and_loops(rigs: type[Rig]) -> None:
    sound = np.stack([counted(5_000), -counted(5_000)], 1)
    rig = rigs(sound, channels=2, loop=True)
    heard = rig.hear(4_321)
    rig.playback.pause()
    assert rig.playback.position_frames == 4_321
    rig.playback.resume()
    heard += rig.hear(3_000)
    assert heard == np.resize(sound, (7_321, 2)).tolist()
