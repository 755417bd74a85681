"""Connecting: what a server, a proxy or a key function says against it is one clear error at once."""

from __future__ import annotations

import asyncio
import email.utils
import sys
import time

import pytest

from realtime import ConfigurationError, ConnectError, LinkOptions, RealtimeClient
from realtime.connection import transport
from realtime.connection.refusals import retry_after_of, uses_proxy
from realtime.protocol.endpoint import Endpoint
from tests import wire_turns as turns
from tests.canary import KEY
from tests.client_bench import QUICK, make
from tests.waiting import Log, until
from tests.wire_server import Peer, ScriptedServer, created


def answering(status: int, *headers: str, body: str = ""):
    """Answers every request with this HTTP status."""

    async def answer(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", body]
        writer.write("\r\n".join(lines).encode())
        await writer.drain()
        writer.close()

    return answer


def port_of(server: asyncio.Server) -> int:
    return server.sockets[0].getsockname()[1]


# An error in the place of session.created


@pytest.mark.parametrize(
    ("event", "said", "fatal"),
    [
        (turns.error("Failed to load model", "model_load_error"), "Failed to load model", True),
        ({"type": "error", "error": {"type": "session_limit_reached"}}, "session_limit_reached", False),
        ({"type": "error", "error": "not today"}, "not today", False),
        ({"type": "error", "error": {"param": 1}}, "no reason given", False),
        (
            {"type": "model_load_error", "message": "no such model", "code": "model_load_error"},
            "no such model",
            True,
        ),
    ],
)
async def test_an_error_in_place_of_session_created_fails_connect_at_once(event, said, fatal):
    async def refuse(peer: Peer) -> None:
        await peer.say(event)
        await peer.listen()

    async with ScriptedServer(refuse) as server:
        client = RealtimeClient(api_key=KEY, url=server.url, connect_timeout=60.0)
        with pytest.raises(ConnectError, match=said) as caught:
            await asyncio.wait_for(client.connect(), 10)
        assert (caught.value.server_message, caught.value.fatal) == (said, fatal)
        await asyncio.wait_for(server.peer.ended.wait(), 5)


async def test_an_error_before_the_session_begins_after_all_ends_nothing():
    async def hesitate(peer: Peer) -> None:
        await peer.say(turns.error("loading"), created())
        await peer.listen()

    async with ScriptedServer(hesitate) as server:
        client = make(server)
        log = Log(client, "error")
        async with client:
            assert [event.message for event in log.of("error")] == ["loading"]


async def test_the_close_code_after_an_error_is_told():
    async def refuse(peer: Peer) -> None:
        await peer.say(turns.error("key revoked", "invalid_api_key"))
        await peer.close(1011, "bye")

    async with ScriptedServer(refuse) as server:
        with pytest.raises(ConnectError, match="key revoked") as caught:
            await make(server).connect()
        assert (caught.value.code, caught.value.reason, caught.value.fatal) == (1011, "bye", True)


@pytest.mark.parametrize(
    ("body", "said", "fatal"),
    [
        ('{"error": {"code": "insufficient_quota", "message": "Please pay"}}', "Please pay", True),
        ('{"error": {"code": "rate_limit_exceeded", "message": "Slower"}}', "Slower", False),
        ('{"error": "not today"}', "not today", False),
        ('{"error": [1]}', '{"error": [1]}', False),
        ("[" * 3_000, "[" * 300, False),
        (f"{'x' * 290}{KEY}", f"{'x' * 290}[key remov", False),
    ],
)
async def test_the_error_in_an_http_answer_is_told(body, said, fatal):
    async with await asyncio.start_server(answering(429, body=body), "127.0.0.1", 0) as server:
        with pytest.raises(ConnectError) as caught:
            await RealtimeClient(api_key=KEY, url=f"ws://127.0.0.1:{port_of(server)}").connect()
        assert (caught.value.server_message, caught.value.fatal) == (said, fatal)
        assert said in str(caught.value)


# Proxies


async def test_a_socks_proxy_without_its_package_is_a_configuration_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "python_socks", None)
    monkeypatch.setitem(sys.modules, "python_socks.async_.asyncio", None)
    monkeypatch.setenv("HTTPS_PROXY", "socks5h://127.0.0.1:9")
    client = RealtimeClient(api_key=KEY, url="wss://h.example")
    with pytest.raises(ConfigurationError, match=r"python-socks.*HTTPS_PROXY"):
        await client.connect()
    assert client.state == "disconnected"


@pytest.mark.parametrize("proxy", ["ftp://me:hidden-pass@h", "http://", "http://me@h", "http://h/path"])
async def test_a_proxy_that_cannot_be_used_is_a_configuration_error(monkeypatch, proxy):
    monkeypatch.setenv("https_proxy", proxy)
    with pytest.raises(ConfigurationError, match="proxy in the environment") as caught:
        await RealtimeClient(api_key=KEY, url="wss://h.example").connect()
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "proxy", ["http://a..b:1", "http://%ff:x@h:1", "http://h:99999", "http://127.0.0.1:9"]
)
async def test_whatever_a_proxy_does_is_a_connect_error(monkeypatch, proxy):
    monkeypatch.setenv("https_proxy", proxy)
    with pytest.raises(ConnectError):
        await RealtimeClient(api_key=KEY, url="wss://h.example", connect_timeout=5).connect()


def test_a_proxy_is_used_for_tls_and_where_the_environment_wants_it(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert uses_proxy(Endpoint("wss://h.example", KEY)) and not uses_proxy(Endpoint("ws://h.example", KEY))
    monkeypatch.setenv("no_proxy", "h.example")
    assert not uses_proxy(Endpoint("wss://h.example", KEY))


async def test_a_fault_of_the_proxy_while_reconnecting_is_told_and_ends_it(monkeypatch):
    async with ScriptedServer() as server:
        client = make(server)
        log = Log(client, "close")
        await client.connect()

        async def broken(*_: object) -> object:
            raise ImportError("python_socks")

        monkeypatch.setattr(transport, "open_socket", broken)
        server.peer.drop()
        close = await log.until("close")
        assert close.error and "python-socks" in close.reason


async def test_an_exception_nobody_foresaw_is_a_failed_attempt(monkeypatch):
    async def broken(*_: object) -> object:
        raise LookupError("unforeseen")

    async with ScriptedServer() as server:
        monkeypatch.setattr(transport, "open_socket", broken)
        with pytest.raises(ConnectError, match="unforeseen"):
            await make(server).connect()


# Retry-After


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        ("soon", None),
        ("nan", None),
        ("1e9", None),
        ("", None),
        ("99 Foo", None),
    ],
)
def test_retry_after_in_seconds(text, seconds):
    assert retry_after_of({"Retry-After": text}) == seconds


def test_retry_after_as_a_date():
    later = retry_after_of({"Retry-After": email.utils.formatdate(time.time() + 100, usegmt=True)})
    assert later == pytest.approx(100, abs=5)
    assert retry_after_of({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
    assert retry_after_of({}) is None


async def test_retry_after_stands_on_connect_error():
    async with await asyncio.start_server(answering(429, "Retry-After: 7"), "127.0.0.1", 0) as server:
        with pytest.raises(ConnectError, match="after 7 s") as caught:
            await RealtimeClient(api_key=KEY, url=f"ws://127.0.0.1:{port_of(server)}").connect()
        assert (caught.value.retry_after, caught.value.status, caught.value.fatal) == (7.0, 429, False)


async def test_retry_after_stated_twice_is_ignored():
    twice = answering(503, "Retry-After: 7", "Retry-After: 8")
    async with await asyncio.start_server(twice, "127.0.0.1", 0) as server:
        with pytest.raises(ConnectError) as caught:
            await RealtimeClient(api_key=KEY, url=f"ws://127.0.0.1:{port_of(server)}").connect()
        assert caught.value.retry_after is None


@pytest.mark.parametrize(("asked", "ends"), [("0.2", False), ("99", True)])
async def test_retry_after_is_honoured_while_reconnecting(asked, ends):
    async with ScriptedServer() as server:
        client = make(
            server, LinkOptions(first_delay=0.001, max_delay=0.01, max_attempts=3, max_retry_after=5.0)
        )
        log = Log(client, "close", "connection.changed")
        await client.connect()
        peer, port = server.peer, server.port
        server._server.close(close_connections=False)
        async with await asyncio.start_server(answering(503, f"Retry-After: {asked}"), "127.0.0.1", port):
            peer.drop()
            close = await log.until("close")
        delays = [event.delay for event in log.of("connection.changed") if event.state == "reconnecting"]
        assert close.error and "503" in close.reason
        assert delays[1:] == ([] if ends else [0.2, 0.2])


# Keys that end


async def test_a_key_function_is_asked_before_each_handshake():
    keys = iter(f"sk-test-function-{number}" for number in range(9))

    async def later() -> str:
        await asyncio.sleep(0)
        return next(keys)

    for source in (later, lambda: next(keys), lambda: later()):
        async with ScriptedServer() as server:
            client = RealtimeClient(api_key=source, url=server.url, link=QUICK)
            async with client:
                server.peer.drop()
                await server.wait_for_peers(2)
                await until(client.is_connected)
            sent = [peer.socket.request.headers["Authorization"] for peer in server.peers]
            first, second = (int(one.rpartition("-")[2]) for one in sent)
            assert second == first + 1


async def test_a_key_that_was_replaced_is_still_scrubbed():
    keys = iter(["sk-test-first-key", "sk-test-second-key"])
    async with ScriptedServer() as server:
        client = RealtimeClient(api_key=lambda: next(keys), url=server.url, link=QUICK)
        log = Log(client, "error")
        async with client:
            server.peer.drop()
            peer = await server.wait_for_peers(2)
            await until(client.is_connected)
            await peer.say(turns.error("sk-test-first-key sk-test-second-key"))
            assert (await log.until("error")).message == "[key removed] [key removed]"


async def test_a_key_function_that_fails_is_a_connect_error_without_its_text():
    async def cancelled() -> str:
        raise asyncio.CancelledError

    def raises() -> str:
        raise LookupError(KEY)

    def leaves() -> str:
        raise SystemExit(KEY)

    async def late() -> str:
        raise TimeoutError(KEY)

    async with ScriptedServer() as server:
        for source in (cancelled, raises, leaves, late):
            client = RealtimeClient(api_key=source, url=server.url)
            with pytest.raises(ConnectError, match="the api_key function raised") as caught:
                await client.connect()
            assert KEY not in str(caught.value) and not caught.value.fatal and client.state == "disconnected"
        for wrong in (lambda: None, lambda: b"key"):
            with pytest.raises(ConfigurationError, match="must return text"):
                await RealtimeClient(api_key=wrong, url=server.url).connect()
        assert not server.peers


async def test_a_key_function_that_never_answers_is_given_up_at_the_timeout():
    gone = asyncio.Event()

    async def never() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            gone.set()
        return ""

    with pytest.raises(ConnectError, match="gave no key within"):
        await RealtimeClient(api_key=never, url="ws://127.0.0.1:1", connect_timeout=0.05).connect()
    await asyncio.wait_for(gone.wait(), 5)


async def test_a_blocked_key_function_holds_up_neither_the_loop_nor_the_end():
    import threading

    release = threading.Event()
    client = RealtimeClient(
        api_key=lambda: release.wait(30) and KEY, url="ws://127.0.0.1:1", connect_timeout=0.05
    )
    with pytest.raises(ConnectError, match="gave no key"):
        await client.connect()
    (thread,) = [one for one in threading.enumerate() if one.name == "realtime-api-key"]
    assert thread.daemon
    release.set()
    await until(lambda: not thread.is_alive())
    # What it delivers too late is dropped.
    await asyncio.sleep(0)


def test_a_key_function_that_answers_after_the_loop_has_closed_disturbs_nothing():
    import threading

    release, done = threading.Event(), []

    def slow() -> str:
        release.wait(30)
        done.append(1)
        return KEY

    async def main() -> None:
        with pytest.raises(ConnectError):
            await RealtimeClient(api_key=slow, url="ws://127.0.0.1:1", connect_timeout=0.05).connect()

    asyncio.run(main())
    (thread,) = [one for one in threading.enumerate() if one.name == "realtime-api-key"]
    release.set()
    thread.join(10)
    assert done
