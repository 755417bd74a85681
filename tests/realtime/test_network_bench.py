"""The network as it is: spoken turns on slow, lossy and broken lines. docs/troubleshooting.md says what the client does.

WAVTOOLS_SOAK=1 holds 50 turns on the lossy line instead of 3 (``make network``).
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from realtime import ConnectError, RealtimeClient
from realtime.offline import start_server_process
from realtime.offline.models.clips import clip_samples
from tests.network_bench import Shape, ShapedProxy, swallowing_port
from tests.offline_probe import silence
from tests.waiting import Log, until

TURNS = 50 if os.environ.get("WAVTOOLS_SOAK") else 3
LOSSY = Shape(delay_s=0.080, jitter_s=0.040, loss=0.03)
LOSSY_AND_SLOW = Shape(delay_s=0.080, jitter_s=0.040, loss=0.03, bytes_per_s=100_000)
LONG = "Tell me a long story."


@pytest.fixture(scope="module")
def offline_server() -> Any:
    with start_server_process("--voice", "standin") as server:
        yield server.url


@asynccontextmanager
async def line(server: str, **shapes: Shape) -> AsyncIterator[tuple[ShapedProxy, RealtimeClient, Log]]:
    """A connected client behind a line of these shapes."""
    async with ShapedProxy(server, **shapes) as proxy:
        client = RealtimeClient(url=proxy.url, api_key="", instructions="Be kind.")
        log = Log(client, "close", "connection.changed", "error")
        async with client:
            yield proxy, client, log


async def spoken_turn(client: RealtimeClient) -> None:
    """Speak, in real time, and wait until the answer is complete."""
    answered = asyncio.ensure_future(client.wait_for_next("server.response.done", 60))
    # Registers its wait.
    await asyncio.sleep(0)
    speech = np.concatenate([clip_samples("hello"), silence(0.8)])
    for start in range(0, len(speech), 2400):
        client.append_input_audio(speech[start : start + 2400])
        await asyncio.sleep(0.1)
    assert (await answered).response.status == "completed"


def untouched(client: RealtimeClient, log: Log) -> bool:
    """True if nothing happened to the connection."""
    states = [event.state for event in log.of("connection.changed")]
    return client.stats.reconnections == 0 and "reconnecting" not in states and not log.of("error")


@pytest.mark.timeout(1200)
async def test_every_spoken_turn_completes_on_a_lossy_slow_line(offline_server: str) -> None:
    """3 % loss, 80 ms +- 40 ms each way, 100 kB/s down."""
    async with line(offline_server, up=LOSSY, down=LOSSY_AND_SLOW) as (_, client, log):
        for _ in range(TURNS):
            await spoken_turn(client)
        assert untouched(client, log)
        answers = [item for item in client.conversation.get_items() if item.role == "assistant"]
        assert len(answers) == TURNS and all(item.status == "completed" for item in answers)


@pytest.mark.timeout(300)
async def test_an_answer_that_needs_longer_than_a_ping_may_take_is_no_lost_connection(
    offline_server: str,
) -> None:
    """An answer of a few seconds at 24 kB/s: the pong waits behind the audio."""
    async with line(offline_server, down=Shape(delay_s=0.02, bytes_per_s=24_000)) as (_, client, log):
        await spoken_turn(client)
        assert untouched(client, log)


@pytest.mark.timeout(300)
async def test_an_image_of_a_megabyte_passes_a_slow_uplink(offline_server: str) -> None:
    """200 kB/s up: the ping waits behind the image for seven seconds."""
    image = base64.b64encode(os.urandom(1_000_000)).decode()
    content = [
        {"type": "input_image", "image_url": f"data:image/png;base64,{image}"},
        {"type": "input_text", "text": "Thanks."},
    ]
    up = Shape(delay_s=0.02, bytes_per_s=200_000)
    async with line(offline_server, up=up) as (_, client, log):
        answered = asyncio.ensure_future(client.wait_for_next("server.response.done", 60))
        await asyncio.sleep(0)
        client.send_user_message_content(content)
        assert (await answered).response.status == "completed"
        await spoken_turn(client)
        assert untouched(client, log)


@pytest.mark.timeout(120)
async def test_a_half_open_socket_is_found_within_five_seconds_and_the_talk_goes_on(
    offline_server: str,
) -> None:
    async with line(offline_server) as (proxy, client, log):
        await spoken_turn(client)
        proxy.swallow()
        # The allowance on top is for a loaded machine.
        await asyncio.wait_for(until(lambda: "reconnecting" in states(log)), 5.0 + 2.0)
        await until(client.is_connected)
        await spoken_turn(client)
        assert client.stats.reconnections == 1


@pytest.mark.timeout(120)
@pytest.mark.parametrize("size", [300_000, 1_000_000])
async def test_a_half_open_socket_is_found_within_five_seconds_behind_a_large_message(
    offline_server: str, size: int
) -> None:
    """The proxy takes every byte and passes none on."""
    image = base64.b64encode(os.urandom(size)).decode()
    async with line(offline_server) as (proxy, client, log):
        await spoken_turn(client)
        proxy.swallow()
        client.send_user_message_content(
            [{"type": "input_image", "image_url": f"data:image/png;base64,{image}"}]
        )
        # The allowance on top is for a loaded machine.
        await asyncio.wait_for(until(lambda: "reconnecting" in states(log)), 5.0 + 2.0)
        await until(client.is_connected)
        await spoken_turn(client)
        assert client.stats.reconnections == 1


@pytest.mark.timeout(120)
async def test_a_reset_in_the_middle_of_an_answer_is_repaired(offline_server: str) -> None:
    async with line(offline_server) as (proxy, client, log):
        await spoken_turn(client)
        before = len(client.conversation.get_items())
        client.send_user_message_content([{"type": "input_text", "text": LONG}])
        await client.wait_for_next("server.response.created", 10)
        proxy.reset()
        await until(lambda: "reconnecting" in states(log))
        await until(client.is_connected)
        await spoken_turn(client)
        assert client.stats.reconnections == 1
        assert len(client.conversation.get_items()) > before


@pytest.mark.timeout(120)
async def test_an_address_that_swallows_packets_ends_in_a_clear_error() -> None:
    async with swallowing_port(socket.AF_INET, "127.0.0.1") as port:
        client = RealtimeClient(url=f"ws://127.0.0.1:{port}", api_key="", connect_timeout=1.0)
        with pytest.raises(ConnectError) as refused:
            await client.connect()
    assert f"127.0.0.1:{port}" in str(refused.value)


@pytest.mark.timeout(120)
async def test_a_second_address_is_tried_where_the_first_one_swallows_packets(
    offline_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``localhost`` is ::1, whose packets vanish, and 127.0.0.1, where the server is."""
    async with ShapedProxy(offline_server) as proxy:
        port = int(proxy.url.rpartition(":")[2])
        loop = asyncio.get_running_loop()

        async def two_addresses(host: str, port: Any, **_: Any) -> list[Any]:
            if host != "localhost":
                address: tuple[Any, ...] = (host, port, 0, 0) if ":" in host else (host, port)
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                return [(family, socket.SOCK_STREAM, 6, "", address)]
            return [
                (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
            ]

        monkeypatch.setattr(loop, "getaddrinfo", two_addresses)
        async with swallowing_port(socket.AF_INET6, "::1", port):
            for key in ("", "sk-test"):
                client = RealtimeClient(url=f"ws://localhost:{port}", api_key=key, connect_timeout=10.0)
                async with client:
                    await spoken_turn(client)


def states(log: Log) -> list[str]:
    return [event.state for event in log.of("connection.changed")]
