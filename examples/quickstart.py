"""Ask one question in text, print the answer as it comes.

    OPENAI_API_KEY=... python quickstart.py "How are you?"

Without a key: start `python -m realtime.offline` and set OPENAI_BASE_URL to the address it prints.
"""

import sys

import realtime


async def main(question="How are you?"):
    async with realtime.RealtimeClient(modalities=["text"]) as client:
        async for piece in client.ask(question):
            print(piece, end="", flush=True)
        print()


realtime.run(main(*sys.argv[1:2]))
