"""Hold two conversations at the same time: each client has its own instructions and its own memory.

python two_conversations.py
"""

import asyncio

import realtime


async def interview(name, *questions):
    async with realtime.RealtimeClient(instructions=f"You are {name}.", modalities=["text"]) as client:
        for question in questions:
            print(f"{name}: {await client.ask(question)}")


async def main():
    await asyncio.gather(interview("a pirate", "Who are you?", "Why?"), interview("a poet", "Who are you?"))


realtime.run(main())
