"""What strange clients, servers, proxies and policies send: no session is cut, no task ends unseen, each limit holds."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
from websockets.datastructures import Headers

from realtime.errors import ConfigurationError
from realtime.protocol.beta import BetaTranslator
from realtime.protocol.redact import Secret
from realtime.relay import Policy, Relay, load_policy, verify_token
from realtime.relay.addresses import client_address
from realtime.relay.client_rules import ClientRules, Refusal
from realtime.relay.functions import import_function
from realtime.relay.journal import place_of
from realtime.relay.policy import LOOPBACK, SessionPolicy, ToolPolicy
from realtime.relay.run import serve
from realtime.relay.server_rules import ServerRules
from realtime.relay.server_tools import ServerTools
from realtime.relay.sessions import Sessions
from realtime.relay.targets import Target, TargetError, read_target
from realtime.relay.tokens import _encode, _key, _sign
from tests.relay_spy import (
    PATH,
    SECRET,
    Wiretap,
    exchange,
    join,
    policy_with,
    receive,
    relay_to,
    server_rules_that_hide,
    spied,
    upgrade,
)
from tests.waiting import until
from tests.wire_server import created

OPEN = {"insecure_no_auth": True, "insecure_no_tls": True}

# --- values of any type where a text is expected

ODD = [[], {}, [[]], {"a": []}, 7, 1.5, True, None]


@pytest.mark.parametrize("value", ODD, ids=str)
@pytest.mark.parametrize(
    "event",
    [
        {"type": "VALUE"},
        {"type": "conversation.item.create", "item": "VALUE"},
        {"type": "conversation.item.create", "item": {"type": "VALUE", "role": "user"}},
        {"type": "conversation.item.create", "item": {"type": "message", "role": "VALUE"}},
        {"type": "conversation.item.create", "item": {"role": "user", "content": ["VALUE"]}},
        {"type": "session.update", "session": "VALUE"},
        {"type": "session.update", "session": {"type": "VALUE"}},
        {"type": "session.update", "session": {"voice": "VALUE", "modalities": "VALUE"}},
        {"type": "session.update", "session": {"tools": [{"name": "VALUE"}], "tool_choice": "VALUE"}},
        {"type": "response.create", "response": {"instructions": "VALUE", "input": ["VALUE"]}},
        {"type": "response.cancel", "event_id": "VALUE", "response_id": "VALUE"},
    ],
    ids=str,
)
@pytest.mark.parametrize("beta", [False, True])
def test_a_value_of_any_type_in_a_clients_event_is_judged(event, value, beta):
    payload = json.dumps(event).replace('"VALUE"', json.dumps(value)).encode()
    policy = Policy(session=SessionPolicy(tools=({"type": "function", "name": "t"},)))
    fields = policy.clients.session_fields | {"tools", "tool_choice"}
    policy = Policy(
        clients=type(policy.clients)(session_fields=fields, voices=("ash",)), session=policy.session
    )
    verdict, _ = ClientRules(policy, "m", BetaTranslator() if beta else None).judge(payload, 0.0)
    assert isinstance(verdict, (bytes, Refusal))


@pytest.mark.parametrize("value", ODD, ids=str)
@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "error": {"event_id": "VALUE", "param": "VALUE"}},
        {"type": "error", "error": "VALUE"},
        {"type": "session.created", "session": {"tools": [{"name": "VALUE"}], "expires_at": "VALUE"}},
        {"type": "session.updated", "session": {"tool_choice": {"name": "VALUE"}, "audio": "VALUE"}},
        {"type": "session.updated", "session": {"audio": {"input": "VALUE", "output": "VALUE"}}},
        {
            "type": "conversation.item.added",
            "item": {"type": "function_call", "name": "VALUE", "id": "VALUE"},
        },
        {"type": "conversation.item.added", "item": {"type": "function_call_output", "call_id": "VALUE"}},
        {"type": "conversation.item.added", "previous_item_id": "VALUE", "item": "VALUE"},
        {"type": "response.output_item.done", "item_id": "VALUE"},
        {"type": "response.content_part.added", "part": "VALUE"},
        {"type": "response.done", "response": {"output": [{"id": "VALUE"}], "audio": "VALUE"}},
        {"type": "response.done", "response": {"output": "VALUE", "output_modalities": "VALUE"}},
    ],
    ids=str,
)
@pytest.mark.parametrize("beta", [False, True])
def test_a_value_of_any_type_in_a_servers_event_is_passed_on(event, value, beta):
    payload = json.dumps(event).replace('"VALUE"', json.dumps(value)).encode()
    rules = server_rules_that_hide(beta)
    hidden = {"type": "function_call", "name": "lookup", "id": "h", "call_id": "c"}
    assert rules.filter(json.dumps({"type": "conversation.item.added", "item": hidden}).encode())[0] is None
    shown, kind, _ = rules.filter(payload)
    assert shown is not None and kind == event["type"]


@pytest.mark.parametrize(
    "payload",
    [
        b'{"type":"session.update","session":{"instructions":"","audio":' + b"[" * 600 + b"]" * 600 + b"}}",
        b'{"type":"session.update","session":{"instructions":"","audio":'
        + b'{"a":' * 300
        + b"1"
        + b"}" * 302,
        b'{"type":"session.update","session":{"instructions":"","speed":1e999}}',
        b'{"type":"session.update","session":{"instructions":"","speed":-1e999}}',
    ],
    ids=["lists", "objects", "infinity", "minus infinity"],
)
def test_nesting_and_numbers_that_parsers_read_differently_are_refused(payload):
    verdict, _ = ClientRules(Policy(), "m").judge(payload, 0.0)
    assert isinstance(verdict, Refusal) and verdict.code == "invalid_json"


def test_many_brackets_side_by_side_are_not_deep():
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}] * 200}
    payload = json.dumps({"type": "conversation.item.create", "item": item}).encode()
    assert ClientRules(Policy(), "m").judge(payload, 0.0)[0] == payload


async def test_a_clients_message_that_nobody_foresaw_is_refused_and_counted(monkeypatch, caplog):
    def fail(self, item):
        raise KeyError("what the client said")

    monkeypatch.setattr(ClientRules, "_check_item", fail)
    async with spied() as (relay, upstream), join(relay) as socket:
        await receive(socket, "session.created")
        await socket.send('{"type":"conversation.item.create","item":{"role":"user"}}')
        assert (await receive(socket, "error"))["error"]["code"] == "internal_error"
        await socket.send('{"type":"response.create"}')
        await upstream.peer.expect("response.create")
        assert relay.totals.refused_events == {"internal_error": 1}
    assert "message.failed" in caplog.text and "what the client said" not in caplog.text


async def test_a_servers_message_that_nobody_foresaw_is_dropped_and_counted(monkeypatch, caplog):
    read = ServerRules._filter_event

    def fail(self, event, kind, payload):
        if kind == "rate_limits.updated":
            raise RecursionError("what the server said")
        return read(self, event, kind, payload)

    monkeypatch.setattr(ServerRules, "_filter_event", fail)

    async def script(peer):
        await peer.say(created())
        await peer.say({"type": "rate_limits.updated"}, {"type": "response.text.delta", "delta": "x"})
        await peer.listen()

    async with spied(script) as (relay, _), join(relay) as socket:
        await receive(socket, "session.created")
        assert (await receive(socket))["type"] == "response.text.delta"
        assert relay.totals.dropped == 1
    assert "message.failed" in caplog.text


async def test_a_delta_with_line_breaks_in_its_base64_arrives():
    async def script(peer):
        await peer.say(created(), {"type": "response.output_audio.delta", "delta": "AAAA\r\nAAAA\n"})
        await peer.listen()

    async with spied(script) as (relay, _), join(relay) as socket:
        assert (await receive(socket, "response.output_audio.delta"))["delta"] == "AAAA\r\nAAAA\n"


async def test_audio_with_line_breaks_in_its_base64_goes_upstream():
    async with spied() as (relay, upstream), join(relay) as socket:
        await receive(socket, "session.created")
        await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": "AAAA\r\nAAAA\n"}))
        assert (await upstream.peer.expect("input_audio_buffer.append"))["audio"] == "AAAA\r\nAAAA\n"


# --- tokens, policies


@pytest.mark.parametrize("expires", ["1" + "0" * 400, "1e400", "-1e400", "NaN", "[]", '"later"', "1e16"])
def test_a_time_of_any_size_in_a_signed_token_is_no_error(expires):
    payload = '{"sub":"a","exp":' + expires + "}"
    body = f"rt1.{_encode(payload.encode())}"
    assert verify_token([SECRET], f"{body}.{_encode(_sign(_key(SECRET), body))}", now=0.0) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[session]\nfields = { since = 2026-11-28 }", "JSON"),
        ("[session]\nfields = { speed = inf }", "JSON"),
        ('[[session.tools]]\ntype = "function"\nname = ["a"]', "needs a name"),
        ('[[session.tools]]\ntype = "function"', "needs a name"),
        ("[limits]\nsessions = " + "9" * 5000, "digits"),
        ("x = " + "[" * 3000 + "]" * 3000, "recursion"),
        ('[session]\ninstructions_file = "a\\u0000b"', "cannot be read"),
    ],
    ids=["date", "infinity", "odd name", "no name", "digits", "nesting", "null byte"],
)
def test_a_policy_with_values_of_another_kind_is_refused_at_the_start(tmp_path, text, says):
    file = tmp_path / "relay.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=says):
        load_policy(file).check()


def test_a_module_of_the_deployers_that_cannot_be_imported_is_named(tmp_path, monkeypatch):
    (tmp_path / "broken_desk.py").write_text("def look_up(:\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match="broken_desk:look_up: SyntaxError"):
        import_function("broken_desk:look_up")


# --- proxies


@pytest.mark.parametrize(
    ("hop", "address"),
    [
        ("203.0.113.5:4711", "203.0.113.5"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("[2001:DB8::7]", "2001:db8::7"),
        ('"[2001:db8::7]:4711"', "2001:db8::7"),
        ('"203.0.113.5"', "203.0.113.5"),
        ("fe80::7%eth0", "fe80::7"),
        ("[fe80::7%25eth0]:80", "fe80::7"),
        ("for=203.0.113.5", "203.0.113.5"),
        ('For="[2001:db8::7]:4711"', "2001:db8::7"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("[::ffff:203.0.113.5]:80", "203.0.113.5"),
        ("203.0.113.5:_obscured", "203.0.113.5"),
        *((stop, "127.0.0.1") for stop in ("unknown", "_hidden", "", '"', '""', "203.0.113.5:", "203.0.113")),
        *(
            (stop, "127.0.0.1")
            for stop in ("203.0.113.5:999999", "[203.0.113.5", "host:80", "1.2.3.4.5", "²03.0.113.5")
        ),
        *(
            (stop, "127.0.0.1")
            for stop in ("203.0.113.5 4711", "[2001:db8::7]x", "010.0.0.1", "for=for=1.2.3.4")
        ),
    ],
)
def test_addresses_of_proxies_are_read_in_every_notation_and_anything_else_stops(hop, address):
    headers = Headers({"X-Forwarded-For": f"6.6.6.6, {hop}"})
    assert client_address("127.0.0.1", headers, LOOPBACK) == address


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("for=203.0.113.5;proto=https;by=10.0.0.1", "203.0.113.5"),
        ('proto=http; FOR="[2001:db8::7]:4711"', "2001:db8::7"),
        ("for=6.6.6.6, for=203.0.113.5, for=127.0.0.1", "203.0.113.5"),
        ('for="6.6.6.6, for=203.0.113.5', "203.0.113.5"),
        ("for=6.6.6.6, for=203.0.113.5;for=6.6.6.6", "127.0.0.1"),
        ("for=6.6.6.6, proto=https", "127.0.0.1"),
        ("for=6.6.6.6, for=unknown", "127.0.0.1"),
    ],
)
def test_forwarded_is_read_where_there_is_no_x_forwarded_for(value, address):
    assert client_address("127.0.0.1", Headers({"Forwarded": value}), LOOPBACK) == address
    both = Headers({"Forwarded": value, "X-Forwarded-For": "198.51.100.9:80"})
    assert client_address("127.0.0.1", both, LOOPBACK) == "198.51.100.9"
    assert client_address("198.51.100.2", Headers({"Forwarded": value}), LOOPBACK) == "198.51.100.2"


# --- targets


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (f"http://evil.example{PATH}", 403),
        (f"ws://evil.example{PATH}?model=x", 403),
        (f"HTTP://evil.example{PATH}", 403),
        (f"http://user@127.0.0.1{PATH}", 400),
        (f"//evil.example{PATH}", 404),
        (f"http://[evil{PATH}", 400),
        (f"ftp://127.0.0.1{PATH}", 400),
        ("*", 400),
        ("127.0.0.1:80", 400),
    ],
)
async def test_a_target_that_names_another_host_is_refused_like_that_host(target, status):
    async with Wiretap() as tap, relay_to(tap.url) as relay:
        answer = await exchange(relay, upgrade(target))
        assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer
        assert tap.connections == 0


async def test_a_target_that_names_the_relay_itself_is_taken():
    async with spied() as (relay, _):
        port = int(relay.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(upgrade(f"http://localhost:{port}{PATH}"))
        assert b" 101 " in await asyncio.wait_for(reader.readline(), 5)
        writer.close()


def test_the_parts_of_a_target():
    assert read_target("/a?b=c?d#e") == Target(None, "/a", "b=c?d")
    assert read_target("https://h:1?x") == Target("h:1", "/", "x")
    with pytest.raises(TargetError):
        read_target("")


# --- calls


async def test_a_client_joins_a_call_where_the_policy_allows_it():
    async with (
        spied(clients={"calls": True}) as (relay, upstream),
        join(relay, f"{PATH}?call_id=rtc_123") as socket,
    ):
        await receive(socket, "session.created")
        path = upstream.peer.socket.request.path
        assert "call_id=rtc_123" in path and "model" not in path


@pytest.mark.parametrize(
    ("calls", "call_id", "status"), [(False, "rtc_1", 403), (True, "", 400), (True, "a%2Fb", 400)]
)
async def test_a_call_is_joined_only_by_permission_and_by_its_id(calls, call_id, status):
    async with Wiretap() as tap, relay_to(tap.url, clients={"calls": calls}) as relay:
        answer = await exchange(relay, upgrade(f"{PATH}?call_id={call_id}"))
        assert answer.startswith(f"HTTP/1.1 {status} ".encode()) and tap.connections == 0


# --- upstream


async def test_every_address_of_upstream_is_tried(monkeypatch):
    """The name has two addresses, and the server listens at the second only."""
    async with spied() as (_, upstream):
        port = int(upstream.url.rpartition(":")[2])
        loop = asyncio.get_running_loop()
        look_up = loop.getaddrinfo

        async def two(host, asked, **options):
            if host != "two.test":
                return await look_up(host, asked, **options)
            return [
                (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", asked, 0, 0)),
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", asked)),
            ]

        monkeypatch.setattr(loop, "getaddrinfo", two)
        async with relay_to(f"ws://two.test:{port}{PATH}") as relay, join(relay) as client:
            await receive(client, "session.created")


# --- background tasks


async def test_an_opening_that_fails_unforeseen_tells_the_client(monkeypatch, caplog):
    async def fail(*arguments, **options):
        raise KeyError("secret words")

    caplog.set_level("INFO")
    monkeypatch.setattr("realtime.relay.opening.dial", fail)
    async with spied() as (relay, _), join(relay) as client:
        assert (await receive(client, "error"))["error"]["code"] == "upstream_unavailable"
    assert "upstream.failed" in caplog.text and "secret words" not in caplog.text


async def test_time_limits_go_on_after_an_error(monkeypatch, caplog):
    ticks = []

    def fail(self, now):
        ticks.append(now)
        raise KeyError("secret words")

    monkeypatch.setattr("realtime.relay.server.TICK_SECONDS", 0.01)
    monkeypatch.setattr(Sessions, "tick", fail)
    async with spied():
        await until(lambda: len(ticks) > 3)
    assert "ticker.failed" in caplog.text and "secret words" not in caplog.text


async def test_a_session_whose_time_limits_fail_ends_alone(monkeypatch, caplog):
    monkeypatch.setattr("realtime.relay.server.TICK_SECONDS", 0.05)
    async with spied() as (relay, _), join(relay) as first, join(relay) as second:
        await receive(first, "session.created")
        await receive(second, "session.created")
        pipe = next(iter(relay._sessions))
        pipe.tick = None
        await until(lambda: relay.sessions == 1)
    assert "session.failed" in caplog.text


async def test_an_admission_that_fails_unforeseen_ends_the_connection(monkeypatch, caplog):
    def fail(self, socket, admission):
        raise KeyError("secret words")

    monkeypatch.setattr(Sessions, "open", fail)
    async with spied() as (relay, _):
        await exchange(relay, upgrade())
        await until(lambda: not relay._sessions._connections)
    assert "admission.failed" in caplog.text and "secret words" not in caplog.text


async def test_a_call_that_the_server_repeats_is_run_once_and_keeps_nothing_waiting():
    sent = []
    tool = ToolPolicy({"type": "function", "name": "loads"}, "json:loads")
    tools = ServerTools({"loads": (tool, lambda: 7)}, sent.append, lambda name, error: None)
    item = {
        "type": "function_call",
        "status": "completed",
        "name": "loads",
        "call_id": "c",
        "arguments": "{}",
    }
    done = {"type": "response.output_item.done", "item": item}
    tools.server_said("response.output_item.done", done)
    await until(lambda: len(sent) == 2)
    tools.server_said("response.output_item.done", done)
    other = {"item": {**item, "call_id": "d"}}
    tools.server_said("response.output_item.done", other)
    await until(lambda: len(sent) == 4)
    assert [event["type"] for event in sent] == ["conversation.item.create", "response.create"] * 2


def test_the_place_of_an_error_without_a_traceback():
    assert place_of(KeyError()) == "an unknown place"


async def test_a_host_that_is_no_name_is_an_os_error():
    with pytest.raises(OSError, match="is no host name"):
        async with relay_to("ws://127.0.0.1:1", listen={"host": "a" * 70, **OPEN}):
            pass


async def test_a_drain_that_fails_ends_the_relay_and_is_logged(monkeypatch, caplog):
    async def fail(self):
        raise KeyError("secret words")

    monkeypatch.setattr(Relay, "drain", fail)

    class Stopped:
        status = 0

        def __init__(self, stop):
            stop.set()

    monkeypatch.setattr("realtime.relay.run.StopSignals", Stopped)
    assert await serve(policy_with(), Secret("sk-test-key")) == 0
    assert "drain.failed" in caplog.text and "secret words" not in caplog.text
