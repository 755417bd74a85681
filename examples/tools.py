"""Let the model call a function and use the result in its answer.

python tools.py "What is the weather in Rome?"
"""

import sys

import realtime

client = realtime.RealtimeClient(modalities=["text"])


@client.tool
async def get_weather(location: str, lat: float, lng: float) -> dict[str, object]:
    """The weather at a place, given its name and coordinates."""
    print(f"[get_weather {location} at {lat:.1f}, {lng:.1f}]")
    # A real tool would ask a weather service here.
    return {"location": location, "temperature": {"value": 21, "units": "C"}}


async def main(question="What is the weather in Rome?"):
    client.on("error", print)
    async with client:
        print(await client.ask(question))


realtime.run(main(*sys.argv[1:2]))
