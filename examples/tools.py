"""Let the model call a function: its answer uses what the function returned.

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
    await asyncio.sleep(0.1)  # a real one would ask a weather service here
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
