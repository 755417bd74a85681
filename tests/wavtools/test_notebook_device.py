"""wavtools.notebook(): the audio thread of its page in node, and its widget without a browser."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wavtools
from tests.conftest import require_program
from tests.remote_peer import HEADER, HELLO, OPENED, PLAY
from wavtools import notebook_device

SCRIPT = Path(notebook_device.__file__).with_suffix(".js")

# Plays 40 answers on the worklet, cuts each one at random, and prints what was played and what was told.
DRIVER = """
import { readFileSync } from 'node:fs';
const { WORKLET } = await import('data:text/javascript;base64,' + readFileSync(process.argv[2]).toString('base64'));
const classes = {};
globalThis.sampleRate = 24000;
globalThis.AudioWorkletProcessor = class {
  constructor() { this.port = { told: [], postMessage: (m) => this.port.told.push(m) }; }
};
globalThis.registerProcessor = (name, kind) => { classes[name] = kind; };
new Function(WORKLET)();
const channels = Number(process.argv[3]);
const speaker = new classes['wavtools-speaker']({ processorOptions: { channels, gain: 1 } });
const heard = [], results = [];
function run(quanta) {
  for (let i = 0; i < quanta; i++) {
    const output = Array.from({ length: channels }, () => new Float32Array(128));
    speaker.process([], [output]);
    for (let f = 0; f < 128; f++) heard.push(Math.round(output[channels - 1][f] * 32768));
  }
}
let seed = 7, handed = 0;
const random = (n) => (seed = (seed * 48271) % 2147483647) % n;
run(3);
for (let number = 1; number <= 40; number++) {
  for (let i = 0; i < 20; i++) {
    speaker.port.onmessage({ data: { kind: 'play', samples: new Int16Array(240 * channels).fill(number) } });
    handed += 240;
  }
  run(random(20));
  const stop = Math.min(speaker.position + random(600) - 100, handed);
  speaker.port.onmessage({ data: { kind: 'cut', number, stop, resume: handed, fade: 0 } });
  if (number % 5 === 0) speaker.port.onmessage({ data: { kind: 'suspended', suspended: true } });
  speaker.port.onmessage({ data: { kind: 'suspended', suspended: false } });
  run(12);
  results.push({ number, start: handed - 4800, stop });
}
console.log(JSON.stringify({ heard: heard.filter((x) => x), told: speaker.port.told, results, position: speaker.position }));
"""


@pytest.mark.parametrize("channels", [1, 2])
def test_the_page_plays_to_exactly_where_it_says_it_stopped(tmp_path, channels) -> None:
    node = require_program("node", "nodejs")
    driver = tmp_path / "driver.mjs"
    driver.write_text(DRIVER)
    done = subprocess.run(
        [node, driver, SCRIPT, str(channels)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    heard = np.array(told["heard"])
    stops = {message["number"]: message["position"] for message in told["told"] if message["kind"] == "done"}
    assert len(stops) == 40
    for result in told["results"]:
        number = result["number"]
        played = stops[number] - result["start"]
        assert int(np.count_nonzero(heard == number)) == played, number
    late = sum(stops[r["number"]] > r["stop"] for r in told["results"])
    exact = sum(stops[r["number"]] == r["stop"] for r in told["results"])
    assert late > 0 and exact > 20
    assert np.all(np.diff(heard) >= 0)
    assert told["position"] == 40 * 4800


class Channel:
    """What the widget's messages go through; the other end is the test."""

    def __init__(self, **data: Any) -> None:
        self.comm_id = "c"
        self.sent: list[tuple[Any, list[bytes]]] = []

    def send(self, data: Any = None, metadata: Any = None, buffers: Any = None) -> None:
        self.sent.append((data, [bytes(one) for one in buffers or []]))

    def close(self, *args: Any, **kwargs: Any) -> None: ...
    def on_msg(self, callback: Any) -> None: ...
    def open(self, *args: Any, **kwargs: Any) -> None: ...


@pytest.fixture
def in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A shell with a kernel; returns what cells show."""
    ipywidgets = pytest.importorskip("ipywidgets")
    pytest.importorskip("anywidget")
    shown: list[Any] = []
    shell = types.SimpleNamespace(kernel=object(), events=None)
    shell_module = types.ModuleType("IPython")
    shell_module.get_ipython = lambda: shell  # type: ignore[attr-defined]
    display = types.ModuleType("IPython.display")
    display.display = shown.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", shell_module)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr(ipywidgets.Widget, "open", lambda self: setattr(self, "comm", Channel()))
    return shown


def test_the_widget_is_the_wire_of_a_remote_device(in_a_notebook) -> None:
    device = wavtools.notebook()
    assert in_a_notebook == [device]
    widget = device.widget
    sound = np.arange(1, 2401, dtype=np.int16)
    with wavtools.WavStreamPlayer(24_000, device=device) as player:
        player.add_16bit_pcm(sound, "a")
        widget._handle_custom_msg({"kind": "open"}, [])
        frames = [buffers[0] for content, buffers in widget.comm.sent if buffers]
        assert frames[0][0] == HELLO
        stream = json.loads(frames[0][16:])["speaker"]["stream"]
        opened = (
            HEADER.pack(OPENED, 0, 0, 1, 0)
            + json.dumps({"version": 1, "speaker": {"stream": stream}}).encode()
        )
        widget._handle_custom_msg({"kind": "frame"}, [memoryview(opened)])
        frames = [buffers[0] for content, buffers in widget.comm.sent if buffers]
        played = b"".join(frame[16:] for frame in frames if frame[0] == PLAY)
        assert np.array_equal(np.frombuffer(played, "<i2"), sound)
        for odd in (None, "text", {"kind": "frame"}, {"kind": 5}):
            widget._handle_custom_msg(odd, [])
        assert device.stats.malformed == 0


def test_without_anywidget_the_error_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(ImportError, match="pip install anywidget"):
        wavtools.notebook()


def test_outside_a_notebook_the_error_names_other_devices(monkeypatch) -> None:
    pytest.importorskip("anywidget")
    monkeypatch.setitem(sys.modules, "IPython", None)
    with pytest.raises(wavtools.StateError, match="elsewhere use a device of this machine"):
        wavtools.notebook()
