"""No background task of the offline server ends unseen: models, repliers, writers and logs that fail in any way."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
from collections.abc import AsyncGenerator

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from realtime.offline import server as server_module
from realtime.offline.models.interfaces import Voice
from realtime.offline.models.standin import EnergyActivity, PrerenderedSpeech, StandInTranscript
from realtime.offline.replies.rules import Context, Say
from realtime.offline.session import session as session_module
from realtime.offline.session.channel import Channel
from realtime.offline.session.outbox import Outbox
from tests.offline_models import TRANSCRIPTION, HearsSpeech, loud, session_with
from tests.offline_probe import open_probe, silence


class EndsIn:
    """A model whose every call ends by an exception that is no Exception."""

    error: type[BaseException] = SystemExit

    def synthesise(self, text: str, voice: str, speed: float) -> np.ndarray:
        raise self.error

    def transcribe(self, samples: np.ndarray, sample_rate: int, prompt: str | None = None) -> str:
        raise self.error

    def probabilities(self, samples: np.ndarray, state: None) -> tuple[list[float], None]:
        raise self.error


class EndsInCancellation(EndsIn):
    error = asyncio.CancelledError


class Dies:
    """A model whose process dies in every call."""

    def synthesise(self, text: str, voice: str, speed: float) -> np.ndarray:
        os._exit(3)


@pytest.mark.parametrize("model", [EndsIn, EndsInCancellation], ids=["exit", "cancellation"])
async def test_a_model_that_exits_or_cancels_ends_neither_server_nor_session(model: type) -> None:
    async with session_with(Voice(HearsSpeech, model, model)) as (probe, log):
        detection = {"type": "server_vad", "create_response": True}
        transcription = {"model": "whisper-1"}
        await probe.update(audio={"input": {"turn_detection": detection, "transcription": transcription}})
        await probe.append(np.concatenate([loud(0.5), silence(1.0)]))
        response = (await probe.until("response.done"))["response"]
        assert response["status"] == "failed"
        assert probe.of(f"{TRANSCRIPTION}.failed")
        assert (await probe.say_text("Thanks.", output_modalities=["text"]))["status"] == "completed"
    assert any("a model ended its call by" in line for line in log)


async def test_a_voice_detector_that_exits_is_an_error_of_its_append() -> None:
    async with session_with(Voice(EndsIn, StandInTranscript, PrerenderedSpeech)) as (probe, _):
        await probe.append(loud(0.5))
        assert (await probe.error())["code"] == "server_error"
        assert (await probe.say_text("Thanks.", output_modalities=["text"]))["status"] == "completed"


async def test_a_model_whose_process_dies_twice_fails_its_response_and_says_so() -> None:
    async with session_with(Voice(EnergyActivity, StandInTranscript, Dies)) as (probe, _):
        for _ in range(2):
            response = await probe.say_text("Thanks.")
            assert response["status"] == "failed"
            assert "ended during a call, twice" in response["status_details"]["error"]["message"]
        assert (await probe.say_text("Thanks.", output_modalities=["text"]))["status"] == "completed"


class CancelsItself:
    async def reply(self, context: Context) -> AsyncGenerator[Say, None]:
        raise asyncio.CancelledError
        yield Say("")


async def test_a_replier_that_raises_cancelled_error_fails_its_response_alone() -> None:
    async with session_with(replier=CancelsItself()) as (probe, log):
        for _ in range(2):
            assert (await probe.say_text("Thanks."))["status"] == "failed"
    assert "CancelledError" in log[-1]


async def test_a_task_that_ends_by_a_mistake_ends_the_session_with_a_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(self: object, *_: object) -> None:
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr(session_module.Session, "_response_done", broken)
    async with session_with() as (probe, log):
        await probe.send("response.create", response={"output_modalities": ["text"]})
        assert (await probe.error())["code"] == "internal_error"
        with pytest.raises(ConnectionClosed):
            await probe.next()
        assert probe.connection.close_code == 1011
    assert "ZeroDivisionError" in log[-1]


async def test_a_writer_that_fails_drops_the_connection_and_is_reported() -> None:
    reported: list[Exception] = []
    released = asyncio.Event()

    class NoFrame:
        def __len__(self) -> int:
            return 2 << 20

    async def refuse(connection: ServerConnection) -> None:
        outbox = Outbox(connection, reported.append)
        outbox.put(NoFrame())  # type: ignore[arg-type]
        await outbox.run()
        await asyncio.wait_for(outbox.drain(), 5)
        released.set()

    async with serve(refuse, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}") as client:
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(client.recv(), 10)
            assert client.close_code == 1006
        await asyncio.wait_for(released.wait(), 10)
    assert len(reported) == 1 and isinstance(reported[0], TypeError)


def test_a_log_that_cannot_be_written_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    server_module.log_to_stderr("lost")


def test_a_failure_without_a_traceback_is_described_too() -> None:
    log: list[str] = []
    Channel.internal_error(type("Bare", (), {"log": staticmethod(log.append)})(), ValueError("no"))
    assert log == ["internal error: ValueError('no')"]


@pytest.mark.parametrize("levels", [101, 600, 100_000])
async def test_deep_json_is_refused_and_the_session_goes_on(offline_url: str, levels: int) -> None:
    deep = '{"a":' * levels + "1" + "}" * levels
    async with open_probe(offline_url) as probe:
        await probe.connection.send(
            '{"type":"session.update","session":{"type":"realtime","tools":[{"type":"function","name":"f",'
            f'"parameters":{deep}}}]}}}}'
        )
        assert (await probe.error())["code"] == "invalid_json"
        assert (await probe.say_text("Thanks.", output_modalities=["text"]))["status"] == "completed"


ODD_SCHEMAS = [
    {"type": "object", "properties": {"a": {"enum": 5}}},
    {"type": "object", "properties": {"a": {"enum": {"b": 1}}}},
    {"type": "object", "properties": {"a": {"enum": []}, "b": {"type": ["string", "null"]}}},
    {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "number"}}},
    {"properties": 7},
    {"properties": {"a": 7, "b": {"properties": []}, "c": {"type": "object", "properties": {"d": {}}}}},
]


@pytest.mark.parametrize("schema", ODD_SCHEMAS, ids=str)
async def test_tools_of_any_schema_are_called_with_json(offline_url: str, schema: dict[str, object]) -> None:
    tools = [
        {"type": "function", "name": name, "parameters": schema} for name in ("roll_dice", "get_weather")
    ]
    async with open_probe(offline_url) as probe:
        for said in ("Roll dice " + "9" * 400, "What is the weather in Paris?"):
            response = await probe.say_text(said, output_modalities=["text"], tools=tools)
            assert response["status"] == "completed"
            [call] = response["output"]
            json.loads(call["arguments"], parse_constant=pytest.fail)


@pytest.mark.parametrize("output", ["[" * 100_000, "1e999", "NaN", '{"a": "\\ud800"}', "", "\x00"])
async def test_tool_outputs_of_any_text_are_answered(offline_url: str, output: str) -> None:
    call = {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": "{}"}
    async with open_probe(offline_url) as probe:
        await probe.send("conversation.item.create", item=call)
        answer = {"type": "function_call_output", "call_id": "c1", "output": output}
        await probe.send("conversation.item.create", item=answer)
        await probe.send("response.create", response={"output_modalities": ["text"]})
        assert (await probe.until("response.done"))["response"]["status"] == "completed"
