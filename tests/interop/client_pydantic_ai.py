"""The four turns with the realtime session of `pydantic-ai`. Arguments: server URL, question WAV."""

import asyncio
import json
import sys
import wave

from pydantic_ai import Agent
from pydantic_ai.messages import (
    PartDeltaEvent,
    PartEndEvent,
    RealtimeSessionErrorEvent,
    RealtimeTurnCompleteEvent,
    SpeechPart,
    SpeechPartDelta,
)
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.realtime.openai import OpenAIRealtimeModel

agent = Agent(instructions="Be brief.")
calls = []


@agent.tool_plain
def get_weather(location: str) -> str:
    """The weather at a place."""
    calls.append(["get_weather", {"location": location}])
    return json.dumps({"location": location, "temperature": 12})


async def turn(events):
    """Reads one turn; returns the transcripts by speaker and the number of samples."""
    said, samples = {}, 0
    async for event in events:
        if isinstance(event, RealtimeSessionErrorEvent):
            raise SystemExit(f"error: {event}")
        if isinstance(event, PartDeltaEvent) and isinstance(event.delta, SpeechPartDelta):
            samples += len(event.delta.audio_chunk or b"") // 2
        elif isinstance(event, PartEndEvent) and isinstance(event.part, SpeechPart):
            said[event.part.speaker] = event.part.transcript
        elif isinstance(event, RealtimeTurnCompleteEvent):
            return said, samples
    raise SystemExit("closed before the end of a turn")


async def main(url, question):
    provider = OpenAIProvider(base_url=url.replace("ws", "http", 1) + "/v1", api_key="offline")
    model = OpenAIRealtimeModel("gpt-realtime-2.1", provider=provider)
    result = {}
    async with agent.realtime(model).session() as session:
        events = aiter(session)
        await session.send("The cat is on the mat.")
        said, _ = await turn(events)
        result["text"] = said["assistant"]

        with wave.open(question) as file:
            pcm = file.readframes(file.getnframes()) + bytes(48_000)
        for start in range(0, len(pcm), 9600):
            await session.send_audio(pcm[start : start + 9600])
        said, result["samples"] = await turn(events)
        result["heard"], result["spoken"] = said["user"], said["assistant"]

        await session.send("What is the weather in Paris?")
        said, _ = await turn(events)
        result["call"] = calls[0]
        result["answer"] = said["assistant"]

        await session.send("Tell me a long story.")
        async for event in events:
            if isinstance(event, PartDeltaEvent) and event.delta.audio_chunk:
                break
        await session.interrupt()
        await turn(events)
        state = session.all_messages()[-1].state
        result["cancelled"] = "cancelled" if state == "interrupted" else state
    print(json.dumps(result))


asyncio.run(main(*sys.argv[1:]))
