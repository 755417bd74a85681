"""Record from a device without hardware, resample, write a WAV file: `pip install wavtools` is all it needs.

python examples/record_offline.py tone.wav
"""

import sys

import numpy as np

from wavtools import OfflineDevice, WavPacker, WavRecorder, resample

microphone = OfflineDevice(sample_rate=48_000)  # None for a real one
recorder = WavRecorder(sample_rate=24_000, device=microphone)
recorder.begin()
recorder.record()
tone = np.sin(np.arange(48_000) * 2 * np.pi * 440 / 48_000)
microphone.capture((tone * 16_000).astype(np.int16))  # a second of it arrives
recording = recorder.end()
pcm = resample.resample(recording.pcm, recording.sample_rate, 16_000)
WavPacker.pack(pcm, 16_000).save(sys.argv[1])
print(f"{sys.argv[1]}: {len(pcm)} samples at 16000 Hz")
