"""Answer telephone calls: joins a telephony provider's media stream and the model, with G.711 on both sides.

    python examples/telephone_bridge.py --port 8090

Speaks the media-stream protocol of telephony providers over websockets. Point the provider at wss://YOUR-HOST/, with TLS
in front.
"""

import asyncio
import sys

from websockets.asyncio.server import serve

from realtime import PhoneCall


async def answer(websocket):
    await PhoneCall(websocket, instructions="You answer the telephone. Be brief.").run()


async def main(port: int = 8090):
    async with serve(answer, "127.0.0.1", port) as server:
        print(f"listening on ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()


asyncio.run(main(*map(int, sys.argv[2:])))
