"""Our client against the shapes of LocalAI, xAI, ElevenLabs and Qwen-Omni: text, voice, tool and interrupt turns."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from realtime import RealtimeClient
from realtime.protocol.profiles import PROFILES
from tests.canary import KEY
from tests.client_bench import QUICK
from tests.foreign_servers import SERVERS, XAI, ElevenLabs, ForeignServer, LocalAI, QwenOmni, tone
from tests.waiting import Log, until

pytestmark = pytest.mark.parametrize("shape", SERVERS, ids=lambda shape: shape.__name__)


def client_of(server: ForeignServer, **session) -> RealtimeClient:
    # LocalAI is found by what it says.
    dialect = "auto" if isinstance(server, LocalAI) else server.dialect
    session = {"turn_detection": server.voice_mode, "voice": "x", "instructions": "Be kind.", **session}
    return RealtimeClient(api_key=KEY, url=server.url, dialect=dialect, link=QUICK, **session)


def said(client: RealtimeClient) -> list[str]:
    """Role and words of every message."""
    items = [item for item in client.conversation.get_items() if item.type == "message" and item.role]
    return [f"{item.role}: {item.formatted.transcript or item.formatted.text}" for item in items]


async def next_answer(client: RealtimeClient, count: int = 1) -> str:
    answers = []

    def ended() -> bool:
        answers[:] = [
            item
            for item in client.conversation.get_items()
            if item.role == "assistant" and item.status == "completed"
        ]
        return len(answers) >= count

    await until(ended)
    return answers[-1].formatted.transcript or answers[-1].formatted.text


async def test_text_turns(shape):
    async with shape() as server:
        client = client_of(server)
        log = Log(client, "error")
        async with client:
            for number in (1, 2):
                client.send_user_message_content(f"question {number}")
                assert (await next_answer(client, number)).startswith("answer")
            assert [line.partition(":")[0] for line in said(client)] == ["user", "assistant"] * 2
        assert not log.events and not server.refused


async def test_voice_turns(shape):
    async with shape() as server:
        client = client_of(server, input_audio_transcription={"model": "m", "language": "en"})
        log = Log(client, "error")
        async with client:
            for number in (1, 2):
                spoken = tone(server)
                assert client.input_sample_rate == server.input_rate and client.output_sample_rate == 24_000
                client.append_input_audio(spoken)
                if server.voice_mode is None:
                    client.create_response()
                assert (await next_answer(client, number)).startswith("answer")
                assert server.utterances == [len(spoken)] * number
                answer = [item for item in client.conversation.get_items() if item.role == "assistant"][-1]
                assert len(answer.formatted.audio) == 2_400
            assert said(client).count("user: hello") == 2
        assert not log.events and not server.refused


async def test_tool_turns(shape):
    async with shape() as server:
        client = client_of(server)
        log = Log(client, "error")
        calls: list[int] = []
        parameters = {"type": "object", "properties": {}}
        client.add_tool(
            {"name": "look", "description": "Looks.", "parameters": parameters},
            lambda: calls.append(1) or "seen",
        )
        async with client:
            server.tool = "look"
            client.send_user_message_content("look there")
            assert (await next_answer(client)).startswith("answer")
            outputs = server.peer.of_type("conversation.item.create")
            assert calls == [1] and outputs[-1]["item"]["output"] == "seen"
            (tool,) = server.session["tools"]
            assert "look" in (tool.get("name"), tool.get("function", {}).get("name"))
        assert not log.events and not server.refused


async def test_interrupt_turns(shape):
    async with shape() as server:
        client = client_of(server)
        log = Log(client, "error", "error.benign", "conversation.updated")
        async with client:
            server.hold = True
            client.append_input_audio(tone(server))
            if server.voice_mode is None:
                client.create_response()
            await until(
                lambda: any(
                    event.delta and event.delta.audio is not None for event in log.of("conversation.updated")
                )
            )
            answer = next(item for item in client.conversation.get_items() if item.role == "assistant")
            client.cancel_response(answer.id, 1_200)
            if server.voice_mode is not None:
                client.cancel_response()
            await until(lambda: answer.status == "incomplete")
            server.hold = False
            client.send_user_message_content("and now")
            assert (await next_answer(client)).startswith("answer")
        assert not log.of("error")
        # What the server lacks is not an error of the application's.
        assert len(log.of("error.benign")) == len(server.refused)


async def test_the_model_and_the_key_are_where_the_server_wants_them(shape):
    async with shape() as server, client_of(server):
        await until(lambda: server.session.get("instructions") == "Be kind.")
        request = server.peer.socket.request
        if shape is ElevenLabs:
            assert server.session["model"] == "eleven_realtime_v1_mini"
        else:
            assert "model=" in request.path and KEY in request.headers["Authorization"]
        if shape is XAI:
            assert server.session["voice"] == "x" and server.session["turn_detection"] is None
        if shape is QwenOmni:
            assert server.session["input_audio_format"] == "pcm"


async def test_a_lost_connection_is_restored(shape):
    async with shape() as server:
        client = client_of(server)
        log = Log(client, "error", "close")
        async with client:
            client.send_user_message_content("question")
            await next_answer(client)
            server.peer.drop()
            await server.wait_for_peers(2)
            await until(client.is_connected)
            client.send_user_message_content("again")
            await next_answer(client, 2)
        assert not log.of("error") and not server.refused


async def test_an_idle_session_is_kept_alive_where_the_server_wants_it(shape, monkeypatch):
    if shape is ElevenLabs:
        monkeypatch.setitem(PROFILES, "elevenlabs", replace(PROFILES["elevenlabs"], keep_alive=0.01))
    async with shape() as server, client_of(server):
        await until(lambda: server.session.get("instructions") == "Be kind.")
        if shape is ElevenLabs:
            append = await server.peer.expect("input_audio_buffer.append")
            assert append["audio"] == ""
        else:
            await asyncio.sleep(0.05)
            assert not server.peer.of_type("input_audio_buffer.append")
        assert not server.refused
