"""Record from a device without hardware, resample, write a WAV file. It needs `pip install wavtools` only.

python examples/record_offline.py tone.wav
"""

import sys

import numpy as np

from wavtools import OfflineDevice, WavPacker, WavRecorder, resample

# For a real microphone: device=None.
microphone = OfflineDevice(sample_rate=48_000)
recorder = WavRecorder(sample_rate=24_000, device=microphone)
recorder.begin()
recorder.record()
tone = np.sin(np.arange(48_000) * 2 * np.pi * 440 / 48_000)
# One second of sound arrives at the microphone.
microphone.capture((tone * 16_000).astype(np.int16))
recording = recorder.end()
pcm = resample.resample(recording.pcm, recording.sample_rate, 16_000)
WavPacker.pack(pcm, 16_000).save(sys.argv[1])
print(f"{sys.argv[1]}: {len(pcm)} samples at 16000 Hz")
