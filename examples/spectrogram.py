"""Draw the spectrogram of a sound file into a picture. It needs matplotlib as well.

python spectrogram.py song.flac song.png
"""

import sys

import matplotlib.pyplot as plt

import wavtools

if len(sys.argv) != 3:
    sys.exit(__doc__)
with wavtools.script():
    sound = wavtools.load(sys.argv[1])
    picture = wavtools.spectrogram(sound.pcm, sound.sample_rate)
    plt.pcolormesh(picture.times, picture.frequencies, picture.decibels.T, vmin=-100, cmap="magma")
    plt.savefig(sys.argv[2], dpi=150)
