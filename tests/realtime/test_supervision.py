"""Whatever raises, in handlers, in hooks and in the link's own tasks: the conversation goes on, or its end is told."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from realtime import ConnectError, RealtimeClient
from realtime.client.session import Session
from realtime.connection import transport
from realtime.connection.link import Link, LinkDelegate
from realtime.connection.transport import Transport
from tests import wire_turns as turns
from tests.client_bench import QUICK, make
from tests.waiting import Log, until
from tests.wire_server import EchoServer


class Unforeseen(BaseException):
    """No subclass of Exception, and without a text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def cancelled() -> None:
    """What ``task.result()`` of a cancelled task does."""
    raise asyncio.CancelledError


def unforeseen() -> None:
    raise Unforeseen


RAISES = [cancelled, unforeseen]


async def holds_a_turn(client: RealtimeClient, log: Log) -> None:
    """One message and its answer."""
    before = len(log.of("conversation.item.completed"))
    client.send_user_message_content("Hello")
    await log.until("conversation.item.completed", before + 2)


# Handlers


@pytest.mark.parametrize("fault", RAISES)
async def test_a_handler_that_raises_cancelled_error_ends_nothing(fault):
    async with EchoServer() as server, make(server) as client:
        log = Log(client, "error", "conversation.item.completed")
        for name in ("*", "server.response.created", "conversation.updated", "connection.changed"):
            client.on(name, lambda event: fault())
        await holds_a_turn(client, log)
        await holds_a_turn(client, log)
        assert {event.source for event in log.of("error")} == {"handler"}
        assert client.stats.reconnections == 0


@pytest.mark.parametrize("fault", RAISES)
async def test_a_coroutine_handler_that_raises_cancelled_error_goes_on_with_the_next_event(fault):
    async with EchoServer() as server, make(server) as client:
        log = Log(client, "error", "conversation.item.completed")
        calls = []

        @client.on("server.response.done")
        async def fail(event):
            calls.append(event)
            await asyncio.sleep(0)
            fault()

        await holds_a_turn(client, log)
        await holds_a_turn(client, log)
        await log.until("error", 2)
        assert len(calls) == 2 and client.is_connected()


PROGRAM = """
import asyncio
from realtime import RealtimeClient
from realtime.client.session import Session
from tests.client_bench import QUICK
from tests.wire_server import EchoServer

def end(*arguments, **keywords):
    raise {ending}

async def main():
    async with EchoServer() as server:
        client = RealtimeClient(api_key="", url=server.url, link=QUICK)
        client.on("close", lambda event: print("closed", event.error, client.state))
        {before}
        await client.connect()
        {after}
        client.send_user_message_content("Hello")
        await asyncio.sleep(60)

asyncio.run(main())
"""


def ended_program(folder: Path, **parts: str) -> subprocess.CompletedProcess[str]:
    """Run the program above until it ends."""
    program = folder / "program.py"
    program.write_text(PROGRAM.format(**{"ending": "SystemExit(7)", "before": "", "after": "", **parts}))
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.run(
        [sys.executable, program], capture_output=True, text=True, timeout=60, cwd=root, env=environment
    )


@pytest.mark.parametrize(("ending", "statuses"), [("SystemExit(7)", [7]), ("KeyboardInterrupt()", [130, -2])])
def test_a_handler_that_ends_the_program_ends_it(ending, statuses, tmp_path):
    """SystemExit and KeyboardInterrupt pass through every layer; the connection is told as closed."""
    done = ended_program(tmp_path, ending=ending, after='client.on("server.response.done", end)')
    assert done.returncode in statuses, done.stderr
    assert "closed True disconnected" in done.stdout
    assert "never retrieved" not in done.stderr and "pending" not in done.stderr


@pytest.mark.parametrize(
    "parts",
    [
        {"before": "Session.begin = end"},
        {"before": "Session.endpoint = end"},
        {"after": "Session.receive = end; server.peer.drop()"},
        {"after": "Session.begin = end; server.peer.drop()"},
        {"after": "Session.encode = end"},
        {"after": "Session.endpoint = end; server.peer.drop()"},
        {
            "before": "client.on('error', lambda event: client._link.abandon())",
            "after": "Session.endpoint = end; server.peer.drop()",
        },
        {"after": "Session.failed = end; Session.encode = lambda *a: 1 / 0"},
    ],
)
def test_a_hook_that_ends_the_program_ends_it(parts, tmp_path):
    done = ended_program(tmp_path, **parts)
    assert done.returncode == 7, done.stderr
    assert "pending" not in done.stderr


# Hooks of the link's delegate

HOOKS = sorted(
    name for name in vars(LinkDelegate) if not name.startswith("_") and callable(getattr(LinkDelegate, name))
)


# Tried in tests of their own: a lost connection does not call them.
ELSEWHERE = ("at_boundary", "closed", "failed", "renewal_refused")


def test_every_hook_is_tried():
    assert len(HOOKS) == 17, HOOKS


class Armed:
    """Makes one method of `Session` raise at its next call."""

    def __init__(self, monkeypatch, name: str, fault) -> None:
        self.left = 0
        original = getattr(Session, name)

        def hook(session, *arguments, **keywords):
            if self.left:
                self.left -= 1
                fault()
            return original(session, *arguments, **keywords)

        async def async_hook(session):
            hook_now, self.left = self.left, 0
            if hook_now:
                fault()
            return await original(session)

        monkeypatch.setattr(Session, name, async_hook if asyncio.iscoroutinefunction(original) else hook)


def zero_division() -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize("fault", [*RAISES, zero_division])
@pytest.mark.parametrize("name", [name for name in HOOKS if name not in ELSEWHERE])
async def test_a_hook_that_raises_ends_nothing(name, fault, monkeypatch):
    async with EchoServer() as server, make(server) as client:
        log = Log(client, "error", "conversation.item.completed", "close")
        armed = Armed(monkeypatch, name, fault)
        await holds_a_turn(client, log)
        armed.left = 1
        if name == "put_back":
            client._link._reader.cancel()
            peer = server.peer
            peer.drop()
            await client._link._transport._socket.wait_closed()
            client.append_input_audio(turns.tone(100))
            await until(client._link._writer.done)
            client._link._on_lost(client._link._transport, 1006, "")
        else:
            client.append_input_audio(turns.tone(100))
            await until(lambda: not len(client._outbox))
            server.peer.drop()
        await until(lambda: not armed.left)
        await until(lambda: client.stats.reconnections and client.is_connected())
        await log.until("error")
        await holds_a_turn(client, log)
        await holds_a_turn(client, log)
        assert not log.of("close")


@pytest.mark.parametrize("fault", [*RAISES, zero_division])
async def test_a_frame_that_cannot_be_taken_is_dropped_and_the_next_one_is_read(fault, monkeypatch):
    async with EchoServer() as server:
        client = make(server)
        log = Log(client, "error", "conversation.item.completed")
        # Before connecting: the reader looks the hook up once.
        armed = Armed(monkeypatch, "receive", fault)
        async with client:
            armed.left = 1
            await server.peer.say({"type": "rate_limits.updated", "rate_limits": []})
            assert "was dropped" in (await log.until("error")).message
            await holds_a_turn(client, log)
            assert client.stats.reconnections == 0 and len(log.of("error")) == 1


@pytest.mark.parametrize("name", ["at_boundary", "begin", "changed", "disconnected", "endpoint"])
async def test_a_hook_that_raises_in_a_renewal_ends_nothing(name, monkeypatch):
    async with EchoServer(lifetime=1.0) as server:
        client = make(server, replace(QUICK, renew_before=0.9))
        log = Log(client, "error", "conversation.item.completed", "close")
        armed = Armed(monkeypatch, name, zero_division)
        async with client:
            armed.left = 1
            await until(lambda: client.stats.renewals + client.stats.reconnections)
            await until(lambda: not armed.left)
            await until(client.is_connected)
            await holds_a_turn(client, log)
            assert log.of("error") and not log.of("close")


@pytest.mark.parametrize("fault", RAISES)
@pytest.mark.parametrize(
    ("name", "message"), [("begin", "could not be begun"), ("endpoint", "could not connect")]
)
async def test_a_session_that_cannot_be_begun_is_a_connect_error(name, message, fault, monkeypatch):
    async with EchoServer() as server:
        client = make(server)
        log = Log(client, "error", "conversation.item.completed")
        armed = Armed(monkeypatch, name, fault)
        armed.left = 1
        with pytest.raises(ConnectError, match=message):
            await client.connect()
        assert client.state == "disconnected" and len(log.of("error")) == 1
        async with client:
            await holds_a_turn(client, log)


async def test_a_session_that_can_never_be_resumed_is_told_as_closed(monkeypatch):
    async with EchoServer() as server, make(server) as client:
        log = Log(client, "error", "close")
        armed = Armed(monkeypatch, "begin", zero_division)
        armed.left = 1000
        server.peer.drop()
        closed = await log.until("close")
        assert closed.error and "could not be resumed" in closed.reason
        assert client.state == "disconnected"


@pytest.mark.parametrize("name", ["closed", "changed", "disconnected"])
async def test_disconnect_ends_the_connection_whatever_a_hook_raises(name, monkeypatch):
    async with EchoServer() as server:
        client = make(server)
        log = Log(client, "error")
        armed = Armed(monkeypatch, name, zero_division)
        await client.connect()
        armed.left = 1
        await client.disconnect()
        assert client.state == "disconnected" and len(log.of("error")) == 1
        await server.peer.ended.wait()


async def test_a_report_that_fails_is_logged(monkeypatch, caplog):
    async with EchoServer() as server, make(server) as client:
        log = Log(client, "conversation.item.completed")
        failed, changed = (
            Armed(monkeypatch, "failed", zero_division),
            Armed(monkeypatch, "changed", zero_division),
        )
        failed.left = changed.left = 1
        server.peer.drop()
        await until(lambda: client.stats.reconnections and client.is_connected())
        assert not failed.left and "could not be reported" in caplog.text
        await holds_a_turn(client, log)


async def test_logging_that_raises_ends_nothing(monkeypatch):
    class Broken(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            raise RuntimeError

    broken = Broken()
    logging.getLogger("realtime").addFilter(broken)
    try:
        async with EchoServer() as server, make(server) as client:
            log = Log(client, "conversation.item.completed", "close")
            client.on("server.response.created", lambda event: zero_division())
            client.on("connection.changed", lambda event: zero_division())
            await holds_a_turn(client, log)
            server.peer.drop()
            await until(lambda: client.stats.reconnections and client.is_connected())
            await holds_a_turn(client, log)
            assert not log.of("close")
    finally:
        logging.getLogger("realtime").removeFilter(broken)


# The link's own tasks


@pytest.mark.parametrize("fault", [*RAISES, zero_division])
@pytest.mark.parametrize("method", ["receive", "send"])
async def test_a_reader_or_writer_that_ends_is_told_and_answered_like_a_lost_connection(
    method, fault, monkeypatch
):
    original = getattr(Transport, method)
    left = 0

    async def fail(self, *arguments):
        nonlocal left
        if left:
            left = 0
            fault()
        return await original(self, *arguments)

    monkeypatch.setattr(Transport, method, fail)
    async with EchoServer() as server, make(server) as client:
        log = Log(client, "error", "conversation.item.completed", "connection.changed", "close")
        await holds_a_turn(client, log)
        left = 1
        client.append_input_audio(turns.tone(100))
        await server.peer.say({"type": "rate_limits.updated", "rate_limits": []})
        lost = await log.until("connection.changed")
        assert lost.state == "reconnecting" and "ended" in lost.reason
        assert log.of("error")[0].source == "connection"
        await until(client.is_connected)
        await holds_a_turn(client, log)
        assert not log.of("close")


@pytest.mark.parametrize("method", ["_keep_alive", "_ping"])
async def test_a_keepalive_that_ends_is_answered_like_a_lost_connection(method, monkeypatch):
    original = getattr(Transport, method)
    left = 1

    async def fail(self, *arguments):
        nonlocal left
        if left:
            left = 0
            await asyncio.sleep(0.05)
            zero_division()
        return await original(self, *arguments)

    monkeypatch.setattr(Transport, method, fail)
    monkeypatch.setattr(transport, "PING_INTERVAL", 0.05)
    async with EchoServer() as server, make(server) as client:
        log = Log(client, "connection.changed", "conversation.item.completed")
        lost = await log.until("connection.changed", 1)
        assert "ZeroDivisionError" in lost.reason
        await until(client.is_connected)
        await holds_a_turn(client, log)


async def test_a_reconnector_that_ends_is_started_again(monkeypatch):
    original = Link._delay
    left = 1

    def fail(self):
        nonlocal left
        if left:
            left = 0
            zero_division()
        return original(self)

    monkeypatch.setattr(Link, "_delay", fail)
    async with EchoServer() as server, make(server) as client:
        log = Log(client, "error", "conversation.item.completed")
        server.peer.drop()
        await until(lambda: client.stats.reconnections and client.is_connected())
        assert "reconnector" in log.of("error")[0].message
        await holds_a_turn(client, log)


async def test_a_handler_that_disconnects_when_it_is_told_has_the_last_word(monkeypatch):
    monkeypatch.setattr(Link, "_delay", lambda self: zero_division())
    async with EchoServer() as server:
        client = make(server)
        log = Log(client, "close")
        tasks = []
        client.on("error", lambda event: tasks.append(asyncio.ensure_future(client.disconnect())))
        client.on("error", lambda event: client._link.abandon())
        await client.connect()
        server.peer.drop()
        closed = await log.until("close")
        await asyncio.wait(tasks)
        assert not closed.error and client.state == "disconnected"


async def test_an_event_that_is_being_sent_when_the_connection_ends_goes_to_the_next_session(monkeypatch):
    """The reader sees the end first, and cancels the writer in the middle of the frame."""
    send = Transport.send
    blocked = True

    async def block(self, text):
        if blocked and "anything" in text:
            await asyncio.Event().wait()
        await send(self, text)

    monkeypatch.setattr(Transport, "send", block)
    async with EchoServer() as server, make(server) as client:
        client.send("anything", value=1)
        await until(lambda: not len(client._outbox))
        blocked = False
        server.peer.drop()
        peer = await server.wait_for_peers(2)
        assert (await peer.expect("anything"))["value"] == 1


async def test_an_old_socket_that_cannot_be_closed_is_told(monkeypatch):
    async def fail(self, *arguments):
        zero_division()

    async with EchoServer() as server:
        client = make(server)
        log = Log(client, "error")
        await client.connect()
        monkeypatch.setattr(Transport, "close", fail)
        server.peer.drop()
        await log.until("error")
        assert "closer" in log.of("error")[0].message
        await until(lambda: client.stats.reconnections and client.is_connected())
        monkeypatch.undo()
        await client.disconnect()
