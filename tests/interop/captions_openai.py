"""A transcription session with the published `openai` SDK. Arguments: server URL, question WAV."""

import asyncio
import base64
import json
import sys
import wave

from openai import AsyncOpenAI


async def main(url, question):
    client = AsyncOpenAI(api_key="offline", base_url=url.replace("ws", "http", 1) + "/v1")
    result = {"interim": ""}
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        transcription = {"model": "gpt-live-transcribe", "language": "en"}
        heard = {"transcription": transcription, "turn_detection": None}
        await connection.session.update(session={"type": "transcription", "audio": {"input": heard}})
        with wave.open(question) as file:
            pcm = file.readframes(file.getnframes())

        async def speak():
            for start in range(0, len(pcm), 4800):
                await connection.input_audio_buffer.append(
                    audio=base64.b64encode(pcm[start : start + 4800]).decode()
                )
                await asyncio.sleep(0.1)
            await connection.input_audio_buffer.commit()

        speaking = asyncio.create_task(speak())
        async for event in connection:
            if event.type == "error":
                raise SystemExit(f"error event: {event.error}")
            if event.type == "conversation.item.input_audio_transcription.delta":
                result["interim"] += event.delta
            elif event.type == "conversation.item.input_audio_transcription.completed":
                result["heard"] = event.transcript
                result["usage"] = event.usage.type
                break
        await speaking
    print(json.dumps(result))


asyncio.run(main(*sys.argv[1:]))
