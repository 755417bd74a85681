"""Answer telephone calls: joins a telephony provider's media stream and the model, with G.711 on both sides.

    python examples/telephone_bridge.py --port 8090

Speaks the media-stream protocol that telephony providers use over websockets (events start, media, mark, clear,
stop; payload: base64 of G.711 mu-law at 8000 Hz). Point the provider at wss://YOUR-HOST/, with TLS in front.
"""

import argparse
import asyncio
import base64
import json

import numpy as np
from websockets.asyncio.server import ServerConnection, serve

from realtime import RealtimeClient
from wavtools import pcm


class Call:
    """One call. The provider returns each mark when the audio before it was heard; so the marks give the offset."""

    def __init__(self, phone: ServerConnection) -> None:
        self.phone = phone
        self.stream = ""
        self.heard: tuple[str, int] | None = None
        self.client = RealtimeClient(
            instructions="You answer the telephone. Be brief.",
            input_audio_format="g711_ulaw",
            output_audio_format="g711_ulaw",
            turn_detection="server_vad",
        )
        self.client.on("conversation.updated", self.play)
        self.client.on("conversation.interrupted", self.interrupt)

    async def tell(self, event: str, **fields: object) -> None:
        await self.phone.send(json.dumps({"event": event, "streamSid": self.stream, **fields}))

    async def play(self, event) -> None:
        """Send audio of the answer. Calls of a coroutine handler run one after another: the order stays."""
        if event.delta is None or event.delta.audio is None or event.item.role == "user":
            return
        payload = base64.b64encode(pcm.ulaw_encode(event.delta.audio)).decode()
        await self.tell("media", media={"payload": payload})
        await self.tell("mark", mark={"name": f"{event.item.id}:{len(event.delta.audio)}"})

    async def interrupt(self, event) -> None:
        await self.tell("clear")
        if self.heard is not None:
            self.client.cancel_response(*self.heard)

    def on_mark(self, name: str) -> None:
        item_id, _, samples = name.rpartition(":")
        before = self.heard[1] if self.heard is not None and self.heard[0] == item_id else 0
        self.heard = item_id, before + int(samples)

    async def run(self) -> None:
        async with self.client:
            async for frame in self.phone:
                event = json.loads(frame)
                if event["event"] == "start":
                    self.stream = event["start"]["streamSid"]
                elif event["event"] == "media":
                    ulaw = np.frombuffer(base64.b64decode(event["media"]["payload"]), np.uint8)
                    self.client.append_input_audio(pcm.ulaw_decode(ulaw))
                elif event["event"] == "mark":
                    self.on_mark(event["mark"]["name"])
                elif event["event"] == "stop":
                    break


async def main(port: int) -> None:
    async with serve(lambda phone: Call(phone).run(), "127.0.0.1", port) as server:
        print(f"listening on ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8090)
    asyncio.run(main(parser.parse_args().port))
