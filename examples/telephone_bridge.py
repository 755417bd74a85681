"""Answer telephone calls: joins a telephony provider's media stream and the model, with G.711 on both sides.

    python telephone_bridge.py 8090

Speaks the media-stream protocol of telephony providers over websockets. Point the provider at wss://YOUR-HOST/, with TLS
in front.
"""

import sys

from websockets.asyncio.server import serve

import realtime


async def answer(websocket):
    call = realtime.PhoneCall(websocket, instructions="You answer the telephone. Be brief.")
    realtime.print_transcript(call.client)
    await call.run()


async def main(port=8090):
    async with serve(answer, "127.0.0.1", port) as server:
        print(f"listening on ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()


realtime.run(main(*map(int, sys.argv[1:2])))
