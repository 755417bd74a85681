"""Attacks by the upgrade request: each is refused, and upstream must not even be connected to."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from realtime.relay.admission import LoginRequest
from realtime.relay.tokens import Identity
from tests.relay_spy import (
    LOCKED,
    PATH,
    TOKEN,
    Wiretap,
    bearer,
    exchange,
    join,
    relay_to,
    signed_token,
    spied,
    upgrade,
)
from tests.waiting import until

OTHER = "another secret of thirty-two bytes!!"
GOOD = f"Authorization: Bearer {TOKEN}"


def tampered() -> str:
    prefix, payload, signature = signed_token().split(".")
    return f"{prefix}.{payload[:-2]}AA.{signature}"


# Attack -> what is sent, and the status of the answer; 0: no answer in HTTP, or the library's own.
CONNECTION_ATTACKS: dict[str, tuple[bytes, int]] = {
    # origin
    "origin of another page": (upgrade(PATH, "127.0.0.1", GOOD, "Origin: https://evil.example"), 403),
    "origin null of a sandboxed frame": (upgrade(PATH, "127.0.0.1", GOOD, "Origin: null"), 403),
    "origin that begins like ours": (
        upgrade(PATH, "127.0.0.1", GOOD, "Origin: https://app.example.evil.example"),
        403,
    ),
    "origin by plain http": (upgrade(PATH, "127.0.0.1", GOOD, "Origin: http://app.example"), 403),
    "origin with a port": (upgrade(PATH, "127.0.0.1", GOOD, "Origin: https://app.example:8443"), 403),
    "two origins": (
        upgrade(PATH, "127.0.0.1", GOOD, "Origin: https://app.example", "Origin: https://evil.example"),
        400,
    ),
    "origin in capitals": (upgrade(PATH, "127.0.0.1", GOOD, "Origin: HTTPS://APP.EXAMPLE"), 403),
    # host
    "host of a rebound name": (upgrade(PATH, "evil.example", GOOD), 403),
    "host that begins like a loopback": (upgrade(PATH, "127.0.0.1.evil.example", GOOD), 403),
    "host that ends like a loopback": (upgrade(PATH, "evil-localhost", GOOD), 403),
    "host of the cloud's metadata service": (upgrade(PATH, "169.254.169.254", GOOD), 403),
    "no host": (upgrade(PATH, "", GOOD), 400),
    "two hosts": (upgrade(PATH, "127.0.0.1", GOOD, "Host: evil.example"), 400),
    "host with a user": (upgrade(PATH, "evil@127.0.0.1", GOOD), 400),
    # token
    "no token": (upgrade(PATH), 401),
    "wrong token": (bearer("wrong-token-abcdefghij"), 401),
    "beginning of the token": (bearer(TOKEN[:-1]), 401),
    "token and more": (bearer(TOKEN + "x"), 401),
    "token in capitals": (bearer(TOKEN.upper()), 401),
    "empty bearer": (upgrade(PATH, "127.0.0.1", "Authorization: Bearer "), 401),
    "token as Basic": (upgrade(PATH, "127.0.0.1", f"Authorization: Basic {TOKEN}"), 401),
    "wrong token in the query": (upgrade(f"{PATH}?token=nope-nope-nope"), 401),
    "empty token in the query": (upgrade(f"{PATH}?token="), 401),
    "wrong token as a subprotocol": (
        upgrade(PATH, "127.0.0.1", "Sec-WebSocket-Protocol: realtime, token.nope"),
        401,
    ),
    "wrong key as a subprotocol": (
        upgrade(PATH, "127.0.0.1", "Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.nope"),
        401,
    ),
    "good token beside a bad one": (upgrade(f"{PATH}?token=nope", "127.0.0.1", GOOD), 400),
    "two Authorization headers": (upgrade(PATH, "127.0.0.1", GOOD, "Authorization: Bearer nope"), 400),
    "token twice in the query": (upgrade(f"{PATH}?token={TOKEN}&token=nope"), 400),
    "signed token, expired": (bearer(signed_token(now=time.time() - 3600)), 401),
    "signed token of another secret": (bearer(signed_token(OTHER)), 401),
    "signed token, changed": (bearer(tampered()), 401),
    "signed token without signature": (bearer(signed_token().rpartition(".")[0] + "."), 401),
    "signed token good for a year": (bearer(signed_token(seconds=86400 * 365)), 401),
    "signed token of another version": (bearer("rt0" + signed_token()[3:]), 401),
    "a JWT with alg none": (bearer("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."), 401),
    "token with bytes outside ASCII": (bearer("t\u00f6ken"), 401),
    "token of 4000 characters": (bearer("a" * 4000), 401),
    # model, path, query
    "model that is not allowed": (upgrade(f"{PATH}?model=gpt-expensive", "127.0.0.1", GOOD), 403),
    "two models": (upgrade(f"{PATH}?model=gpt-realtime-2.1&model=gpt-expensive", "127.0.0.1", GOOD), 400),
    "model with a query in it": (
        upgrade(f"{PATH}?model=gpt-realtime-2.1%26call_id=rtc_1", "127.0.0.1", GOOD),
        403,
    ),
    "somebody else's call": (upgrade(f"{PATH}?call_id=rtc_123", "127.0.0.1", GOOD), 403),
    "another kind of session": (upgrade(f"{PATH}?intent=transcription", "127.0.0.1", GOOD), 403),
    "query with too many fields": (
        upgrade(f"{PATH}?" + "&".join(f"a{n}=1" for n in range(40)), "127.0.0.1", GOOD),
        400,
    ),
    "another path": (upgrade("/v1/chat/completions", "127.0.0.1", GOOD), 404),
    "path that climbs": (upgrade("/v1/realtime/../models", "127.0.0.1", GOOD), 404),
    "path with an escape": (upgrade("/v1%2frealtime", "127.0.0.1", GOOD), 404),
    "absolute URL of another server": (upgrade("http://evil.example/v1/models", "127.0.0.1", GOOD), 404),
    # requests
    "POST": (upgrade(PATH, "127.0.0.1", GOOD, method="POST"), 0),
    "plain GET": (f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n{GOOD}\r\n\r\n".encode(), 426),
    "HTTP/1.0": (upgrade(PATH, "127.0.0.1", GOOD).replace(b"HTTP/1.1", b"HTTP/1.0"), 0),
    "CONNECT to another host": (b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n", 0),
    "header of 10 kB": (upgrade(PATH, "127.0.0.1", GOOD, "X: " + "a" * 10_000), 431),
    "200 headers": (upgrade(PATH, "127.0.0.1", GOOD, *(f"X-{n}: 1" for n in range(200))), 431),
    "endless head": (b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000, 0),
    "line break in a header": (upgrade(PATH, "127.0.0.1", GOOD, "X: a\x0bb\x00c"), 0),
    "not HTTP at all": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64 + b"\r\n\r\n", 0),
    "slow loris in the head": (upgrade(PATH, "127.0.0.1", GOOD)[:-4], 0),
    "connected and silent": (b"", 0),
    "websocket version 8": (upgrade(PATH, "127.0.0.1", GOOD).replace(b"Version: 13", b"Version: 8"), 400),
    "no websocket key": (upgrade(PATH, "127.0.0.1", GOOD).replace(b"Sec-WebSocket-Key", b"X-Key"), 400),
    "many subprotocols": (
        upgrade(
            PATH, "127.0.0.1", GOOD, "Sec-WebSocket-Protocol: " + ",".join(f"realtime{n}" for n in range(50))
        ),
        400,
    ),
    "subprotocols that are none": (
        upgrade(PATH, "127.0.0.1", GOOD, "Sec-WebSocket-Protocol: realtime,, (odd)"),
        400,
    ),
    "metrics through a proxy": (
        b"GET /metrics HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n",
        403,
    ),
}


@pytest.fixture(params=CONNECTION_ATTACKS, ids=str)
def connection_attack(request):
    return CONNECTION_ATTACKS[request.param]


async def test_an_attack_by_the_request_never_reaches_upstream(connection_attack):
    data, status = connection_attack
    async with Wiretap() as tap:
        async with relay_to(tap.url, **LOCKED) as relay:
            answer = await exchange(relay, data)
            assert b"101 Switching" not in answer
            if status:
                assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer[:200]
        # The relay is closed: it connects to nothing any more.
        assert (tap.connections, tap.data) == (0, b"")
        assert relay.totals.sessions == 0


def test_the_table_has_at_least_sixty_rows():
    assert len(CONNECTION_ATTACKS) >= 60


@pytest.mark.parametrize(
    "offer",
    [
        {"additional_headers": {"Authorization": f"Bearer {TOKEN}"}},
        {"additional_headers": {"Authorization": f"Bearer {signed_token()}"}},
        {"path": f"{PATH}?token={TOKEN}"},
        {"subprotocols": ["realtime", f"openai-insecure-api-key.{TOKEN}"]},
        {"subprotocols": ["realtime", f"token.{TOKEN}"]},
        {"subprotocols": [TOKEN]},
        {
            "path": f"{PATH}?model=gpt-realtime-mini",
            "additional_headers": {"Authorization": f"Bearer {TOKEN}"},
        },
    ],
)
async def test_a_client_with_a_valid_token_is_admitted(offer):
    offer = {"path": PATH, **offer}
    async with spied(**LOCKED) as (relay, _), join(relay, origin="https://app.example", **offer) as socket:
        assert json.loads(await socket.recv())["type"] == "session.created"


@pytest.mark.parametrize("headers", [("OpenAI-Beta: realtime=v1",)])
async def test_the_beta_dialect_is_refused_if_the_policy_says_so(headers):
    async with Wiretap() as tap, relay_to(tap.url, clients={"beta": False}) as relay:
        assert b" 400 " in await exchange(relay, upgrade(PATH, "127.0.0.1", *headers))
        assert tap.connections == 0


async def judge_later(login: LoginRequest) -> Identity | None:
    return Identity("carol") if login.token == "t-identity" else None


def judge(login: LoginRequest) -> object:
    """A deployer's authenticator that returns anything it may return, or raises."""
    if login.token == "t-raises":
        raise OSError("the database is down")
    if login.token in ("t-identity", "t-nobody"):
        return judge_later(login)
    return {"t-name": "alice", "t-true": True, "t-empty": "", "t-odd": 7}.get(str(login.token))


@pytest.mark.parametrize(
    ("shown", "client"), [("t-name", "sub:alice"), ("t-true", "ip:127.0.0.1"), ("t-identity", "sub:carol")]
)
async def test_a_deployers_function_admits_clients_with_or_without_a_name(shown, client):
    auth = {"callable": f"{__name__}:judge"}
    async with spied(auth=auth) as (relay, _), join(relay, f"{PATH}?token={shown}") as socket:
        await socket.recv()
        assert [pipe.admission.client for pipe in relay._sessions] == [client]


@pytest.mark.parametrize(
    ("shown", "status"), [("t-empty", 401), ("t-odd", 401), ("t-nobody", 401), ("t-raises", 500)]
)
async def test_any_other_result_of_such_a_function_admits_no_client(shown, status):
    auth = {"callable": f"{__name__}:judge"}
    async with Wiretap() as tap, relay_to(tap.url, auth=auth) as relay:
        answer = await exchange(relay, upgrade(f"{PATH}?token={shown}"))
        assert answer.startswith(f"HTTP/1.1 {status} ".encode()) and b"database" not in answer
        assert tap.connections == 0


async def test_a_connection_beyond_the_limit_is_dropped():
    async with Wiretap() as tap, relay_to(tap.url, limits={"connections": 1}) as relay:
        port = int(relay.url.rpartition(":")[2])
        _, first = await asyncio.open_connection("127.0.0.1", port)
        await until(lambda: relay._sessions._connections)
        assert await exchange(relay, upgrade()) == b""
        assert relay.totals.refused == {"connections": 1}
        first.close()
