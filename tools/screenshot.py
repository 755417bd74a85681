"""Makes docs/console.svg: the real screen on the real offline server, ``python tools/screenshot.py``.

Needs wavtools[console,offline]; opens no device (the silent clock stands in) and no network.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from console.call import Call
from console.endpoint import Endpoint
from console.keys import Key
from console.screen.app import RealtimeConsole
from console.settings import Settings

ASKED = (
    "Hello, how are you today?",
    "Please remember that my name is Ada",
    "What is the weather in Toronto?",
    "Tell me a story",
)


async def main() -> None:
    settings = Settings(offline=True, input="null", output="null")
    app = RealtimeConsole(Call(settings, Endpoint(offline=True, key=Key("", "nowhere"))))
    model = app.model
    async with app.run_test(size=(132, 44)) as pilot:
        await pilot.press("c")
        while model.state != "connected":
            await pilot.pause(0.1)
        for text in ASKED:
            turns = len(model.turns)
            app.call.send_text(text)
            while len(model.turns) == turns:
                await pilot.pause(0.1)
            await pilot.pause(3.5)
        await pilot.press("x")
        await pilot.pause(0.5)
        app.call.send_text("Thank you")
        await pilot.pause(2.2)
        app.save_screenshot("console.svg", path="docs")


if __name__ == "__main__":
    asyncio.run(main())
    print(Path("docs/console.svg").stat().st_size, "bytes")
