"""Send a recorded question to the model, print both transcripts and save the spoken answer.

python examples/stream_file.py question.wav answer.wav
"""

import asyncio
import sys
from pathlib import Path

from realtime import RealtimeClient, RealtimeError


async def main(question: Path, answer_path: str) -> None:
    # Without turn detection the file is the whole turn.
    client = RealtimeClient(turn_detection=None, input_audio_transcription={"model": "gpt-transcribe"})
    client.on("user.transcript", lambda event: print("user:", event))
    client.on("user.transcript.failed", lambda event: print("user: ?", event))
    async with client:
        answer = await client.ask(question)
        print("assistant:", answer)
        answer.file.save(answer_path)


if __name__ == "__main__":
    try:
        asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
    except (RealtimeError, OSError) as error:
        sys.exit(f"no answer: {error}")
