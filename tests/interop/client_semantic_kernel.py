"""The four turns with the realtime service of `semantic-kernel`. Arguments: server URL, question WAV."""

import asyncio
import base64
import json
import sys
import wave
from typing import Annotated

from openai import AsyncOpenAI
from semantic_kernel.connectors.ai import FunctionChoiceBehavior
from semantic_kernel.connectors.ai.open_ai import (
    ListenEvents,
    OpenAIRealtimeExecutionSettings,
    OpenAIRealtimeWebsocket,
    SendEvents,
)
from semantic_kernel.contents import AudioContent, RealtimeAudioEvent, RealtimeTextEvent, TextContent
from semantic_kernel.contents.realtime_events import RealtimeEvent
from semantic_kernel.functions import kernel_function


class Tools:
    @kernel_function
    def get_weather(self, location: Annotated[str, "a city"]) -> str:
        """The weather at a place."""
        return json.dumps({"location": location, "temperature": 12})


async def until(events, event_type, result):
    """Reads up to an event of the type; transcripts, samples and tool calls go into the result."""
    async for event in events:
        if event.service_type == ListenEvents.ERROR:
            raise SystemExit(f"error: {event.service_event.error}")
        if isinstance(event, RealtimeAudioEvent):
            result["samples"] += len(base64.b64decode(event.audio.data_string)) // 2
        elif isinstance(event, RealtimeTextEvent):
            result["reply"] += event.text.text
        elif event.service_type == ListenEvents.RESPONSE_FUNCTION_CALL_ARGUMENTS_DONE:
            call = event.function_call
            result["call"] = [call.function_name, json.loads(call.arguments)]
        elif event.service_type == ListenEvents.CONVERSATION_ITEM_INPUT_AUDIO_TRANSCRIPTION_COMPLETED:
            result["heard"] = event.service_event.transcript
        if event.service_type == event_type:
            return event.service_event
    raise SystemExit(f"closed before {event_type}")


async def main(url, question):
    openai = AsyncOpenAI(api_key="offline", base_url=url.replace("ws", "http", 1) + "/v1")
    service = OpenAIRealtimeWebsocket(
        ai_model_id="gpt-realtime-2.1", api_key="offline", client=openai, plugins=[Tools()]
    )
    settings = OpenAIRealtimeExecutionSettings(
        instructions="Be brief.",
        input_audio_transcription={"model": "whisper-1"},
        turn_detection={"type": "server_vad"},
        function_choice_behavior=FunctionChoiceBehavior.Auto(),
    )
    result = {"samples": 0, "reply": ""}

    async def typed(text):
        result.update(samples=0, reply="")
        await service.send(RealtimeTextEvent(text=TextContent(text=text)))
        await service.send(RealtimeEvent(service_type=SendEvents.RESPONSE_CREATE))

    async with service(settings=settings):
        events = service.receive()
        await typed("The cat is on the mat.")
        await until(events, ListenEvents.RESPONSE_DONE, result)
        result.update(text=result["reply"], samples=0, reply="")

        with wave.open(question) as file:
            pcm = file.readframes(file.getnframes()) + bytes(48_000)
        for start in range(0, len(pcm), 9600):
            audio = AudioContent(data=pcm[start : start + 9600], data_format="base64")
            await service.send(RealtimeAudioEvent(audio=audio))
        await until(events, ListenEvents.RESPONSE_DONE, result)
        spoken = {"spoken": result["reply"], "samples": result["samples"]}

        await typed("What is the weather in Paris?")
        await until(events, ListenEvents.RESPONSE_DONE, result)
        await until(events, ListenEvents.RESPONSE_DONE, result)
        result["answer"] = result["reply"]

        await typed("Tell me a long story.")
        await until(events, ListenEvents.RESPONSE_AUDIO_DELTA, result)
        await service.send(RealtimeEvent(service_type=SendEvents.RESPONSE_CANCEL))
        done = await until(events, ListenEvents.RESPONSE_DONE, result)
        result["cancelled"] = done.response.status
    print(json.dumps({**result, **spoken}))


asyncio.run(main(*sys.argv[1:]))
