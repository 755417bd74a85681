"""Talk with the model: Enter begins and ends what you say, and interrupts the answer; q and Enter quits.

python examples/push_to_talk.py            # default microphone and loudspeaker
python examples/push_to_talk.py null       # a silent device, for machines without a sound card
"""

import asyncio
import sys

from realtime import RealtimeClient, VoiceSession
from wavtools import WavRecorder, WavStreamPlayer


async def line(prompt: str) -> str:
    print(prompt, flush=True)
    return (await asyncio.to_thread(sys.stdin.readline)).strip()


async def main(device: str | None) -> None:
    client = RealtimeClient(input_audio_transcription={"model": "gpt-transcribe"})
    client.on("error", lambda event: print("error:", event.message))
    client.on("voice.cut", lambda event: print(f"[cut after {event.receipt.current_time:.1f} s]"))

    client.on("response.failed", lambda event: print(f"no answer: {event} ({event.reason})"))
    client.on("user.transcript", lambda event: print("user:", event, flush=True))

    @client.on("conversation.item.ended")
    def show(event):
        if event.item.role == "assistant":
            print(f"assistant: {event.item.formatted.transcript}", flush=True)

    recorder, player = WavRecorder(device=device), WavStreamPlayer(device=device)
    async with VoiceSession(client, recorder, player, mode="manual") as voice:
        while await line("Enter to talk, q to quit") != "q":
            await voice.talk()
            await line("listening; Enter to send")
            await voice.release()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else None))
