"""The HTTP side of the offline server: client secrets, models, a sentence for everything else; Azure's forms."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.asyncio.client import connect

from realtime.offline import start_server_process
from realtime.offline.client_secrets import HELD, ClientSecrets
from tests.offline_probe import MODEL_QUERY, Probe, open_probe

openai = pytest.importorskip("openai", reason="the openai SDK is in wavtools[dev]")

KEY = "sk-test-0123456789"
AUTHORISED = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def strict_url() -> Iterator[str]:
    """A server that requires a key and speaks GA only."""
    os.environ["OFFLINE_HTTP_KEY"] = KEY
    try:
        with start_server_process(
            "--voice", "standin", "--dialect", "ga", "--key-env", "OFFLINE_HTTP_KEY"
        ) as server:
            yield server.url
    finally:
        del os.environ["OFFLINE_HTTP_KEY"]


def http(url: str) -> str:
    return url.replace("ws://", "http://")


def post(url: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
    options.setdefault("headers", AUTHORISED)
    if body is not None:
        options["json"] = body
    return httpx.post(http(url) + path, timeout=10, **options)


def exchange(url: str, *pieces: bytes) -> bytes:
    """Everything that the server answers to raw bytes."""
    parts = urlsplit(url)
    answer = b""
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as client:
        for piece in pieces:
            client.sendall(piece)
            time.sleep(0.05)
        with contextlib.suppress(ConnectionResetError):
            while data := client.recv(65536):
                answer += data
    return answer


def test_a_client_secret_is_minted_as_at_the_vendor(strict_url: str) -> None:
    session = {
        "type": "realtime",
        "model": "gpt-realtime-2",
        "instructions": "Always say: 'Minted.'",
        "audio": {"output": {"voice": "marin"}},
    }
    body = {"expires_after": {"anchor": "created_at", "seconds": 20}, "session": session}
    answer = post(strict_url, "/v1/realtime/client_secrets", body)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    minted = answer.json()
    assert minted["value"].startswith("ek_") and 15 < minted["expires_at"] - time.time() <= 20
    assert minted["session"]["model"] == "gpt-realtime-2"
    assert minted["session"]["audio"]["output"]["voice"] == "marin"


def test_the_vendors_sdk_mints_and_lists(strict_url: str) -> None:
    client = openai.OpenAI(api_key=KEY, base_url=http(strict_url) + "/v1", max_retries=0)
    minted = client.realtime.client_secrets.create(session={"type": "realtime"})
    assert minted.value.startswith("ek_") and minted.session.type == "realtime"
    listed = [model.id for model in client.models.list()]
    assert "gpt-realtime-2.1" in listed
    assert client.models.retrieve("gpt-realtime-2.1").id == "gpt-realtime-2.1"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(api_key="sk-wrong", base_url=http(strict_url) + "/v1", max_retries=0).models.list()


async def test_a_client_secret_counts_as_the_key_and_brings_its_session(strict_url: str) -> None:
    session = {"type": "realtime", "model": "gpt-realtime-2", "instructions": "Always say: 'Minted.'"}
    body = {"session": session}
    minted = (await asyncio.to_thread(post, strict_url, "/v1/realtime/client_secrets", body)).json()["value"]
    by_header = {"additional_headers": {"Authorization": f"Bearer {minted}"}}
    by_subprotocol = {"subprotocols": ["realtime", f"openai-insecure-api-key.{minted}"]}
    for options in (by_header, by_subprotocol):
        async with open_probe(strict_url, "/v1/realtime", **options) as probe:
            assert probe.events[0]["session"]["model"] == "gpt-realtime-2"
            response = await probe.say_text("Hello.", output_modalities=["text"])
            assert response["output"][0]["content"][0]["text"] == "Minted."
    async with open_probe(strict_url, MODEL_QUERY, **by_header) as probe:
        assert probe.events[0]["session"]["model"] == "gpt-realtime-2.1"
    # It opens sessions and nothing else.
    unauthorised = await asyncio.to_thread(
        post, strict_url, "/v1/realtime/client_secrets", {}, headers={"Authorization": f"Bearer {minted}"}
    )
    assert unauthorised.status_code == 401


async def test_a_client_secret_of_a_transcription_opens_one(strict_url: str) -> None:
    session = {
        "type": "transcription",
        "audio": {"input": {"transcription": {"model": "gpt-live-transcribe"}}},
    }
    answer = await asyncio.to_thread(post, strict_url, "/v1/realtime/client_secrets", {"session": session})
    headers = {"Authorization": f"Bearer {answer.json()['value']}"}
    async with open_probe(strict_url, "/v1/realtime", additional_headers=headers) as probe:
        session = probe.events[0]["session"]
    assert session["type"] == "transcription"
    assert session["audio"]["input"]["transcription"]["model"] == "gpt-live-transcribe"


async def test_an_unknown_client_secret_is_a_wrong_key(strict_url: str) -> None:
    async with connect(
        strict_url + MODEL_QUERY, additional_headers={"Authorization": "Bearer ek_none"}
    ) as connection:
        assert json.loads(await connection.recv())["error"]["code"] == "invalid_api_key"


def test_a_client_secret_ends_in_its_time_and_the_oldest_are_forgotten() -> None:
    now = [1000.0]
    secrets = ClientSecrets(lambda: now[0])
    first = secrets.mint({})["value"]
    assert first not in repr(secrets.find(first))
    second = secrets.mint({"expires_after": {"seconds": 7200}, "session": None})["value"]
    now[0] += 600
    assert secrets.find(first) is None and secrets.find(second) is not None
    for _ in range(HELD):
        last = secrets.mint({"session": {"type": "realtime"}})["value"]
    assert secrets.find(second) is None and secrets.find(last) is not None


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ([], "invalid_type", ""),
        ({"x": 1}, "unknown_parameter", "x"),
        ({"session": {}}, "missing_required_parameter", "session.type"),
        ({"session": {"type": "live"}}, "invalid_value", "session.type"),
        ({"session": {"type": "realtime", "model": 7}}, "invalid_type", "session.model"),
        ({"session": {"type": "transcription", "model": "m"}}, "unknown_parameter", "session.model"),
        ({"session": {"type": "realtime", "tools": 7}}, "invalid_type", "session.tools"),
        ({"expires_after": {"seconds": 9}}, "integer_below_min_value", "expires_after.seconds"),
        ({"expires_after": {"anchor": "now"}}, "invalid_value", "expires_after.anchor"),
    ],
    ids=str,
)
def test_a_wrong_request_for_a_secret_says_what_is_wrong(
    strict_url: str, body: Any, code: str, param: str
) -> None:
    answer = post(strict_url, "/v1/realtime/client_secrets", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize("text", ["{", "\xff", "[" * 100_000, '{"session":' + "[" * 200 + "]" * 200 + "}"])
def test_a_body_that_is_no_plain_json_is_refused(strict_url: str, text: str) -> None:
    answer = post(strict_url, "/v1/realtime/client_secrets", content=text.encode("latin-1"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("GET", "/v1/realtime/client_secrets", 405, "use POST"),
        ("POST", "/v1/models", 405, "use GET"),
        ("POST", "/v1/realtime", 405, "use GET"),
        ("DELETE", "/v1/models/gpt-realtime-2.1", 405, "use GET"),
        ("OPTIONS", "/v1/realtime/client_secrets", 405, "use POST"),
        ("GET", "/v1/realtime?model=gpt-realtime", 426, "websocket"),
        ("GET", "/", 426, "websocket"),
        ("POST", "/v1/realtime/calls", 501, "no WebRTC"),
        ("POST", "/v1/realtime/calls/rtc_1/accept", 501, "no WebRTC"),
        ("POST", "/v1/realtime/calls/rtc_1/hangup", 404, "No call"),
        ("POST", "/v1/realtime/sessions", 501, "client_secrets"),
        ("POST", "/v1/realtime/transcription_sessions", 501, "client_secrets"),
        ("POST", "/v1/realtime/translations/client_secrets", 501, "does not translate"),
        ("GET", "/v1/live/sessions", 501, "GPT-Live"),
        ("GET", "/nothing", 404, "/v1/realtime"),
        ("POST", "/v1/realtime/nothing", 501, "/v1/realtime"),
        ("POST", "/v1/chat/completions", 501, "/v1/realtime"),
    ],
)
def test_every_request_is_answered_with_a_sentence(
    strict_url: str, method: str, path: str, status: int, says: str
) -> None:
    answer = httpx.request(method, http(strict_url) + path, headers=AUTHORISED, timeout=10)
    assert (answer.status_code, says in answer.json()["error"]["message"]) == (status, True), answer.text
    if status == 405:
        assert answer.headers["allow"] in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/gpt-realtime-2.1"])
def test_what_needs_the_key_is_refused_without_it(strict_url: str, path: str) -> None:
    assert httpx.get(http(strict_url) + path, timeout=10).status_code == 401
    assert post(strict_url, "/v1/realtime/client_secrets", {}, headers={}).status_code == 401
    assert post(strict_url, "/v1/realtime/calls/rtc_1/hangup", headers={}).status_code == 401


HEAD = b"POST /v1/realtime/client_secrets HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ([HEAD[:30], HEAD[30:] + b"Content-Length: 2\r\n\r\n{", b"}"], 200),
        ([HEAD + b"Content-Length: 2\r\n\r\n{}GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"], 200),
        ([HEAD + b"Transfer-Encoding: chunked\r\n\r\n"], 411),
        ([HEAD + b"Content-Length: -1\r\n\r\n"], 400),
        ([HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n"], 400),
        ([HEAD + b"Content-Length: 99999999999999999999\r\n\r\n"], 413),
        ([b"OPTIONS * HTTP/1.1\r\n\r\n"], 501),
        ([b"GET http://[ HTTP/1.1\r\n\r\n"], 404),
        ([b"GET realtime/ HTTP/1.0\r\n\r\n"], 404),
        ([b"GET http://[/v1/realtime HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"], 404),
        ([b"\r\n\r\n"], 400),
        ([b"GET / HTTP/1.1\r\na: \x01\r\n\r\n"], 400),
        ([b"GET / HTTP/2\r\n\r\n"], 400),
        ([b"GET / HTTP/1.1\r\nno colon\r\n\r\n"], 400),
        ([b"x" * (70 << 10)], 431),
        ([b"\x16\x03\x01\x02\x00"], 400),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_raw_requests_are_answered_or_refused(offline_url: str, pieces: list[bytes], status: int) -> None:
    answer = exchange(offline_url, *pieces)
    assert int(answer.split(b" ", 2)[1]) == status, answer


async def test_an_upgrade_in_pieces_opens_a_session(offline_url: str) -> None:
    parts = urlsplit(offline_url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    for piece in (
        b"GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\nHost: x\r\nUpg",
        b"rade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n",
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    ):
        writer.write(piece)
        await asyncio.sleep(0.02)
    assert await asyncio.wait_for(reader.readuntil(b"session.created"), 10)
    writer.close()


# --- Azure --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "/openai/v1/realtime?model=my-deployment",
        "/openai/realtime?api-version=2025-08-28&deployment=My%20deployment_7",
        "/v1/realtime?deployment=voice",
    ],
)
async def test_a_deployment_of_azure_may_have_any_name(strict_url: str, target: str) -> None:
    async with open_probe(strict_url, target, additional_headers={"api-key": KEY}) as probe:
        assert probe.events[0]["session"]["model"] in ("my-deployment", "My deployment_7", "voice")


async def test_a_wrong_key_in_azures_header_is_refused(strict_url: str) -> None:
    target = "/openai/v1/realtime?model=my-deployment"
    async with connect(strict_url + target, additional_headers={"api-key": "wrong"}) as connection:
        assert json.loads(await Probe(connection).connection.recv())["error"]["code"] == "invalid_api_key"


def test_a_refused_body_that_goes_on_costs_nobody_the_answer(offline_url: str) -> None:
    """The client writes megabytes after the refusal: a reset would throw the answer away."""
    address = urlsplit(offline_url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(
            b"POST /v1/realtime/client_secrets HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000\r\n\r\n"
        )
        for _ in range(40):
            client.sendall(bytes(1 << 16))
        answer = b""
        while data := client.recv(1 << 16):
            answer += data
    assert answer.startswith(b"HTTP/1.1 413 ") and b"larger than" in answer
