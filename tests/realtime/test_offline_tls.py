"""The offline server over TLS: its first lines, its certificate, and what it says without the library."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys

import pytest
from websockets.asyncio.client import connect

from realtime.offline import __main__ as program
from realtime.offline import start_server_process
from realtime.offline.certificate import SelfSigned
from tests.conftest import require_program
from tests.offline_probe import open_probe

pytest.importorskip("cryptography", reason="run: pip install cryptography")


async def test_tls_serves_wss_with_a_certificate_that_clients_can_trust() -> None:
    server = await asyncio.to_thread(start_server_process, "--voice", "standin", "--tls")
    async with server:
        assert server.url.startswith("wss://127.0.0.1:")
        assert server.certificate is not None
        context = ssl.create_default_context(cafile=str(server.certificate))
        # What Python 3.13 sets by default.
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        async with open_probe(server.url, ssl=context) as probe:
            assert (await probe.say_text("Hi.", output_modalities=["text"]))["status"] == "completed"
        async with open_probe(server.url.replace("127.0.0.1", "localhost"), ssl=context):
            pass
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(server.url, ssl=ssl.create_default_context())
        # The private key is not on the disk.
        assert [path.name for path in server.certificate.parent.iterdir()] == [server.certificate.name]
    assert not server.certificate.exists()


def test_a_certificate_is_made_for_its_host() -> None:
    made = SelfSigned("voice.example")
    text = subprocess.run(
        ["openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", made.path],
        capture_output=True,
        text=True,
    ).stdout
    made.close()
    for host in ("DNS:voice.example", "DNS:localhost", "IP Address:127.0.0.1"):
        assert host in text


@pytest.mark.parametrize("host", ["a..b", "a" * 64])
def test_a_host_that_has_no_name_is_one_line(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--voice", "standin", "--tls", "--host", host]) == 2
    assert "no certificate can be made for the host" in capsys.readouterr().err


def test_tls_says_which_library_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    assert program.main(["--voice", "standin", "--tls"]) == 2
    assert "run: pip install cryptography" in capsys.readouterr().err


def test_node_trusts_the_certificate_by_its_path() -> None:
    node = require_program("node", "nodejs")
    with start_server_process("--voice", "standin", "--tls") as server:
        fetch = (
            f"fetch('https{server.url[3:]}/v1/models').then(r => r.json()).then(m => console.log(m.object))"
        )
        done = subprocess.run(
            [node, "-e", fetch],
            env={"NODE_EXTRA_CA_CERTS": str(server.certificate)},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.stdout == "list\n", done.stderr
