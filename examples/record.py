"""Record the microphone into a file, until Enter is pressed.

    python record.py take.wav

The file is whole at every moment, however long it gets, and whatever ends the program.
"""

import sys

import wavtools

if len(sys.argv) != 2:
    sys.exit(__doc__)
with wavtools.script(), wavtools.WavRecorder(record_to=sys.argv[1]) as recorder:
    recorder.record()
    input(f"Recording into {sys.argv[1]}. Enter ends it. ")
