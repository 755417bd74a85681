"""Let the model call a function and use the result in its answer.

python examples/tools.py "What is the weather in Rome?"
"""

import asyncio
import sys

from realtime import RealtimeClient, RealtimeError

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
        print(await client.ask(question))


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "What is the weather in Rome?"))
    except RealtimeError as error:
        sys.exit(f"no answer: {error}")
