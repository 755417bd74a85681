"""The four turns with the published `openai` SDK. Arguments: server URL, question WAV."""

import asyncio
import base64
import json
import sys
import wave

from openai import AsyncOpenAI

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather at a place",
    "parameters": {
        "type": "object",
        "properties": {"location": {"type": "string"}},
        "required": ["location"],
    },
}


async def until(connection, event_type):
    async for event in connection:
        if event.type == "error":
            raise SystemExit(f"error event: {event.error}")
        if event.type == event_type:
            return event
    raise SystemExit(f"closed before {event_type}")


async def typed(connection, text):
    content = [{"type": "input_text", "text": text}]
    await connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
    await connection.response.create()


async def main(url, question):
    client = AsyncOpenAI(api_key="offline", base_url=url.replace("ws", "http", 1) + "/v1")
    result = {}
    async with client.realtime.connect(model="gpt-realtime-2.1") as connection:
        await until(connection, "session.created")
        transcription = {"model": "whisper-1"}
        session = {
            "type": "realtime",
            "tools": [WEATHER],
            "audio": {"input": {"transcription": transcription}},
        }
        await connection.session.update(session=session)
        await until(connection, "session.updated")

        await typed(connection, "The cat is on the mat.")
        done = await until(connection, "response.done")
        result["text"] = done.response.output[0].content[0].transcript

        with wave.open(question) as file:
            pcm = file.readframes(file.getnframes()) + bytes(48_000)
        for start in range(0, len(pcm), 9600):
            await connection.input_audio_buffer.append(
                audio=base64.b64encode(pcm[start : start + 9600]).decode()
            )
        speech = b""
        async for event in connection:
            if event.type == "conversation.item.input_audio_transcription.completed":
                result["heard"] = event.transcript
            elif event.type == "response.output_audio.delta":
                speech += base64.b64decode(event.delta)
            elif event.type == "response.done":
                result["spoken"] = event.response.output[0].content[0].transcript
                break
        result["samples"] = len(speech) // 2

        await typed(connection, "What is the weather in Paris?")
        call = (await until(connection, "response.done")).response.output[0]
        result["call"] = [call.name, json.loads(call.arguments)]
        output = json.dumps({"location": "Paris", "temperature": 12})
        item = {"type": "function_call_output", "call_id": call.call_id, "output": output}
        await connection.conversation.item.create(item=item)
        await connection.response.create()
        done = await until(connection, "response.done")
        result["answer"] = done.response.output[0].content[0].transcript

        await typed(connection, "Tell me a long story.")
        await until(connection, "response.output_audio.delta")
        await connection.response.cancel()
        result["cancelled"] = (await until(connection, "response.done")).response.status
    print(json.dumps(result))


asyncio.run(main(*sys.argv[1:]))
