"""Compare the results of the compiled module with those of the Python API: they are the same.

Thread: one.

pip install --no-build-isolation examples/downstream && python examples/downstream/check.py
"""

import downstream
import numpy as np

from wavtools import (
    Gain,
    LoudnessMeter,
    Meter,
    NativeEchoCanceller,
    VoiceActivity,
    levels,
    pcm,
    resample,
    ring,
    spectrum,
)

x = np.random.default_rng(0).uniform(-1, 1, 4_800).astype(np.float32)
buffer = ring.RingBuffer(8_000)
buffer.write(x)
out = np.empty(2_400, np.int16)
analyser = spectrum.Analyser()
written = downstream.drain(buffer, resample.Resampler(48_000, 24_000), analyser, out)

expected = resample.Resampler(48_000, 24_000).process(x)
assert np.array_equal(out[:written], pcm.float32_to_pcm16(expected))
beside = spectrum.Analyser()
beside.push(expected)
assert np.array_equal(analyser.float_frequency_data(), beside.float_frequency_data())

mono = np.empty(2_400, np.float32)
downstream.to_mono(x.reshape(-1, 2), mono)
assert np.array_equal(mono, pcm.mix_to_mono(x.reshape(-1, 2)))

peak = 20 * np.log10(np.abs(out[:written].astype(np.float64)).max() / 32768)
assert abs(downstream.peak_dbfs(out[:written]) - peak) < 1e-4
assert downstream.peak_dbfs(np.zeros(10, np.int16)) == -np.inf

played = (x * 9_000).astype(np.int16)
near = np.concatenate([np.zeros(600, np.int16), played[:-600] // 2])
expected = NativeEchoCanceller(24_000).process(near, played)
downstream.cancel_echo(NativeEchoCanceller(24_000), near, played)
assert np.array_equal(near, expected)

loud = np.concatenate([np.zeros(4_800), np.sin(np.arange(19_200) / 8)]).astype(np.float32)
expected = Gain(6).process(loud)
meters, twins = ((Meter(24_000), LoudnessMeter(24_000), VoiceActivity(24_000)) for _ in range(2))
for twin in twins:
    twin.push(expected)
samples = np.empty(len(loud), np.int16)
level, began = downstream.measure(loud, Gain(6), *meters, samples)
assert np.array_equal(loud, expected)
assert (level, began) == (levels.rms_db(samples), True)
assert (meters[0].level_db, meters[0].peak_db) == (twins[0].level_db, twins[0].peak_db)
assert meters[1].integrated == twins[1].integrated

print(f"{written} samples, {peak:.2f} dBFS at most: the same as from the Python API")
