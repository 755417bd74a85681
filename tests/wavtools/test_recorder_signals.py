"""Signal handlers may call a recorder: none hangs, wherever it interrupts, and what is refused says what to do."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wavtools import OfflineDevice, StateError, WavRecorder

RATE = 24_000


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


STORM = """
import faulthandler, signal, sys, time
import numpy as np
from wavtools import OfflineDevice, StateError, WavRecorder
faulthandler.dump_traceback_later(50, exit=True)
device = OfflineDevice(24000)
recorder = WavRecorder(24000, device=device, record_to=sys.argv[1], keep_seconds=1)
counts = {"worked": 0, "refused": 0}
armed = True
def handler(number, frame):
    n = counts["worked"] + counts["refused"]
    calls = [recorder.pause, recorder.record, recorder.quit, recorder.clear,
             lambda: (recorder.end(), recorder.begin(record_to=sys.argv[1]))]
    try:
        calls[n % len(calls)]()
        counts["worked"] += 1
    except StateError:
        counts["refused"] += 1
    if armed: signal.setitimer(signal.ITIMER_REAL, 0.0004 + n % 7 * 0.0002)
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.001)
ones = np.ones(240, np.int16)
end = time.monotonic() + 3
def frames():
    device.capture(ones)
def look():
    recorder.stats, recorder.get_frequencies(), recorder.save(force=True), recorder.read()
def take():
    for chunk in recorder:
        break
steps = [lambda: recorder.begin(record_to=sys.argv[1]), lambda: recorder.record(chunk_size=100), frames, look, frames,
         take, recorder.pause, lambda: recorder.record(lambda chunk: None, 100), frames, recorder.clear, recorder.quit]
while time.monotonic() < end:
    for step in steps:
        try:
            step()
        except StateError:
            pass
armed = False
signal.setitimer(signal.ITIMER_REAL, 0)
recorder.quit()
recorder.begin(record_to=sys.argv[1]); recorder.record(); frames()
assert len(recorder.end().pcm) == 240
print(counts["worked"], counts["refused"])
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timer")
def test_a_signal_handler_may_make_any_call_and_none_hangs(tmp_path: Path) -> None:
    worked, _refused = map(int, run(STORM, str(tmp_path / "take.wav")).split())
    assert worked > 50


EVERY_LINE = """
import faulthandler, io, itertools, sys
import numpy as np
from wavtools import OfflineDevice, StateError, WavRecorder
faulthandler.dump_traceback_later(100, exit=True)
ones = np.ones(250, np.int16)
def program(recorder, device):
    recorder.begin(record_to=io.BytesIO()); recorder.record(chunk_size=100)
    device.capture(ones)
    if recorder.get_status() == "recording":
        next(iter(recorder))
    recorder.get_frequencies(), recorder.stats, recorder.read(), recorder.save(force=True)
    recorder.clear()
    recorder.pause(); recorder.record(lambda chunk: None, 100)
    recorder.use_device(other := OfflineDevice(24000)); other.capture(ones)
    recorder.end()
def interrupt(call, at):
    lines = 0
    def trace(frame, event, argument):
        nonlocal lines
        if "wavtools" not in frame.f_code.co_filename and not frame.f_code.co_filename.endswith("threading.py"):
            return None
        lines += event == "line"
        if lines == at and event == "line":
            try:
                call()
                worked.append(at)
            except StateError:
                refused.append(at)
        return trace
    return trace
worked, refused, seen = [], [], 0
for at in itertools.count(1):
    device = OfflineDevice(24000)
    recorder = WavRecorder(24000, device=device)
    call = [recorder.pause, recorder.end, recorder.quit][at % 3]
    sys.settrace(interrupt(call, at))
    try:
        program(recorder, device)
    except (StateError, StopIteration):
        pass
    finally:
        sys.settrace(None)
    recorder.quit()
    if len(worked) + len(refused) == seen:
        break
    seen += 1
print(len(worked), len(refused))
"""


def test_a_handler_that_ends_or_pauses_hangs_at_no_line_of_any_call() -> None:
    """The trace function stands for the handler: it, too, runs on the thread between two lines."""
    worked, refused = map(int, run(EVERY_LINE).split())
    assert worked > 50
    assert refused > 50


TERMINATED = """
import signal, sys, threading, time
import numpy as np
from wavtools import OfflineDevice, WavRecorder
device = OfflineDevice(24000)
recorder = WavRecorder(24000, device=device)
recorder.begin()
files = []
signal.signal(signal.SIGTERM, lambda *_: files.append(recorder.end()))
recorder.record(chunk_size=240)
said = []
def speak():
    while recorder.get_status() == "recording":
        device.capture(np.arange(100, dtype=np.int16)); said.append(100)
    device.capture(np.arange(100, dtype=np.int16))
threading.Thread(target=speak).start()
threading.Timer(float(sys.argv[1]), lambda: signal.raise_signal(signal.SIGTERM)).start()
got = sum(len(chunk.mono) for chunk in recorder)
assert len(files) == 1
assert len(files[0].pcm) == got, (len(files[0].pcm), got)
print(got)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no SIGTERM to catch")
@pytest.mark.parametrize("seconds", [0.05, 0.0613, 0.0871])
def test_a_signal_handler_ends_a_recording_that_is_iterated(seconds: float) -> None:
    assert int(run(TERMINATED, str(seconds))) > 0


def test_a_call_in_the_middle_of_another_one_is_refused_with_what_to_do() -> None:
    class Interrupts(OfflineDevice):
        """Calls as a signal handler would while the device opens."""

        def attach(self, stream: Any, on_event: Any) -> Any:
            for call in (recorder.begin, recorder.record, recorder.pause, recorder.end, recorder.quit):
                with pytest.raises(StateError, match="set a flag in the handler"):
                    call()
            return super().attach(stream, on_event)

    recorder = WavRecorder(RATE, device=Interrupts(RATE))
    recorder.begin()
    recorder.record()
    assert recorder.end().duration == 0
