"""The makers of echo cancellers, and WebRTC's where it is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import fftconvolve

sys.path.insert(0, str(Path(__file__).parent))  # the helpers of this folder, which is no package
import echo_tapes as tapes

from wavtools import EchoCanceller, NativeEchoCanceller, echo_canceller

RATE = tapes.RATE


def webrtc(*arguments, **options):
    pytest.importorskip("pywebrtc_audio")
    return echo_canceller("webrtc", *arguments, **options)


def test_auto_is_the_native_canceller_and_says_so():
    canceller = echo_canceller()
    assert isinstance(canceller, NativeEchoCanceller)
    assert canceller.name == "native"
    assert canceller.sample_rate == RATE
    assert echo_canceller("native", 16_000, tail_seconds=0.3).frame == 160


def test_auto_is_webrtc_where_noise_suppression_or_gain_is_wanted():
    pytest.importorskip("pywebrtc_audio")
    assert echo_canceller(noise_suppression=True).name == "webrtc"
    assert echo_canceller(automatic_gain=True).name == "webrtc"


def test_both_are_echo_cancellers():
    assert isinstance(echo_canceller("native"), EchoCanceller)
    assert isinstance(webrtc(), EchoCanceller)
    assert not isinstance(object(), EchoCanceller)


def test_without_its_package_webrtc_names_the_command_that_installs_it():
    code = """
import sys
sys.modules["pywebrtc_audio"] = None  # as if it were not installed
import wavtools
try:
    wavtools.echo_canceller("webrtc")
except ImportError as error:
    print(error)
print(wavtools.echo_canceller("auto").name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "wavtools[aec]"' in done.stdout
    assert done.stdout.endswith("native\n")


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="'speex' does not exist; pass one of 'auto', 'native', 'webrtc'"):
        echo_canceller("speex")
    with pytest.raises(ValueError, match='no noise suppression or automatic gain; pass "webrtc"'):
        echo_canceller("native", noise_suppression=True)
    with pytest.raises(ValueError, match="8000 to 48000 Hz"):
        echo_canceller("auto", 96_000)
    with pytest.raises(ValueError, match="0.1 to 1 second"):
        echo_canceller("auto", RATE, tail_seconds=2)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 24_000, 44_100, 48_000])
def test_webrtc_cancels_at_every_rate_and_tells_how_much_and_how_late(rate):
    canceller = webrtc(rate)
    far = tapes.voice(5, rate=rate)
    mic = tapes.microphone(fftconvolve(far, tapes.room(0.3, 0.06, -3, rate))[: len(far)])
    whole = len(mic) // canceller.frame * canceller.frame
    clean = canceller.process(mic[:whole], tapes.pcm(far)[:whole])
    assert clean.dtype == np.int16
    assert np.median(tapes.falls(mic, clean, canceller.delay_frames, rate)) >= 20
    assert canceller.erle_db >= 15
    assert canceller.path_delay_seconds == pytest.approx(0.06, abs=0.005)
    canceller.reset()
    assert canceller.erle_db == 0
    assert canceller.path_delay_seconds is None


@pytest.mark.parametrize("options", [{}, {"noise_suppression": True}])
def test_the_delay_of_webrtc_is_the_one_it_states(options):
    canceller = webrtc(**options)
    near = tapes.pcm(tapes.voice(3))
    clean = canceller.process(near, np.zeros_like(near))
    size = 2 * len(near)
    correlation = np.fft.irfft(np.fft.rfft(clean, size) * np.conj(np.fft.rfft(near, size)))
    assert np.argmax(correlation) == pytest.approx(canceller.delay_frames, abs=12)


def test_webrtc_refuses_what_does_not_fit():
    canceller = webrtc()
    frame = np.zeros(240, np.int16)
    with pytest.raises(ValueError, match="near has 240 samples and played 480"):
        canceller.process(frame, np.zeros(480, np.int16))
    with pytest.raises(ValueError, match="a multiple of 240"):
        canceller.process(frame[:100], frame[:100])
    with pytest.raises(TypeError, match="near must be int16"):
        canceller.process(np.zeros(240), frame)
    assert len(canceller.process(frame[:0], frame[:0])) == 0
