"""Endpoint: arbitrary addresses, keys, headers and environments raise documented exceptions only, and show no secret."""

from __future__ import annotations

import os
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.datastructures import Headers
from websockets.uri import parse_uri

from realtime import ConfigurationError, RealtimeClient
from realtime.connection.refusals import uses_proxy
from realtime.protocol.endpoint import Endpoint

EXAMPLES = int(os.environ.get("WAVTOOLS_FUZZ_VALUES", "600"))
# Seconds; the long form takes as long as it takes.
pytestmark = pytest.mark.timeout(max(120, EXAMPLES // 50))
SECRET = "sk-fuzz-0123456789abcdef"

anything = st.none() | st.booleans() | st.integers() | st.binary(max_size=8) | st.text(max_size=12)
text = st.text(max_size=20) | st.text(st.characters(), max_size=8)
hosts = st.sampled_from(
    [
        "h",
        "localhost",
        "127.0.0.1",
        "[::1]",
        "[fe80::1%eth0]",
        "a..b",
        ".",
        "x" * 64,
        "ü.example",
        "%41",
        "api.x.ai",
    ]
)
labels = st.lists(text, max_size=4).map(".".join)
schemes = st.sampled_from(["ws", "wss", "http", "https", "WSS", "ftp", ""])
users = st.just("") | st.just(f"me:{SECRET}@") | text.map(lambda one: f"{one}@")
ports = st.just("") | st.integers(-1, 70_000).map(lambda one: f":{one}") | text.map(lambda one: f":{one}")
paths = st.just("/v1") | text.map(lambda one: f"/{one}")
queries = (
    st.just("")
    | st.just(f"?token={SECRET}")
    | text.map(lambda one: f"?{one}")
    | text.map(lambda one: f"#{one}")
)
urls = st.tuples(schemes.map(lambda one: f"{one}://"), users, hosts | labels, ports, paths, queries).map(
    "".join
)
variables = st.sampled_from(["OPENAI_API_KEY", "OPENAI_BASE_URL", "XAI_API_KEY", "HTTPS_PROXY", "NO_PROXY"])
# What an environment can hold: no NUL, and bytes that are no text as lone surrogates.
values = st.text(st.characters(blacklist_characters="\0", blacklist_categories=()), max_size=20).filter(
    lambda one: all(not 0xD800 <= ord(c) <= 0xDC7F and not 0xDD00 <= ord(c) <= 0xDFFF for c in one)
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    url=st.none() | urls | text | anything,
    key=st.none() | st.just(SECRET) | text | anything,
    model=st.none() | text | anything,
    dialect=st.sampled_from(["auto", "beta", "xai", "elevenlabs", "qwen", "localai", "nonsense"]),
    call_id=st.none() | text | anything,
    headers=st.none()
    | st.dictionaries(text, text, max_size=2)
    | st.dictionaries(anything, anything, max_size=1),
    query=st.none()
    | st.dictionaries(text, text, max_size=2)
    | st.dictionaries(anything, anything, max_size=1),
    subprotocols=st.lists(text, max_size=2) | text,
    environment=st.dictionaries(variables, urls | values, max_size=3),
)
def test_an_endpoint_raises_documented_exceptions_only(
    url, key, model, dialect, call_id, headers, query, subprotocols, environment
):
    clean = {
        name: value.replace("\0", "").encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
        for name, value in environment.items()
    }
    with patch.dict(os.environ, clean, clear=True):
        try:
            endpoint = Endpoint(
                url,
                key,
                model,
                dialect,
                call_id=call_id,
                headers=headers,
                query=query,
                subprotocols=subprotocols,
            )
        except ConfigurationError as error:
            assert SECRET not in str(error)
            return
        except TypeError:
            return
        uses_proxy(endpoint)
    assert SECRET not in f"{endpoint!r} {endpoint.address}"
    parsed = parse_uri(endpoint.reveal_url())
    assert (parsed.host.lower(), parsed.port, parsed.secure) == (
        endpoint.host.lower(),
        endpoint.port,
        endpoint.secure,
    )
    sent = Headers(endpoint.reveal_headers()).serialize()
    assert sent.count(b"\r\n") == len(endpoint.reveal_headers()) + 1
    request_line = parsed.resource_name
    assert request_line.isascii() and not any(one in request_line for one in " \r\n")
    if endpoint.key:
        assert endpoint.redactor.text(endpoint.key.reveal()) != SECRET


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(
    keywords=st.dictionaries(st.from_regex(r"[A-Za-z_]{1,16}", fullmatch=True), st.just(SECRET), max_size=2)
)
def test_a_client_refuses_any_unknown_keyword_and_shows_no_value(keywords):
    try:
        RealtimeClient(api_key="", url="ws://127.0.0.1:1", **keywords)
    except (TypeError, ValueError) as error:
        if "unknown keyword" in str(error):
            assert SECRET not in str(error)
