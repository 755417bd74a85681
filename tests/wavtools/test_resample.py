"""The resampler is exact in length and time, gives the same bits for any chunking, and has its stated quality."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wavtools
from wavtools import ConcurrencyError
from wavtools.resample import Resampler, resample

PAIRS = [
    (48_000, 24_000),
    (24_000, 48_000),
    (44_100, 24_000),
    (24_000, 44_100),
    (16_000, 24_000),
    (8_000, 24_000),
]
ODD_PAIRS = [
    (44_100, 44_101),
    (192_000, 8_000),
    (8_000, 192_000),
    (11_025, 192_000),
    (47_999, 48_000),
    (8_000, 8_001),
]
QUALITIES = ["fast", "high", "best"]
rates = st.one_of(
    st.sampled_from([8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000]), st.integers(8_000, 192_000)
)


def chunked(stream: Resampler, signal: np.ndarray, sizes: list[int]) -> np.ndarray:
    """The signal through *stream*, cut at *sizes* again and again."""
    parts, position, turn = [], 0, 0
    while position < len(signal):
        size = sizes[turn % len(sizes)]
        parts.append(stream.process(np.ascontiguousarray(signal[position : position + size])))
        position, turn = position + size, turn + 1
    return np.concatenate([*parts, stream.flush()])


def sine(frequency: float, rate: int, frames: int, amplitude: float = 0.5) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * frequency * np.arange(frames) / rate)).astype(np.float32)


def level_db(signal: np.ndarray, amplitude: float = 0.5) -> float:
    """Level against a sine of *amplitude*."""
    return float(
        20 * np.log10(max(np.sqrt(np.mean(signal.astype(float) ** 2)), 1e-12) / (amplitude / np.sqrt(2)))
    )


def tone_db(signal: np.ndarray, frequency: float, rate: int, amplitude: float = 0.5) -> float:
    """Level of the sine in *signal* that fits best, against *amplitude*."""
    angle = 2 * np.pi * frequency * np.arange(len(signal)) / rate
    fit = np.linalg.lstsq(np.stack([np.sin(angle), np.cos(angle)], axis=1), signal.astype(float), rcond=None)[
        0
    ]
    return float(20 * np.log10(np.hypot(*fit) / amplitude))


@given(
    in_rate=rates,
    out_rate=rates,
    quality=st.sampled_from(QUALITIES),
    frames=st.integers(0, 3_000),
    sizes=st.lists(st.integers(0, 700), min_size=1, max_size=9).filter(any),
    channels=st.integers(1, 3),
    dtype=st.sampled_from([np.int16, np.float32]),
)
@settings(max_examples=60, deadline=None)
def test_any_chunking_gives_the_bits_and_the_length_of_one_call(
    in_rate: int, out_rate: int, quality: str, frames: int, sizes: list[int], channels: int, dtype: type
) -> None:
    signal = (np.random.default_rng(frames).standard_normal((frames, channels)) * 9_000).astype(dtype)
    signal = signal[:, 0].copy() if channels == 1 else signal
    whole = resample(signal, in_rate, out_rate, quality)  # type: ignore[type-var]
    assert whole.dtype == dtype
    assert len(whole) == -(-frames * out_rate // in_rate)
    stream = Resampler(in_rate, out_rate, channels, quality)  # type: ignore[arg-type]
    np.testing.assert_array_equal(chunked(stream, signal, sizes), whole)
    np.testing.assert_array_equal(chunked(stream, signal, sizes[::-1]), whole)  # flush began a new signal


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize(("in_rate", "out_rate"), [*PAIRS, *ODD_PAIRS, (44_100, 48_000), (24_000, 24_000)])
def test_long_chunks_give_the_bits_of_short_ones(in_rate: int, out_rate: int, quality: str) -> None:
    signal = np.random.default_rng(2).uniform(-0.5, 0.5, 40_000).astype(np.float32)
    whole = resample(signal, in_rate, out_rate, quality)  # type: ignore[type-var]
    stream = Resampler(in_rate, out_rate, quality=quality)  # type: ignore[arg-type]
    np.testing.assert_array_equal(chunked(stream, signal, [441]), whole)
    np.testing.assert_array_equal(chunked(stream, signal, [12_290, 3, 14_000]), whole)


@pytest.mark.parametrize("rate", [8_000, 24_000, 44_100, 192_000])
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_equal_rates_pass_samples_through_bit_for_bit(rate: int, dtype: type) -> None:
    signal = (np.random.default_rng(rate).standard_normal(1_001) * 20_000).astype(dtype)
    stream = Resampler(rate, rate)
    assert stream.latency_seconds == 0.0
    np.testing.assert_array_equal(stream.process(signal), signal)
    assert len(stream.flush()) == 0


@pytest.mark.parametrize("channels", [2, 5, 8])
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_channels_do_not_mix(channels: int, dtype: type) -> None:
    signal = (np.random.default_rng(0).standard_normal((3_001, channels)) * 9_000).astype(dtype)
    together = resample(signal, 44_100, 24_000)
    for channel in range(channels):
        alone = resample(signal[:, channel].copy(), 44_100, 24_000)
        np.testing.assert_array_equal(together[:, channel], alone)


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize(("in_rate", "out_rate"), PAIRS + ODD_PAIRS)
def test_latency_is_constant_and_what_is_stated(in_rate: int, out_rate: int, quality: str) -> None:
    stream = Resampler(in_rate, out_rate, quality=quality)  # type: ignore[arg-type]
    fed = given_out = 0
    behind = []
    for size in [1, 7, in_rate // 100] * 30:
        given_out += len(stream.process(np.zeros(size, np.float32)))
        fed += size
        if given_out:
            # The next frame, not given out yet, still lacks look-ahead.
            behind.append(fed / in_rate - given_out / out_rate)
    assert max(behind) <= stream.latency_seconds + 1e-9
    assert min(behind) > stream.latency_seconds - 1 / in_rate - 1 / out_rate


@pytest.mark.parametrize(
    ("in_rate", "out_rate"),
    [*PAIRS, (16_000, 48_000), (48_000, 16_000), (44_100, 16_000), (16_001, 16_000)],
)
def test_high_looks_ahead_at_most_4_ms_and_6_5_ms_at_8_khz(in_rate: int, out_rate: int) -> None:
    limit = 0.0065 if min(in_rate, out_rate) == 8_000 else 0.004
    assert 0 < Resampler(in_rate, out_rate).latency_seconds <= limit


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize(("in_rate", "out_rate"), PAIRS + ODD_PAIRS)
def test_output_lies_in_time_where_the_input_does(in_rate: int, out_rate: int, quality: str) -> None:
    # A tone at a tenth of the lower rate comes out as itself, to the passband's flatness.
    frequency = min(in_rate, out_rate) / 10
    got = resample(sine(frequency, in_rate, in_rate // 4), in_rate, out_rate, quality)  # type: ignore[type-var]
    inner = slice(len(got) // 8, -len(got) // 8)
    error = got - sine(frequency, out_rate, len(got))
    assert level_db(error[inner]) < {"fast": -75, "high": -93, "best": -136}[quality]


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize(("in_rate", "out_rate"), PAIRS + ODD_PAIRS)
def test_passband_is_flat_to_its_stated_edge(in_rate: int, out_rate: int, quality: str) -> None:
    edge = {"fast": 0.80, "high": 0.91, "best": 0.915}[quality] * min(in_rate, out_rate) / 2
    for frequency in [edge / 3, edge * 0.9, edge]:
        got = resample(sine(frequency, in_rate, in_rate // 4), in_rate, out_rate, quality)  # type: ignore[type-var]
        inner = got[len(got) // 8 : -len(got) // 8]
        assert abs(tone_db(inner, frequency, out_rate)) < (0.001 if quality == "best" else 0.09)


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize(("in_rate", "out_rate"), [(a, b) for a, b in PAIRS + ODD_PAIRS if a > 1.2 * b])
def test_what_would_alias_is_stopped(in_rate: int, out_rate: int, quality: str) -> None:
    begin = 1.02 if out_rate < 16_000 and quality == "high" else 1.0005
    for factor in [begin, 1.03, 1.2, 1.7]:
        frequency = factor * out_rate / 2
        if frequency < in_rate / 2:
            got = resample(sine(frequency, in_rate, in_rate // 2), in_rate, out_rate, quality)  # type: ignore[type-var]
            high = -135 if out_rate >= 16_000 else -130
            limit = {"fast": -103, "high": high, "best": -150}[quality]
            assert level_db(got[len(got) // 8 : -len(got) // 8]) < limit, frequency


def test_8_khz_to_24_khz_adds_less_than_soxr_hq_does() -> None:
    # Images and noise of soxr HQ, from the tones of benchmarks/quality.py: -132.6 dB of the tone.
    for frequency in np.linspace(0.02, 0.91, 24) * 4_000:
        angle = 2 * np.pi * frequency * np.arange(2_000) / 8_000 + 0.7
        got = resample((0.5 * np.sin(angle)).astype(np.float32), 8_000, 24_000).astype(float)
        got = got[len(got) // 8 : -len(got) // 8]
        angle = 2 * np.pi * frequency * np.arange(len(got)) / 24_000
        basis = np.stack([np.sin(angle), np.cos(angle)], axis=1)
        assert level_db(got - basis @ np.linalg.lstsq(basis, got, rcond=None)[0]) < -132.6, frequency


@pytest.mark.parametrize(("in_rate", "out_rate"), PAIRS + ODD_PAIRS)
def test_a_constant_stays_that_constant(in_rate: int, out_rate: int) -> None:
    got = resample(np.full(in_rate // 10, 0.25, np.float32), in_rate, out_rate)
    np.testing.assert_allclose(got[len(got) // 4 : -len(got) // 4], 0.25, rtol=2e-6)


def test_silence_stays_silent() -> None:
    assert not resample(np.zeros(5_000, np.float32), 44_100, 24_000).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("in_rate", "out_rate"), PAIRS + ODD_PAIRS)
def test_a_bad_sample_spreads_no_further_than_the_filter(in_rate: int, out_rate: int, bad: float) -> None:
    signal = sine(440, in_rate, 12_000)
    clean = resample(signal, in_rate, out_rate)
    signal[6_000] = bad
    dirty = resample(signal, in_rate, out_rate)
    reach = Resampler(in_rate, out_rate).latency_seconds + 1 / in_rate
    away = np.abs(np.arange(len(clean)) / out_rate - 6_000 / in_rate) > reach
    np.testing.assert_array_equal(dirty[away], clean[away])


LONG = 30 * 48_000 + 1  # frames of 48 kHz: resample() works by FFT from 30 s on, where the ratio suits


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize(
    ("in_rate", "out_rate"), [*PAIRS, (16_000, 8_000), (48_000, 16_000), (12_000, 48_000)]
)
def test_a_long_signal_in_one_call_differs_by_rounding_only(
    in_rate: int, out_rate: int, quality: str
) -> None:
    frames = 30 * in_rate + 1
    signal = np.random.default_rng(1).uniform(-0.5, 0.5, frames).astype(np.float32)
    whole = resample(signal, in_rate, out_rate, quality)  # type: ignore[type-var]
    expected = chunked(Resampler(in_rate, out_rate, quality=quality), signal, [100_000])  # type: ignore[arg-type]
    assert len(whole) == len(expected) == -(-frames * out_rate // in_rate)
    assert level_db(whole - expected, 0.4) < -120


def test_a_long_signal_may_be_int16_and_have_channels() -> None:
    signal = (np.random.default_rng(1).standard_normal((LONG, 2)) * 9_000).astype(np.int16)
    whole = resample(signal, 48_000, 24_000)
    expected = chunked(Resampler(48_000, 24_000, 2), signal, [100_000])
    assert whole.dtype == np.int16
    assert np.abs(whole.astype(int) - expected).max() <= 1  # a rounding error may cross a half
    assert (whole != expected).mean() < 0.01


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_sample_in_a_long_signal_spreads_no_further_than_the_filter(bad: float) -> None:
    signal = np.random.default_rng(1).uniform(-0.5, 0.5, LONG).astype(np.float32)
    signal[200_000] = bad
    dirty = np.flatnonzero(~np.isfinite(resample(signal, 48_000, 24_000)))
    assert 100 <= len(dirty) <= 146
    assert np.abs(dirty - 100_000).max() <= 73


def test_long_silence_stays_silent() -> None:
    assert not resample(np.zeros(LONG, np.float32), 24_000, 48_000).any()


def test_it_is_linear() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((2, 9_000)).astype(np.float32)
    both = resample(a + b, 44_100, 24_000)
    np.testing.assert_allclose(both, resample(a, 44_100, 24_000) + resample(b, 44_100, 24_000), atol=3e-6)


def test_an_impulse_comes_out_symmetric_about_its_time() -> None:
    signal = np.zeros(2_001, np.float32)
    signal[1_000] = 1.0
    got = resample(signal, 24_000, 48_000)
    np.testing.assert_allclose(got[1_500:2_000], got[2_001:2_501][::-1], atol=1e-7)
    assert np.argmax(got) == 2_000


def test_int16_is_rounded_to_the_nearest_and_clamped() -> None:
    rng = np.random.default_rng(1)
    signal = (rng.standard_normal(4_000) * 8_000).astype(np.int16)
    exact = resample(signal.astype(np.float32), 44_100, 24_000)
    np.testing.assert_array_equal(resample(signal, 44_100, 24_000), np.clip(np.rint(exact), -32768, 32767))
    square = np.where(np.arange(4_000) % 40 < 20, 32767, -32768).astype(np.int16)
    clipped = resample(square, 24_000, 48_000)
    assert clipped.max() == 32767
    assert clipped.min() == -32768


def test_bytes_are_interleaved_int16() -> None:
    signal = (np.random.default_rng(1).standard_normal((1_000, 2)) * 8_000).astype(np.int16)
    stream = Resampler(48_000, 24_000, channels=2)
    got = np.concatenate([stream.process(signal.tobytes()), stream.flush()])
    np.testing.assert_array_equal(got, resample(signal, 48_000, 24_000))


def test_strided_input_is_taken() -> None:
    stereo = (np.random.default_rng(1).standard_normal((1_000, 2)) * 8_000).astype(np.int16)
    np.testing.assert_array_equal(
        resample(stereo[:, 1], 48_000, 24_000), resample(stereo, 48_000, 24_000)[:, 1]
    )


def test_reset_forgets_the_signal() -> None:
    stream = Resampler(48_000, 24_000)
    signal = sine(440, 48_000, 999)
    stream.process(np.ones(777, np.int16))
    stream.reset()
    np.testing.assert_array_equal(chunked(stream, signal, [100]), resample(signal, 48_000, 24_000))


def test_flush_without_a_signal_is_empty() -> None:
    assert Resampler(48_000, 24_000).flush().shape == (0,)
    assert Resampler(48_000, 24_000, channels=2).flush().shape == (0, 2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((7_999, 24_000), ValueError, "in_rate is 7999 Hz, expected 8000 to 192000"),
        ((24_000, 192_001), ValueError, "out_rate is 192001 Hz"),
        ((24_000.5, 48_000), TypeError, "in_rate must be a whole number"),
        ((24_000, "48000"), TypeError, "out_rate must be a whole number"),
        ((24_000, 48_000, 0), ValueError, "channels is 0, expected 1 to 8"),
        ((24_000, 48_000, 9), ValueError, "channels is 9"),
        ((24_000, 48_000, 1.5), TypeError, "channels must be a whole number"),
        (
            (24_000, 48_000, 1, "good"),
            ValueError,
            "quality is 'good', expected one of 'fast', 'high', 'best'",
        ),
        ((24_000, 48_000, 1, None), ValueError, "quality is None"),
    ],
)
def test_bad_arguments_are_refused(arguments: tuple, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Resampler(*arguments)


@pytest.mark.parametrize(
    ("channels", "chunk", "error", "message"),
    [
        (1, np.zeros(4), TypeError, "int16 or float32"),
        (1, [0.0], TypeError, "int16 or float32"),
        (1, np.zeros((4, 2), np.int16), ValueError, "2 channels, expected 1"),
        (2, np.zeros((4, 3), np.int16), ValueError, "3 channels, expected 2"),
        (2, np.zeros(4, np.int16), ValueError, r"1 dimensions, expected shape \(frames, 2\)"),
        (2, b"123456", ValueError, "3 samples, not whole frames of 2 channels"),
        (1, b"123", ValueError, "3 bytes"),
    ],
)
def test_a_refused_chunk_is_not_taken(
    channels: int, chunk: object, error: type[Exception], message: str
) -> None:
    signal = (np.random.default_rng(1).standard_normal((500, channels)) * 8_000).astype(np.int16)
    signal = signal[:, 0].copy() if channels == 1 else signal
    stream = Resampler(48_000, 24_000, channels)
    head = stream.process(signal[:100])
    with pytest.raises(error, match=message):
        stream.process(chunk)  # type: ignore[call-overload]
    got = np.concatenate([head, stream.process(signal[100:]), stream.flush()])
    np.testing.assert_array_equal(got, resample(signal, 48_000, 24_000))


def test_the_dtype_stays_what_the_signal_began_with() -> None:
    stream = Resampler(48_000, 24_000)
    stream.process(np.zeros(10, np.int16))
    with pytest.raises(ValueError, match="float32, but the signal began as int16"):
        stream.process(np.zeros(10, np.float32))
    assert stream.flush().dtype == np.int16
    assert stream.process(np.zeros(10, np.float32)).dtype == np.float32


def test_a_second_thread_is_turned_away_and_spoils_nothing(rng):
    """Long chunks are converted without the GIL, where another thread would write past the history."""
    chunk = rng.uniform(-1, 1, 480_000).astype(np.float32)
    stream, parts, refused = Resampler(48_000, 24_000), [], threading.Event()

    def convert() -> None:
        while len(parts) < 500 and not (refused.is_set() and len(parts) >= 3):
            try:
                parts.append(stream.process(chunk))
            except ConcurrencyError:  # the other thread is using it
                pass

    worker = threading.Thread(target=convert)
    worker.start()
    while worker.is_alive():
        try:
            stream.process(chunk[:0])  # empty: changes nothing if it is accepted
        except ConcurrencyError as error:
            assert "one for each signal" in str(error)
            refused.set()
    worker.join()
    assert refused.is_set()
    alone = Resampler(48_000, 24_000)
    for part in parts[:3]:
        np.testing.assert_array_equal(part, alone.process(chunk))


def test_the_module_is_called_as_its_function():
    x = np.arange(9_600, dtype=np.int16).reshape(-1, 2)
    assert np.array_equal(wavtools.resample(x, 48_000, 24_000), wavtools.resample.resample(x, 48_000, 24_000))
    assert wavtools.resample(x[:, 0], 48_000, 24_000, quality="fast").shape == (2_400,)
    assert sys.modules["wavtools.resample"] is wavtools.resample


def test_channels_first_is_refused_and_told_what_to_write():
    with pytest.raises(ValueError, match=r"shape \(2, 4800\).*pass x\.T"):
        wavtools.resample(np.zeros((2, 4_800), np.float32), 48_000, 24_000)
