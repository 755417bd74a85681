"""Endpoint: the address, the headers, and the connections that may carry a key."""

from __future__ import annotations

import socket

import numpy as np
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


# What the application or the environment gives


@pytest.mark.parametrize("host", ["a..b", ".a", "x" * 64, "a b", "%41", "a" * 63 + ("." + "b" * 63) * 4])
def test_a_host_with_an_empty_label_is_a_configuration_error(host):
    with pytest.raises(ConfigurationError, match="not a server address"):
        Endpoint(f"ws://{host}:1", "")


def test_a_host_in_another_script_is_written_in_ascii():
    endpoint = Endpoint("wss://bücher.example/x y/ö?q=ä", KEY, None)
    assert endpoint.reveal_url() == "wss://xn--bcher-kva.example/x%20y/%C3%B6?q=%C3%A4"
    assert endpoint.host == "xn--bcher-kva.example"


@pytest.mark.parametrize(
    "arguments",
    [
        {"url": 5},
        {"url": b"ws://h"},
        {"api_key": b"key"},
        {"model": 5},
        {"call_id": 5},
        {"subprotocols": "realtime"},
        {"subprotocols": [5]},
        {"headers": {"X": 5}},
        {"headers": [("X", "y")]},
        {"headers": []},
        {"headers": np.zeros(4)},
        {"query": {"a": 1}},
        {"query": [("a", "b")]},
        {"query": 0},
        {"query": np.zeros(4)},
    ],
)
def test_what_is_no_text_is_a_type_error(arguments):
    with pytest.raises(TypeError):
        Endpoint(**{"url": "ws://h", "api_key": KEY, **arguments})


@pytest.mark.parametrize(
    "arguments",
    [
        {"url": "ws://h\r\nX: y"},
        {"url": "ws://h:0"},
        {"url": "ws://a%3Ab:c@h"},
        {"url": "ws://%ff:c@h"},
        {"api_key": "sk-one two"},
        {"api_key": "sk-\u2013dash"},
        {"api_key": "sk-a\nb"},
        {"subprotocols": ["a b"]},
        {"headers": {"X Y": "z"}},
        {"headers": {"X": "a\r\nY: b"}},
        {"headers": {"X": "日本"}},
        {"query": {"a": "\n"}},
        {"dialect": "klingon"},
    ],
)
def test_what_cannot_be_sent_is_a_configuration_error(arguments):
    with pytest.raises(ConfigurationError):
        Endpoint(**{"url": "ws://h", "api_key": KEY, **arguments})


def test_a_key_that_was_passed_as_the_url_is_not_shown():
    with pytest.raises(ConfigurationError) as caught:
        Endpoint(KEY, "wss://h")
    assert KEY not in str(caught.value)
    with pytest.raises(ConfigurationError) as caught:
        Endpoint("nonsense://h/?token=pass@hidden-rest", KEY)
    assert "hidden" not in str(caught.value)


def test_an_environment_that_is_no_address_is_a_configuration_error(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "ws://h\udcff")
    with pytest.raises(ConfigurationError, match="OPENAI_BASE_URL"):
        Endpoint(api_key=KEY)


# Secrets by other names


@pytest.mark.parametrize(
    "name",
    [
        "xi-api-key",
        "x-goog-api-key",
        "X-Session-Token",
        "client-secret",
        "X-Auth",
        "Cookie",
        "x-amz-signature",
    ],
)
def test_a_header_or_a_field_that_holds_key_token_secret_or_auth_is_a_secret(name):
    for arguments in ({"headers": {name: "hidden-value-1"}}, {"query": {name: "hidden-value-1"}}):
        endpoint = Endpoint("ws://h", "", **arguments)
        assert endpoint.has_secret and endpoint.redactor.text("x hidden-value-1 y") == "x [key removed] y"


async def test_a_secret_by_another_name_never_goes_over_plain_ws():
    with pytest.raises(ConfigurationError, match="refusing to send an API key"):
        await Endpoint("ws://192.168.1.2:1", "", headers={"x-goog-api-key": "hidden-value-1"}).resolve()


def test_a_secret_is_found_in_every_form_in_which_a_server_may_echo_it():
    endpoint = Endpoint(
        "ws://me:hidden%2Fpass@h/?token=a%2Fb%20hidden",
        "",
        headers={"Cookie": "lang=en; sid=hidden-cookie", "Authorization": "Bearer hidden-bearer"},
        subprotocols=["xai-client-secret.hidden-sub"],
    )
    for secret in (
        "hidden/pass",
        "hidden%2Fpass",
        "bWU6aGlkZGVuL3Bhc3M=",
        "a/b hidden",
        "a%2Fb+hidden",
        "hidden-cookie",
        "hidden-bearer",
        "hidden-sub",
    ):
        assert secret not in endpoint.redactor.text(f"<{secret}>")
    assert endpoint.redactor.text("Bearer of news") == "Bearer of news"


# The model


def test_a_model_given_explicitly_together_with_intent_is_sent():
    url = "wss://h/v1/realtime?intent=transcription"
    assert Endpoint(url, KEY, "gpt-live-transcribe").reveal_url() == f"{url}&model=gpt-live-transcribe"
    assert Endpoint(url, KEY, "gpt-realtime-2.1").reveal_url() == f"{url}&model=gpt-realtime-2.1"
    assert Endpoint(url, KEY).reveal_url() == url


def test_a_call_has_its_model():
    endpoint = Endpoint(None, KEY, "gpt-realtime-2.1", call_id="rtc_1")
    assert endpoint.reveal_url() == "wss://api.openai.com/v1/realtime?call_id=rtc_1"
    assert Endpoint("wss://h/x?model=m&a=1&a=2&call_id=x", KEY, call_id="rtc_1").reveal_url() == (
        "wss://h/x?a=1&a=2&call_id=rtc_1"
    )


# Other vendors


@pytest.mark.parametrize(
    "host",
    [
        "x.openai.azure.com",
        "x.openai.azure.us",
        "x.openai.azure.cn",
        "x.cognitiveservices.azure.us",
        "x.services.ai.azure.com",
        "x.api.cognitive.microsoft.com",
    ],
)
def test_azures_other_clouds_get_azures_header(host):
    assert Endpoint(f"https://{host}/openai/v1", KEY).reveal_headers() == {"api-key": KEY}


def test_an_access_token_goes_to_azure_as_a_bearer():
    token = "eyJhbGciOiJub25lIn0.eyJhIjoxfQ.c2ln"
    headers = Endpoint("https://x.openai.azure.com/openai/v1", token).reveal_headers()
    assert headers == {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("url", "name", "query", "header"),
    [
        ("wss://api.x.ai/v1/realtime", "xai", "?model=grok-voice-latest", "Authorization"),
        ("wss://api.elevenlabs.io/v1/realtime", "elevenlabs", "", "xi-api-key"),
        (
            "wss://dashscope-intl.aliyuncs.com/api-ws/v1/realtime",
            "qwen",
            "?model=qwen3-omni-flash-realtime",
            "Authorization",
        ),
    ],
)
def test_a_profile_is_chosen_by_the_host(url, name, query, header):
    endpoint = Endpoint(url, KEY)
    assert endpoint.profile.name == name and list(endpoint.reveal_headers()) == [header]
    assert endpoint.reveal_url() == url + query
    assert Endpoint(url, KEY, dialect="ga").profile.name == "ga"
    host = Endpoint(url, KEY).host
    assert Endpoint(f"wss://{host}.other.example", KEY).profile is None


def test_a_vendors_own_variable_gives_its_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert Endpoint("wss://api.x.ai/v1/realtime").key.reveal() == KEY
    monkeypatch.setenv("XAI_API_KEY", "xai-other-key")
    assert Endpoint("wss://api.x.ai/v1/realtime").key.reveal() == "xai-other-key"
    assert Endpoint("wss://h").key.reveal() == KEY


def test_the_vendors_regions_are_the_vendor():
    assert (
        Endpoint("wss://eu.api.openai.com", KEY, "m").reveal_url()
        == "wss://eu.api.openai.com/v1/realtime?model=m"
    )
    with pytest.raises(ConfigurationError, match="no API key"):
        Endpoint("wss://eu.api.openai.com")
