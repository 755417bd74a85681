"""Talk with the model until Ctrl+C, and keep the call: you are left, the model is right, and the words are beside it.

python stereo_call.py call.wav call.txt
"""

import sys

import numpy as np

import realtime
from wavtools import WavWriter


async def main(sound="call.wav", words="call.txt"):
    client = realtime.RealtimeClient(input_audio_transcription="gpt-transcribe")
    with WavWriter(sound, client.input_sample_rate, channels=2) as call, open(words, "w") as transcript:

        def keep(chunk):
            call.write(np.column_stack([chunk.mono, chunk.played]))

        realtime.print_transcript(client)
        realtime.print_transcript(client, transcript)
        async with realtime.VoiceSession(client, mode="vad", on_chunk=keep) as voice:
            await voice.wait_until_ended()


realtime.run(main(*sys.argv[1:3]))
