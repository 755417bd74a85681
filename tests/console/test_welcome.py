"""The first minute: offline connects at once and offers three things to say; the head names only what answers."""

from __future__ import annotations

import pytest

from console.call import Call
from console.endpoint import Endpoint
from console.keys import Key
from console.screen.app import RealtimeConsole
from console.settings import Settings
from console.welcome import SUGGESTIONS
from tests.console.screens import NARROW, NO_KEY, WIDE, make_call, screen_text, until, until_shown


class AtUrl(Endpoint):
    """An offline endpoint whose server runs already."""

    def __init__(self, url: str) -> None:
        super().__init__(offline=True, key=NO_KEY)
        self._running = url

    async def _address(self):
        return {"url": self._running, "api_key": ""}


def offline_call(url: str) -> Call:
    return Call(Settings(offline=True, input="null", output="null"), AtUrl(url))


async def test_offline_connects_at_once_and_names_no_model_that_is_not_there(offline_url):
    app = RealtimeConsole(offline_call(offline_url))
    async with app.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "● connected", "offline server: fixed replies", "choose something to say:")
        head = screen_text(app).splitlines()[0]
        assert "gpt" not in head and app.model.server.model not in head


@pytest.mark.parametrize("size", [WIDE, NARROW])
@pytest.mark.parametrize("number", [1, 2, 3])
async def test_an_offer_is_said_by_its_number(offline_url, number, size):
    app = RealtimeConsole(offline_call(offline_url))
    async with app.run_test(size=size) as pilot:
        await until_shown(pilot, SUGGESTIONS[number - 1])
        await pilot.press(str(number))
        await until(pilot, lambda: any(row.text == SUGGESTIONS[number - 1] for row in app.model.transcript))
        # Numbers choose panes again
        await pilot.press("4")
        await until(pilot, lambda: app.drawing.active == "memory")


async def test_an_offer_is_said_by_a_click(offline_url):
    app = RealtimeConsole(offline_call(offline_url))
    async with app.run_test(size=WIDE) as pilot:
        await until_shown(pilot, SUGGESTIONS[1])
        lines = screen_text(app).splitlines()
        y = next(y for y, line in enumerate(lines) if SUGGESTIONS[1] in line)
        await pilot.click(offset=(lines[y].index(SUGGESTIONS[1]) + 3, y))
        await until(pilot, lambda: app.model.memory == {"name": "Ada"})
        await until(pilot, lambda: SUGGESTIONS[2] not in screen_text(app))


async def test_the_weather_offline_is_a_sample_and_says_so(offline_url):
    app = RealtimeConsole(offline_call(offline_url))
    async with app.run_test(size=WIDE) as pilot:
        await until_shown(pilot, SUGGESTIONS[0])
        await pilot.press("1")
        await until_shown(pilot, "◆ Toronto", "19.4 °C", "sample", "a sample, because")


async def test_with_a_server_of_others_the_user_decides_when_to_connect():
    app = RealtimeConsole(make_call())
    async with app.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "press c to connect")
        assert app.model.state == "disconnected" and not app.model.events.total
        assert Endpoint(url="ws://h", key=Key("", "none")).local_models == ""
