"""Show how loud the microphone is, until Ctrl+C.

python level_meter.py
"""

import wavtools

with wavtools.script(), wavtools.WavRecorder() as recorder:
    meter = wavtools.Meter(recorder.sample_rate)
    recorder.record(chunk_size=1200)
    for chunk in recorder:
        meter.push(chunk.mono)
        print(f"\r{meter.level_db:6.1f} dBFS {'#' * int(60 + max(-60, meter.level_db)):60}", end="")
