"""The four turns with the realtime session of `openai-agents`. Arguments: server URL, question WAV."""

import asyncio
import json
import os
import sys
import wave

from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner

os.environ["OPENAI_AGENTS_DISABLE_TRACING"] = "1"

calls = []


@function_tool
def get_weather(location: str) -> str:
    """The weather at a place."""
    calls.append(["get_weather", {"location": location}])
    return json.dumps({"location": location, "temperature": 12})


async def raw(session, *event_types):
    """The next server event of one of the types, and the number of audio samples before it."""
    samples = 0
    async for event in session:
        if event.type == "error":
            raise SystemExit(f"error: {event.error}")
        if event.type == "audio":
            samples += len(event.audio.data) // 2
            if "audio" in event_types:
                return {"type": "audio"}, samples
        if event.type != "raw_model_event" or event.data.type != "raw_server_event":
            continue
        if event.data.data["type"] in event_types:
            return event.data.data, samples
    raise SystemExit(f"closed before {event_types}")


async def main(url, question):
    agent = RealtimeAgent(name="tester", instructions="Be brief.", tools=[get_weather])
    config = {
        "url": url + "/v1/realtime?model=gpt-realtime-2.1",
        "api_key": "offline",
        "initial_model_settings": {
            "audio": {
                "input": {
                    "transcription": {"model": "whisper-1"},
                    "turn_detection": {"type": "server_vad", "interrupt_response": False},
                }
            }
        },
    }
    result = {}
    async with await RealtimeRunner(agent).run(model_config=config) as session:
        await session.send_message("The cat is on the mat.")
        done, _ = await raw(session, "response.done")
        result["text"] = done["response"]["output"][0]["content"][0]["transcript"]

        with wave.open(question) as file:
            pcm = file.readframes(file.getnframes()) + bytes(48_000)
        for start in range(0, len(pcm), 9600):
            await session.send_audio(pcm[start : start + 9600])
        heard, _ = await raw(session, "conversation.item.input_audio_transcription.completed")
        result["heard"] = heard["transcript"]
        done, result["samples"] = await raw(session, "response.done")
        result["spoken"] = done["response"]["output"][0]["content"][0]["transcript"]

        await session.send_message("What is the weather in Paris?")
        await raw(session, "response.done")
        done, _ = await raw(session, "response.done")
        result["call"] = calls[0]
        result["answer"] = done["response"]["output"][0]["content"][0]["transcript"]

        await session.send_message("Tell me a long story.")
        await raw(session, "audio")
        await session.interrupt()
        done, _ = await raw(session, "response.done")
        result["cancelled"] = done["response"]["status"]
    print(json.dumps(result))


asyncio.run(main(*sys.argv[1:]))
