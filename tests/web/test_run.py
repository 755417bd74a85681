"""The verb web as a program."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from console import BROWSER_HINT
from console.call import Call
from console.endpoint import Endpoint
from console.keys import Key
from console.settings import Settings
from tests.conftest import require_program
from tests.terminal import ROOT, clean_environment
from tests.web.rig import site


class Program:
    """``python -m console web`` in a process; *environment* adds variables."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        env = {**clean_environment(dict(os.environ)), **environment}
        for name in ("SSH_CONNECTION", "DISPLAY", "WAYLAND_DISPLAY"):
            env.pop(name, None) if name not in environment else None
        self.process = subprocess.Popen(
            [sys.executable, "-m", "console", "web", *arguments],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate(timeout=20)


def test_the_first_line_is_the_address_and_it_opens_the_page():
    with Program("--offline") as program:
        address = program.line()
        assert address.startswith("http://127.0.0.1:") and "/?token=" in address
        with httpx.Client(trust_env=False) as http:
            page = http.get(address)
            assert page.status_code == 200 and "<title>realtime console</title>" in page.text
            script = http.get(address.partition("?")[0] + "main.js")
            assert script.status_code == 200 and script.headers["content-type"].startswith("text/javascript")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM")
def test_a_signal_ends_it_with_its_status_and_without_a_complaint():
    with Program("--offline") as program:
        program.line()
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(20) == 128 + signal.SIGTERM
        assert program.process.stderr is not None
        assert program.process.stderr.read() == ""


def test_through_ssh_the_second_line_is_the_tunnel():
    with Program("--offline", SSH_CONNECTION="10.0.0.9 50000 10.0.0.7 22") as program:
        port = program.line().partition("127.0.0.1:")[2].partition("/")[0]
        assert program.line().startswith(f"on your machine: ssh -L {port}:127.0.0.1:{port} ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--host", "0.0.0.0"], "--tls-certificate and --tls-key"),
        (["--port", "70000"], "is not a port"),
        (["--port", "-1"], "is not a port"),
        (["--origin", "localhost:9000"], "is not an origin"),
        (["--tls-certificate", "a.pem"], "give both"),
        (["--tls-certificate", "a.pem", "--tls-key", "b.pem"], "cannot use the certificate a.pem"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(run_console_here, arguments, says):
    done = run_console_here("web", "--offline", "--no-browser", *arguments)
    assert done.returncode == 2
    assert says in done.stderr and done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.fixture
def run_console_here():
    from tests.console.programs import run_console

    return lambda *arguments: run_console(*arguments, env=dict(os.environ))


def test_the_insecure_flag_says_what_it_gives_up(run_console_here):
    told = " ".join(run_console_here("web", "--help").stdout.split())
    assert "everybody on the way can read, hear and change the conversation" in told
    assert "browsers give no microphone to such a page" in told


def test_a_console_without_a_terminal_says_where_to_talk(run_console_here):
    done = run_console_here("--url", "ws://127.0.0.1:9")
    assert BROWSER_HINT in done.stdout.splitlines()[0]


async def test_a_console_without_a_microphone_says_where_to_talk(silent_server):
    call = Call(
        Settings(input="no such", output="no such"), Endpoint(url=silent_server.url, key=Key("", "none"))
    )
    try:
        assert await call.connect()
        assert any(
            notice.text.startswith("no microphone: ") and BROWSER_HINT in notice.text
            for notice in call.model.notices
        )
    finally:
        await call.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[Path, Path]:
    openssl = require_program("openssl", "openssl")
    folder = tmp_path_factory.mktemp("tls")
    key, chain = folder / "key.pem", folder / "chain.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(
        [
            openssl,
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            *subject,
            "-keyout",
            key,
            "-out",
            chain,
        ],
        check=True,
        capture_output=True,
    )
    return chain, key


async def test_with_a_certificate_the_page_is_https_and_its_cookie_secure(certificate):
    chain, key = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    async with site(tls=context) as found:
        address = found.server.address
        assert address.startswith("https://127.0.0.1:")
        trust = await asyncio.to_thread(ssl.create_default_context, cafile=str(chain))
        async with httpx.AsyncClient(trust_env=False, verify=trust) as http:
            page = await http.get(address)
        assert page.status_code == 200
        assert "; Secure" in page.headers["set-cookie"]
