"""The relay in front of the offline server in strict GA: client secrets, calls, both dialects."""

from __future__ import annotations

import json

import pytest
from websockets.asyncio.client import connect

from realtime.offline import OfflineServer
from tests.relay_spy import KEY, PATH, exchange, join, receive, relay_to


async def test_a_client_secret_that_the_relay_mints_opens_a_session_at_the_server():
    clients = {"client_secret_seconds": 60}
    body = json.dumps({"session": {"audio": {"output": {"voice": "ash"}}}}).encode()
    head = f"POST {PATH}/client_secrets HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
    async with (
        OfflineServer(dialect="ga", key=KEY) as server,
        relay_to(server.url + PATH, clients=clients) as relay,
    ):
        answer = await exchange(relay, head.encode() + body)
        assert answer.startswith(b"HTTP/1.1 200 "), answer
        secret = json.loads(answer.partition(b"\r\n\r\n")[2])["value"]
        assert secret != KEY
        bearer = {"Authorization": f"Bearer {secret}"}
        url = f"{server.url}{PATH}?model=gpt-realtime-2.1"
        async with connect(url, additional_headers=bearer, proxy=None) as socket:
            session = (await receive(socket, "session.created"))["session"]
            assert session["audio"]["output"]["voice"] == "ash"


@pytest.mark.parametrize("headers", [{}, {"OpenAI-Beta": "realtime=v1"}], ids=["ga", "beta"])
async def test_a_call_is_joined_through_the_relay(headers):
    async with (
        OfflineServer(dialect="ga") as server,
        relay_to(server.url + PATH, key="", clients={"calls": True}) as relay,
        join(relay, f"{PATH}?call_id=rtc_1", additional_headers=headers) as socket,
    ):
        assert (await receive(socket, "session.created"))["session"]
