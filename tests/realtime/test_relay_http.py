"""Requests other than upgrades: client secrets behind the relay's own authentication, and a sentence for the rest."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from typing import Any

import pytest

from realtime.errors import ConfigurationError
from realtime.relay import plain_http
from realtime.relay.plain_http import MAX_BODY_BYTES
from tests.relay_spy import INSTRUCTIONS, KEY, LOCKED, TOKEN, exchange, policy_with, relay_to

SECRETS = "/v1/realtime/client_secrets"
MINTS = {"clients": {"client_secret_seconds": 900}}


class Vendor:
    """An HTTP server that mints client secrets as the vendor does, and keeps what it was asked."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.asked: list[Any] = []
        self.heads: list[str] = []

    async def __aenter__(self) -> Vendor:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1/realtime"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        size = next(
            int(line[16:]) for line in head.splitlines() if line.lower().startswith("content-length: ")
        )
        asked = json.loads(await reader.readexactly(size))
        self.asked.append(asked)
        answer = {"value": "ek_minted_1", "expires_at": 2_000_000_000, "session": asked["session"]}
        body = json.dumps(answer if self.status == 200 else {"error": {"message": f"no {KEY}"}}).encode()
        writer.write(
            f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        )
        writer.write(body)
        await writer.drain()
        writer.close()


def request(
    method: str = "POST", target: str = SECRETS, body: Any = None, *headers: str, host: str = "127.0.0.1"
) -> bytes:
    data = b"" if body is None else json.dumps(body).encode()
    lines = [
        f"{method} {target} HTTP/1.1",
        f"Host: {host}",
        *headers,
        *([f"Content-Length: {len(data)}"] if data else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + data


def read(answer: bytes) -> tuple[int, str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode(), json.loads(body) if body else None


async def test_a_client_secret_is_minted_with_the_relays_key_and_the_policys_settings():
    session = {"instructions": INSTRUCTIONS, "tools": ({"type": "function", "name": "book_room"},)}
    async with Vendor() as vendor, relay_to(vendor.url, session=session, **MINTS) as relay:
        asked = {"type": "realtime", "instructions": "", "audio": {"output": {"voice": "ash"}}}
        body = {"expires_after": {"anchor": "created_at", "seconds": 7000}, "session": asked}
        status, head, answer = read(await exchange(relay, request("POST", SECRETS, body)))
        assert status == 200 and "no-store" in head
        assert answer["value"] == "ek_minted_1" and answer["expires_at"] == 2_000_000_000
        assert answer["session"]["audio"] == {"output": {"voice": "ash"}}
        assert "BLUEBIRD" not in json.dumps(answer) and "book_room" not in json.dumps(answer)
        (sent,) = vendor.asked
        assert sent["expires_after"]["seconds"] == 900
        assert sent["session"]["instructions"] == INSTRUCTIONS
        assert sent["session"]["model"] == relay.policy.upstream.model
        assert [tool["name"] for tool in sent["session"]["tools"]] == ["book_room"]
        assert f"Bearer {KEY}" in vendor.heads[0]


async def test_a_clients_own_tools_are_minted_beside_the_policys_and_only_its_own_are_shown():
    session = {"tools": ({"type": "function", "name": "book_room"},)}
    clients = {"client_secret_seconds": 60, "session_fields": frozenset({"tools", "type"})}
    async with Vendor() as vendor, relay_to(vendor.url, session=session, clients=clients) as relay:
        own = [{"type": "function", "name": "own"}]
        _, _, answer = read(await exchange(relay, request("POST", SECRETS, {"session": {"tools": own}})))
        assert answer["session"]["tools"] == own
        assert [tool["name"] for tool in vendor.asked[0]["session"]["tools"]] == ["own", "book_room"]


async def test_a_body_that_is_no_json_is_refused():
    async with relay_to("ws://127.0.0.1:1", **MINTS) as relay:
        data = f"POST {SECRETS} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\n".encode() + b'{"a'
        status, _, answer = read(await exchange(relay, data))
        assert status == 400 and "cannot be read" in answer["error"]["message"]


async def test_a_client_without_a_body_gets_a_secret_for_the_relays_session():
    async with Vendor() as vendor, relay_to(vendor.url, **MINTS) as relay:
        status, _, answer = read(await exchange(relay, request()))
        assert (status, answer["value"]) == (200, "ek_minted_1")
        assert vendor.asked[0]["session"] == {"type": "realtime", "model": relay.policy.upstream.model}
        assert vendor.asked[0]["expires_after"]["seconds"] == 600


async def test_client_secrets_need_the_tokens_that_sessions_need():
    sections = {**LOCKED, "clients": {**LOCKED["clients"], "client_secret_seconds": 60}}
    sections["limits"] = {"refused_logins_per_minute": 2.0}
    async with Vendor() as vendor, relay_to(vendor.url, **sections) as relay:
        status, head, answer = read(await exchange(relay, request()))
        assert status == 401 and "WWW-Authenticate: Bearer" in head and answer["error"]["code"] == "token"
        good = f"Authorization: Bearer {TOKEN}"
        assert read(await exchange(relay, request("POST", SECRETS, None, good)))[0] == 200
        wrong = {"session": {"model": "gpt-5-realtime"}}
        assert read(await exchange(relay, request("POST", SECRETS, wrong, good)))[0] == 403
        assert read(await exchange(relay, request()))[0] == 401
        assert read(await exchange(relay, request()))[0] == 429
        assert len(vendor.asked) == 1


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"session": {"instructions": "Be rude."}}, "session.instructions"),
        ({"session": {"type": "transcription"}}, "session.type"),
        ({"session": {"model": ["gpt"]}}, "session.model"),
        ({"session": 7}, "session"),
        ({"session": [[]]}, "session"),
        ({"other": 1}, "other"),
        ([], None),
        ({"expires_after": 60}, "expires_after"),
        ({"expires_after": {"seconds": 1}}, "expires_after"),
        ({"expires_after": {"seconds": True}}, "expires_after"),
        ({"expires_after": {"seconds": 60, "anchor": []}}, "expires_after"),
        ({"expires_after": {"seconds": 60, "more": 1}}, "expires_after"),
    ],
    ids=str,
)
async def test_a_session_that_the_policy_forbids_gets_no_client_secret(body, param):
    async with Vendor() as vendor, relay_to(vendor.url, **MINTS) as relay:
        status, _, answer = read(await exchange(relay, request("POST", SECRETS, body)))
        assert (status, answer["error"]["param"]) == (400, param) and answer["error"]["message"]
        assert not vendor.asked


async def test_a_vendor_that_mints_nothing_is_an_error_without_its_words(caplog):
    caplog.set_level("INFO")
    async with Vendor(status=401) as vendor, relay_to(vendor.url, **MINTS) as relay:
        status, _, answer = read(await exchange(relay, request()))
        assert status == 502 and KEY not in json.dumps(answer) and KEY not in caplog.text


async def test_too_many_client_secrets_are_refused():
    limits = {"client_secrets_per_minute": 1.0}
    async with Vendor() as vendor, relay_to(vendor.url, limits=limits, **MINTS) as relay:
        assert read(await exchange(relay, request()))[0] == 200
        status, head, _ = read(await exchange(relay, request()))
        assert status == 429 and "Retry-After" in head


async def test_a_listed_web_page_may_read_the_answer_and_no_other():
    clients = {"client_secret_seconds": 60, "origins": ("https://app.example",)}
    async with Vendor() as vendor, relay_to(vendor.url, clients=clients) as relay:
        for method, status in (("OPTIONS", 204), ("POST", 200)):
            answer = await exchange(relay, request(method, SECRETS, None, "Origin: https://app.example"))
            assert read(answer)[0] == status
            assert b"Access-Control-Allow-Origin: https://app.example\r\n" in answer
        answer = await exchange(relay, request("POST", SECRETS, None, "Origin: https://evil.example"))
        assert read(answer)[0] == 403 and b"Access-Control" not in answer
        assert read(await exchange(relay, request("POST", SECRETS, None, host="evil.example")))[0] == 403
        assert len(vendor.asked) == 1


@pytest.mark.parametrize(
    ("method", "target", "status", "says"),
    [
        ("POST", SECRETS, 501, "mints no client secrets"),
        ("POST", "/v1/realtime?model=x", 405, "GET"),
        ("DELETE", "/", 405, "GET"),
        ("POST", "/v1/realtime/calls", 501, "no other API"),
        ("PUT", "/v1/responses", 501, "no other API"),
        ("OPTIONS", "/v1/realtime/calls", 501, "no other API"),
        ("POST", "http://[evil/v1/realtime", 400, "target"),
        ("POST", "mailto:x", 400, "path"),
    ],
)
async def test_any_other_request_is_refused_in_a_sentence(method, target, status, says):
    async with relay_to("ws://127.0.0.1:1") as relay:
        found, _, answer = read(await exchange(relay, request(method, target)))
        assert found == status and says in answer["error"]["message"]


async def test_client_secrets_are_minted_by_post_alone():
    async with relay_to("ws://127.0.0.1:1", **MINTS) as relay:
        status, head, _ = read(await exchange(relay, request("DELETE")))
        assert status == 405 and "Allow: POST" in head


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"POST / HTTP/1.1\r\nno header\r\n\r\n", 400),
        (b"\x16\x03\x01\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), 413),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 413),
    ],
)
async def test_a_request_that_cannot_be_read_is_answered_and_closed(data, status):
    async with relay_to("ws://127.0.0.1:1") as relay:
        assert read(await exchange(relay, data))[0] == status


async def test_over_tls_the_connection_is_closed_with_the_answer(certificate, monkeypatch):
    """TLS cannot close one direction alone; the relay does not wait for the time limit after which it aborts."""
    monkeypatch.setattr(plain_http, "CLOSE_SECONDS", 1_000.0)
    listen = {"tls_certificate": certificate[0], "tls_key": certificate[1]}
    context = ssl.create_default_context(cafile=certificate[0])
    async with relay_to("ws://127.0.0.1:1", listen=listen) as relay:
        port = int(relay.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(request("PUT", "/v1/responses"))
        status, _, answer = read(await asyncio.wait_for(reader.read(), 10))
        assert status == 501 and "no other API" in answer["error"]["message"]
        writer.close()


async def test_a_body_that_does_not_come_ends_with_the_time_for_handshakes():
    async with relay_to("ws://127.0.0.1:1", limits={"handshake_seconds": 0.2}) as relay:
        assert await exchange(relay, b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab") == b""
        assert relay.totals.refused == {"handshake": 1}


async def test_a_body_in_pieces_is_read_whole_and_more_is_ignored():
    async with Vendor() as vendor, relay_to(vendor.url, **MINTS) as relay:
        port = int(relay.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        data = request("POST", SECRETS, {"session": {}})
        for piece in (data[:-5], data[-5:], b"more"):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)
        assert read(await reader.read())[0] == 200
        writer.write(b"and more")
        await writer.drain()
        writer.close()


async def test_a_client_that_leaves_while_its_secret_is_minted_harms_nothing():
    async def hold(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/realtime"
    async with relay_to(url, **MINTS) as relay:
        port = int(relay.url.rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request())
        await asyncio.sleep(0.1)
        writer.close()
        await asyncio.sleep(0.1)
        assert relay.sessions == 0
    server.close()
    await server.wait_closed()


def broken(login):
    raise OSError("the database is down")


async def test_an_error_that_nobody_foresaw_is_answered_without_its_words(caplog):
    auth = {"callable": f"{__name__}:broken"}
    async with Vendor() as vendor, relay_to(vendor.url, auth=auth, **MINTS) as relay:
        status, _, answer = read(await exchange(relay, request()))
        assert status == 500 and "database" not in json.dumps(answer)


def test_a_relay_that_shall_mint_without_httpx_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'wavtools\[relay\]'"):
        policy_with(**MINTS).check()
