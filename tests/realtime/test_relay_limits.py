"""Floods, guessed tokens and too many sessions, which take more than one message."""

from __future__ import annotations

import json

import pytest

from realtime.protocol.redact import Secret
from tests.relay_spy import (
    LOCKED,
    PATH,
    SECRET,
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

HARMLESS = {"type": "input_audio_buffer.clear"}


@pytest.mark.parametrize(
    ("limits", "message", "code"),
    [
        ({"messages_per_second": 5.0}, json.dumps(HARMLESS), 1008),
        (
            {"bytes_per_second": 1000.0},
            json.dumps({"type": "input_audio_buffer.append", "audio": "A" * 900}),
            1008,
        ),
        ({"refusals_per_minute": 10.0}, '{"type":"nonsense"}', 1008),
    ],
)
async def test_a_flood_is_closed_and_counted(limits, message, code):
    async with spied(limits=limits) as (relay, upstream), join(relay) as socket:
        await socket.recv()
        try:
            for _ in range(2000):
                await socket.send(message)
        except Exception:
            pass
        try:
            async for _ in socket:
                pass
        except Exception:
            pass
        assert socket.close_code == code
        assert sum(relay.totals.closed.values()) == 1
        assert len(upstream.peer.received) <= 60


async def test_guessing_tokens_is_slowed_down():
    async with (
        Wiretap() as tap,
        relay_to(tap.url, **{**LOCKED, "limits": {"refused_logins_per_minute": 5.0}}) as relay,
    ):
        answers = [await exchange(relay, bearer(f"guess-number-{n}")) for n in range(8)]
        assert [answer.split()[1] for answer in answers] == [b"401"] * 5 + [b"429"] * 3
        assert b" 429 " in await exchange(relay, bearer(TOKEN))
        assert tap.connections == 0


async def test_sessions_are_limited_per_client_and_in_total():
    limits = {"sessions_per_client": 2, "sessions": 3}
    async with spied(auth={"hmac_secrets": (Secret(SECRET),)}, limits=limits) as (relay, upstream):
        sockets = []
        for subject in ("alice", "alice", "bob"):
            socket = await join(relay, f"{PATH}?token={signed_token(subject=subject)}")
            await socket.recv()
            sockets.append(socket)
        assert b" 503 " in await exchange(relay, upgrade(f"{PATH}?token={signed_token(subject='carol')}"))
        await sockets.pop().close()
        await until(lambda: relay.sessions == 2)
        assert b" 429 " in await exchange(relay, upgrade(f"{PATH}?token={signed_token(subject='alice')}"))
        assert len(upstream.peers) == 3
        for socket in sockets:
            await socket.close()
