"""The FFT is the DFT, and the analyser is Chromium's AnalyserNode."""

from __future__ import annotations

import pathlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.conformance import both, load
from wavtools.spectrum import Analyser, RealFFT, rfft


def feed(analyser: Analyser, signal: np.ndarray, begin: int, end: int) -> None:
    """Push frames [begin, end) of *signal* (channels, frames); past its end is silence."""
    frames = np.ascontiguousarray(signal[:, begin:end].T)
    analyser.push(frames)
    analyser.push(np.zeros(end - begin - len(frames), np.float32))


@both("analyser")
def test_spectra_are_chromiums(folder: pathlib.Path) -> None:
    vectors = load(folder, "analyser")
    for signal in vectors.facts["signals"]:
        key = f"sig{signal['signal']:02d}"
        analyser, position = Analyser(), 0
        for frame, expected in zip(
            vectors.arrays[f"{key}_frames"], vectors.arrays[f"{key}_fft"], strict=False
        ):
            feed(analyser, vectors.arrays[f"{key}_pcm"], position, frame)
            position = frame
            got = analyser.float_frequency_data()
            np.testing.assert_array_equal(np.isneginf(got), np.isneginf(expected))
            for floor, tolerance in [(-60, 0.001), (-100, 0.01)]:
                loud = expected > floor
                np.testing.assert_allclose(got[loud], expected[loud], rtol=0, atol=tolerance, err_msg=key)


def test_calls_without_a_new_quantum_return_the_same() -> None:
    analyser = Analyser()
    analyser.push(np.ones(256, np.float32))
    first = analyser.float_frequency_data()
    np.testing.assert_array_equal(analyser.float_frequency_data(), first)
    analyser.push(np.ones(128, np.float32))
    assert not np.array_equal(analyser.float_frequency_data(), first)


def test_silence_is_minus_infinity_and_fades_by_20_db_a_call_after_sound() -> None:
    analyser = Analyser(1024)
    assert np.isneginf(analyser.float_frequency_data()).all()
    analyser.push(np.ones(1024, np.float32))
    analyser.float_frequency_data()
    analyser.push(np.zeros(1024, np.float32))
    after = analyser.float_frequency_data()
    analyser.push(np.zeros(128, np.float32))
    np.testing.assert_allclose(analyser.float_frequency_data()[:3], after[:3] - 20, atol=1e-4)


@pytest.mark.parametrize("sizes", [[1], [100, 28], [999], [20_000]])
def test_pushes_of_any_size_are_the_same_audio(sizes: list[int]) -> None:
    signal = np.random.default_rng(0).standard_normal(20_000).astype(np.float32)
    whole, parts = Analyser(2048), Analyser(2048)
    whole.push(signal)
    position, turn = 0, 0
    while position < len(signal):
        parts.push(signal[position : position + sizes[turn % len(sizes)]])
        position, turn = position + sizes[turn % len(sizes)], turn + 1
    np.testing.assert_array_equal(parts.float_frequency_data(), whole.float_frequency_data())


def test_int16_is_divided_by_32768_and_channels_are_averaged() -> None:
    rng = np.random.default_rng(0)
    stereo = rng.integers(-32768, 32768, (5_000, 2)).astype(np.int16)
    from_int16, from_mono = Analyser(), Analyser()
    from_int16.push(stereo)
    from_mono.push((stereo.sum(axis=1) / 65536).astype(np.float32))
    np.testing.assert_array_equal(from_int16.float_frequency_data(), from_mono.float_frequency_data())
    from_bytes = Analyser()
    from_bytes.push(stereo[:, 0].tobytes())
    assert np.isfinite(from_bytes.float_frequency_data()).any()


def test_a_nan_is_gone_with_its_window_but_for_reset_the_smoothing_keeps_it() -> None:
    analyser = Analyser(32)
    analyser.push(np.full(64, np.nan, np.float32))
    assert np.isnan(analyser.float_frequency_data()).all()
    analyser.reset()
    analyser.push(np.ones(128, np.float32))
    assert np.isfinite(analyser.float_frequency_data()).any()


@pytest.mark.parametrize("size", [2**k for k in range(5, 16)])
def test_rfft_is_the_dft(size: int) -> None:
    x = np.random.default_rng(size).standard_normal(size).astype(np.float32)
    expected = np.fft.rfft(x.astype(np.float64))
    got = rfft(x)
    assert got.dtype == np.complex64
    assert got.shape == (size // 2 + 1,)
    assert np.sqrt(np.mean(np.abs(got - expected) ** 2)) < 3e-7 * np.sqrt(np.mean(np.abs(expected) ** 2))


@pytest.mark.parametrize("size", [2**k for k in range(5, 16)])
def test_a_real_fft_has_the_bits_of_rfft_and_keeps_its_arrays(size: int) -> None:
    fft = RealFFT(size)
    samples, bins = fft.samples, fft.bins
    assert (samples.dtype, samples.shape) == (np.float32, (size,))
    assert (bins.dtype, bins.shape) == (np.complex64, (size // 2 + 1,))
    assert not bins.any()
    for seed in range(3):
        x = np.random.default_rng(seed).standard_normal(size).astype(np.float32)
        samples[:] = x
        assert fft.execute() is bins
        np.testing.assert_array_equal(bins, rfft(x))
        np.testing.assert_array_equal(samples, x)
    assert fft.samples is samples


def test_the_arrays_of_a_real_fft_outlive_it_and_cannot_be_replaced_or_resized() -> None:
    fft = RealFFT(32)
    with pytest.raises(AttributeError):
        fft.samples = np.zeros(32, np.float32)  # type: ignore[misc]
    with pytest.raises(ValueError, match="resize"):
        fft.samples.resize(64, refcheck=False)
    fft.samples[:] = 1
    bins = fft.execute()
    del fft
    assert bins[0] == 32


@pytest.mark.parametrize("size", [32, 256, 8192])
def test_rfft_of_an_impulse_is_flat_and_of_a_constant_is_one_bin(size: int) -> None:
    impulse = np.zeros(size, np.float32)
    impulse[0] = 1
    np.testing.assert_allclose(rfft(impulse), np.ones(size // 2 + 1), atol=1e-6)
    constant = rfft(np.ones(size, np.float32))
    assert constant[0] == size
    np.testing.assert_allclose(constant[1:], 0, atol=size * 1e-7)


@pytest.mark.parametrize("size", [0, 1, 16, 33, 1000, 65_536])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"is {size}, expected a power of two from 32 to 32768"):
        rfft(np.zeros(size, np.float32))
    for made in (Analyser, RealFFT):
        with pytest.raises(ValueError, match=f"fft_size is {size}"):
            made(size)


def test_other_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match="float32"):
        rfft(np.zeros(64))
    with pytest.raises(ValueError, match="2 dimensions"):
        rfft(np.zeros((2, 64), np.float32))
    for made in (Analyser, RealFFT):
        with pytest.raises(TypeError, match="fft_size"):
            made(8192.5)
        with pytest.raises(ValueError, match=f"fft_size is {10**30}"):
            made(10**30)
    for smoothing in [-0.1, 1.1, float("nan")]:
        with pytest.raises(ValueError, match="smoothing"):
            Analyser(smoothing=smoothing)
    analyser = Analyser()
    with pytest.raises(TypeError, match="int16 or float32"):
        analyser.push(np.zeros(64))
    with pytest.raises(ValueError, match="3 dimensions"):
        analyser.push(np.zeros((2, 2, 2), np.int16))
    with pytest.raises(ValueError, match="0 channels"):
        analyser.push(np.zeros((2, 0), np.int16))
    assert np.isneginf(analyser.float_frequency_data()).all()


def test_many_threads_share_plans_and_an_analyser(rng):
    """With and without a GIL: each transform is right, and a shared analyser works as before after a reset."""
    signals = [rng.uniform(-1, 1, 1 << k).astype(np.float32) for k in range(5, 16)]
    shared, fresh = Analyser(1024), Analyser(1024)

    def work(start: int) -> None:
        for turn in range(60):
            x = signals[(start + turn) % len(signals)]
            spectrum = np.fft.rfft(x.astype(np.float64))
            assert np.abs(rfft(x) - spectrum).max() < 1e-5 * np.abs(spectrum).max()
            shared.push(x)
            assert np.isfinite(shared.float_frequency_data()).all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    shared.reset()
    for analyser in (shared, fresh):
        analyser.push(signals[-1])
    np.testing.assert_array_equal(shared.float_frequency_data(), fresh.float_frequency_data())
