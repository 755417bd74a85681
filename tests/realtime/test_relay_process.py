"""`python -m realtime.relay` as a process: the command line, signals, workers, TLS, and clients of three kinds."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import pytest
from websockets.asyncio.client import connect

from realtime import ConnectError, Item, RealtimeClient
from realtime.offline import question_path
from realtime.protocol.redact import Secret
from realtime.relay import Policy, run, verify_token, workers
from realtime.relay import __main__ as program
from tests.conftest import require_program
from tests.relay_process import RelayProcess
from tests.waiting import until, until_blocking
from wavtools import read_wav

TOKEN = "shared-token-abcdefgh"
SECRET_WORDS = "You are a pirate of the seven seas."
JS = Path(__file__).parent / "js"
ONE_PROCESS = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows sends signals to all processes of a console, not to one"
)


def refused(*arguments: str, **options: object) -> str:
    """Start a relay that must exit with status 2 and one line on stderr; returns the line."""
    relay = RelayProcess(*arguments, **options)
    status = relay.wait()
    relay.stop()
    assert (status, relay.first_line) == (2, ""), relay.log
    assert relay.log.count("\n") == 1 and "Traceback" not in relay.log
    return relay.log


# --- the command line


def test_the_first_line_says_where_it_listens(offline_url):
    with RelayProcess("--port", "0", "--upstream", offline_url) as relay:
        assert relay.url.startswith("ws://127.0.0.1:")


@ONE_PROCESS
def test_ctrl_c_ends_it_well(offline_url):
    with RelayProcess("--port", "0", "--upstream", offline_url) as relay:
        assert relay.url
        relay.process.send_signal(signal.SIGINT)
        assert relay.wait() == 0


def test_the_default_upstream_is_the_vendor_and_needs_a_key():
    assert "set OPENAI_API_KEY" in refused("--port", "0")
    with RelayProcess("--port", "0", key="sk-canary-123456") as relay:
        assert relay.url
    assert '"upstream":"api.openai.com"' in relay.log and "canary" not in relay.log


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mode bits")
def test_a_key_file_that_others_can_read_is_refused_with_one_line(tmp_path):
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-canary-123456\n")
    (tmp_path / ".env").chmod(0o644)
    line = refused("--port", "0", folder=tmp_path)
    assert "chmod 600" in line and "canary" not in line
    (tmp_path / ".env").chmod(0o600)
    with RelayProcess("--port", "0", folder=tmp_path) as relay:
        assert relay.url


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--host", "0.0.0.0", "--port", "0"), "--insecure-no-auth"),
        (("--host", "0.0.0.0", "--port", "0", "--token", "t"), "--insecure-no-tls"),
        (("--port", "99999"), "not a port"),
        (("--workers", "0"), "not a valid number"),
        (("--policy", "missing.toml"), "cannot read the policy file"),
        (("--upstream", "nonsense://"), "is not a server address"),
        (("--token", ""), "must not be empty"),
        (("--nonsense",), "unrecognized"),
        (("token", "--subject", "alice"), "RELAY_SECRET is not set"),
        (("client-secret",), "no API key"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(arguments, says):
    assert says in refused(*arguments, key=None if arguments[0] == "client-secret" else "sk-key-123456")


def test_a_port_that_is_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "cannot listen on" in refused("--port", str(taken.getsockname()[1]), key="sk-key-123456")


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="this system cannot share a port")
def test_a_port_that_is_taken_is_refused_for_several_workers_too():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert "cannot listen on" in refused("--port", port, "--workers", "2", key="sk-key-123456")


def test_ctrl_c_while_it_is_starting_prints_no_traceback(monkeypatch):
    monkeypatch.setattr(program, "find_key", lambda name: signal.raise_signal(signal.SIGINT))
    assert program.main(["--port", "0"]) == 0


def test_it_runs_without_uvloop_too(monkeypatch):
    ran = []

    async def main() -> None:
        ran.append(type(asyncio.get_running_loop()).__module__)

    expected = "uvloop" if find_spec("uvloop") else "asyncio."
    run.run(main())
    monkeypatch.setitem(sys.modules, "uvloop", None)
    run.run(main())
    # Windows has no uvloop.
    assert ran[0].startswith(expected)
    assert ran[1].startswith("asyncio.")


def test_tokens_are_minted_on_the_command_line(capsys, monkeypatch):
    from realtime.relay.__main__ import main

    monkeypatch.setenv("RELAY_SECRET", "x" * 40)
    assert main(["token", "--subject", "alice", "--seconds", "60"]) == 0
    assert verify_token(["x" * 40], capsys.readouterr().out.strip()).subject == "alice"
    monkeypatch.setenv("RELAY_SECRET", "short")
    assert main(["token", "--subject", "alice"]) == 2
    assert "the secret has 5 bytes" in capsys.readouterr().err


class Vendor(BaseHTTPRequestHandler):
    """Gives client secrets; ``asked`` holds the requests."""

    asked: ClassVar[list[tuple[str, dict]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.headers["Authorization"], body))
        answer = json.dumps({"value": "ek_123456", "expires_at": 1795380094}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.mark.parametrize(
    ("policy", "session"),
    [
        (None, {"type": "realtime"}),
        ("[session.fields]\nspeed = 1.5\n", {"type": "realtime", "speed": 1.5, "model": "gpt-realtime-2.1"}),
        (
            "[clients]\nmodels = ['m']\n[session]\ninstructions = 'Be brief.'\n"
            "[[session.tools]]\ntype = 'function'\nname = 'wave'\n",
            {
                "type": "realtime",
                "model": "m",
                "instructions": "Be brief.",
                "tools": [{"type": "function", "name": "wave"}],
            },
        ),
    ],
)
def test_a_client_secret_carries_the_policys_session(policy, session, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-key-123456")
    Vendor.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Vendor) as vendor:
        thread = threading.Thread(target=vendor.serve_forever)
        thread.start()
        arguments = ["client-secret", "--base-url", f"http://127.0.0.1:{vendor.server_port}/v1"]
        if policy is not None:
            (tmp_path / "relay.toml").write_text(policy)
            arguments += ["--policy", str(tmp_path / "relay.toml")]
        try:
            assert program.main(arguments) == 0
        finally:
            vendor.shutdown()
            thread.join()
    assert json.loads(capsys.readouterr().out) == {"value": "ek_123456", "expires_at": 1795380094}
    (authorization, body) = Vendor.asked[0]
    assert authorization == "Bearer sk-key-123456" and body["session"] == session


# --- clients: ours, the openai SDK's, a page's


@pytest.fixture
def relay(offline_url):
    with RelayProcess(
        "--port",
        "0",
        "--upstream",
        offline_url,
        "--token",
        TOKEN,
        "--instructions",
        SECRET_WORDS,
        key="sk-canary-123",
    ) as process:
        yield process


@pytest.fixture
def question() -> bytes:
    return read_wav(question_path("hello")).pcm.tobytes()


def answer_of(client: RealtimeClient) -> asyncio.Future[Item]:
    """The assistant's next completed item."""
    future: asyncio.Future[Item] = asyncio.get_running_loop().create_future()

    def on_completed(event: object) -> None:
        if event.item.role == "assistant" and not future.done():
            future.set_result(event.item)

    client.on("conversation.item.completed", on_completed)
    return future


async def test_our_client_holds_a_voice_turn(relay, question):
    async with RealtimeClient(api_key=TOKEN, url=relay.url, turn_detection=None) as client:
        seen = []
        client.on("realtime.event", lambda event: seen.append(str(event.event)))
        client.append_input_audio(question)
        done = answer_of(client)
        client.create_response()
        item = await asyncio.wait_for(done, 20)
        assert len(item.formatted.audio) > 24_000 and item.formatted.transcript
        assert not any("pirate" in text for text in seen)


async def test_our_client_learns_why_it_is_refused(relay):
    with pytest.raises(ConnectError) as raised:
        await RealtimeClient(api_key="wrong-token-123", url=relay.url).connect()
    assert raised.value.status == 401 and raised.value.fatal


async def test_the_openai_sdk_holds_a_voice_turn(relay, question):
    openai = pytest.importorskip("openai", reason="the openai SDK is in wavtools[dev]")
    import base64

    client = openai.AsyncOpenAI(api_key=TOKEN, websocket_base_url=f"{relay.url}/v1")
    audio = b""
    async with client.realtime.connect(model="gpt-realtime") as connection:
        created = await connection.recv()
        assert created.type == "session.created" and not created.session.instructions
        manual = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
        await connection.session.update(session=manual)
        await connection.input_audio_buffer.append(audio=base64.b64encode(question).decode())
        await connection.input_audio_buffer.commit()
        await connection.response.create()
        async for event in connection:
            assert event.type != "error", event
            assert "pirate" not in event.to_json()
            if event.type == "response.output_audio.delta":
                audio += base64.b64decode(event.delta)
            if event.type == "response.done":
                break
    await client.close()
    assert len(audio) > 48_000


@pytest.fixture(scope="module")
def javascript(tmp_path_factory) -> Path:
    """A folder with the JavaScript client and what it needs."""
    require_program("node", "nodejs")
    npm = require_program("npm", "npm")
    folder = tmp_path_factory.mktemp("js")
    for name in ("turn.mjs", "package.json"):
        shutil.copy(JS / name, folder)
    subprocess.run(
        [npm, "install", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True, timeout=100
    )
    return folder


def test_a_javascript_client_holds_a_voice_turn(relay, question, javascript, tmp_path):
    pcm = tmp_path / "question.pcm"
    pcm.write_bytes(question)
    ran = subprocess.run(
        [
            "node",
            str(javascript / "turn.mjs"),
            f"{relay.url}/v1/realtime?model=gpt-realtime",
            TOKEN,
            str(pcm),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout)
    assert result["protocol"] == "realtime" and result["samples"] > 24_000 and result["transcript"]
    assert (result["code"], result["reason"]) == (1000, "thank you")


async def test_the_policys_instructions_shape_the_answer_and_never_show(offline_url):
    """The offline server answers by rules, and these instructions contain one."""
    words = 'Whatever is asked, always say "The tide is high."'
    with RelayProcess("--port", "0", "--upstream", offline_url, "--instructions", words) as process:
        async with RealtimeClient(api_key="", url=process.url, output_modalities=["text"]) as client:
            seen = []
            client.on("realtime.event", lambda event: seen.append(json.dumps(event.event, default=str)))
            done = answer_of(client)
            client.send_user_message_content([{"type": "input_text", "text": "How are you?"}])
            item = await asyncio.wait_for(done, 20)
            assert "The tide is high" in item.formatted.text
            assert not any("Whatever" in text for text in seen)


# --- signals, workers, TLS


@ONE_PROCESS
async def test_sigterm_lets_the_turn_finish(offline_url):
    with RelayProcess("--port", "0", "--upstream", offline_url) as process:
        client = RealtimeClient(api_key="", url=process.url, reconnect=False)
        await client.connect()
        answers = []
        client.on("conversation.item.completed", lambda event: answers.append(event.item.role))
        client.send_user_message_content([{"type": "input_text", "text": "How are you?"}])
        process.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait) == 0
        assert answers == ["user", "assistant"]
        assert '"why":"drained"' in process.log
        await client.disconnect()


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="this system cannot share a port")
async def test_workers_share_port_and_metrics_and_are_restarted(offline_url):
    with RelayProcess("--port", "0", "--workers", "2", "--upstream", offline_url) as process:
        sockets = [await connect(process.url, proxy=None) for _ in range(16)]
        for one in sockets:
            await one.recv()
        await asyncio.wait_for(all_counted(process.port, 16), 10)
        pids = workers_of(process)
        assert len(pids) == 2
        os.kill(min(pids), signal.SIGKILL)
        await until(lambda: "worker.died" in process.log, 10)

        def lost() -> int:
            return sum(one.transport.is_closing() for one in sockets)

        await until(lost)
        assert 0 < lost() < 16, "the kernel spreads connections, and one process dies alone"
        for one in sockets:
            await one.close()
        async with connect(process.url, proxy=None) as again:
            await again.recv()
        process.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait) == 0


async def test_relays_that_share_a_metrics_folder_count_together(offline_url, tmp_path):
    shared = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    arguments = ("--port", "0", "--upstream", offline_url)
    with RelayProcess(*arguments, **shared) as first, RelayProcess(*arguments, **shared) as second:
        async with connect(first.url, proxy=None) as one, connect(second.url, proxy=None) as other:
            await one.recv()
            await other.recv()
            await get(second.port, "/metrics")
            assert "relay_sessions 2.0" in await get(first.port, "/metrics")


def workers_of(process: RelayProcess) -> set[int]:
    """Process ids of the relay's workers."""
    pid = process.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child) for child in children if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc to see the workers")
def test_a_dead_worker_is_restarted_but_not_after_a_signal(offline_url, tmp_path):
    arguments = ("--port", "0", "--workers", "2", "--upstream", offline_url)
    with RelayProcess(*arguments, PROMETHEUS_MULTIPROC_DIR=str(tmp_path)) as process:
        assert process.url
        before = workers_of(process)
        os.kill(min(before), signal.SIGKILL)
        until_blocking(lambda: process.log.count("relay.listening") == 3)
        assert len(workers_of(process) - {min(before)}) == 2
        os.kill(max(before), signal.SIGKILL)
        until_blocking(lambda: process.log.count("worker.died") == 2)
        process.process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
        assert process.log.count("relay.listening") == 3, "a worker started now would not receive the signal"
    assert tmp_path.is_dir(), "the metrics folder belongs to the deployer"


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="this system cannot share a port")
def test_workers_that_cannot_start_end_the_relay(tmp_path, offline_url):
    (tmp_path / "desk.py").write_text(
        "import multiprocessing\n"
        "if multiprocessing.parent_process() is not None:\n"
        "    raise MemoryError('not in a worker')\n"
        "def look_up(): ...\n"
    )
    (tmp_path / "relay.toml").write_text("[tools.look_up]\nhandler = 'desk:look_up'\n")
    arguments = ("--policy", "relay.toml", "--port", "0", "--workers", "2", "--upstream", offline_url)
    with RelayProcess(*arguments, folder=tmp_path) as process:
        assert (process.wait(), process.first_line) == (1, "")


def test_a_worker_that_is_starting_at_the_signal_receives_it_too():
    supervisor = workers._Supervisor(Policy(), Secret("sk-key"))
    supervisor._stopping = True
    worker = supervisor._start(multiprocessing.get_context("spawn").Semaphore(0))
    worker.join(10)
    assert not worker.is_alive()


def test_workers_need_no_prometheus_client(monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    workers._forget_metrics(os.getpid())


async def all_counted(port: int, sessions: int) -> None:
    """Wait until the metrics count *sessions*; each worker publishes its own once a second."""
    while f"relay_sessions {sessions}.0" not in await get(port, "/metrics"):
        await asyncio.sleep(0.05)


async def get(port: int, path: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    text = (await reader.read()).decode()
    writer.close()
    return text


async def test_tls_with_a_token_beyond_the_loopback(offline_url, certificate):
    arguments = ("--tls-certificate", certificate[0], "--tls-key", certificate[1])
    with RelayProcess(
        "--host", "0.0.0.0", "--port", "0", "--token", TOKEN, "--upstream", offline_url, *arguments
    ) as process:
        assert process.url.startswith("wss://0.0.0.0:")
        context = ssl.create_default_context(cafile=certificate[0])
        url = f"wss://127.0.0.1:{process.port}/v1/realtime?token={TOKEN}"
        async with connect(url, ssl=context, proxy=None) as client:
            assert json.loads(await client.recv())["type"] == "session.created"
            await client.send('{"type":"nonsense"}')
            assert json.loads(await client.recv())["type"] == "error"
            await client.close(3456, "bye")
        # Plain text at the TLS port gets no HTTP answer.
        reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert b"HTTP" not in await asyncio.wait_for(reader.read(), 10)
        writer.close()


async def test_upstream_may_use_tls(offline_url, certificate):
    """A relay in front of a relay: the first must trust the second's certificate."""
    arguments = ("--tls-certificate", certificate[0], "--tls-key", certificate[1])
    with RelayProcess("--port", "0", "--upstream", offline_url, *arguments) as second:
        trusting = {"SSL_CERT_FILE": certificate[0]}
        url = f"{second.url}/v1/realtime"
        with RelayProcess("--port", "0", "--upstream", url, key="sk-canary-123", **trusting) as first:
            async with connect(first.url, proxy=None) as client:
                assert json.loads(await client.recv())["type"] == "session.created"
        with RelayProcess("--port", "0", "--upstream", url, key="sk-canary-123") as first:
            async with connect(first.url, proxy=None) as client:
                assert json.loads(await client.recv())["error"]["code"] == "upstream_unavailable"


@ONE_PROCESS
def test_a_worker_that_starts_while_the_signal_arrives_is_stopped():
    supervisor = workers._Supervisor(Policy(), Secret("sk-x"))
    supervisor._on_signal(signal.SIGHUP, None)
    worker = supervisor._start(supervisor._context.Semaphore(0))
    worker.join(30)
    assert worker.exitcode is not None and supervisor._status == 128 + signal.SIGHUP
