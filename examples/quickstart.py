"""Ask one question in text, print the answer as it comes.

    OPENAI_API_KEY=... python examples/quickstart.py "How are you?"

Without a key: start `python -m realtime.offline` and set OPENAI_BASE_URL to the address it prints.
"""

import asyncio
import sys

from realtime import RealtimeClient


async def main(question: str) -> None:
    async with RealtimeClient(instructions="You are a great, upbeat friend.", modalities=["text"]) as client:

        @client.on("conversation.updated")
        def show(event):
            if event.delta and event.item.role == "assistant":
                print(event.delta.text or event.delta.transcript or "", end="", flush=True)

        client.send_user_message_content([{"type": "input_text", "text": question}])
        while (await client.wait_for_next_completed_item(timeout=60)).role != "assistant":
            pass
        print()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "How are you?"))
