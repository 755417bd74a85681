"""The parts of the tap: addresses, heads of HTTP, messages in bytes, secrets, reports that never wait."""

from __future__ import annotations

import json
import os
import threading
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from console.errors import UserError
from console.tap.address import is_loopback, read_listen, read_upstream
from console.tap.http_head import Head, HeadError, read_head, request_to
from console.tap.reading import Close, MessageReader, UnreadableError
from console.tap.report import HEADER, Kind, Reporter, read_reports
from console.tap.scrub import Scrubber
from console.tap.tapped import TappedSession

KEY = "sk-tap-0123456789abcdef"


@pytest.mark.parametrize(
    ("upstream", "asked", "target"),
    [
        ("wss://api.openai.com/v1/realtime", "/v1/realtime?model=m", "/v1/realtime?model=m"),
        ("wss://api.openai.com/v1/realtime", "/", "/v1/realtime"),
        ("wss://api.openai.com/v1/realtime", "/?model=m", "/v1/realtime?model=m"),
        ("wss://api.openai.com/v1/realtime", "/v1/realtime/client_secrets", "/v1/realtime/client_secrets"),
        ("ws://127.0.0.1:9", "/v1/realtime?a=%20b", "/v1/realtime?a=%20b"),
        ("ws://127.0.0.1:9", "/", "/"),
        (
            "wss://h/openai/v1/realtime?api-version=1",
            "/v1/realtime?x=2",
            "/openai/v1/realtime?x=2&api-version=1",
        ),
        ("wss://h/openai/v1/realtime", "/openai/v1/realtime", "/openai/v1/realtime"),
        ("wss://h/v1?model=a", "/v1/realtime?model=b", "/v1/realtime?model=b"),
        ("https://h", "http://127.0.0.1:8082/v1/models", "/v1/models"),
        ("https://h", "http://127.0.0.1:8082", "/"),
    ],
)
def test_a_client_reaches_the_path_that_it_names_or_that_of_the_server(upstream, asked, target):
    assert read_upstream(upstream).target(asked) == target


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("127.0.0.1:8082", ("127.0.0.1", 8082)),
        (":0", ("127.0.0.1", 0)),
        ("9000", ("127.0.0.1", 9000)),
        ("[::1]:1", ("::1", 1)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
    ],
)
def test_where_a_tap_listens(text, found):
    assert read_listen(text) == found


@given(st.text(max_size=40))
def test_any_address_is_read_or_refused_in_words(text):
    for read in (read_listen, read_upstream):
        try:
            read(text)
        except UserError as error:
            assert "write it as" in str(error) or "may hold no password" in str(error)


def test_the_loopback():
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.2", "example.org", "")))


def test_a_request_goes_on_with_every_header_line_but_host():
    upstream = read_upstream("wss://host.example/v1/realtime")
    head = read_head(b"GET /?model=m HTTP/1.1\r\nHost: me\r\nUPGRADE: WebSocket\r\nX-a:  1 \r\nx-A: \xe9")
    assert head.is_upgrade
    assert request_to(upstream, head) == (
        b"GET /v1/realtime?model=m HTTP/1.1\r\nHost: host.example\r\nUPGRADE: WebSocket\r\nX-a: 1\r\nx-A: \xe9\r\n\r\n"
    )
    plain = read_head(b"POST /v1/x HTTP/1.1\r\nHost: me\r\nConnection: keep-alive\r\nContent-Length: 2")
    lines = request_to(upstream, plain).split(b"\r\n")
    # One request for each connection: the next one needs another Host line
    assert b"Connection: close" in lines
    assert b"Connection: keep-alive" not in lines


@given(st.binary(max_size=60))
def test_any_bytes_are_a_head_or_refused(data):
    try:
        head = read_head(data)
    except HeadError:
        return
    request_to(read_upstream("wss://h/v1/realtime"), head)


def written(from_client: bool, messages: list[Any], compressed: bool) -> bytes:
    """What one end would send."""
    protocol: Any = (
        ClientProtocol(parse_uri("ws://x"), state=State.OPEN)
        if from_client
        else ServerProtocol(state=State.OPEN)
    )
    if compressed:
        protocol.extensions = [PerMessageDeflate(False, False, 15, 15)]
    for message in messages:
        if isinstance(message, list):
            first, *rest = message
            protocol.send_text(first, fin=not rest)
            for number, part in enumerate(rest, 1):
                # Control frames may stand between the fragments
                protocol.send_ping(b"p")
                protocol.send_continuation(part, fin=number == len(rest))
        else:
            protocol.send_text(message)
    protocol.send_close(4001, "enough")
    return b"".join(protocol.data_to_send())


@given(
    st.booleans(),
    st.booleans(),
    st.lists(
        st.one_of(st.binary(max_size=200), st.lists(st.binary(max_size=80), min_size=1, max_size=4)),
        max_size=6,
    ),
    st.lists(st.integers(1, 400), min_size=1, max_size=40),
)
def test_messages_are_the_same_however_the_bytes_are_cut(from_client, compressed, messages, cuts):
    data = written(from_client, messages, compressed)
    reader = MessageReader(from_client, "permessage-deflate" if compressed else "")
    found: list[Any] = []
    at = 0
    for cut in (*cuts, len(data)):
        found += reader.feed(data[at : at + cut])
        at += cut
    expected = [b"".join(message) if isinstance(message, list) else message for message in messages]
    assert found == [*expected, Close(4001, "enough")]


def test_what_cannot_be_read_is_said():
    with pytest.raises(UnreadableError, match="x-webkit"):
        MessageReader(True, "x-webkit-deflate-frame")
    reader = MessageReader(False, "")
    with pytest.raises(UnreadableError):
        reader.feed(b"\xff\xff\xff\xff")
    # A message that grows beyond all bounds when it is inflated
    bomb = zlib.compressobj(wbits=-15)
    data = bomb.compress(bytes(80_000_000)) + bomb.flush(zlib.Z_SYNC_FLUSH)
    data = data.removesuffix(b"\x00\x00\xff\xff")
    frame = b"\xc1\x7f" + len(data).to_bytes(8, "big") + data
    with pytest.raises(UnreadableError):
        MessageReader(False, "permessage-deflate").feed(frame)


def head_of(*fields: tuple[str, str], target: str = "/") -> Head:
    return Head(f"GET {target} HTTP/1.1", fields)


def test_headers_show_the_names_of_secrets_alone():
    scrubber = Scrubber(head_of())
    head = head_of(
        ("Authorization", f"Bearer {KEY}"), ("api-key", KEY), ("X-Note", f"a {KEY}"), ("Host", "h")
    )
    shown = scrubber.headers(head)
    assert shown == {
        "Authorization": "[key removed]",
        "api-key": "[key removed]",
        "X-Note": "a [key removed]",
        "Host": "h",
    }


def test_audio_is_not_searched_for_keys():
    audio = "sk-" + "A" * 3000
    for kind, name in (("input_audio_buffer.append", "audio"), ("response.audio.delta", "delta")):
        event = {"type": kind, name: audio}
        assert Scrubber(head_of()).event(event) == event


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=12,
)
names = st.sampled_from(
    ["type", "item", "delta", "session", "audio", "client_secret", "headers", "tools", "x"]
)


@given(st.dictionaries(names, st.one_of(json_values, st.just(KEY), st.just({"value": KEY})), max_size=6))
def test_a_key_of_the_request_is_in_nothing_that_is_shown(event):
    scrubber = Scrubber(head_of(("Authorization", f"Bearer {KEY}")))
    assert KEY not in json.dumps(scrubber.event(event))


@given(st.lists(st.tuples(st.booleans(), st.dictionaries(names, json_values, max_size=5)), max_size=12))
def test_no_event_of_anybody_stops_the_tap(events):
    session = TappedSession(1, report(Kind.OPENED, b"GET / HTTP/1.1\r\nUpgrade: websocket"), "server")
    session.begin()
    session.take(report(Kind.SERVER, b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n"))
    for from_client, event in events:
        data = json.dumps({"type": "response.output_audio.delta", **event}).encode()
        kind = Kind.CLIENT if from_client else Kind.SERVER
        session.take(report(kind, written(from_client, [data], False)[: -len(CLOSE[from_client])]))
    shown = [row for row in session.model.events.rows if row.source in ("client", "server")]
    assert sum(row.count for row in shown) == len(events)
    assert not [notice for notice in session.model.notices if "please report" in notice.text]


CLOSE = {side: written(side, [], False) for side in (False, True)}


def report(kind: Kind, data: bytes) -> Any:
    from console.tap.report import Report

    return Report(kind, 1, 1.0, data)


def test_reports_arrive_in_order_and_whole():
    out, into = os.pipe()
    with os.fdopen(out, "rb") as reader, os.fdopen(into, "wb") as writer:
        reporter = Reporter(writer)
        sent = [(Kind.CLIENT, n, bytes([n]) * n * 100) for n in range(50)]
        for kind, number, data in sent:
            assert reporter.send(kind, number, data)
        reporter.finish(10)
        found = []
        for one in read_reports(reader):
            found.append((one.kind, one.connection, one.data))
            if len(found) == len(sent):
                break
        assert found == sent


def test_a_console_that_does_not_read_never_stops_the_clients(monkeypatch):
    monkeypatch.setattr("console.tap.report.MAX_WAITING_BYTES", 1_000_000)
    out, into = os.pipe()
    done = threading.Event()
    with os.fdopen(out, "rb") as reader, os.fdopen(into, "wb") as writer:
        reporter = Reporter(writer)

        def send() -> None:
            results = [reporter.send(Kind.SERVER, 1, b"x" * 100_000) for _ in range(100)]
            assert results.count(False) > 80
            # The end is told even now
            assert reporter.send(Kind.LOST, 1)
            done.set()

        thread = threading.Thread(target=send)
        thread.start()
        assert done.wait(10), "the sender waits for the reader"
        thread.join()
        kinds = []
        while Kind.LOST not in kinds:
            kind, _, _, size = HEADER.unpack(reader.read(HEADER.size))
            kinds.append(Kind(kind))
            reader.read(size)
        assert len(kinds) < 20
