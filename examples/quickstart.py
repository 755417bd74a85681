"""Ask one question in text, print the answer as it comes.

    OPENAI_API_KEY=... python examples/quickstart.py "How are you?"

Without a key: start `python -m realtime.offline` and set OPENAI_BASE_URL to the address it prints.
"""

import asyncio
import sys

from realtime import RealtimeClient, RealtimeError


async def main(question: str) -> None:
    async with RealtimeClient(instructions="You are a great, upbeat friend.", modalities=["text"]) as client:
        async for piece in client.ask(question):
            print(piece, end="", flush=True)
        print()


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "How are you?"))
    except RealtimeError as error:
        sys.exit(f"no answer: {error}")
