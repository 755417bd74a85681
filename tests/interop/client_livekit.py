"""The four turns with a session of LiveKit Agents and its OpenAI plugin. Arguments: server URL, question WAV."""

import asyncio
import json
import sys
import wave

from livekit import rtc
from livekit.agents import Agent, AgentSession, function_tool
from livekit.agents.voice import io
from livekit.plugins import openai

calls = []


@function_tool
async def get_weather(location: str) -> str:
    """The weather at a place."""
    calls.append(["get_weather", {"location": location}])
    return json.dumps({"location": location, "temperature": 12})


class Microphone(io.AudioInput):
    def __init__(self):
        super().__init__(label="question")
        self.frames = asyncio.Queue()

    async def __anext__(self):
        return await self.frames.get()


class Speaker(io.AudioOutput):
    """Plays faster than sound: a segment ends when it is flushed, or cleared by an interruption."""

    def __init__(self):
        super().__init__(label="speaker", capabilities=io.AudioOutputCapabilities(pause=False))
        self.samples = self.segment = 0
        self.begun = asyncio.Event()

    async def capture_frame(self, frame):
        await super().capture_frame(frame)
        self.samples += frame.samples_per_channel
        self.segment += frame.samples_per_channel
        self.begun.set()

    def flush(self):
        super().flush()
        self.end(False)

    def clear_buffer(self):
        self.end(True)

    def end(self, interrupted):
        if self.segment:
            self.on_playback_finished(playback_position=self.segment / 24_000, interrupted=interrupted)
        self.segment = 0


async def main(url, question):
    model = openai.realtime.RealtimeModel(
        base_url=url.replace("ws", "http", 1) + "/v1", api_key="offline", model="gpt-realtime-2.1"
    )
    session = AgentSession(llm=model)
    heard = asyncio.Queue()
    session.on("user_input_transcribed", lambda event: event.is_final and heard.put_nowait(event.transcript))
    session.on("error", lambda event: sys.exit(f"error: {event.error}"))
    speeches = asyncio.Queue()
    session.on("speech_created", lambda event: speeches.put_nowait(event.speech_handle))
    session.input.audio = microphone = Microphone()
    session.output.audio = speaker = Speaker()
    await session.start(Agent(instructions="Be brief.", tools=[get_weather]))
    result = {}

    turn = await session.run(user_input="The cat is on the mat.")
    result["text"] = turn.events[-1].item.text_content
    speeches.get_nowait()

    speaker.samples = 0
    with wave.open(question) as file:
        pcm = file.readframes(file.getnframes()) + bytes(48_000)
    for start in range(0, len(pcm), 9600):
        part = pcm[start : start + 9600]
        microphone.frames.put_nowait(rtc.AudioFrame(part, 24_000, 1, len(part) // 2))
    result["heard"] = await heard.get()
    speech = await speeches.get()
    await speech
    result["spoken"] = speech.chat_items[-1].text_content
    result["samples"] = speaker.samples

    turn = await session.run(user_input="What is the weather in Paris?")
    result["answer"] = turn.events[-1].item.text_content
    result["call"] = calls[0]

    speaker.begun.clear()
    speech = session.generate_reply(user_input="Tell me a long story.")
    await speaker.begun.wait()
    await session.interrupt()
    await speech
    result["cancelled"] = "cancelled" if speech.interrupted else "completed"
    await session.aclose()
    await model.aclose()
    print(json.dumps(result))


asyncio.run(main(*sys.argv[1:]))
