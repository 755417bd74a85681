"""Speech recognition of LiveKit's OpenAI plugin over a transcription session. Arguments: server URL, question WAV."""

import asyncio
import json
import sys
import wave

import aiohttp
from livekit import rtc
from livekit.agents import stt
from livekit.plugins import openai


async def main(url, question):
    async with aiohttp.ClientSession() as http:
        recogniser = openai.STT(
            model="gpt-4o-transcribe",
            base_url=url.replace("ws", "http", 1) + "/v1",
            api_key="offline",
            language="en",
            use_realtime=True,
        )
        recogniser._session = http
        stream = recogniser.stream()
        with wave.open(question) as file:
            pcm = file.readframes(file.getnframes()) + bytes(96_000)

        async def speak():
            for start in range(0, len(pcm), 4800):
                part = pcm[start : start + 4800]
                stream.push_frame(rtc.AudioFrame(part, 24_000, 1, len(part) // 2))
                await asyncio.sleep(0.1)

        speaking = asyncio.create_task(speak())
        result = {"interim": ""}
        async for event in stream:
            if event.type == stt.SpeechEventType.INTERIM_TRANSCRIPT:
                result["interim"] = event.alternatives[0].text
            elif event.type == stt.SpeechEventType.FINAL_TRANSCRIPT:
                result["heard"] = event.alternatives[0].text
                break
        await speaking
        await stream.aclose()
        await recogniser.aclose()
    print(json.dumps(result))


asyncio.run(main(*sys.argv[1:]))
