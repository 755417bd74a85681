"""Three relays behind HAProxy with deploy/haproxy.cfg; only addresses and the limits per client are changed."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from realtime import LinkOptions, RealtimeClient
from realtime.offline import start_server_process
from tests.conftest import require_program
from tests.relay_process import RelayProcess
from tests.waiting import until

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "haproxy.cfg"
SESSIONS = 200


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def relays(tmp_path):
    policy = tmp_path / "relay.toml"
    policy.write_text(
        '[listen]\ntrusted_proxies = ["127.0.0.1/32"]\n'
        "[limits]\nsessions_per_client = 1000\n"
        '[session]\ninstructions = "Keep to the weather."\n'
        "[operation]\ndrain_seconds = 20\n"
    )
    with start_server_process("--voice", "standin", "--pace", "0", "--max-sessions", "500") as upstream:
        started = [
            RelayProcess("--port", "0", "--upstream", upstream.url, "--policy", str(policy)) for _ in range(3)
        ]
        yield started
        for relay in started:
            relay.stop(signal.SIGKILL)


@pytest.fixture
def balancer(relays, tmp_path):
    program = require_program("haproxy", "haproxy")
    port = free_port()
    text = CONFIGURATION.read_text()
    text = text.replace("bind :443 ssl crt /etc/haproxy/relay.pem alpn http/1.1", f"bind 127.0.0.1:{port}")
    text = re.sub(
        r"server relay(\d) \S+", lambda m: f"server relay{m[1]} 127.0.0.1:{relays[int(m[1]) - 1].port}", text
    )
    text = text.replace("sc0_conn_cur gt 64", "sc0_conn_cur gt 1000").replace("gt 240", "gt 100000")
    assert str(port) in text and all(str(relay.port) in text for relay in relays)
    file = tmp_path / "haproxy.cfg"
    file.write_text(text)
    log = (tmp_path / "haproxy.log").open("w")
    process = subprocess.Popen([program, "-f", str(file)], stdout=log, stderr=log)
    yield f"ws://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)
    log.close()


async def wait_for_health(url: str) -> None:
    for _ in range(100):
        try:
            probe = RealtimeClient(api_key="", url=url)
            await probe.connect()
            await probe.disconnect()
            return
        except ConnectionError:
            await asyncio.sleep(0.1)
    raise AssertionError("the balancer has no relay")


async def sessions_of(relay: RelayProcess) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    text = (await reader.read()).decode()
    writer.close()
    return int(float(re.search(r"^relay_sessions (\S+)", text, re.M)[1]))


async def join_all(url: str) -> list[RealtimeClient]:
    clients = []
    for start in range(0, SESSIONS, 25):
        batch = [
            RealtimeClient(
                api_key="", url=url, link=LinkOptions(max_attempts=30, first_delay=0.1, max_delay=1.0)
            )
            for _ in range(start, start + 25)
        ]
        await asyncio.gather(*(client.connect() for client in batch))
        clients += batch
    return clients


async def one_turn(client: RealtimeClient, text: str) -> None:
    """Ask a question and wait for the finished answer."""
    done = _finished(client)
    client.send_user_message_content([{"type": "input_text", "text": text}])
    await asyncio.wait_for(done, 40)


def _finished(client: RealtimeClient) -> asyncio.Future[None]:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_completed(event: object) -> None:
        if event.item.role == "assistant" and not future.done():
            client.off("conversation.item.completed", on_completed)
            future.set_result(None)

    client.on("conversation.item.completed", on_completed)
    return future


def spoken(client: RealtimeClient) -> list[tuple[str, str]]:
    return [
        (item.role, item.formatted.text or item.formatted.transcript)
        for item in client.conversation.get_items()
        if item.type == "message" and item.status == "completed"
    ]


@pytest.mark.timeout(240)
async def test_sessions_spread_and_no_finished_turn_is_lost(relays, balancer):
    """One relay is killed, another drained: clients reconnect through the balancer and keep their conversations."""
    await wait_for_health(balancer)
    clients = await join_all(balancer)
    spread = [await sessions_of(relay) for relay in relays]
    assert sum(spread) == SESSIONS and min(spread) >= SESSIONS // 6, spread

    talkers = clients[::8]
    await asyncio.gather(*(one_turn(client, f"first question of {n}") for n, client in enumerate(talkers)))
    before = [spoken(client) for client in talkers]
    assert all(len(turn) == 2 for turn in before)

    # Killed: no close frame, no drain.
    states: Counter[str] = Counter()
    for client in clients:
        client.on("close", lambda event: states.update(["closed"]))
    relays[0].process.kill()
    relays[0].process.wait()
    await all_reconnected(clients, relays[1:])
    assert not states, "a client gave up"
    assert [spoken(client) for client in talkers] == before
    await asyncio.gather(*(one_turn(client, f"second question of {n}") for n, client in enumerate(talkers)))
    after = [spoken(client) for client in talkers]
    assert all(turn[:2] == first and len(turn) == 4 for turn, first in zip(after, before, strict=True))

    # Drained while answers are being given: each answer is finished first.
    turns = [
        asyncio.ensure_future(one_turn(client, f"third question of {n}")) for n, client in enumerate(talkers)
    ]
    await until(lambda: any(turn.done() for turn in turns), 40)
    relays[1].process.send_signal(signal.SIGTERM)
    await asyncio.gather(*turns)
    assert await asyncio.to_thread(relays[1].wait, 40) == 0
    assert '"why":"restarted"' not in relays[1].log, "a turn was cut in the middle"
    assert '"why":"drained"' in relays[1].log
    await all_reconnected(clients, relays[2:])
    last = [spoken(client) for client in talkers]
    assert all(turn[:4] == first and len(turn) == 6 for turn, first in zip(last, after, strict=True))
    assert not states
    await asyncio.gather(*(client.disconnect() for client in clients))


async def all_reconnected(clients: list[RealtimeClient], living: list[RelayProcess]) -> None:
    for _ in range(300):
        if all(client.is_connected() for client in clients):
            counts = [await sessions_of(relay) for relay in living]
            if sum(counts) == len(clients):
                return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{sum(not client.is_connected() for client in clients)} clients did not reconnect")
