"""Endpoint: the address, the headers, and the connections that may carry a key."""

from __future__ import annotations

import socket

import pytest

from realtime import ConfigurationError
from realtime.protocol import endpoint as module
from realtime.protocol.endpoint import DEFAULT_MODEL, Endpoint
from tests.canary import KEY


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (None, f"wss://api.openai.com/v1/realtime?model={DEFAULT_MODEL}"),
        ("wss://api.openai.com", f"wss://api.openai.com/v1/realtime?model={DEFAULT_MODEL}"),
        ("http://localhost:8081", f"ws://localhost:8081/?model={DEFAULT_MODEL}"),
        (
            "https://x.openai.azure.com/openai/v1",
            f"wss://x.openai.azure.com/openai/v1/realtime?model={DEFAULT_MODEL}",
        ),
        ("wss://h/v1/realtime?a=1&model=m", "wss://h/v1/realtime?a=1&model=m"),
        (
            "wss://h/openai/realtime?api-version=1&deployment=d",
            "wss://h/openai/realtime?api-version=1&deployment=d",
        ),
        ("wss://h/v1/realtime?call_id=c", "wss://h/v1/realtime?call_id=c"),
        ("ws://[::1]:99/x", f"ws://[::1]:99/x?model={DEFAULT_MODEL}"),
        ("ws://user:pass@h/x", f"ws://user:pass@h/x?model={DEFAULT_MODEL}"),
    ],
)
def test_urls(url, expected):
    assert Endpoint(url, KEY).reveal_url() == expected


def test_the_environment_gives_key_and_address(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://proxy.example/v1")
    endpoint = Endpoint()
    assert endpoint.reveal_url().startswith("wss://proxy.example/v1/realtime?")
    assert endpoint.reveal_headers() == {"Authorization": f"Bearer {KEY}"}
    monkeypatch.setenv("OPENAI_BASE_URL", "ws://127.0.0.1:1")
    assert Endpoint().reveal_url().startswith("ws://127.0.0.1:1/realtime?")
    assert Endpoint(api_key="").reveal_headers() == {}


def test_model_query_and_headers_can_be_set():
    endpoint = Endpoint(
        "wss://h/x?a=1",
        KEY,
        None,
        headers={"authorization": "Bearer other-secret-1", "X": "y"},
        query={"b": "2"},
    )
    assert endpoint.reveal_url() == "wss://h/x?a=1&b=2"
    assert endpoint.reveal_headers() == {"authorization": "Bearer other-secret-1", "X": "y"}
    assert endpoint.redactor.text("other-secret-1") == "[key removed]"


def test_azure_requires_its_own_header():
    endpoint = Endpoint("https://x.openai.azure.com/openai/v1", KEY, dialect="beta")
    assert endpoint.reveal_headers() == {"api-key": KEY}


def test_beta_is_asked_for_by_header_only_when_it_is_set():
    assert "OpenAI-Beta" not in Endpoint("wss://h", KEY).reveal_headers()
    assert Endpoint("wss://h", KEY, dialect="beta").reveal_headers()["OpenAI-Beta"] == "realtime=v1"


@pytest.mark.parametrize(
    "url", ["ftp://h", "h:99", "", "wss://", "ws://h:notaport", "ws://h:99999", "ws://[::1"]
)
def test_a_url_that_is_no_server_address_is_refused(url):
    with pytest.raises(ConfigurationError, match="not a server address"):
        Endpoint(url or "x", KEY)


def test_the_vendor_requires_a_key():
    with pytest.raises(ConfigurationError, match=r"OPENAI_API_KEY.*realtime\.offline"):
        Endpoint()


def test_no_secret_appears_in_texts():
    endpoint = Endpoint(
        "wss://me:hidden-password@h/x?token=hidden-token",
        KEY,
        subprotocols=["openai-insecure-api-key.hidden-sub"],
    )
    shown = (
        repr(endpoint) + endpoint.address + repr(endpoint.key) + str(endpoint.key) + repr(endpoint.redactor)
    )
    for secret in (KEY, "hidden-password", "hidden-token", "hidden-sub"):
        assert secret not in shown and endpoint.redactor.text(f"a {secret} b") == "a [key removed] b"
    with pytest.raises(ConfigurationError) as caught:
        Endpoint("nonsense://me:hidden-password@h/?token=hidden-token", KEY)
    assert "hidden" not in str(caught.value)
    assert not Endpoint("ws://h", "").key and repr(Endpoint("ws://h", "").key) == "Secret('')"


# Plain ws://


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1", "ws://[::1]:1", "ws://127.8.9.1:1"])
async def test_a_key_may_go_to_the_loopback(url):
    assert await Endpoint(url, KEY).resolve() == [Endpoint(url, KEY).host]


@pytest.mark.parametrize(
    "url", ["ws://192.168.1.2:1", "ws://8.8.8.8", "ws://[2001:db8::1]:1", "ws://0.0.0.0:1"]
)
async def test_a_key_never_goes_over_plain_ws_elsewhere(url):
    with pytest.raises(ConfigurationError, match="refusing to send an API key over plain ws://"):
        await Endpoint(url, KEY).resolve()


@pytest.mark.parametrize(
    ("addresses", "refused"), [(["127.0.0.1", "::1"], False), (["127.0.0.1", "10.0.0.1"], True), ([], True)]
)
async def test_all_addresses_of_a_name_must_be_loopback(monkeypatch, addresses, refused):
    async def look_up(host, port):
        return addresses

    monkeypatch.setattr(module, "_look_up", look_up)
    endpoint = Endpoint("ws://localhost.evil.example:1", KEY)
    if refused:
        with pytest.raises(ConfigurationError):
            await endpoint.resolve()
    else:
        assert await endpoint.resolve() == addresses


async def test_the_name_localhost_resolves():
    assert set(await Endpoint("ws://localhost:1", KEY).resolve()) <= {"127.0.0.1", "::1"}


async def test_a_name_that_does_not_resolve_is_an_oserror(monkeypatch):
    async def look_up(host, port):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(module, "_look_up", look_up)
    with pytest.raises(OSError, match="cannot resolve 'nowhere'"):
        await Endpoint("ws://nowhere", KEY).resolve()


@pytest.mark.parametrize(("url", "key"), [("wss://h", KEY), ("ws://h", "")])
async def test_any_address_serves_with_tls_or_without_a_key(url, key, monkeypatch):
    async def look_up(host, port):
        return ["192.0.2.1", "2001:db8::1"]

    monkeypatch.setattr(module, "_look_up", look_up)
    assert await Endpoint(url, key).resolve() == ["192.0.2.1", "2001:db8::1"]


async def test_a_name_without_an_address_is_an_oserror(monkeypatch):
    async def look_up(host, port):
        return []

    monkeypatch.setattr(module, "_look_up", look_up)
    with pytest.raises(OSError, match="'h': the name has no address"):
        await Endpoint("wss://h", KEY).resolve()


async def test_a_key_in_the_query_is_a_key():
    with pytest.raises(ConfigurationError):
        await Endpoint("ws://10.0.0.1/?api_key=hidden-key", "").resolve()
