"""The session panel: what it shows, what it sends, and the mistakes that it tells before anything is sent."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.widgets import Input, TextArea

from console.screen.app import RealtimeConsole
from console.screen.editors import SessionScreen
from console.session_form import MANUAL, SessionForm, changes, edited, form_of
from tests.console.screens import NARROW, WIDE, make_call, until, until_shown
from tests.fuzz_values import JSON

SESSION = {
    "instructions": "Be short.",
    "audio": {
        "output": {"voice": "marin"},
        "input": {
            "turn_detection": {"type": "server_vad", "threshold": 0.5, "create_response": True, "x": None}
        },
    },
    "tools": [{"name": "f", "description": "Does it", "parameters": {"properties": {"a": {}, "b": {}}}}],
}
FORM = SessionForm(
    "Be short.", "marin", "server_vad threshold=0.5 create_response=true", ("f(a, b)  Does it",)
)


def test_the_form_of_a_session():
    assert form_of(SESSION) == FORM
    assert form_of({}) == SessionForm()
    assert form_of({"audio": {"output": {"voice": {"id": "v"}}}}).voice == '{"id": "v"}'


@pytest.mark.parametrize(
    ("vad", "detection"),
    [
        ("manual", None),
        ("off", None),
        ("semantic_vad eagerness=low", {"type": "semantic_vad", "eagerness": "low"}),
        (
            "server_vad threshold=0.7, silence_duration_ms=300",
            {"type": "server_vad", "threshold": 0.7, "silence_duration_ms": 300},
        ),
        ("server_vad interrupt_response=false", {"type": "server_vad", "interrupt_response": False}),
    ],
)
def test_vad_is_written_as_a_kind_and_its_settings(vad, detection):
    assert changes(FORM, edited(FORM, FORM.instructions, FORM.voice, vad)) == {"turn_detection": detection}


def test_only_what_has_changed_is_sent():
    assert changes(FORM, FORM) == {}
    assert changes(FORM, edited(FORM, "New.", " marin ", FORM.vad)) == {"instructions": "New."}
    assert changes(FORM, edited(FORM, FORM.instructions, '{"id": "v"}', FORM.vad)) == {"voice": {"id": "v"}}


@pytest.mark.parametrize(
    ("voice", "vad", "said"),
    [
        ("", FORM.vad, "write the name of a voice"),
        ("{broken", FORM.vad, "write a name, or an object"),
        ("marin", "server_vad threshold", "write name=value"),
        ("marin", "server_vad threshold = 0.5", "write name=value"),
        ("marin", "manual threshold=0.5", "takes no settings"),
    ],
)
def test_a_field_that_cannot_be_read_says_how_it_is_written(voice, vad, said):
    with pytest.raises(ValueError, match=said):
        changes(FORM, edited(FORM, FORM.instructions, voice, vad))


@given(JSON)
def test_whatever_a_server_states_the_form_can_be_shown(session):
    form = form_of(session)
    assert isinstance(form.vad, str) and changes(form, form) == {}


VALUES = (
    st.integers(-1000, 1000)
    | st.booleans()
    | st.floats(0, 1).map(lambda x: round(x, 3))
    | st.sampled_from(["low", "high"])
)


@given(
    st.dictionaries(
        st.sampled_from(["threshold", "eagerness", "prefix_padding_ms", "create_response"]), VALUES
    )
)
def test_a_vad_that_is_shown_is_read_back_as_it_is(settings):
    detection = {"type": "server_vad", **settings}
    shown = form_of({"audio": {"input": {"turn_detection": detection}}}).vad
    assert changes(SessionForm(vad=MANUAL), SessionForm(vad=shown)) == {"turn_detection": detection}


async def open_panel(pilot) -> SessionScreen:
    app = pilot.app
    await pilot.press("c")
    await until(pilot, lambda: app.model.state == "connected" and app.call.client is not None)
    await pilot.press("f2")
    await until(pilot, lambda: isinstance(app.screen, SessionScreen))
    return app.screen


def updates(model) -> list[dict]:
    log = [json.loads(line)["event"] for line in model.events.journal()]
    return [event["session"] for event in log if event["type"] == "session.update"]


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_the_panel_changes_instructions_voice_and_vad_of_the_session(offline_url, size):
    call = make_call(offline_url)
    app, model = RealtimeConsole(call), call.model
    async with app.run_test(size=size) as pilot:
        panel = await open_panel(pilot)
        await until_shown(pilot, "ctrl+s sends", "get_weather(")
        panel.query_one("#instructions", TextArea).text = "Speak like a pirate."
        panel.query_one("#voice", Input).value = "cedar"
        panel.query_one("#vad", Input).value = "server_vad threshold=0.7 silence_duration_ms=321"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: len(app.screen_stack) == 1)

        def stated() -> SessionForm:
            return form_of(call.client.session)

        await until(pilot, lambda: stated().voice == "cedar" and "silence_duration_ms=321" in stated().vad)
        assert stated().instructions == "Speak like a pirate."
        assert model.talk.mode == "vad" and "threshold=0.7" in stated().vad
        # And back to push to talk
        await pilot.press("f2")
        await until(pilot, lambda: isinstance(app.screen, SessionScreen))
        app.screen.query_one("#vad", Input).value = "manual"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: stated().vad == MANUAL and model.talk.mode == "manual")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("voice", "marine", "did you mean 'marin'"),
        ("vad", "server_vad treshold=0.5", "treshold"),
        ("vad", "server_vad threshold=7", "threshold"),
        ("vad", "server_vad silence_duration_ms=soon", "silence_duration_ms"),
    ],
)
async def test_a_wrong_value_is_told_in_the_panel_and_nothing_is_sent(offline_url, field, value, said):
    call = make_call(offline_url)
    app, model = RealtimeConsole(call), call.model
    async with app.run_test(size=WIDE) as pilot:
        panel = await open_panel(pilot)
        before = updates(model)
        panel.query_one(f"#{field}", Input).value = value
        await pilot.press("ctrl+s")
        await until_shown(pilot, "error! ", said)
        assert isinstance(app.screen, SessionScreen)
        assert panel.query_one(f"#{field}", Input).value == value
        assert updates(model) == before
