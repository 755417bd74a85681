"""What `wavtools bench` computes, from recordings that are made: delay, drift and gaps that are known."""

from __future__ import annotations

import argparse
import dataclasses
import html.parser
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavtools.command.bench import report
from wavtools.command.bench.analysis import Take, analyse
from wavtools.command.bench.figures import measure
from wavtools.command.bench.kernels import measure_kernels
from wavtools.command.bench.path import measure_path
from wavtools.command.bench.signal import RATE, find_sweeps, make_signal
from wavtools.command.bench.storm import CONDITIONS, busy
from wavtools.command.errors import UserError
from wavtools.command.main import main

LEAD = 14_400


def played(seconds: float = 6.0) -> np.ndarray:
    """The signal as the speaker was given it, with silence around it."""
    return np.concatenate([np.zeros(LEAD, np.int16), make_signal(seconds), np.zeros(2 * RATE, np.int16)])


def delayed(signal: np.ndarray, frames: float, ppm: float = 0.0, gain: float = 0.3) -> np.ndarray:
    """What a microphone hears *frames* later, on a clock that is *ppm* faster, with a little noise."""
    at = (np.arange(len(signal)) * (1 - ppm * 1e-6)) - frames
    heard = gain * np.interp(at, np.arange(len(signal)), signal.astype(float), left=0, right=0)
    return (heard + np.random.default_rng(0).normal(0, 20, len(heard))).round().astype(np.int16)


@settings(deadline=None, max_examples=6)
@given(st.floats(30, 30_000))
def test_the_round_trip_is_the_delay(frames):
    signal = played(3.0)
    heard = analyse(Take(delayed(signal, frames), signal))
    assert heard.round_trip == pytest.approx(frames / RATE, abs=0.00005)
    assert (heard.sweeps, heard.gaps) == (6, [])


@settings(deadline=None, max_examples=6)
@given(st.floats(-500, 500))
def test_the_drift_is_that_of_the_clocks(ppm):
    signal = played(5.0)
    assert analyse(Take(delayed(signal, 2_000, ppm), signal)).drift_ppm == pytest.approx(ppm, abs=3)


@settings(deadline=None, max_examples=6)
@given(st.integers(0, 200_000), st.integers(1_500, 20_000))
def test_a_gap_is_found_where_it_was_made(at, length):
    signal = played(6.0)
    heard = delayed(signal, 3_000)
    begin = LEAD + 3_000 + RATE // 2 + at
    broken = np.concatenate([heard[:begin], np.zeros(length, np.int16), heard[begin:]])
    found = analyse(Take(broken, np.concatenate([signal, np.zeros(length, np.int16)])))
    assert len(found.gaps) == 1
    assert found.gaps[0].at == pytest.approx((RATE // 2 + at) / RATE, abs=0.02)
    assert found.gaps[0].seconds == pytest.approx(length / RATE, abs=0.012)
    assert found.drift_ppm == pytest.approx(0, abs=20)


def test_sound_that_was_lost_is_found():
    signal = played(6.0)
    heard = delayed(signal, 3_000)
    begin = LEAD + 3_000 + 2 * RATE + 10_000
    found = analyse(Take(np.concatenate([heard[:begin], heard[begin + 4_800 :]]), signal))
    assert [gap.kind for gap in found.gaps] == ["skip"]
    assert found.gaps[0].seconds == pytest.approx(0.1, abs=0.001)


def test_a_microphone_that_stalls_is_found():
    signal = played(4.0)
    times = [
        (frame, frame / RATE + (0.2 if frame >= 96_000 else 0.0)) for frame in range(0, len(signal), 480)
    ]
    (gap,) = analyse(Take(delayed(signal, 100), signal, times)).gaps
    assert (gap.kind, gap.seconds) == ("stall", pytest.approx(0.2))


def test_silence_and_noise_are_not_taken_for_the_signal():
    signal = played(4.0)
    noise = np.random.default_rng(1).normal(0, 3_000, len(signal)).astype(np.int16)
    for heard in (np.zeros_like(signal), noise, noise[:100], np.zeros(0, np.int16)):
        found = analyse(Take(heard, signal))
        assert (found.round_trip, found.drift_ppm, found.gaps) == (None, None, [])
    assert analyse(Take(noise, np.zeros(0, np.int16))).expected == 0


def test_every_sweep_of_the_signal_is_where_it_was_put():
    found = find_sweeps(make_signal(5.0))
    assert found.numbers.tolist() == list(range(10))
    np.testing.assert_allclose(found.frames, 24_000 * np.arange(10), atol=0.05)


# --- conditions and devices


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_ends_with_its_block(condition):
    import threading

    before = threading.active_count()
    with busy(condition):
        pass
    assert threading.active_count() == before


def test_the_path_without_a_loopback_has_lateness_and_no_round_trip():
    path = measure_path("calm", 1.0, "null", "null")
    assert path.heard.round_trip is None
    assert sum(path.output_lateness) > 10 and sum(path.input_lateness) > 10


def test_the_kernels_are_compared():
    kernels = measure_kernels()
    assert [kernel.work for kernel in kernels]
    assert all(time > 0 for kernel in kernels for time in kernel.microseconds.values())
    assert all("wavtools" in kernel.microseconds for kernel in kernels)


def test_nothing_to_measure_is_a_mistake():
    with pytest.raises(UserError, match="nothing to measure"):
        measure(argparse.Namespace(no_path=True, no_kernels=True))


# --- the report


def figures() -> dict:
    signal = played(4.0)
    heard = delayed(signal, 2_400)
    begin = LEAD + 2_400 + RATE
    heard = np.concatenate([heard[:begin], np.zeros(4_800, np.int16), heard[begin:]])
    path = dataclasses.asdict(measure_path("calm", 0.5, "null", "null"))
    path |= {"heard": dataclasses.asdict(analyse(Take(heard, signal))), "dropped": 7}
    return {
        "version": 1,
        "wavtools": "0.1.0",
        "python": "3.11",
        "system": "Linux <b>",
        "kernel_set": "base",
        "time": "2026-01-01T00:00:00+00:00",
        "devices": {"output": "A \x1b[31m<script>", "input": "B"},
        "paths": [path],
        "kernels": [{"work": "FFT", "microseconds": {"wavtools": 2.0, "NumPy": 5.0}}],
    }


def test_the_text_names_the_figures_the_gap_and_the_loss():
    text = report.show(figures())
    assert "100 ms of silence" in text and "7 captured frames were lost" in text
    assert "50.0 ±" in text and "NumPy 2.5" in text
    assert "\x1b[31m" not in text


def test_an_earlier_run_stands_in_brackets(tmp_path):
    report.write_json(figures(), tmp_path / "old.json")
    old = report.read_figures(tmp_path / "old.json")
    old["kernels"][0]["microseconds"]["wavtools"] = 3.0
    assert "2.00 (3.00)" in report.show(figures(), old)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"version": 2}', '{"version": 1}', '{"version": 1, "paths": 3}']
)
def test_a_file_of_something_else_is_refused(tmp_path, content, capsys):
    (tmp_path / "old.json").write_text(content)
    assert main(["bench", "--no-path", "--compare", str(tmp_path / "old.json")]) == 2
    assert "wavtools bench --json" in capsys.readouterr().err


def test_the_page_is_whole_and_runs_nothing(tmp_path):
    report.write_html(figures(), tmp_path / "bench.html")
    page = (tmp_path / "bench.html").read_text("utf-8")
    assert "<script" not in page and "default-src 'none'" in page

    class Tags(html.parser.HTMLParser):
        count = 0

        def handle_starttag(self, tag, attrs):
            self.count += tag == "rect"

    tags = Tags()
    tags.feed(page)
    assert tags.count == 48


def test_the_command_measures_the_kernels_and_writes_both_files(tmp_path, capsys):
    arguments = ["bench", "--no-path", "--json", str(tmp_path / "a.json"), "--html", str(tmp_path / "a.html")]
    assert main(arguments) == 0
    assert "real FFT of 8192" in capsys.readouterr().out
    assert json.loads((tmp_path / "a.json").read_text())["version"] == 1
    assert (tmp_path / "a.html").read_text("utf-8").endswith("</html>")
