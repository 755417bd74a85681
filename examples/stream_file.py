"""Send a recorded question to the model, print both transcripts and save the spoken answer.

python stream_file.py question.wav answer.wav
"""

import sys
from pathlib import Path

import realtime

if len(sys.argv) != 3:
    sys.exit(__doc__)


async def main(question, target):
    # Without turn detection the file is the whole turn.
    client = realtime.RealtimeClient(turn_detection=None, input_audio_transcription="gpt-transcribe")
    client.on("user.transcript", lambda event: print("user:", event))
    async with client:
        answer = await client.ask(Path(question))
        print("assistant:", answer)
        answer.file.save(target)


realtime.run(main(*sys.argv[1:]))
