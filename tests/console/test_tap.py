"""The tap: what passes, what it shows, and what it never shows. Real clients, servers and processes."""

from __future__ import annotations

import asyncio
import io
import json
import ssl
import subprocess
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from console.errors import UserError
from console.session_files import Snapshot, load_session, save_session
from console.tap.forward import serve as serve_tap
from console.tap.report import Reporter, read_reports
from console.tap.tap import Tap, TapSettings
from realtime import RealtimeClient
from realtime.offline import question_path
from tests.conftest import require_program
from tests.console.tapping import KEY, everything, gone, raw_server, rows, server_of, tap_to
from tests.waiting import until
from wavtools import read_wav

pytestmark = pytest.mark.server


async def test_every_event_of_a_client_is_shown_in_order_with_its_times(offline_url):
    sent: list[tuple[str, str, float]] = []
    async with tap_to(offline_url) as tap:
        seen: list[Any] = []
        tap.on_session = lambda session: setattr(session.model.events, "tap", lambda line: seen.append(line))
        client = RealtimeClient(url=tap.url, api_key=KEY)
        client.on("realtime.event", lambda e: sent.append((e.source, e.event["type"], e.timestamp)))
        await client.connect()
        answer = await client.ask("The cat is on the mat.")
        await client.disconnect()
        await gone(tap)
        entries = [json.loads(line) for line in seen]
        shown = [
            (e["source"], e["event"]["type"], e["time"])
            for e in entries
            if e["source"] in ("client", "server")
        ]
        for side in ("client", "server"):
            assert [e[:2] for e in shown if e[0] == side] == [e[:2] for e in sent if e[0] == side]
        assert [time for *_, time in shown] == sorted(time for *_, time in shown)
        session = tap.sessions[0]
        said = [row for row in session.model.transcript if row.role == "assistant"]
        assert said[0].text == answer.transcript
        assert len(said[0].audio) == len(answer.audio)
        assert session.model.latency is not None
        assert session.model.tokens["output_tokens"] > 0
        assert session.status == "closed by the client: 1000"


async def test_a_spoken_turn_has_the_audio_of_both_sides_and_is_saved_with_it(offline_url, tmp_path):
    question = read_wav(question_path("hello")).pcm
    async with tap_to(offline_url) as tap:
        client = RealtimeClient(url=tap.url, api_key=KEY, turn_detection=None)
        await client.connect()
        client.append_input_audio(question)
        answer = await client.ask()
        user = next(item for item in client.conversation.get_items() if item.role == "user")
        session = tap.sessions[0]
        await until(lambda: any(row.role == "assistant" and row.ended for row in session.model.transcript))
        by_role = {row.role: row for row in session.model.transcript}
        assert by_role["user"].audio.tolist() == user.formatted.audio.tolist()
        assert by_role["assistant"].audio.tolist() == answer.audio.tolist()
        assert max(session.bars("client")) >= 0
        folder = save_session(Snapshot(session.model), tmp_path / "s")
        await client.disconnect()
    saved = {row.role: row for row in load_session(folder).rows}
    assert saved["user"].audio.tolist() == user.formatted.audio.tolist()
    assert saved["assistant"].text == answer.transcript


async def test_an_interrupted_answer_is_cut_where_the_client_said_it_was_heard(offline_url):
    async with tap_to(offline_url) as tap:
        client = RealtimeClient(url=tap.url, api_key=KEY)
        await client.connect()
        await client.ask("The cat is on the mat.")
        item = next(item for item in client.conversation.get_items() if item.role == "assistant")
        client.cancel_response(item.id, 12_000)
        row = tap.sessions[0].model.transcript.get
        await until(lambda: row(item.id) is not None and row(item.id).heard_samples == 12_000)
        assert len(row(item.id).audio) == 12_000
        await client.disconnect()


async def test_a_beta_client_is_shown_as_any_other(offline_url):
    async with tap_to(offline_url) as tap:
        client = RealtimeClient(url=tap.url, api_key=KEY, dialect="beta")
        await client.connect()
        answer = await client.ask("The cat is on the mat.")
        await client.disconnect()
        await gone(tap)
        session = tap.sessions[0]
        types = {kind for _, kind, _ in rows(session)}
        # As they passed, not as they are named today
        assert "response.audio.delta" in types
        said = next(row for row in session.model.transcript if row.role == "assistant")
        assert said.text == answer.transcript
        assert len(said.audio) == len(answer.audio)


async def test_the_bytes_of_both_sides_pass_unchanged():
    received = bytearray()
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nX-Odd:  two  spaces\r\n\r\n"
    frames = bytes(range(256)) * 40

    async def upstream(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        received.extend(head)
        writer.write(answer)
        received.extend(await reader.readexactly(len(frames)))
        writer.write(frames[::-1])
        await writer.drain()
        writer.close()

    async with raw_server(upstream) as url, tap_to(url) as tap:
        host, port = tap.url.removeprefix("ws://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        lines = [
            "GET /v1/realtime?a=%20b HTTP/1.1",
            "Host: x",
            "Upgrade: websocket",
            "X-Case: AbC",
            "x-case: 2",
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(frames)
        rest = await reader.read()
        while more := await reader.read():
            rest += more
        writer.close()
        assert head == answer
        assert rest == frames[::-1]
        assert bytes(received[-len(frames) :]) == frames
        lines[1] = f"Host: {url.removeprefix('ws://')}"
        got = received[: -len(frames)].decode().split("\r\n")[:-2]
        assert sorted(got) == sorted(lines)
        assert [line for line in got if "case" in line.lower()] == lines[3:]
        # Nonsense after the upgrade is a notice, and nothing else
        await until(lambda: any("no longer shown" in n.text for n in tap.sessions[0].model.notices))


@pytest.mark.parametrize("compression", ["deflate", None])
async def test_compressed_and_fragmented_messages_are_read(compression):
    async def handler(peer):
        async for message in peer:
            await peer.send(message)

    events = [{"type": "session.update", "n": n, "text": "the same words " * 50} for n in range(5)]
    async with server_of(handler, compression=compression) as url, tap_to(url) as tap:
        async with connect(tap.url, compression=compression) as client:
            for event in events:
                text = json.dumps(event)
                await client.send([text[:7], text[7:300], text[300:]])
                assert json.loads(await client.recv()) == event
        await gone(tap)
        total = sum(count for _, kind, count in rows(tap.sessions[0]) if kind == "session.update")
        assert total == 2 * len(events)


async def test_subprotocols_and_close_codes_pass():
    async def handler(peer):
        await peer.close(4321, f"spoke {peer.subprotocol}")

    offered: Any = ["realtime", f"openai-insecure-api-key.{KEY}"]
    async with server_of(handler, subprotocols=["realtime"]) as url, tap_to(url) as tap:
        async with connect(tap.url, subprotocols=offered) as client:
            assert client.subprotocol == "realtime"
            with pytest.raises(ConnectionClosed) as caught:
                await client.recv()
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4321, "spoke realtime")
        await gone(tap)
        assert tap.sessions[0].status == "closed by the server: 4321 spoke realtime"
        assert KEY not in everything(tap.sessions[0])


async def test_a_refusal_of_the_server_reaches_the_client_with_status_and_body():
    async def refuse(connection, request):
        response = connection.respond(401, f'{{"error": "bad key {KEY}"}}')
        response.headers["X-Request-Id"] = "req_1"
        return response

    async with server_of(lambda peer: None, process_request=refuse) as url, tap_to(url) as tap:
        with pytest.raises(InvalidStatus) as caught:
            await connect(tap.url, additional_headers={"Authorization": f"Bearer {KEY}"})
        response = caught.value.response
        assert response.status_code == 401
        assert response.headers["X-Request-Id"] == "req_1"
        # The body is the client's own business: nothing is removed from what passes
        assert response.body == f'{{"error": "bad key {KEY}"}}'.encode()
        await gone(tap)
        assert tap.sessions[0].status == "HTTP 401"
        assert "bad key [key removed]" in everything(tap.sessions[0])
        assert KEY not in everything(tap.sessions[0])


async def test_a_server_that_is_not_there_is_told_to_the_client_in_words():
    async with tap_to("ws://127.0.0.1:9") as tap:
        with pytest.raises(InvalidStatus) as caught:
            await connect(tap.url)
        assert caught.value.response.status_code == 502
        body = json.loads(caught.value.response.body or b"")
        assert body["error"]["code"] == "upstream_unreachable"
        await gone(tap)
        assert "cannot reach ws://127.0.0.1:9" in tap.sessions[0].status


async def test_no_key_is_shown_wherever_it_stands():
    secrets = [KEY, "ek_abcdefghijklmnop1234", "mcp-token-12345", "query-secret-1", "cookie-value-99"]
    events = [
        {"type": "session.created", "session": {"client_secret": {"value": secrets[1], "expires_at": 1}}},
        {"type": "error", "error": {"message": f"Incorrect key {KEY}", "param": {KEY: KEY}}},
        {"type": "session.updated", "session": {"tools": [{"type": "mcp", "authorization": secrets[2]}]}},
        {
            "type": "session.updated",
            "session": {"tools": [{"type": "mcp", "headers": {"X-Token": secrets[2]}}]},
        },
        {
            "type": "response.output_audio_transcript.delta",
            "item_id": "i",
            "delta": f"my key is {secrets[1]} " * 9,
        },
    ]

    async def handler(peer):
        for event in events:
            await peer.send(json.dumps(event))
        await peer.recv()

    async with server_of(handler) as url, tap_to(url) as tap:
        headers = {"Authorization": f"Bearer {KEY}", "Cookie": f"a=1; session={secrets[4]}"}
        async with connect(
            f"{tap.url}/v1/realtime?model=m&api_key={secrets[3]}", additional_headers=headers
        ) as client:
            received = [json.loads(await client.recv()) for _ in events]
            # The client itself gets everything
            assert received == events
        await gone(tap)
        shown = everything(tap.sessions[0])
        assert tap.sessions[0].request == "GET /v1/realtime?model=m&api_key=[key removed]"
        assert not [secret for secret in secrets if secret in shown]


async def test_a_client_secret_is_minted_through_the_tap_and_not_shown(offline_url):
    async with tap_to(offline_url) as tap:
        host, port = tap.url.removeprefix("ws://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        body = b'{"session": {"type": "realtime", "model": "gpt-realtime-2.1"}}'
        head = f"POST /v1/realtime/client_secrets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: keep-alive\r\n\r\n".encode() + body)
        answer = await reader.read()
        writer.close()
        secret = json.loads(answer.partition(b"\r\n\r\n")[2])["value"]
        assert secret.startswith("ek_")
        await gone(tap)
        assert (tap.sessions[0].status, tap.sessions[0].is_session) == ("HTTP 200", False)
        assert secret not in everything(tap.sessions[0])
        # It works through the tap
        client = RealtimeClient(url=tap.url, api_key=secret)
        await client.connect()
        await client.disconnect()
        await gone(tap, 2)
        assert secret not in everything(tap.sessions[1])


async def test_a_body_that_waits_for_the_server_passes():
    async def upstream(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(5)
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    async with raw_server(upstream) as url, tap_to(url) as tap:
        host, port = tap.url.removeprefix("ws://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"POST /v1/realtime/calls HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        )
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"v=0\r\n")
        assert (await reader.read()).endswith(b"\r\n\r\nv=0\r\n")
        writer.close()
        await gone(tap)
        assert tap.sessions[0].status == "HTTP 201"


async def test_a_key_does_not_go_over_a_plain_connection_to_another_machine(monkeypatch):
    # This machine may have no other address: take the loopback for one
    monkeypatch.setattr("console.tap.link.is_loopback", lambda host: False)
    received = bytearray()

    async def upstream(reader, writer):
        received.extend(await reader.read(65536))
        writer.close()

    reports, end = io.BytesIO(), asyncio.Event()
    async with raw_server(upstream) as url:
        settings = {"host": "127.0.0.1", "port": 0, "upstream": url}
        serving = asyncio.create_task(serve_tap(settings, Reporter(reports), end))
        await until(reports.getvalue)
        address = next(read_reports(io.BytesIO(reports.getvalue()))).data.decode()
        for place in ({"Authorization": f"Bearer {KEY}"}, {"api-key": KEY}, {"Cookie": f"session={KEY}"}):
            with pytest.raises(InvalidStatus) as caught:
                await connect(address, additional_headers=place)
            assert b"use wss://" in (caught.value.response.body or b"")
        assert not received
        # Without a key it passes
        with pytest.raises(InvalidMessage):
            await connect(address)
        assert received
        end.set()
        await serving


async def test_nonsense_in_place_of_a_request_is_answered_and_kills_nothing(offline_url):
    async with tap_to(offline_url) as tap:
        host, port = tap.url.removeprefix("ws://").split(":")
        for nonsense in (b"\x16\x03\x01\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"A" * 70_000):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(nonsense)
            assert b"400 Bad Request" in await reader.read()
            writer.close()
        client = RealtimeClient(url=tap.url, api_key=KEY)
        await client.connect()
        await client.disconnect()


async def test_clients_at_once_have_a_session_each_and_one_is_shown(offline_url):
    async with tap_to(offline_url) as tap:
        clients = [RealtimeClient(url=tap.url, api_key=KEY) for _ in range(3)]
        for client in clients:
            await client.connect()
        await asyncio.gather(*(client.ask(f"I am number {n}.") for n, client in enumerate(clients)))
        assert tap.chosen is tap.sessions[2]
        for n, session in enumerate(tap.sessions):
            await until(lambda session=session: len(session.model.transcript) == 2)
            assert next(row.text for row in session.model.transcript) == f"I am number {n}."
        tap.step(-1)
        assert tap.model is tap.sessions[1].model
        another = RealtimeClient(url=tap.url, api_key=KEY)
        await another.connect()
        await until(lambda: len(tap.sessions) == 4)
        # The user has chosen: a new client does not take the screen
        assert tap.model is tap.sessions[1].model
        tap.choose(4)
        assert tap.chosen is tap.sessions[3]
        for client in (*clients, another):
            await client.disconnect()


async def test_a_forwarding_process_that_dies_ends_its_sessions_with_a_notice(offline_url, monkeypatch):
    started = []
    popen = subprocess.Popen

    def start(*arguments, **options):
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr("console.tap.process.subprocess.Popen", start)
    async with tap_to(offline_url) as tap:
        client = RealtimeClient(url=tap.url, api_key=KEY, reconnect=False)
        await client.connect()
        await until(lambda: tap.sessions)
        started[0].kill()
        await until(lambda: not tap.running)
        assert not tap.sessions[0].open
        assert "the forwarding process has ended" in tap.model.notices[-1].text


async def test_sessions_of_clients_that_have_gone_are_bounded(offline_url, monkeypatch):
    monkeypatch.setattr("console.tap.tap.MAX_ENDED", 2)
    async with tap_to(offline_url) as tap:
        for _ in range(5):
            async with connect(tap.url) as client:
                await client.recv()
        await gone(tap, 5)
        assert [one.number for one in tap.sessions] == [3, 4, 5]
        assert tap.dropped == 2


async def test_a_slow_client_is_waited_for_and_memory_stays_bounded():
    megabyte = "x" * 1_000_000

    async def handler(peer):
        for _ in range(30):
            await peer.send(megabyte)

    async with server_of(handler, compression=None) as url, tap_to(url) as tap:
        async with connect(tap.url, compression=None, max_size=None, max_queue=1) as client:
            await asyncio.sleep(0.3)
            for _ in range(30):
                assert await client.recv() == megabyte
        await gone(tap)
        assert [row.count for row in tap.sessions[0].model.events.rows if row.type == "tap.unreadable"] == [
            30
        ]


@pytest.fixture
def certificate(tmp_path):
    """A certificate for 127.0.0.1, and its key."""
    openssl = require_program("openssl", "openssl")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    more = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([openssl, *command.split(), *more], check=True, capture_output=True)
    return certificate, key


async def test_a_tap_by_tls(offline_url, certificate):
    certificate, key = certificate
    async with tap_to(offline_url, certificate=str(certificate), key=str(key)) as tap:
        assert tap.url.startswith("wss://")
        async with connect(tap.url, ssl=ssl.create_default_context(cafile=certificate)) as client:
            assert json.loads(await client.recv())["type"] == "session.created"
        await gone(tap)
        assert ("server", "session.created", 1) in rows(tap.sessions[0])


async def test_an_address_that_is_taken_or_open_to_the_network_is_refused(offline_url):
    async with tap_to(offline_url) as tap:
        port = int(tap.url.rpartition(":")[2])
        with pytest.raises(UserError, match=f"cannot listen on 127.0.0.1:{port}"):
            await Tap(TapSettings("127.0.0.1", port, offline_url)).start()
    with pytest.raises(UserError, match="others on the network could read"):
        await Tap(TapSettings("0.0.0.0", 0, offline_url)).start()
    with pytest.raises(UserError, match="cannot use the certificate"):
        await Tap(TapSettings("127.0.0.1", 0, offline_url, certificate=__file__)).start()
