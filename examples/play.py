"""Play sound files, one after the other: WAV, MP3, FLAC, Ogg.

python play.py song.flac another.mp3
"""

import sys

import wavtools

with wavtools.script():
    for path in sys.argv[1:]:
        print(path)
        wavtools.play(path)
