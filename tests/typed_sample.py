"""A user's program as mypy --strict sees it: checked against the installed wheel by tools/test_wheels.py.

Not run: the assertions are about types.
"""

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import wavtools
from realtime import RealtimeClient
from realtime.prices import Cost, TotalCost, cost_of
from wavtools import OfflineDevice, TrackOffset, WavFile, WavPacker, WavRecorder, WavStreamPlayer
from wavtools.pcm import float32_to_pcm16, pcm16_to_float32
from wavtools.resample import Resampler, resample
from wavtools.ring import RingBuffer
from wavtools.spectrum import Analyser

samples: NDArray[np.float32] = np.zeros(480, np.float32)
pcm = float32_to_pcm16(samples)
assert_type(pcm, NDArray[np.int16])
assert_type(pcm16_to_float32(pcm), NDArray[np.float32])
assert_type(Resampler(48_000, 24_000).process(samples), NDArray[np.float32])
assert_type(resample(pcm, 48_000, 24_000), NDArray[np.int16])
assert_type(wavtools.resample(pcm, 48_000, 24_000), NDArray[np.int16])
assert_type(RingBuffer(1_000).write(samples), int)
assert_type(Analyser().float_frequency_data(), NDArray[np.float32])
assert_type(wavtools.get_include(), str)

device = OfflineDevice()
player = WavStreamPlayer(device=device)
player.connect()
player.add_16bit_pcm(pcm, "answer")
assert_type(player.interrupt(), TrackOffset | None)
assert_type(WavPacker.pack(pcm, 24_000), WavFile)
recorder = WavRecorder(device=device)
assert_type(recorder.end(), WavFile)

client = RealtimeClient(url="ws://127.0.0.1:1")
assert_type(client.is_connected(), bool)
assert_type(client.cost, TotalCost | None)
assert_type(client.budget, float | None)
assert_type(client.context_used, float | None)
assert_type(client.send_image(b"", detail="low"), str)
assert_type(cost_of("gpt-realtime-2.1", {}), Cost | None)
