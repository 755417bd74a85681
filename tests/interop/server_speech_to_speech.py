"""The Realtime server of Hugging Face's `speech-to-speech`, with small stand-ins for its three models.

The server, its queues, and its handlers between the models are real and unmodified. The stand-ins say what they
understood: the transcript is the length of the speech that the server passed on, and the answer is a tone of 440 Hz, so
that a client sees whether both agree about the sample rate.

Argument: number of sessions at a time. Prints the address. Stops when standard input ends.
"""

import os
import socket
import sys
import threading
import time
from queue import Queue
from threading import Event
from uuid import uuid4

import numpy as np
from openai.types.realtime import RealtimeConversationItemFunctionCall
from openai.types.responses import ResponseFunctionToolCall
from speech_to_speech.api.openai_realtime.pipeline_unit import PipelineUnit
from speech_to_speech.api.openai_realtime.server import RealtimeServer
from speech_to_speech.api.openai_realtime.service import RealtimeService
from speech_to_speech.baseHandler import BaseHandler
from speech_to_speech.LLM.lm_output_processor import LMOutputProcessor
from speech_to_speech.pipeline.cancel_scope import CancelScope
from speech_to_speech.pipeline.events import SpeechStartedEvent, SpeechStoppedEvent
from speech_to_speech.pipeline.history import ResponseHistory
from speech_to_speech.pipeline.messages import (
    AUDIO_RESPONSE_DONE,
    EndOfResponse,
    LLMResponseChunk,
    Transcription,
)
from speech_to_speech.STT.transcription_notifier import TranscriptionNotifier

# The rate of the pipeline, and its output in 20 ms blocks.
RATE = 16_000
BLOCK = RATE // 50
STORY = "Once upon a time a sample set out from a microphone. It went by cable, by air and by light, and came home late."


class Ears(BaseHandler):
    """Voice activity by level, and recognition that names the length of what it heard."""

    def setup(self, text_output_queue):
        self.text_output_queue = text_output_queue
        self.voiced = self.silent = 0

    def process(self, item):
        chunk, _ = item
        samples = np.frombuffer(chunk, np.int16)
        if np.abs(samples.astype(int)).max(initial=0) > 500:
            if not self.voiced:
                self.text_output_queue.put(SpeechStartedEvent(turn_id=uuid4().hex, turn_revision=0))
            self.voiced += self.silent + len(samples)
            self.silent = 0
        elif self.voiced:
            self.silent += len(samples)
            if self.silent > RATE // 2:
                seconds = self.voiced / RATE
                self.voiced = self.silent = 0
                self.text_output_queue.put(SpeechStoppedEvent(duration_s=seconds))
                yield Transcription(text=f"{seconds:.1f} seconds of speech")

    def on_session_end(self):
        self.voiced = self.silent = 0


class Model(BaseHandler):
    """Answers the last item of the conversation by rule."""

    def setup(self, cancel_scope):
        self.cancel_scope = cancel_scope

    def process(self, request):
        chat = request.runtime_config.chat
        last = chat.copy().buffer[-1]
        fields = {
            "runtime_config": request.runtime_config,
            "response": request.response,
            "turn_id": request.turn_id,
            "turn_revision": request.turn_revision,
            "cancel_generation": self.cancel_scope.generation,
            "response_key": request.response_key,
        }
        kept, anchor = [], chat.history_anchor_id()
        if last.type == "function_call_output":
            yield LLMResponseChunk(text=f"The tool says {last.output}.", **fields)
        elif "weather" in last.content[0].text:
            tool = ResponseFunctionToolCall(
                type="function_call",
                id=f"fc_{uuid4().hex}",
                call_id=f"call_{uuid4().hex}",
                name="get_weather",
                arguments='{"location": "Paris"}',
            )
            kept.append(RealtimeConversationItemFunctionCall(**tool.model_dump(exclude_none=True)))
            history = ResponseHistory.capture(chat, kept, after_item_id=anchor)
            yield LLMResponseChunk(tools=[tool], history=history, **fields)
        elif "story" in last.content[0].text:
            yield LLMResponseChunk(text=STORY, **fields)
        else:
            text = last.content[0].text or last.content[0].transcript
            yield LLMResponseChunk(text=f"You said: {text}", **fields)
        for name in ("runtime_config", "response"):
            del fields[name]
        history = ResponseHistory.capture(chat, kept, after_item_id=anchor, complete=True)
        yield EndOfResponse(history=history, **fields)


class Voice(BaseHandler):
    """Speaks a tone of 440 Hz, 50 ms for each character, at twice real time."""

    def setup(self, cancel_scope):
        self.cancel_scope = cancel_scope

    def process(self, item):
        if isinstance(item, EndOfResponse):
            yield AUDIO_RESPONSE_DONE
            return
        times = np.arange(len(item.text) * RATE // 20) / RATE
        tone = (8000 * np.sin(2 * np.pi * 440 * times)).astype(np.int16)
        for start in range(0, len(tone), BLOCK):
            if self.cancel_scope.is_stale(item.cancel_generation):
                return
            yield tone[start : start + BLOCK].tobytes()
            time.sleep(0.01)


def build_unit(index, stop):
    """One pipeline, for one session at a time; each of its handlers runs in a thread."""
    incoming, heard, prompts, answers, speech, outgoing, texts = (Queue() for _ in range(7))
    listening, scope = Event(), CancelScope()
    listening.set()
    service = RealtimeService(text_prompt_queue=prompts, should_listen=listening)
    handlers = [
        Ears(stop, incoming, heard, setup_args=(texts,)),
        TranscriptionNotifier(stop, heard, prompts, setup_args=(texts, listening)),
        Model(stop, prompts, answers, setup_args=(scope,)),
        LMOutputProcessor(stop, answers, speech, setup_kwargs={"text_output_queue": texts}),
        Voice(stop, speech, outgoing, setup_args=(scope,)),
    ]
    for handler in handlers:
        threading.Thread(target=handler.run, daemon=True).start()
    return PipelineUnit(
        index=index,
        service=service,
        cancel_scope=scope,
        should_listen=listening,
        response_playing=Event(),
        input_queue=incoming,
        output_queue=outgoing,
        text_output_queue=texts,
        text_prompt_queue=prompts,
        handlers=handlers,
    )


def main():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stop = Event()
    pool = [build_unit(index, stop) for index in range(int(sys.argv[1]))]
    server = RealtimeServer(stop, pool, host="127.0.0.1", port=port)
    threading.Thread(target=server.run, daemon=True).start()
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            time.sleep(0.05)
    print(f"listening on ws://127.0.0.1:{port}", flush=True)
    sys.stdin.read()
    os._exit(0)


main()
