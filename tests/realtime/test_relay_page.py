"""The page that a relay serves: its files and no others, its own origin and no other."""

from __future__ import annotations

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from realtime.errors import ConfigurationError
from realtime.protocol.redact import Secret
from realtime.relay import Relay, load_policy, page
from realtime.relay.__main__ import parser, policy_of
from tests.relay_process import RelayProcess
from tests.relay_spy import join, policy_with, receive, spied


@pytest.fixture
def folder(tmp_path) -> str:
    (tmp_path / "index.html").write_text("<title>ours</title>")
    (tmp_path / "view.js").write_text("// of a console")
    (tmp_path / "secret.env").write_text("KEY=1")
    (tmp_path / "relay").mkdir()
    (tmp_path / "relay" / "view.js").write_text("// of a relay")
    return str(tmp_path)


async def test_the_files_of_the_page_are_served_and_no_others(folder):
    async with (
        spied(listen={"page": folder}) as (relay, upstream),
        httpx.AsyncClient(trust_env=False) as http,
    ):
        url = relay.url.replace("ws", "http", 1)
        index = await http.get(f"{url}/?token=x")
        assert (index.status_code, index.text) == (200, "<title>ours</title>")
        assert index.headers["content-type"] == "text/html; charset=utf-8"
        assert index.headers["content-security-policy"].startswith("default-src 'self'")
        assert (await http.get(f"{url}/view.js")).text == "// of a relay"
        for path in ("/secret.env", "/relay/view.js", "/%2e%2e/secret.env", "/index.html", "/view.js/"):
            assert (await http.get(url + path)).status_code == 404
        assert (await http.get(f"{url}/view.js", headers={"Host": "evil.example"})).status_code == 403
        assert (await http.get(f"{url}/healthz")).text == "ok\n"
        assert upstream.peers == []


async def test_a_page_of_the_relay_may_connect_and_one_of_another_site_may_not(folder):
    async with spied(listen={"page": folder}) as (relay, _):
        async with join(relay, "/", origin=relay.url.replace("ws", "http", 1)) as client:
            await receive(client, "session.created")
        with pytest.raises(InvalidStatus):
            await join(relay, origin="http://evil.example")
    async with spied() as (relay, _):
        with pytest.raises(InvalidStatus):
            await join(relay, origin=relay.url.replace("ws", "http", 1))


def test_the_command_serves_the_page(folder):
    relay = RelayProcess("--port", "0", "--upstream", "ws://127.0.0.1:9", "--page", folder)
    try:
        found = httpx.get(f"http://127.0.0.1:{relay.port}/", trust_env=False)
        assert found.text == "<title>ours</title>"
    finally:
        relay.stop()


def test_a_folder_without_a_page_is_named(tmp_path):
    for name in (str(tmp_path), str(tmp_path / "none")):
        with pytest.raises(ConfigurationError, match="is no folder with the index.html"):
            Relay(policy_with(listen={"page": name}, upstream={"url": "ws://127.0.0.1:9"}), Secret(""))


def test_a_console_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(page, "PACKAGES", ("no_such_package.web",))
    with pytest.raises(ConfigurationError, match="the console is not installed"):
        page.Page("console")


def test_command_line_and_policy_file_name_the_page(tmp_path, folder):
    assert policy_of(parser().parse_args([])).listen.page is None
    assert policy_of(parser().parse_args(["--page"])).listen.page == "console"
    assert policy_of(parser().parse_args(["--page", folder])).listen.page == folder
    (tmp_path / "relay.toml").write_text('[listen]\npage = "console"\n')
    assert load_policy(str(tmp_path / "relay.toml")).listen.page == "console"
