"""Clients for tests: one without a connection whose frames go in by hand, and short ways to connected ones."""

from __future__ import annotations

import asyncio
import json

from realtime import LinkOptions, RealtimeClient
from tests.canary import KEY
from tests.wire_server import Peer, ScriptedServer, created

__all__ = ["MANUAL", "QUICK", "Bench", "ask", "connected", "delivered", "make", "notes", "texts"]

MANUAL = {"turn_detection": None}
QUICK = LinkOptions(connect_timeout=2.0, first_delay=0.01, max_delay=0.05, max_attempts=4)


class Bench:
    """A client that believes it is connected; frames go in by hand, and what it would send comes out."""

    def __init__(self, **session: object) -> None:
        self.client = RealtimeClient(api_key="", url="ws://127.0.0.1:1", **session)
        self.session = self.client._session
        self.turns = self.session.turns
        self.outbox = self.client._outbox
        self.outbox.open()
        self.outbox.send_finished()
        self.client._link.state = "connected"
        self.prelude = self.session.begin(created(), resumed=False)
        self.events: list[tuple[str, object]] = []
        for name in ("error", "response.failed", "usage", "timings", "conversation.item.completed"):
            self.client.on(name, lambda event, name=name: self.events.append((name, event)))

    def say(self, *events: object) -> None:
        for event in events:
            self.session.receive(json.dumps(event))

    async def sent(self) -> list[dict]:
        """What waits to be sent, written."""
        await asyncio.sleep(0)
        written = []
        while len(self.outbox):
            encoded = self.session.encode(await self.outbox.take())
            if encoded is not None:
                assert json.loads(encoded[0]) == encoded[1]
                self.session.sent(encoded[1])
                written.append(encoded[1])
        return written

    async def tools_end(self) -> None:
        """Let every running tool come to its end."""
        while self.turns.toolbox.running:
            await asyncio.sleep(0.001)

    def of(self, name: str) -> list:
        return [event for known, event in self.events if known == name]


async def connected(client: RealtimeClient, server: ScriptedServer, **session: object) -> Peer:
    """Connect with these session keywords; returns the server's side."""
    if session:
        client.update_session(**session)
    await client.connect()
    peer = await server.wait_for_peers(1)
    if session:
        await peer.expect("session.update")
    return peer


def make(server: ScriptedServer, link: LinkOptions = QUICK, **session: object) -> RealtimeClient:
    """A client of *server* that reconnects quickly."""
    return RealtimeClient(api_key=KEY, url=server.url, link=link, **session)


def texts(history: list[dict]) -> list[str]:
    """What a session's history says, one line an item; without the client's note about the connection."""
    lines = []
    for item in history:
        if item.get("role") == "system":
            continue
        if item["type"] == "message":
            lines.append(f"{item['role']}: " + "".join(str(part.get("text")) for part in item["content"]))
        else:
            lines.append(f"{item['type']} {item['call_id']} {item.get('output', '')}".strip())
    return lines


def notes(history: list[dict]) -> list[str]:
    """The client's notes to the model in a session's history."""
    return [item["content"][0]["text"] for item in history if item.get("role") == "system"]


async def delivered(client: RealtimeClient, peer: Peer) -> None:
    """Wait until the server has everything that the client sent so far."""
    client.send("conversation.item.retrieve", item_id="item_none")
    await peer.expect("conversation.item.retrieve")


async def ask(client: RealtimeClient, text: str) -> str:
    """One text turn; returns the answer."""
    answered: asyncio.Future = asyncio.get_running_loop().create_future()

    def done(event) -> None:
        if event.item.role == "assistant" and not answered.done():
            answered.set_result(event.item.formatted.text)

    client.on("conversation.item.completed", done)
    try:
        client.send_user_message_content(text)
        return await asyncio.wait_for(answered, 20)
    finally:
        client.off("conversation.item.completed", done)
