"""Send the microphone to any websocket server: 16 kHz, int16, mono, 20 ms in a message, until Ctrl+C.

python microphone_to_websocket.py ws://127.0.0.1:9000
"""

import sys

from websockets.asyncio.client import connect

import realtime
from wavtools import WavRecorder


async def main(url="ws://127.0.0.1:9000"):
    async with connect(url) as websocket, WavRecorder(sample_rate=16_000) as recorder:
        recorder.record(chunk_size=320)
        async for chunk in recorder:
            await websocket.send(chunk.mono.tobytes())


realtime.run(main(*sys.argv[1:2]))
