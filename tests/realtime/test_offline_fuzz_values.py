"""Arbitrary values at every place of a client event, of an upgrade and of an HTTP request: an answer, and never more.

WAVTOOLS_FUZZ_FRAMES sets how many values each test tries (default 3 000, divided by 10).
"""

from __future__ import annotations

import asyncio
import copy
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.datastructures import Headers

from realtime.offline import SessionOptions, choose_voice
from realtime.offline.admission import Admission, AdmissionError, admit, is_our_path
from realtime.offline.beta import BetaDialect
from realtime.offline.checks.session_object import SessionConfig
from realtime.offline.client_secrets import ClientSecrets
from realtime.offline.http_api import HttpAnswer, HttpApi, HttpRequest
from realtime.offline.http_front import read_request
from realtime.offline.models.workers import Models
from realtime.offline.replies.rules import RuleReplies
from realtime.offline.session.session import Session
from realtime.protocol.schema import RequestError
from tests.realtime.test_offline_fuzz import SEEDS

VALUES = max(100, int(os.environ.get("WAVTOOLS_FUZZ_FRAMES", "3000")) // 10)
FUZZ = settings(
    max_examples=VALUES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

KINDS = [
    "message", "user", "system", "assistant", "input_text", "input_audio", "output_text", "output_audio", "function",
    "function_call", "function_call_output", "item_reference", "mcp", "mcp_call", "mcp_list_tools", "server_vad",
    "semantic_vad", "audio/pcm", "audio/pcmu", "realtime", "transcription", "auto", "none", "required", "root", "a", "c",
]  # fmt: skip
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(KINDS)
    | st.sampled_from(["", "AA==", "\ud800", "9" * 400, "[" * 2000, 1e308, -1, 1 << 64])
)
NAMES = st.sampled_from(
    ["type", "id", "role", "content", "text", "audio", "name", "tools", "session", "item", "response", "properties",
     "enum", "parameters", "call_id", "output", "input", "event_id", "metadata", "server_label", "arguments"]
) | st.text(max_size=5)  # fmt: skip
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
MORE_SEEDS: list[dict[str, Any]] = [
    {"type": "offline.faults", "faults": {}},
    {"type": "response.create", "response": {"output_modalities": ["text"], "tool_choice": "required"}},
    {
        "type": "response.create",
        "response": {
            "conversation": "none",
            "output_modalities": ["text"],
            "tools": [
                {"type": "function", "name": "f", "parameters": {"properties": {"a": {"enum": [1]}}}},
                {"type": "mcp", "server_label": "s", "allowed_tools": ["a"], "require_approval": "never"},
            ],
            "tool_choice": {"type": "function", "name": "f"},
            "input": [
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "call f 7"}]},
                {"type": "function_call_output", "call_id": "x", "output": '{"a": 1}'},
            ],
            "prompt": {"id": "p", "variables": {}},
            "reasoning": {"effort": "low"},
        },
    },
    {
        "type": "conversation.item.create",
        "item": {"type": "mcp_list_tools", "server_label": "s", "tools": [{"name": "f", "input_schema": {}}]},
    },
    {
        "type": "session.update",
        "session": {
            "type": "realtime",
            "truncation": {"type": "retention_ratio", "retention_ratio": 0.5, "token_limits": {}},
            "tracing": {"metadata": {}},
            "audio": {"input": {"noise_reduction": {"strength": 0.5}, "transcription": {"keywords": ["a"]}}},
        },
    },
]
BETA_SEEDS: list[dict[str, Any]] = [
    {
        "type": "session.update",
        "session": {
            "modalities": ["text"],
            "voice": "alloy",
            "input_audio_format": "pcm16",
            "input_audio_transcription": {"model": "whisper-1"},
            "turn_detection": {"type": "server_vad"},
            "temperature": 0.8,
            "max_response_output_tokens": 10,
        },
    },
    {"type": "response.create", "response": {"modalities": ["text"], "temperature": 0.9, "input": []}},
    {
        "type": "conversation.item.create",
        "item": {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "a"}]},
    },
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values inside *value*."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, element in inner for found in places(element, (*path, key)))]


@st.composite
def events(draw: st.DrawFn, seeds: list[dict[str, Any]]) -> Any:
    """A client event with an arbitrary value at one or two of its places, or an additional field."""
    event: Any = copy.deepcopy(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 2))):
        *parents, last = draw(st.sampled_from([(), *places(event)[1:]])) or ("type",)
        target = event
        for step in parents:
            target = target[step]
        if isinstance(target, dict) and draw(st.booleans()):
            last = draw(NAMES)
        target[last] = draw(JSON)
    return event


class Sink:
    """Where the session under test sends its frames."""

    def __init__(self) -> None:
        self.frames: list[str] = []
        self.closed = False

    def put(self, frame: str) -> None:
        self.frames.append(frame)

    async def drain(self) -> None:
        await asyncio.sleep(0)

    def close(self, code: int, reason: str) -> None:
        self.closed = True

    def cut(self) -> None:
        self.closed = True


class Bench:
    """Sessions on the real models, each with the log of its mistakes."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.models = Models(choose_voice("standin"))
        self.complaints: list[str] = []
        self.loop.set_exception_handler(lambda _, context: self.complaints.append(str(context)))

    async def feed(self, event: Any, dialect: str) -> Sink:
        """The answers of a fresh session to a preparation, the event and a last question."""
        sink = Sink()
        config = SessionConfig("realtime", "sess_1", "gpt-realtime-2.1")
        beta = BetaDialect("realtime") if dialect == "beta" else None
        options = SessionOptions(pace=0)
        in_call = dialect == "call"
        session = Session(
            config, sink, self.models, RuleReplies(), options, self.complaints.append, beta, in_call
        )
        session.start()
        try:
            for prepared in SEEDS[5:7]:
                await session.handle(json.dumps(prepared))
            await session.handle(json.dumps(event))
            # Responses that it started end or are cancelled.
            for _ in range(50):
                await asyncio.sleep(0)
            await session.handle(json.dumps({"type": "offline.faults", "faults": {}}))
            await session.handle(json.dumps({"type": "response.cancel"}))
            sink.frames.clear()
            await session.handle(json.dumps({"type": "no.such.event", "event_id": "the end"}))
        finally:
            session.close()
            await asyncio.sleep(0)
        return sink


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.models.close()
    bench.loop.close()


@pytest.mark.parametrize("dialect", ["ga", "beta", "call"])
@pytest.mark.timeout(0)
def test_any_value_in_any_event_is_answered_and_no_task_ends_unseen(bench: Bench, dialect: str) -> None:
    @FUZZ
    @given(events([*SEEDS, *MORE_SEEDS, *(BETA_SEEDS * 3 if dialect == "beta" else [])]))
    def check(event: Any) -> None:
        sink = bench.loop.run_until_complete(bench.feed(event, dialect))
        assert bench.complaints == []
        if not sink.closed:
            [last] = [json.loads(frame) for frame in sink.frames][-1:]
            assert last["error"]["event_id"] == "the end"

    check()


@FUZZ
@given(JSON)
def test_any_body_mints_a_secret_or_is_refused(body: Any) -> None:
    secrets = ClientSecrets()
    for session in (body, {"session": body}, {"session": {"type": "realtime", "audio": body}}):
        try:
            assert secrets.mint(copy.deepcopy(session))["value"]
        except RequestError as error:
            assert error.message


@FUZZ
@given(
    st.text(max_size=30) | st.sampled_from(["/v1/realtime?model=", "http://[", "//[/realtime", "/v1/realtime?call_id=a&"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30),
    st.lists(st.text(max_size=10), max_size=3),
)  # fmt: skip
def test_any_upgrade_is_admitted_or_refused(target: str, query: str, subprotocols: list[str]) -> None:
    target += query
    headers = Headers([("Authorization", query), ("api-key", query), ("OpenAI-Beta", query)])
    if is_our_path(target):
        for key in (None, "sk"):
            try:
                assert isinstance(
                    admit(target, headers, subprotocols, "auto", key, ClientSecrets()), Admission
                )
            except AdmissionError as error:
                assert error.close_code in (3000, 4000)


@FUZZ
@given(
    st.sampled_from(["GET", "POST", "PUT"]) | st.text(max_size=5),
    st.lists(
        st.sampled_from(["v1", "realtime", "models", "client_secrets", "calls", "hangup", "live", "sessions"])
        | st.text(max_size=5)
    ),
    st.binary(max_size=50) | JSON.map(lambda value: json.dumps(value).encode()),
)
def test_any_http_request_is_answered(method: str, parts: list[str], body: bytes) -> None:
    api = HttpApi(ClientSecrets(), None, lambda call_id: False)
    for target in ("/" + "/".join(parts), "/".join(parts)):
        answer = api.answer(HttpRequest(method, target, Headers(), body))
        assert answer.serialise().startswith(b"HTTP/1.1 ")


@FUZZ
@given(
    st.binary(max_size=100)
    | st.lists(
        st.sampled_from(
            [b"GET ", b"POST ", b"/v1/realtime ", b"HTTP/1.1", b"\r\n", b"\r\n\r\n", b"Upgrade: websocket", b":",
             b"Content-Length: 3", b"Content-Length: \xb2", b"Transfer-Encoding: chunked", b"abc", b"a: \x01\r\n",
             b"\xff\x00"]
        )
    ).map(b"".join)
)  # fmt: skip
def test_any_bytes_are_a_request_or_are_refused(data: bytes) -> None:
    outcome = read_request(data)
    assert outcome is None or outcome == "upgrade" or isinstance(outcome, (HttpRequest, HttpAnswer))
