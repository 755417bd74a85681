"""Errors about samples show type or shape, and what they say to write instead works, at the same loudness."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wavtools
from wavtools import AudioAnalysis, OfflineDevice, WavPacker, WavRecorder, WavStreamPlayer, levels, pcm
from wavtools.resample import resample

SINE = 0.5 * np.sin(2 * np.pi * 440 * np.arange(4_800) / 24_000)

# Calls that take int16, or int16 and float32.
CALLS: dict[str, Callable[[Any], Any]] = {
    "as_int16": lambda x: pcm.as_int16(x, "x"),
    "pack": lambda x: WavPacker.pack(x, 24_000),
    "resample": lambda x: resample(x, 24_000, 48_000),
    "decode": lambda x: WavRecorder.decode(x, from_sample_rate=24_000),
    "AudioAnalysis": lambda x: AudioAnalysis(x, 24_000),
    "float32_to_pcm16": pcm.float32_to_pcm16,
    "level": levels.rms_db,
}
GIVEN: dict[str, Any] = {
    "int32": (SINE * 2**31).astype(np.int32),
    "float64": SINE,
    "float16": SINE.astype(np.float16),
    "list": SINE.astype(np.float32).tolist(),
}
# The byte order that this machine does not have.
for _native in (SINE.astype(np.float32), (SINE * 2**15).astype(np.int16)):
    _foreign = _native.dtype.newbyteorder()
    GIVEN[str(_foreign)] = _native.astype(_foreign)


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("call", CALLS)
def test_what_an_error_says_to_write_is_taken_at_the_same_loudness(call: str, given: str) -> None:
    x = GIVEN[given]
    with pytest.raises(TypeError, match=given) as refused:
        CALLS[call](x)
    message = str(refused.value)
    written = message[message.index("; ") + 2 :].removeprefix("convert with ").removeprefix("pass ")
    if given == "list" and "int16)" in written:
        # Floats in a list are no int16; that much the caller knows.
        return
    names = dict.fromkeys(("audio", "pcm", "x"), x)
    converted = eval(written, {"np": np, "numpy": np, "wavtools": wavtools, **names})
    CALLS[call](converted)
    assert levels.rms_db(converted) == pytest.approx(levels.rms_db(SINE.astype(np.float32)), abs=0.01)


def test_a_path_in_place_of_samples_is_told_to_load_the_file() -> None:
    with pytest.raises(TypeError, match=r"read a file with wavtools\.load\(x\)\.pcm"):
        pcm.as_int16("speech.wav", "x")


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_channels_first_is_told_with_the_shape_and_t(dtype: Any) -> None:
    x = np.zeros((2, 4_800), dtype)
    calls: list[Callable[[Any], Any]] = [
        lambda x: AudioAnalysis(x, 24_000),
        lambda x: WavRecorder.decode(x, from_sample_rate=24_000),
        lambda x: resample(x, 24_000, 48_000),
        lambda x: wavtools.save("never.wav", x, 24_000),
        lambda x: wavtools.play(x, device=OfflineDevice(24_000)),
    ]
    if dtype == np.int16:
        calls.append(lambda x: WavPacker.pack(x, 24_000))
    for call in calls:
        with pytest.raises(ValueError, match=r"shape \(2, 4800\).*\(channels, frames\).*pass \w+\.T"):
            call(x)
    with (
        WavStreamPlayer(24_000, channels=2, device=OfflineDevice(24_000)) as player,
        pytest.raises(ValueError, match=r"shape \(2, 4800\).*\(channels, frames\).*pass samples\.T"),
    ):
        player.add(x)


@pytest.mark.parametrize(
    ("shape", "written"),
    [
        ((100, 2), "wavtools.pcm.mix_to_mono(x)"),
        ((2, 100), "wavtools.pcm.mix_to_mono(x.T)"),
        ((100, 1), "x[:, 0]"),
        ((2, 5, 10), "x.reshape(-1)"),
    ],
)
def test_what_mono_samples_need_is_told_and_works(shape: tuple[int, ...], written: str) -> None:
    x = np.zeros(shape, np.int16)
    with pytest.raises(ValueError, match="mono samples of shape") as refused:
        pcm.as_int16(x)
    assert str(refused.value).endswith(written)
    converted = eval(written, {"wavtools": wavtools, "x": x})
    assert pcm.as_int16(np.ascontiguousarray(converted)).shape == (100,)


def test_int16_of_several_channels_is_decoded_as_float32_is() -> None:
    stereo = np.random.default_rng(1).integers(-9_000, 9_000, (2_400, 2)).astype(np.int16)
    decoded = WavRecorder.decode(stereo, from_sample_rate=24_000)
    assert decoded.values.shape == (2_400, 2)
    np.testing.assert_array_equal(decoded.wav.pcm, stereo)
