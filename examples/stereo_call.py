"""Talk with the model until Ctrl+C, and keep the call: you are left, the model is right, and the words are beside it.

python stereo_call.py call.wav call.txt
"""

import sys

from realtime import RealtimeClient, VoiceSession, print_transcript, run
from wavtools import WavWriter


async def main(sound="call.wav", text="call.txt"):
    client = RealtimeClient(input_audio_transcription="gpt-transcribe")
    with WavWriter(sound, 24_000, channels=2) as call, open(text, "w", encoding="utf-8") as words:
        print_transcript(client, sys.stdout, words)
        async with VoiceSession(client, mode="vad", on_chunk=lambda chunk: call.write(chunk.stereo)) as voice:
            await voice.wait_until_ended()


run(main(*sys.argv[1:3]))
