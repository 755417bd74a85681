"""Chat with the model in text. Ctrl+D or Ctrl+C ends it.

python chat.py
"""

import realtime


async def main():
    async with realtime.RealtimeClient(modalities=["text"]) as client:
        while True:
            async for piece in client.ask(await realtime.read_line("you: ")):
                print(piece, end="", flush=True)
            print()


realtime.run(main())
