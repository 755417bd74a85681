"""Send a WAV file to the model, chunk by chunk, and save the spoken answer.

python examples/stream_file.py question.wav answer.wav
"""

import asyncio
import sys
from pathlib import Path

from realtime import RealtimeClient
from wavtools import WavRecorder


async def main(question: str, answer: str) -> None:
    client = RealtimeClient(turn_detection=None, input_audio_transcription={"model": "gpt-transcribe"})
    spoken = WavRecorder.decode(Path(question).read_bytes(), sample_rate=24_000).wav.pcm
    async with client:
        # 0.1 s at a time, as from a microphone.
        for start in range(0, len(spoken), 2_400):
            client.append_input_audio(spoken[start : start + 2_400])
        # Commits the audio and requests an answer.
        client.create_response()
        while True:
            item = await client.wait_for_next_completed_item(timeout=60)
            if item.role == "assistant":
                break
        item.formatted.file.save(answer)
        for item in client.conversation.get_items():
            print(f"{item.role}: {item.formatted.transcript}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
