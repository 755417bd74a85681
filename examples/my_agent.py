"""An agent of your own, in the inspector: ``wavtools console my_agent.py``.

Change it and save it: a new session begins.
"""

from realtime import RealtimeClient

PRICES = {"green": "3 dollars", "black": "2 dollars"}

client = RealtimeClient(
    instructions="You sell tea. Answer in one sentence.", voice="marin", turn_detection="server_vad"
)


@client.tool
def price(tea: str) -> str:
    """The price of a tea."""
    return PRICES.get(tea, "not on sale")
