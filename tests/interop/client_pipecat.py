"""The four turns with a pipeline of `pipecat-ai` around its realtime service. Arguments: server URL, question WAV.

The last answer is interrupted by speaking, since that is how a pipeline with the server's turn detection interrupts.
"""

import asyncio
import json
import sys
import wave

from loguru import logger
from pipecat.frames.frames import (
    ErrorFrame,
    InputAudioRawFrame,
    LLMFullResponseEndFrame,
    LLMRunFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.llm_service import FunctionCallParams
from pipecat.services.openai.realtime import events
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.workers.runner import WorkerRunner

calls = []


async def get_weather(params: FunctionCallParams, location: str):
    """The weather at a place.

    Args:
        location: A city.
    """
    calls.append(["get_weather", {"location": location}])
    await params.result_callback({"location": location, "temperature": 12})


class Ears(FrameProcessor):
    """Stands on both sides of the service and puts the frames that the turns are judged by into a queue."""

    def __init__(self, frames):
        super().__init__()
        self.frames = frames

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, ErrorFrame):
            sys.exit(f"error: {frame.error}")
        self.frames.put_nowait(frame)
        await self.push_frame(frame, direction)


async def until(frames, frame_type):
    """Reads frames up to one of the type; returns what was said, what was heard and the number of samples."""
    said, heard, samples = "", "", 0
    while True:
        frame = await frames.get()
        if isinstance(frame, TTSAudioRawFrame):
            samples += len(frame.audio) // 2
        elif isinstance(frame, TTSTextFrame):
            said += frame.text
        elif isinstance(frame, TranscriptionFrame):
            heard = frame.text
        if isinstance(frame, frame_type):
            return said.strip(), heard, samples


def build_service(url):
    transcription = events.InputAudioTranscription(model="whisper-1")
    properties = events.SessionProperties(
        audio=events.AudioConfiguration(input=events.AudioInput(transcription=transcription))
    )
    settings = OpenAIRealtimeLLMService.Settings(
        model="gpt-realtime-2.1", system_instruction="Be brief.", session_properties=properties
    )
    return OpenAIRealtimeLLMService(api_key="offline", base_url=url + "/v1/realtime", settings=settings)


async def main(url, question):
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    service = build_service(url)
    done_items = asyncio.Queue()

    @service.event_handler("on_conversation_item_updated")
    async def item_done(_, item_id, item):
        if item is not None and item.role == "assistant":
            done_items.put_nowait(item)

    context = LLMContext([{"role": "user", "content": "The cat is on the mat."}], tools=[get_weather])
    aggregators = LLMContextAggregatorPair(context)
    frames = asyncio.Queue()
    worker = PipelineWorker(
        Pipeline([aggregators.user(), Ears(frames), service, Ears(frames), aggregators.assistant()])
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())

    async def speak():
        with wave.open(question) as file:
            pcm = file.readframes(file.getnframes()) + bytes(48_000)
        for start in range(0, len(pcm), 9600):
            await worker.queue_frame(InputAudioRawFrame(pcm[start : start + 9600], 24_000, 1))

    async def typed(text):
        content = [events.ItemContent(type="input_text", text=text)]
        item = events.ConversationItem(type="message", role="user", content=content)
        await service.send_client_event(events.ConversationItemCreateEvent(item=item))
        await service.send_client_event(events.ResponseCreateEvent())

    result = {}
    await worker.queue_frame(LLMRunFrame())
    result["text"], _, _ = await until(frames, LLMFullResponseEndFrame)

    await speak()
    result["spoken"], result["heard"], result["samples"] = await until(frames, LLMFullResponseEndFrame)

    await typed("What is the weather in Paris?")
    await until(frames, LLMFullResponseEndFrame)
    result["answer"], _, _ = await until(frames, LLMFullResponseEndFrame)
    result["call"] = calls[0]

    while not done_items.empty():
        done_items.get_nowait()
    await typed("Tell me a long story.")
    await until(frames, TTSAudioRawFrame)
    await speak()
    item = await done_items.get()
    result["cancelled"] = "cancelled" if item.status == "incomplete" else item.status
    await worker.cancel()
    await running
    print(json.dumps(result))


asyncio.run(main(*sys.argv[1:]))
