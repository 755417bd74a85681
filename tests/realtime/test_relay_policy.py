"""Policy files and their errors, policies that must not start, the API key, client secrets."""

from __future__ import annotations

import os
import re
import socket
import stat
import sys
from pathlib import Path

import httpx
import pytest

from realtime.errors import ConfigurationError
from realtime.protocol.redact import Secret
from realtime.relay import (
    ClientSecretError,
    Policy,
    Relay,
    find_key,
    load_policy,
    mint_client_secret,
    policy_file,
    workers,
)
from realtime.relay.policy_file import _SECTIONS
from tests.relay_spy import policy_with

ROOT = Path(__file__).parents[2]


def load(tmp_path: Path, text: str) -> Policy:
    path = tmp_path / "relay.toml"
    path.write_text(text)
    return load_policy(path)


def test_an_empty_file_is_the_default_policy(tmp_path):
    assert load(tmp_path, "") == Policy()


def test_every_key_reaches_the_policy(tmp_path, monkeypatch):
    monkeypatch.setenv("RELAY_SECRET", f"{'a' * 32}, {'b' * 32}")
    monkeypatch.setenv("RELAY_TOKENS", "one-token,two-token")
    (tmp_path / "words.txt").write_text("Be brief.\n")
    policy = load(
        tmp_path,
        """
[listen]
port = 0
trusted_proxies = ["10.0.0.0/8"]
[auth]
token_env = "RELAY_TOKENS"
hmac_secret_env = "RELAY_SECRET"
[upstream]
url = "wss://voice.example/v1/realtime"
[clients]
origins = ["https://app.example"]
item_types = ["message"]
[limits]
session_minutes = 5
sizes = { "input_audio_buffer.append" = 1000 }
rates."response.create" = 6
[session]
instructions_file = "words.txt"
[[session.tools]]
type = "function"
name = "wave"
[tools.look_up]
handler = "hotel.desk:look_up"
description = "Finds a guest."
parameters = { type = "object" }
""",
    )
    assert [token.reveal() for token in policy.auth.tokens] == ["one-token", "two-token"]
    assert len(policy.auth.hmac_secrets) == 2
    assert policy.upstream.url == "wss://voice.example/v1/realtime"
    assert policy.clients.item_types == {"message"}
    assert policy.session.instructions == "Be brief."
    assert policy.limits.size_of("input_audio_buffer.append") == 1000
    assert policy.limits.rate_of("response.create") == 6
    assert [tool["name"] for tool in policy.injects_tools] == ["wave", "look_up"]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("[limits]\n\nsessions = 'many'\n", 3, "limits.sessions must be a whole number from 1 to 1000000"),
        ("[limits]\nsessions = 0\n", 2, "limits.sessions must be a whole number .* not 0"),
        ("[limits]\nsession_minutes = true\n", 2, "limits.session_minutes must be a number"),
        (
            "# a\n[clients]\norigins = [\n  'https://a.example',\n  'https://b.example/path',\n]\n",
            3,
            "clients.origins must",
        ),
        ("[clients]\norigins = ['*']\n", 2, "clients.origins must be a list of origins"),
        ("[limts]\nsessions = 1\n", 1, "limts is not a section; the sections are listen, upstream"),
        ("[limits]\nsesions = 1\n", 2, "limits.sesions is not known; limits has sessions"),
        (
            "[auth]\ntoken_env = 'sk-not-a-name'\n",
            2,
            "auth.token_env must be the name of an environment variable",
        ),
        (
            "[auth]\ntoken_env = 'NOT_SET_AT_ALL'\n",
            2,
            "auth.token_env names the environment variable NOT_SET_AT_ALL, which is not set$",
        ),
        ("[auth]\ncallable = 'nonsense'\n", 2, "auth.callable must name a function"),
        ("[tools.look_up]\ndescription = 'x'\n", 1, "tools.look_up needs handler"),
        ("[upstream]\nurl = 'api.openai.com'\n", 2, "upstream.url must be an address"),
        (
            "[session]\ninstructions_file = 'missing.txt'\n",
            2,
            "session.instructions_file names .*missing.txt",
        ),
        (
            "[listen]\ntrusted_proxies = ['10.0.0.1/8']\n",
            2,
            "listen.trusted_proxies must be a list of networks",
        ),
        ("[limits.sizes]\n'response.create' = -1\n", 2, "limits.sizes must"),
        ("[limits]\nsizes = 3\n", 2, "limits.sizes must be a table, not 3"),
        ("[listen]\nhost = ''\n", 2, "listen.host must be a non-empty string"),
        ("[listen]\ninsecure_no_tls = 'yes'\n", 2, "listen.insecure_no_tls must be true or false"),
        ("[listen]\npaths = ['/', 7]\n", 2, "listen.paths must be a list of non-empty strings"),
        (
            "[session]\ntools = ['wave']\n",
            2,
            "session.tools must be an array of tables, each with a type",
        ),
        ("limits = 3\n", 1, "limits must be a section"),
        ("tools = 3\n", 1, "tools must be tables .tools.NAME."),
        (
            "[auth]\nhmac_secret_env = 'SHORT_SECRET'\n",
            2,
            "auth.hmac_secret_env names a variable with a secret of 5 bytes, at least 32 are needed",
        ),
        ("[session]\ninstructions_file = 'empty.txt'\n", 2, "empty.txt, which is empty"),
    ],
)
def test_a_mistake_is_named_with_line_and_key(tmp_path, monkeypatch, text, line, says):
    monkeypatch.setenv("SHORT_SECRET", "short")
    (tmp_path / "empty.txt").touch()
    with pytest.raises(ConfigurationError, match=says) as raised:
        load(tmp_path, text)
    assert f"relay.toml:{line}: " in str(raised.value) or "limits.sizes" in says


def test_a_secret_in_the_wrong_place_is_not_repeated(tmp_path):
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, "[auth]\ntoken_env = 'sk-proj-canary!'\n")
    assert "canary" not in str(raised.value)


def test_an_error_in_the_toml_names_its_line(tmp_path):
    with pytest.raises(ConfigurationError, match="line 2"):
        load(tmp_path, "[limits]\nsessions = \n")


def test_a_file_that_is_not_utf8_or_too_long_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "relay.toml"
    path.write_bytes(b"# \xff\n")
    with pytest.raises(ConfigurationError, match="is not UTF-8"):
        load_policy(path)
    with pytest.raises(ConfigurationError, match="has 1048577 bytes, at most 1048576 are allowed"):
        load(tmp_path, "#" * (policy_file.MAX_FILE_BYTES + 1))
    # As on Python 3.10 without tomli
    monkeypatch.setattr(policy_file, "tomllib", None)
    with pytest.raises(ConfigurationError, match="needs tomli on Python 3.10"):
        load(tmp_path, "")


def test_the_shipped_policy_loads(monkeypatch):
    monkeypatch.setenv("RELAY_SECRET", "x" * 32)
    load_policy(ROOT / "deploy" / "relay.toml").check()


def test_the_documentation_names_every_key():
    text = (ROOT / "docs" / "relay.md").read_text()
    for section, (_, checks) in _SECTIONS.items():
        assert f"`[{section}]`" in text
        for key in checks:
            assert f"`{key}`" in text, f"{section}.{key}"


# --- policies that must not start


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"listen": {"host": "0.0.0.0"}}, "must authenticate.*--insecure-no-auth"),
        (
            {"listen": {"host": "0.0.0.0"}, "auth": {"tokens": (Secret("t"),)}},
            "must be encrypted.*--insecure-no-tls",
        ),
        ({"listen": {"host": "::", "insecure_no_tls": True}}, "must authenticate"),
        ({"listen": {"host": "192.0.2.1", "insecure_no_auth": True}}, "must be encrypted"),
        ({"listen": {"tls_certificate": "a.pem"}}, "both a certificate and its key"),
        ({"listen": {"tls_certificate": "no.pem", "tls_key": "no.pem"}}, "cannot load the TLS certificate"),
        ({"auth": {"callable": "no_such_module:f"}}, "cannot import no_such_module:f"),
        (
            {"session": {"instructions": "x"}, "clients": {"session_fields": frozenset(["instructions"])}},
            "remove one",
        ),
        ({"session": {"tools": ({"name": "a"}, {"name": "a"})}}, "two tools are named 'a'"),
    ],
)
def test_a_policy_that_must_not_start_is_refused(sections, says):
    with pytest.raises(ConfigurationError, match=says):
        Relay(policy_with(**sections), Secret("sk-key"))


def test_the_vendors_own_address_needs_a_key():
    with pytest.raises(ConfigurationError, match="no API key: set OPENAI_API_KEY"):
        Relay(policy_with(), Secret(""))


def test_without_shared_ports_several_workers_are_refused(monkeypatch):
    """Simulates a system without SO_REUSEPORT."""
    monkeypatch.delattr(socket, "SO_REUSEPORT", raising=False)
    policy = policy_with(listen={"workers": 2})
    with pytest.raises(ConfigurationError, match="several workers on one port need SO_REUSEPORT"):
        Relay(policy, Secret("sk-key"), share_port=True)
    with pytest.raises(ConfigurationError, match="--workers 2 needs SO_REUSEPORT"):
        workers.supervise(policy, Secret("sk-key"))


def test_the_address_is_unknown_before_it_listens():
    with pytest.raises(RuntimeError, match="the relay is not listening"):
        _ = Relay(policy_with(), Secret("sk-key")).url


# --- the key


@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no mode bits: a file there has the folder's rights"
)
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o666, 0o620, 0o601])
def test_a_key_file_that_others_can_read_is_refused(tmp_path, monkeypatch, mode):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    path = tmp_path / ".env"
    path.write_text("OPENAI_API_KEY=sk-in-a-file\n")
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match=re.escape(f"mode {mode:04o}") + ".*chmod 600"):
        find_key(folder=tmp_path)
    path.chmod(0o600)
    assert find_key(folder=tmp_path).reveal() == "sk-in-a-file"


def test_the_environment_overrides_the_file(tmp_path, monkeypatch):
    path = tmp_path / ".env"
    path.write_text("OPENAI_API_KEY=sk-in-a-file\n")
    path.chmod(0o600)
    monkeypatch.setenv("OPENAI_API_KEY", " sk-in-the-environment ")
    assert find_key(folder=tmp_path).reveal() == "sk-in-the-environment"
    assert "sk-" not in repr(find_key(folder=tmp_path))


def test_lines_of_the_file_are_read_as_shells_do(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    path = tmp_path / ".env"
    for line in (
        "export OPENAI_API_KEY='sk-1'",
        'OPENAI_API_KEY = "sk-1"',
        "#OPENAI_API_KEY=x\nOPENAI_API_KEY=sk-1 # mine",
    ):
        path.write_text(line)
        path.chmod(0o600)
        assert find_key(folder=tmp_path).reveal() == "sk-1"
    path.unlink()
    assert not find_key(folder=tmp_path)


@pytest.mark.parametrize("value", ["sk-\u00e9", "sk a", "sk-\ufeff"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(tmp_path, monkeypatch, value):
    monkeypatch.setenv("OPENAI_API_KEY", value)
    with pytest.raises(
        ConfigurationError, match="the environment variable OPENAI_API_KEY is not a key"
    ) as refused:
        find_key(folder=tmp_path)
    assert value not in str(refused.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_as_key_file_does_not_hang(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    os.mkfifo(tmp_path / ".env", 0o600)
    assert stat.S_ISFIFO((tmp_path / ".env").stat().st_mode)
    with pytest.raises(ConfigurationError, match="not a plain file"):
        find_key(folder=tmp_path)


def test_an_unreadable_or_too_large_key_file_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / "file").touch()
    # Windows says that it is not found, as of any missing file.
    if sys.platform != "win32":
        with pytest.raises(ConfigurationError, match="cannot read .*: Not a directory"):
            find_key(folder=tmp_path / "file")
    (tmp_path / ".env").write_text("#" * 70_000)
    (tmp_path / ".env").chmod(0o600)
    with pytest.raises(ConfigurationError, match="has more than 65536 bytes"):
        find_key(folder=tmp_path)


# --- client secrets: a mock stands for the vendor


def vendor(answer: httpx.Response, requests: list[httpx.Request]) -> httpx.MockTransport:
    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return answer

    return httpx.MockTransport(handle)


async def test_a_client_secret_is_requested_in_the_vendors_form():
    requests = []
    transport = vendor(
        httpx.Response(200, json={"value": "ek_123456", "expires_at": 1795380094, "session": {}}), requests
    )
    minted = await mint_client_secret(
        Secret("sk-key-123"),
        session={"type": "realtime", "model": "m"},
        seconds=60,
        safety_identifier="hash-of-a-user",
        transport=transport,
    )
    assert minted.value.reveal() == "ek_123456" and minted.expires_at == 1795380094
    assert "ek_" not in repr(minted)
    request = requests[0]
    assert str(request.url) == "https://api.openai.com/v1/realtime/client_secrets"
    assert request.headers["authorization"] == "Bearer sk-key-123"
    assert request.headers["openai-safety-identifier"] == "hash-of-a-user"
    assert b'"expires_after":{"anchor":"created_at","seconds":60}' in request.content.replace(b" ", b"")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(401, json={"error": {"message": "Incorrect API key sk-key-123"}}),
        httpx.Response(302, headers={"Location": "https://evil.example/"}),
        httpx.Response(200, text="not json"),
        httpx.Response(200, json={"value": 7}),
        httpx.Response(200, content=b"x" * 300_000),
        httpx.Response(500),
    ],
)
async def test_a_refused_client_secret_is_an_error_without_the_key(answer):
    requests = []
    with pytest.raises(ClientSecretError) as raised:
        await mint_client_secret(Secret("sk-key-123"), transport=vendor(answer, requests))
    assert "sk-key-123" not in str(raised.value)
    assert len(requests) == 1, "no redirect is followed"


async def test_a_key_does_not_go_over_plain_http():
    with pytest.raises(ConfigurationError, match="refusing"):
        await mint_client_secret(Secret("sk"), base_url="http://example.org/v1")
    with pytest.raises(ValueError, match="10 to 7200"):
        await mint_client_secret(Secret("sk"), seconds=5)


async def test_an_unreachable_vendor_is_an_error_without_the_key():
    with pytest.raises(ClientSecretError, match="no answer from 127.0.0.1"):
        await mint_client_secret(Secret("sk-key-123"), base_url="http://127.0.0.1:1/v1")


async def test_client_secrets_need_httpx(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ConfigurationError, match="client secrets need httpx"):
        await mint_client_secret(Secret("sk-key-123"))
