"""Convert a sound file to a WAV file of another sample rate.

python resample_file.py song.mp3 song-16k.wav 16000
"""

import sys

import wavtools

if len(sys.argv) != 4:
    sys.exit(__doc__)
with wavtools.script():
    source, target, rate = sys.argv[1], sys.argv[2], int(sys.argv[3])
    sound = wavtools.load(source, "int16")
    wavtools.save(target, wavtools.resample(sound.pcm, sound.sample_rate, rate), rate)
