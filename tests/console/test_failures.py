"""Failures that nobody foresaw: a notice, and the console goes on."""

from __future__ import annotations

import asyncio

import pytest

from console.plain import PlainView
from console.screen.app import RealtimeConsole
from console.session import SessionModel
from tests.console.fakes import wire
from tests.console.screens import WIDE, make_call, until_shown
from tests.wire_turns import response_done


async def fail(*_: object) -> None:
    raise KeyError("unforeseen")


@pytest.mark.parametrize(
    ("key", "method"), [("s", "save"), ("c", "toggle_connection"), ("v", "toggle_mode"), ("d", "delete")]
)
async def test_a_key_whose_work_fails_is_a_notice_and_the_screen_goes_on(key, method):
    call = make_call()
    setattr(call, method, fail)
    app = RealtimeConsole(call)
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press(key)
        await until_shown(pilot, "KeyError: 'unforeseen'; please report it")
        await pilot.press("?")
        await until_shown(pilot, "Notices")
    assert app.return_code in (None, 0)


async def test_connecting_that_fails_in_any_way_is_a_notice():
    call = make_call()
    call.endpoint.make_client = fail  # type: ignore[method-assign]
    assert await call.connect() is False
    assert (call.model.state, call.model.notices[-1].text) == ("disconnected", "cannot connect: 'unforeseen'")
    await call.close()


async def test_background_work_that_fails_is_a_notice():
    call = make_call()
    call._playback.tick = lambda: True  # type: ignore[method-assign]
    call._playback.stop = fail  # type: ignore[method-assign]
    call.tick()
    await asyncio.sleep(0.01)
    assert "KeyError" in call.model.notices[-1].text


async def test_a_connection_that_ends_while_the_microphone_opens_is_no_failure():
    call = make_call()
    call.model.set_state("connected")
    await call.talk()
    await call.interrupt()
    assert not call.send_text("hello")
    assert not call.model.talk.active


@pytest.mark.parametrize(
    ("status", "reason", "says"),
    [
        (
            "incomplete",
            "max_output_tokens",
            "the answer is incomplete: it reached the limit of output tokens",
        ),
        ("cancelled", "turn_detected", "the answer is cancelled: the server heard speech (turn_detected)"),
        ("cancelled", "client_cancelled", None),
        ("failed", None, None),
        ("completed", None, None),
    ],
)
def test_an_answer_that_did_not_end_well_says_so_in_every_view(capsys, status, reason, says):
    """A failed one is told by response.failed; one that the user interrupted is marked where it was cut."""
    model = SessionModel()
    done = response_done(status=status, details={"reason": reason})[0]
    model.on_response_done(wire("server", 1.0, **done).event)
    assert [notice.text.startswith(says) for notice in model.notices] == ([True] if says else [])
    PlainView(type("Call", (), {"model": model})()).draw()
    assert capsys.readouterr().out.startswith(f"warning: {says}" if says else "")
