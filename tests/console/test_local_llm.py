"""--llm auto and --llm-url: which chat model is found on this machine, and what is said if there is none."""

from __future__ import annotations

import http.server
import json
import threading

import pytest

from console import local_llm
from console.endpoint import Endpoint
from console.errors import UserError
from console.keys import Key
from console.local_llm import ChatChoice
from console.settings import Settings


@pytest.fixture
def chat_server():
    """Starts HTTP servers on the loopback that answer GET with a status and a body; gives their ports."""
    running = []

    def start(body: bytes, status: int = 200) -> int:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status if self.path == "/v1/models" else 404)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        return int(server.server_address[1])

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def models(*names: str) -> bytes:
    return json.dumps({"object": "list", "data": [{"id": name} for name in names]}).encode()


def listen_at(monkeypatch, *ports: int) -> None:
    servers = [(f"server {number}", port, "start it") for number, port in enumerate(ports, 1)]
    monkeypatch.setattr(local_llm, "SERVERS", tuple(servers))


async def test_auto_takes_the_first_server_that_has_a_chat_model(monkeypatch, chat_server):
    # The discard port refuses; the second has only an embedding model
    listen_at(
        monkeypatch, 9, chat_server(models("nomic-embed-text")), chat_server(models("llama3.2", "other"))
    )
    found = await ChatChoice(auto=True).find()
    assert found is not None and (found.server, found.name) == ("server 3", "llama3.2")
    assert found.url.startswith("http://127.0.0.1:") and found.url.endswith("/v1")
    named = await ChatChoice(auto=True, name="mine").find()
    assert named is not None and named.name == "mine"


@pytest.mark.parametrize(
    "body", [b"", b"not json", b"[]", b'{"data": 3}', b'{"data": [{"id": 3}, 4]}', b"[" * 5000]
)
async def test_what_is_no_chat_server_is_not_taken_for_one(monkeypatch, chat_server, body):
    listen_at(monkeypatch, chat_server(body), chat_server(models("m"), status=500))
    with pytest.raises(UserError, match=r"no chat model runs on this machine.*start one of server 1 \(port"):
        await ChatChoice(auto=True).find()


async def test_an_address_without_a_name_is_asked_for_its_first_model(chat_server):
    url = f"http://127.0.0.1:{chat_server(models('qwen3'))}/v1"
    found = await ChatChoice(url=url).find()
    assert found is not None and found.name == "qwen3"
    # Named: nobody is asked
    found = await ChatChoice(url="http://127.0.0.1:9/v1", name="m").find()
    assert found is not None and (found.url, found.name) == ("http://127.0.0.1:9/v1", "m")


@pytest.mark.parametrize(
    ("url", "says"), [("ftp://h", "expected an address"), ("http://127.0.0.1:9/v1", "names no chat model")]
)
async def test_an_address_that_cannot_be_used_says_what_to_do(url, says):
    with pytest.raises(UserError, match=says):
        await ChatChoice(url=url).find()


async def test_nothing_is_looked_for_unless_it_is_asked_for():
    assert await ChatChoice().find() is None
    assert not Endpoint.of(Settings(url="ws://h")).offline


async def test_a_chat_model_answers_through_the_offline_server_whatever_keys_there_are(chat_server):
    url = f"http://127.0.0.1:{chat_server(models('qwen3'))}/v1"
    endpoint = Endpoint(key=Key("sk-12345678", "test"), chat=ChatChoice(url=url))
    try:
        assert endpoint.offline
        address = await endpoint._address()
        assert address["url"].startswith("ws://127.0.0.1:") and address["api_key"] == ""
        assert endpoint.local_models.startswith("qwen3 (chat model), ")
    finally:
        await endpoint.close()
