"""Replies by a chat model, with a small HTTP server as the endpoint."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest

from realtime import RealtimeClient
from realtime.client.images import image_part
from realtime.offline import OfflineServer, SessionOptions, choose_voice, start_server_process
from realtime.offline.replies.images import Image
from realtime.offline.replies.rules import Call, Context, Message, Say, ToolCall, ToolOutput
from tests.offline_probe import open_probe

chat_model = pytest.importorskip("realtime.offline.replies.chat_model", reason="run: pip install httpx")


class Endpoint:
    """Answers POST /v1/chat/completions with ``chunks`` and keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[str] = []
        self.status = "200 OK"
        self.content_type = "text/event-stream"
        self.chunks: list[bytes] = []

    def stream(self, *deltas: dict[str, Any]) -> None:
        chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
        self.chunks = [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks] + [b"data: [DONE]\n\n"]

    def whole(self, message: dict[str, Any]) -> None:
        self.content_type = "application/json"
        self.chunks = [json.dumps({"choices": [{"message": message}]}).encode()]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.headers.append(head)
        length = next(
            int(line.split(":")[1]) for line in head.lower().split("\r\n") if "content-length" in line
        )
        self.requests.append(json.loads(await reader.readexactly(length)))
        writer.write(f"HTTP/1.1 {self.status}\r\nContent-Type: {self.content_type}\r\n\r\n".encode())
        for chunk in self.chunks:
            writer.write(chunk)
            await writer.drain()
        writer.close()


@pytest.fixture
async def endpoint() -> AsyncIterator[tuple[Endpoint, str]]:
    served = Endpoint()
    async with await asyncio.start_server(served.handle, "127.0.0.1", 0) as server:
        yield served, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


def replier(url: str, log: Callable[[str], None] = lambda line: None, **options: Any) -> Any:
    return chat_model.ChatReplies(url, "small", log=log, **options)


async def pieces(chat: Any, *turns: Any, **context: Any) -> list[Say | Call]:
    return [piece async for piece in chat.reply(Context("Be brief.", turns, **context))]


async def test_text_is_streamed_as_it_comes(endpoint: tuple[Endpoint, str]) -> None:
    served, url = endpoint
    served.stream({"role": "assistant"}, {"content": "Good "}, {"content": "day."})
    assert await pieces(replier(url, key="k1"), Message("user", "Hi")) == [Say("Good "), Say("day.")]
    assert served.requests[0] == {
        "model": "small",
        "stream": True,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
    }
    assert "authorization: bearer k1" in served.headers[0].lower()


async def test_tool_call_in_pieces(endpoint: tuple[Endpoint, str]) -> None:
    served, url = endpoint
    served.stream(
        {"tool_calls": [{"index": 0, "id": "x", "function": {"name": "f", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a":'}}]},
        {"tool_calls": [{"index": 1, "id": "y", "function": {"name": "g", "arguments": "{}"}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": " 1}"}}]},
    )
    tool = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}
    history = (Message("user", "Hi"), ToolCall("c", "f", "{}"), ToolOutput("c", "f", "7"))
    found = await pieces(replier(url), *history, tools=[tool], tool_choice={"type": "function", "name": "f"})
    assert found == [Call("f", '{"a": 1}'), Call("g", "{}")]
    body = served.requests[0]
    assert body["tools"] == [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
    ]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "tool"]


async def test_answer_in_one_piece_is_understood_too(endpoint: tuple[Endpoint, str]) -> None:
    served, url = endpoint
    served.whole({"content": "Yes.", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]})
    assert await pieces(replier(url), Message("user", "Hi")) == [Say("Yes."), Call("f", '{"a": 1}')]


ODD = [
    7,
    "x",
    None,
    [],
    {"tool_calls": 7},
    {"tool_calls": ["x", None, {"index": [], "function": 7}]},
    {"content": {}},
]


@pytest.mark.parametrize("message", ODD, ids=str)
@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
async def test_an_endpoint_that_answers_odd_values_is_read_safely(
    endpoint: tuple[Endpoint, str], message: Any, streamed: bool
) -> None:
    served, url = endpoint
    if streamed:
        served.stream(message)
    else:
        served.whole(message)
    assert await pieces(replier(url), Message("user", "Thanks.")) == [Say("You are welcome.")]


async def test_an_endpoint_that_answers_deep_json_falls_back_to_the_rules(
    endpoint: tuple[Endpoint, str],
) -> None:
    served, url = endpoint
    served.content_type = "application/json"
    served.chunks = [b"[" * 100_000]
    assert await pieces(replier(url), Message("user", "Thanks.")) == [Say("You are welcome.")]


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        ("404 Not Found", "application/json", b'{"error": "no model"}'),
        ("200 OK", "application/json", b'{"error": {"message": "no model"}}'),
        ("200 OK", "text/event-stream", b"data: {nonsense\n\n"),
        ("200 OK", "application/json", b"[]"),
        ("200 OK", "application/json", b""),
    ],
)
async def test_refusal_falls_back_to_the_rules_with_a_warning(
    endpoint: tuple[Endpoint, str], status: str, kind: str, body: bytes
) -> None:
    served, url = endpoint
    served.status, served.content_type, served.chunks = status, kind, [body]
    log: list[str] = []
    assert await pieces(replier(url, log.append), Message("user", "Bye")) == [Say("Goodbye!")]
    assert len(log) == 1
    assert log[0].startswith("warning: no answer from the chat endpoint")


async def test_nobody_there_falls_back_to_the_rules() -> None:
    log: list[str] = []
    chat = replier("http://127.0.0.1:9/v1", log.append)
    assert await pieces(chat, Message("user", "Bye")) == [Say("Goodbye!")]
    assert "ConnectError" in log[0]


async def test_break_off_keeps_what_was_said(endpoint: tuple[Endpoint, str]) -> None:
    served, url = endpoint
    served.stream({"content": "Half a "})
    served.chunks[-1] = b"data: {broken\n\n"
    log: list[str] = []
    assert await pieces(replier(url, log.append), Message("user", "Hi")) == [Say("Half a ")]
    assert "failed during its answer" in log[0]


async def test_whole_turn_through_the_server(endpoint: tuple[Endpoint, str]) -> None:
    served, url = endpoint
    served.stream({"content": "One. "}, {"content": "Two."})
    options = SessionOptions(pace=0)
    server = OfflineServer(voice=choose_voice("standin"), replier=replier(url), options=options)
    async with server, open_probe(server.url) as probe:
        response = await probe.say_text("Count.", output_modalities=["text"])
    assert response["output"][0]["content"][0]["text"] == "One. Two."
    assert served.requests[0]["messages"][-1] == {"role": "user", "content": "Count."}


async def test_cancel_closes_the_request() -> None:
    closed = asyncio.Event()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        chunk = {"choices": [{"delta": {"content": "word "}}]}
        try:
            while not reader.at_eof():
                writer.write(f"data: {json.dumps(chunk)}\n\n".encode())
                await writer.drain()
                await asyncio.sleep(0.01)
        except OSError:
            pass
        closed.set()
        writer.close()

    async with await asyncio.start_server(endless, "127.0.0.1", 0) as endpoint:
        url = f"http://127.0.0.1:{endpoint.sockets[0].getsockname()[1]}/v1"
        server = OfflineServer(voice=choose_voice("standin"), replier=replier(url))
        async with server, open_probe(server.url) as probe:
            await probe.send("response.create", response={"output_modalities": ["text"]})
            await probe.until("response.output_text.delta")
            await probe.send("response.cancel")
            assert (await probe.until("response.done"))["response"]["status"] == "cancelled"
            await asyncio.wait_for(closed.wait(), 10)


def test_calls_of_one_turn_are_one_message_and_empty_instructions_none() -> None:
    history = [Message("user", "Hi"), ToolCall("a", "f", "{}"), ToolCall("b", "g", "{}")]
    messages = chat_model.request_body("m", Context("", history))["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant"]
    assert [call["id"] for call in messages[1]["tool_calls"]] == ["a", "b"]


@pytest.mark.parametrize(("choice", "sent"), [("auto", None), ("required", "required")])
def test_tool_choice_is_sent_where_it_is_not_the_default(choice: str, sent: str | None) -> None:
    tool = {"type": "function", "name": "f", "parameters": {}}
    body = chat_model.request_body("m", Context("", [], tools=[tool], tool_choice=choice))
    assert len(body["tools"]) == 1 and body.get("tool_choice") == sent


async def test_endless_tool_arguments_are_given_up(endpoint: tuple[Endpoint, str]) -> None:
    served, url = endpoint
    piece = {
        "tool_calls": [
            {"index": 0, "function": {"name": "f", "arguments": "x" * chat_model.LONGEST_ARGUMENTS}}
        ]
    }
    served.stream(piece, piece)
    log: list[str] = []
    found = await pieces(replier(url, log.append), Message("user", "Hello"))
    assert found == [Say("Hello! How can I help you?")]
    assert "tool arguments longer than" in log[0]


async def test_the_command_line_names_the_endpoint(endpoint: tuple[Endpoint, str]) -> None:
    served, url = endpoint
    served.stream({"content": "Good day."})
    arguments = ("--voice", "standin", "--llm-url", url, "--llm-model", "small")
    async with (
        await asyncio.to_thread(start_server_process, *arguments) as server,
        open_probe(server.url) as probe,
    ):
        done = await probe.say_text("Hi", output_modalities=["text"])
    assert done["output"][0]["content"][0]["text"] == "Good day."
    assert served.requests[0]["model"] == "small"


async def test_a_vision_model_gets_the_images(endpoint: tuple[Endpoint, str]) -> None:
    served, url = endpoint
    served.stream({"content": "A red square."})
    red = image_part(np.full((8, 8, 3), (255, 0, 0), np.uint8), "low")
    async with (
        OfflineServer(voice=choose_voice("standin"), replier=replier(url)) as server,
        RealtimeClient(api_key="", url=server.url, turn_detection=None, output_modalities=["text"]) as client,
    ):
        client.send_image(np.full((8, 8, 3), (255, 0, 0), np.uint8), detail="low")
        assert str(await client.ask("What is it?")) == "A red square."
    shown, asked = served.requests[0]["messages"][-2:]
    assert shown["content"] == [
        {"type": "image_url", "image_url": {"url": red["image_url"], "detail": "low"}}
    ]
    assert asked["content"] == "What is it?"


def test_words_and_images_of_one_message_stay_together() -> None:
    part = image_part(np.zeros((8, 8), np.uint8))
    body = chat_model.request_body("m", Context("", [Message("user", "Look!", [Image.of(part)])]))
    assert [part["type"] for part in body["messages"][0]["content"]] == ["text", "image_url"]
