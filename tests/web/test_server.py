"""PageServer: one port, and what gets in."""

from __future__ import annotations

import asyncio
import json
import os
import random
import struct
import wave
from io import BytesIO

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from console.errors import UserError
from console.web.server import MAX_CONNECTIONS, MAX_FRAME_BYTES, MAX_VIEWS
from tests.console.fakes import answer, updated
from tests.web.rig import site, told

# `make fuzz` says more
FRAMES = int(os.environ.get("WAVTOOLS_WEB_FRAMES", "100000"))


async def test_the_address_gives_the_page_once_and_the_cookie_gives_it_always():
    async with site() as found:
        address = found.server.address
        assert address.startswith(f"http://127.0.0.1:{found.server.port}/?token=")
        assert (await found.get("/")).status_code == 403
        await found.enter()
        assert (await found.get("/")).status_code == 200
        found.cookie = ""
        again = await found.get(address.removeprefix(found.origin))
        assert again.status_code == 403 and "set-cookie" not in again.headers
        assert again.text == "not let in: open the address that the terminal printed\n"


async def test_every_answer_carries_the_policies():
    async with site() as found:
        refused = await found.get("/")
        await found.enter()
        for page in (
            refused,
            await found.get("/"),
            await found.get("/main.js"),
            await found.get("/land.json"),
        ):
            headers = page.headers
            assert headers["content-security-policy"].startswith("default-src 'self';")
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert headers["cross-origin-embedder-policy"] == "require-corp"
            assert headers["cross-origin-resource-policy"] == "same-origin"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"
            assert "server" not in headers


async def test_without_the_cookie_nothing_is_given():
    async with site() as found:
        for path in (
            "/",
            "/main.js",
            "/style.css",
            "/land.json",
            "/audio/a1",
            "/view",
            "/sound",
            "/?token=",
            "/?token=x",
        ):
            assert (await found.get(path)).status_code == 403, path
        assert (await found.get("/", cookie=f"{found.server.gate.cookie_name}=guess")).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/../gate.py",
        "/..%2fgate.py",
        "/%2e%2e/gate.py",
        "//etc/passwd",
        "/static/../../land.bin",
        "/index.html/../../server.py",
        "/.git/config",
        "/audio/../main.js",
        "/audio/%2e%2e%2fmain.js",
        "/\\..\\gate.py",
        "/main.js%00",
        "/server.py",
    ],
)
async def test_no_path_leads_out_of_the_static_files(path):
    async with site() as found:
        await found.enter()
        reader, writer = await asyncio.open_connection("127.0.0.1", found.server.port)
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{found.server.port}\r\nCookie: {found.cookie}\r\n\r\n".encode()
        )
        answer = await reader.read()
        writer.close()
        assert answer.split()[1] in (b"404", b"400"), answer[:200]
        assert b"import" not in answer


async def test_a_foreign_host_is_refused_even_with_the_cookie():
    async with site() as found:
        await found.enter()
        answer = await found.get("/", host=f"rebound.example:{found.server.port}")
        assert answer.status_code == 403 and "unknown host" in answer.text


@pytest.mark.parametrize("path", ["/view", "/sound"])
async def test_a_socket_needs_the_cookie_and_the_origin(path):
    async with site() as found:
        await found.enter()
        for wrong in (
            {"origin": "http://evil.example"},
            {"origin": None},
            {"cookie": ""},
            {"origin": "null"},
        ):
            with pytest.raises(InvalidStatus) as refused:
                async with found.socket(path, **wrong):
                    pass
            assert refused.value.response.status_code == 403
        async with found.socket(path):
            pass


async def test_a_page_gets_a_snapshot_and_then_changes():
    async with site() as found:
        await found.enter()
        async with found.socket() as socket:
            snapshot = await told(socket, lambda message: message.get("kind") == "snapshot")
            assert snapshot["head"]["state"] == "disconnected"
            found.model.notice("warning", "look here")
            change = await told(socket, lambda message: "notices" in message.get("head", {}))
            assert change["head"]["notices"][-1][:2] == ["warning", "look here"]


async def test_text_is_compressed_and_sound_is_not():
    async with site() as found:
        await found.enter()
        for path, extensions in (("/view", "permessage-deflate"), ("/sound", "")):
            async with found.socket(path, compression="deflate") as socket:
                given = socket.response.headers.get("Sec-WebSocket-Extensions", "")
                assert given.partition(";")[0] == extensions


async def test_a_question_is_answered_and_a_mistake_says_what_is_wrong():
    async with site() as found:
        await found.enter()
        found.model.events.add(1.0, "server", {"type": "session.created", "session": {"id": "s1"}})
        async with found.socket() as socket:
            await socket.send(json.dumps({"verb": "payload", "number": 0, "ask": 7}))
            answer = await told(socket, lambda message: message.get("ask") == 7)
            assert json.loads(answer["value"])["session"] == {"id": "s1"}
            await socket.send(json.dumps({"verb": "delete", "id": "none", "ask": 8}))
            answer = await told(socket, lambda message: message.get("ask") == 8)
            assert answer["error"] == "there is no such item"
            await socket.send("no verb")
            assert (
                "JSON object"
                in (await told(socket, lambda message: message.get("kind") == "refused"))["reason"]
            )


async def test_the_audio_of_an_item_is_a_wav_file_bit_for_bit():
    async with site() as found:
        await found.enter()
        item = answer("item/1 ü", "Hello", 0.0)
        samples = np.arange(-5_000, 5_000, dtype=np.int16)
        item.formatted.store.append(samples)
        item.received_samples = len(samples)
        found.model.on_updated(updated(item))
        given = await found.get("/audio/item%2F1%20%C3%BC")
        assert given.headers["content-type"] == "audio/wav"
        with wave.open(BytesIO(given.content)) as file:
            assert (file.getframerate(), file.getnchannels()) == (24_000, 1)
            assert np.array_equal(np.frombuffer(file.readframes(20_000), np.int16), samples)
        assert (await found.get("/audio/other")).status_code == 404


async def test_too_large_a_frame_ends_its_page_alone():
    async with site() as found:
        await found.enter()
        async with found.socket() as kept, found.socket(max_size=None) as large:
            await told(kept, lambda message: message.get("kind") == "snapshot")
            await large.send("x" * (MAX_FRAME_BYTES + 1))
            with pytest.raises(ConnectionClosed) as closed:
                await told(large, lambda message: False)
            assert closed.value.rcvd.code == 1009
            found.model.notice("info", "still here")
            await told(kept, lambda message: "notices" in message.get("head", {}))


async def test_a_flood_of_verbs_ends_its_page_alone():
    async with site() as found:
        await found.enter()
        async with found.socket() as kept, found.socket() as flood:
            await told(kept, lambda message: message.get("kind") == "snapshot")
            with pytest.raises(ConnectionClosed):
                for _ in range(2_000):
                    await flood.send('{"verb": "echo"}')
                await told(flood, lambda message: False)
            found.model.notice("info", "still here")
            await told(
                kept, lambda message: "still here" in json.dumps(message.get("head", {}).get("notices", ""))
            )


async def test_one_page_too_many_ends_the_oldest():
    async with site() as found:
        await found.enter()
        sockets = [await found.socket() for _ in range(MAX_VIEWS + 1)]
        with pytest.raises(ConnectionClosed) as closed:
            await told(sockets[0], lambda message: False)
        assert closed.value.rcvd.code == 4001
        for socket in sockets[1:]:
            await told(socket, lambda message: message.get("kind") == "snapshot")
            await socket.close()


async def test_idle_connections_do_not_use_up_the_server():
    async with site() as found:
        await found.enter()
        idle = [
            await asyncio.open_connection("127.0.0.1", found.server.port) for _ in range(MAX_CONNECTIONS + 20)
        ]
        ended = 0
        for reader, _ in idle[MAX_CONNECTIONS:]:
            ended += await asyncio.wait_for(reader.read(), 5) == b""
        assert ended == 20
        for _, writer in idle:
            writer.close()
        for _ in range(100):
            if (await _status(found)) == 200:
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the server did not recover")


async def _status(found) -> int:
    try:
        return (await found.get("/")).status_code
    except OSError:
        return 0
    except Exception as error:
        assert (
            "Connect" in type(error).__name__
            or "Protocol" in type(error).__name__
            or "Read" in type(error).__name__
        )
        return 0


async def test_random_frames_of_sound_change_nothing_and_the_next_page_has_the_sound():
    rng = random.Random(21)
    async with site() as found:
        await found.enter()
        found.model.events.add(1.0, "server", {"type": "session.created"})
        sent = 0
        while sent < FRAMES:
            async with found.socket("/sound", max_size=None) as socket:
                try:
                    for _ in range(2_000):
                        await socket.send(_random_frame(rng))
                        sent += 1
                except ConnectionClosed:
                    pass
        assert (await found.get("/")).status_code == 200
        async with found.socket("/sound") as socket:
            hello = await asyncio.wait_for(socket.recv(), 5)
            assert hello[0] == 1 and json.loads(hello[16:])["version"] == 1
        assert found.model.events.total == 1


def _random_frame(rng: random.Random) -> bytes | str:
    kind = rng.randrange(4)
    if kind == 0:
        return rng.randbytes(rng.randrange(80))
    if kind == 1:
        return "text"
    head = struct.pack(
        "<BBHId",
        rng.randrange(14),
        rng.randrange(3),
        rng.randrange(4),
        rng.randrange(70),
        rng.choice([0.0, -1.0, 1e300, float("nan"), 480.0]),
    )
    if kind == 2:
        return head + rng.randbytes(rng.randrange(40))
    return (
        head
        + json.dumps(
            {"version": 1, "microphone": {"stream": 1, "rate": rng.randrange(10**6), "channels": 9}}
        ).encode()
    )


async def test_random_verbs_change_nothing():
    rng = random.Random(22)
    async with site() as found:
        await found.enter()
        before = found.model.revision
        async with found.socket() as socket:
            for _ in range(150):
                await socket.send(
                    rng.randbytes(rng.randrange(60))
                    if rng.random() < 0.5
                    else json.dumps({"verb": rng.choice("abc"), "x": [1] * rng.randrange(9)})
                )
            await told(socket, lambda message: message.get("kind") == "refused")
        assert found.model.revision == before


async def test_the_page_that_speaks_closes_and_what_it_said_is_sent(silent_server):
    async with site(silent_server.url) as found:
        await found.enter()
        async with found.socket() as socket:
            await socket.send('{"verb": "connect"}')
            await told(socket, lambda message: message.get("head", {}).get("state") == "connected")
            await socket.send('{"verb": "talk"}')
            await told(socket, lambda message: message.get("head", {}).get("talk", {}).get("active"))
        for _ in range(200):
            if not found.model.talk.active:
                break
            await asyncio.sleep(0.02)
        assert not found.model.talk.active
        assert found.model.state == "connected"


async def test_the_sound_moves_to_the_machine_and_back_to_the_page_while_the_session_goes_on(silent_server):
    async with site(silent_server.url) as found:
        await found.enter()
        call = found.desk.call
        assert await call.connect()
        async with found.socket() as socket, found.socket("/sound"):
            assert await call.use_microphone("null", "silence") and await call.use_speaker("null", "silence")
            for number, verb in enumerate(("input", "output", "input", "output")):
                await socket.send(json.dumps({"verb": verb, "id": "page", "ask": number}))
                answer = await told(socket, lambda message, number=number: message.get("ask") == number)
                assert answer["value"] is True
            assert (found.model.microphone.name, found.model.speaker.name) == ("this page", "this page")
            await socket.send('{"verb": "input", "id": "none", "ask": 9}')
            answer = await told(socket, lambda message: message.get("ask") == 9)
            assert "list the devices again" in answer["error"]
        assert found.model.state == "connected"


async def test_a_port_in_use_is_an_error_that_names_the_flag():
    async with site() as found:
        with pytest.raises(UserError, match="choose another --port"):
            async with site(port=found.server.port):
                pass


async def test_the_end_of_the_program_closes_all_pages():
    async with site() as found:
        await found.enter()
        socket = await found.socket()
        await told(socket, lambda message: message.get("kind") == "snapshot")
    with pytest.raises(ConnectionClosed) as closed:
        await told(socket, lambda message: False)
    assert closed.value.rcvd.code == 1001
