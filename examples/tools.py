"""Let the model call a function and use the result in its answer.

python examples/tools.py "What is the weather in Rome?"
"""

import asyncio
import sys

from realtime import RealtimeClient

client = RealtimeClient(modalities=["text"])


@client.tool
async def get_weather(location: str, lat: float, lng: float) -> dict[str, object]:
    """The weather at a place, given its name and coordinates."""
    print(f"[get_weather {location} at {lat:.1f}, {lng:.1f}]")
    # A real tool would ask a weather service here.
    await asyncio.sleep(0.1)
    return {"location": location, "temperature": {"value": 21, "units": "C"}}


async def main(question: str) -> None:
    client.on("error", print)
    async with client:
        client.send_user_message_content(question)
        while (item := await client.wait_for_next_completed_item(timeout=60)).role != "assistant":
            pass
        print(item.formatted.text or item.formatted.transcript)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "What is the weather in Rome?"))
