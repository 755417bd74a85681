"""A recorder with record_to= has all that was recorded in the file, whatever disk, caller and device do."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.waiting import until_blocking as until
from wavtools import (
    DeviceError,
    DeviceEvent,
    OfflineDevice,
    StateError,
    WavRecorder,
    _recording_file,
    read_wav,
)

RATE = 24_000


def ramp(count: int, start: int = 0) -> np.ndarray:
    return (np.arange(start, start + count) % 30_000).astype(np.int16)


class Disk(io.BytesIO):
    """A file that writes nothing while it is stopped, and raises *error* while there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.goes = threading.Event()
        self.goes.set()
        self.error: BaseException | None = None

    def write(self, data: Any, /) -> int:
        assert self.goes.wait(60)
        if self.error is not None:
            raise self.error
        return super().write(data)

    @property
    def samples(self) -> np.ndarray:
        return read_wav(self.getvalue()).pcm


def started(target: Any, device: OfflineDevice, **arguments: Any) -> WavRecorder:
    recorder = WavRecorder(RATE, device=device, record_to=target, **arguments)
    recorder.begin()
    recorder.record(lambda chunk: None)
    return recorder


STEPS = st.lists(
    st.sampled_from(["pause or record", "clear", "begin again"]) | st.integers(1, 3000), max_size=20
)


@settings(deadline=None, max_examples=60)
@given(
    steps=STEPS,
    device_rate=st.sampled_from([24_000, 48_000, 44_100]),
    channels=st.integers(1, 2),
    keep_seconds=st.sampled_from([None, 0, 0.05]),
    a_path=st.booleans(),
)
def test_the_file_holds_every_recorded_frame_whatever_was_cleared_or_not_kept(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[Any],
    device_rate: int,
    channels: int,
    keep_seconds: float | None,
    a_path: bool,
) -> None:
    folder = tmp_path_factory.mktemp("takes")

    def another() -> Any:
        return folder / f"{len(list(folder.iterdir()))}.wav" if a_path else io.BytesIO()

    device = OfflineDevice(device_rate, channels)
    recorder = WavRecorder(RATE, device=device, keep_seconds=keep_seconds)
    chunks: list[np.ndarray] = []
    file = another()
    recorder.begin(record_to=file)
    position = 0
    for step in steps:
        if isinstance(step, int):
            device.capture(ramp(step, position))
            position += step
        elif step == "clear":
            recorder.clear()
        elif step == "begin again":
            recorder.end()
            expect(file, chunks, channels)
            chunks.clear()
            file = another()
            recorder.begin(record_to=file)
        elif recorder.get_status() == "recording":
            recorder.pause()
        else:
            recorder.record(lambda chunk: chunks.append(chunk.raw), 777)
    kept = recorder.end()
    expect(file, chunks, channels)
    assert kept.duration <= (keep_seconds or 0)
    assert recorder.stats.frames_written == sum(map(len, chunks))


def expect(file: Any, chunks: list[np.ndarray], channels: int) -> None:
    wav = read_wav(file.getvalue() if isinstance(file, io.BytesIO) else file, strict=True)
    assert (wav.sample_rate, wav.channel_count) == (RATE, channels)
    raw = np.concatenate([np.empty((0, channels), np.int16), *(one.reshape(-1, channels) for one in chunks)])
    np.testing.assert_array_equal(wav.pcm.reshape(-1, channels), raw)


def test_the_file_is_whole_at_every_moment(tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    device = OfflineDevice(RATE)
    recorder = started(path, device)
    assert len(read_wav(path, strict=True).pcm) == 0
    for position in range(0, 48_000, 2400):
        device.capture(ramp(2400, position))
        recorder.pause()
        recorder.record(lambda chunk: None)
        until(lambda so_far=position + 2400: recorder.stats.frames_written == so_far)
        np.testing.assert_array_equal(read_wav(path, strict=True).pcm, ramp(position + 2400))
    assert recorder.end().duration == 0
    assert recorder.record_to == path


def test_what_a_pause_skips_is_not_in_the_file_and_clear_drops_the_store_only(tmp_path: Path) -> None:
    device = OfflineDevice(RATE)
    recorder = started(str(tmp_path / "take.wav"), device, keep_seconds=60)
    device.capture(ramp(1000))
    recorder.pause()
    device.capture(ramp(500, 1000))
    recorder.record(lambda chunk: None)
    recorder.clear()
    device.capture(ramp(1000, 1500))
    np.testing.assert_array_equal(recorder.end().pcm, ramp(1000, 1500))
    everything = np.concatenate([ramp(1000), ramp(1000, 1500)])
    np.testing.assert_array_equal(read_wav(tmp_path / "take.wav").pcm, everything)


# Beginning


@pytest.mark.parametrize(
    ("target", "error", "words"),
    [
        (5, TypeError, "record_to must be a path, or a binary file object"),
        (b"take.wav", TypeError, "record_to must be a path"),
        (io.StringIO(), TypeError, "open for bytes"),
    ],
)
def test_what_cannot_be_recorded_to_is_refused_at_the_door(
    target: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        WavRecorder(record_to=target)
    recorder = WavRecorder(device=OfflineDevice(RATE))
    with pytest.raises(error, match=words):
        recorder.begin(record_to=target)
    assert recorder.get_status() == "ended"


def test_a_file_that_cannot_be_opened_is_told_before_the_device_opens(tmp_path: Path) -> None:
    device = OfflineDevice(RATE)
    for path, error in [(tmp_path / "none" / "take.wav", FileNotFoundError), (tmp_path, OSError)]:
        recorder = WavRecorder(RATE, device=device, record_to=path)
        with pytest.raises(error, match=tmp_path.name):
            recorder.begin()
        assert recorder.get_status() == "ended"
        assert recorder.record_to == path
    with WavRecorder(RATE, device=device):
        pass


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_because_it_cannot_seek(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=r"cannot seek|not seekable"):
        WavRecorder(device=OfflineDevice(), record_to=tmp_path / "pipe").begin()


def test_a_begin_that_fails_leaves_the_file_as_it_was_and_makes_none(tmp_path: Path) -> None:
    old, new = tmp_path / "old.wav", tmp_path / "new.wav"
    old.write_bytes(b"something else")
    device = OfflineDevice(RATE)
    with WavRecorder(RATE, device=device):
        for path in (old, new):
            with pytest.raises(StateError, match="already has a recorder"):
                WavRecorder(RATE, device=device, record_to=path).begin()
    with pytest.raises(DeviceError):
        WavRecorder(device="no such device", record_to=old).begin()
    assert old.read_bytes() == b"something else"
    assert not new.exists()
    # The files are free again.
    for path in (old, new):
        with WavRecorder(RATE, device=device, record_to=path):
            pass
        assert len(read_wav(path, strict=True).pcm) == 0


def test_the_recording_of_a_session_is_not_replaced_by_the_next_session(tmp_path: Path) -> None:
    path, other = tmp_path / "take.wav", tmp_path / "other.wav"
    device = OfflineDevice(RATE)
    recorder = started(path, device)
    device.capture(ramp(100))
    recorder.end()
    with pytest.raises(StateError, match=r"begin\(record_to=\.\.\.\) with another file"):
        recorder.begin()
    assert len(read_wav(path).pcm) == 100
    recorder.begin(record_to=other)
    assert recorder.record_to == other
    recorder.end()
    with pytest.raises(StateError, match="take.wav.* holds an earlier session"):
        recorder.begin()
    path.unlink()
    recorder.begin(record_to=path)
    recorder.end()
    assert len(read_wav(path).pcm) == 0


def test_two_recorders_do_not_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    recorder = started(path, OfflineDevice(RATE))
    with pytest.raises(StateError, match="another recorder writes"):
        WavRecorder(RATE, device=OfflineDevice(RATE), record_to=path).begin()
    recorder.end()
    with WavRecorder(RATE, device=OfflineDevice(RATE), record_to=path):
        pass


def test_a_longer_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    path.write_bytes(bytes(10_000))
    device = OfflineDevice(RATE)
    recorder = started(path, device)
    device.capture(ramp(10))
    recorder.end()
    assert path.stat().st_size == 80 + 20
    file = io.BytesIO(bytes(10_000))
    recorder = started(file, device)
    recorder.end()
    assert len(file.getvalue()) == 80


# Disks


def test_a_disk_that_stalls_loses_nothing_and_disturbs_nobody() -> None:
    disk, device, chunks = Disk(), OfflineDevice(RATE), []
    recorder = WavRecorder(RATE, device=device, record_to=disk)
    recorder.begin()
    recorder.record(lambda chunk: chunks.append(chunk.mono), 2400)
    disk.goes.clear()
    for position in range(0, 20 * RATE, 2400):
        device.capture(ramp(2400, position))
    recorder.pause()
    assert len(np.concatenate(chunks)) == 20 * RATE
    assert recorder.stats.frames_written == 0
    assert recorder.stats.frames_unwritten == recorder.stats.frames_dropped == 0
    disk.goes.set()
    recorder.end()
    np.testing.assert_array_equal(disk.samples, ramp(20 * RATE))


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("mine"), SystemExit()]
)
def test_a_disk_that_is_full_for_a_while_loses_nothing_and_is_told(
    error: BaseException, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_recording_file, "RETRY_SECONDS", 0.01)
    events: list[DeviceEvent] = []

    def on_event(event: DeviceEvent) -> None:
        events.append(event)
        raise ValueError("of the callback")

    disk, device = Disk(), OfflineDevice(RATE)
    recorder = started(disk, device, on_event=on_event)
    device.capture(ramp(4800))
    disk.error = error
    device.capture(ramp(4800, 4800))
    until(lambda: events)
    disk.error = None
    until(lambda: len(events) == 2)
    recorder.end()
    np.testing.assert_array_equal(disk.samples, ramp(9600))
    assert [event.kind for event in events] == ["file_failed", "file_resumed"]
    assert "cannot be written, trying again" in caplog.text


def test_what_is_missing_in_the_file_is_told_by_end_and_the_store_stays_readable() -> None:
    disk, device = Disk(), OfflineDevice(RATE)
    recorder = started(disk, device, keep_seconds=60)
    device.capture(ramp(2400))
    recorder.pause()
    until(lambda: recorder.stats.frames_written == 2400)
    recorder.record(lambda chunk: None)
    disk.error = OSError(errno.ENOSPC, "No space left on device")
    device.capture(ramp(4800, 2400))
    with pytest.raises(OSError, match="4800 of 7200 frames are not in 'the file'") as failure:
        recorder.end()
    assert failure.value.errno == errno.ENOSPC
    assert recorder.get_status() == "ended"
    assert recorder.stats.frames_unwritten == 4800
    np.testing.assert_array_equal(disk.samples, ramp(2400))
    np.testing.assert_array_equal(recorder.save().pcm, ramp(7200))
    with WavRecorder(device=device):
        pass


def test_a_failure_in_the_header_repeats_no_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_recording_file, "RETRY_SECONDS", 0.01)

    class Fails(io.BytesIO):
        """Every third write fails: data, header, data, header, ..."""

        writes = 0

        def write(self, data: Any, /) -> int:
            self.writes += 1
            if self.writes > 1 and self.writes % 3 == 0:
                raise OSError(errno.EIO, "no")
            return super().write(data)

    file, device = Fails(), OfflineDevice(RATE)
    recorder = started(file, device)
    for position in range(0, 12_000, 1200):
        device.capture(ramp(1200, position))
    recorder.pause()
    until(lambda: recorder.stats.frames_written == 12_000)
    recorder.end()
    np.testing.assert_array_equal(read_wav(file.getvalue(), strict=True).pcm, ramp(12_000))


def test_memory_is_bounded_while_the_disk_stalls_and_what_is_left_out_is_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_recording_file, "QUEUE_SECONDS", 1)
    # The device without a clock would wait for the disk.
    monkeypatch.setattr("wavtools.offline_device.CAPTURE_WAIT_SECONDS", 0)
    disk, device = Disk(), OfflineDevice(RATE)
    recorder = started(disk, device)
    disk.goes.clear()
    for position in range(0, 3 * RATE, 2400):
        device.capture(ramp(2400, position))
        recorder.pause()
        recorder.record(lambda chunk: None)
    stats = recorder.stats
    assert 2 * RATE <= stats.frames_unwritten <= 2.2 * RATE
    assert "frames are left out" in caplog.text
    disk.goes.set()
    with pytest.raises(OSError, match=f"{stats.frames_unwritten} of 72000 frames are not in .*too slow"):
        recorder.end()
    np.testing.assert_array_equal(disk.samples, ramp(3 * RATE - stats.frames_unwritten))


def test_a_device_without_a_clock_waits_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    # More than what the ring takes, twice.
    monkeypatch.setattr(_recording_file, "QUEUE_SECONDS", 22)
    disk, device = Disk(), OfflineDevice(RATE)
    recorder = started(disk, device)
    disk.goes.clear()
    speaking = threading.Thread(target=lambda: device.capture(ramp(40 * RATE)))
    speaking.start()
    until(lambda: recorder.stats.frames_captured > 11 * RATE)
    disk.goes.set()
    speaking.join(60)
    recorder.end()
    np.testing.assert_array_equal(disk.samples, ramp(40 * RATE))


def test_a_disk_that_never_comes_back_does_not_hold_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_recording_file, "CLOSE_SECONDS", 0.05)
    disk, device = Disk(), OfflineDevice(RATE)
    recorder = started(disk, device)
    disk.goes.clear()
    device.capture(ramp(2400))
    with pytest.raises(OSError, match="2400 of 2400 frames are not in .*took nothing for"):
        recorder.end()
    disk.goes.set()


LIMITED = """
import resource, signal, sys
import numpy as np
from wavtools import OfflineDevice, WavRecorder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_001, 100_001))
device = OfflineDevice(24000)
recorder = WavRecorder(24000, device=device, record_to=sys.argv[1])
chunks = []
recorder.begin(); recorder.record(chunks.append)
for _ in range(50):
    device.capture(np.full(2400, 7, np.int16))
try:
    recorder.end()
except OSError as error:
    print(sum(len(chunk.mono) for chunk in chunks), recorder.stats.frames_unwritten, error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="this system cannot limit the size of files")
def test_the_system_refuses_to_write_more_and_the_file_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    delivered, unwritten = map(int, done.stdout.split()[:2])
    pcm = read_wav(path).pcm
    assert delivered == 120_000
    assert unwritten == 120_000 - len(pcm) > 0
    assert len(pcm) > 45_000
    assert (pcm == 7).all()
    assert "File too large" in done.stdout


# Processes and memory


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_writes_nothing_into_the_file(tmp_path: Path) -> None:
    code = """
import os, sys
import numpy as np
from wavtools import OfflineDevice, WavRecorder
device = OfflineDevice(24000)
with WavRecorder(24000, device=device, record_to=sys.argv[1]) as recorder:
    recorder.record(lambda chunk: None)
    children = []
    for _ in range(10):
        device.capture(np.ones(2400, np.int16))
        child = os.fork()
        if child == 0:
            sys.exit(0)
        children.append(child)
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""
    path = tmp_path / "take.wav"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, f"{[0] * 10}\n"), done.stderr
    assert (read_wav(path, strict=True).pcm == np.ones(24_000)).all()


def test_with_record_to_neither_store_nor_waiting_chunks_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wavtools._capture_session.CHUNK_SECONDS", 1)
    device = OfflineDevice(RATE)
    file = io.BytesIO()
    recorder = WavRecorder(RATE, device=device, record_to=file)
    recorder.begin()
    recorder.record(chunk_size=2400)
    device.capture(ramp(3 * RATE))
    assert recorder.end().duration == 0
    assert recorder.stats.chunks_dropped == 20
    np.testing.assert_array_equal(np.concatenate([chunk.mono for chunk in recorder]), ramp(RATE, 2 * RATE))
    assert len(read_wav(file.getvalue()).pcm) == 3 * RATE


def test_a_recorder_that_is_dropped_finishes_its_file(tmp_path: Path) -> None:
    device = OfflineDevice(RATE)
    recorder = started(tmp_path / "take.wav", device)
    device.capture(ramp(2400))
    recorder.pause()
    del recorder
    np.testing.assert_array_equal(read_wav(tmp_path / "take.wav", strict=True).pcm, ramp(2400))
