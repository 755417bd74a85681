"""Clients of other projects, with nothing changed but the address, hold four turns through the tap.

What the tap shows is compared with what a proxy behind it, of other code, has read: every event, in order.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from console.session import SessionModel
from realtime.offline import start_server_process
from realtime.offline.models.clips import TEXTS
from tests.console.tapping import Recorder, ThreadedTap, outline
from tests.interop.test_interop import CLIENTS, OPENAI_JS, certificate, hold_four_turns, words

__all__ = ["certificate"]

pytestmark = [pytest.mark.models, pytest.mark.timeout(200)]


@pytest.mark.parametrize("script", CLIENTS)
def test_foreign_client_holds_four_turns_through_the_tap(script: str, offline_voice_url: str) -> None:
    with Recorder(offline_voice_url) as recorder, ThreadedTap(recorder.url) as tapped:
        hold_four_turns(script, tapped.url)
        sessions = [one for one in tapped.tap.sessions if one.is_session]
        assert len(sessions) == 1
        number = sessions[0].number
        tapped.ended(number)
        for side in ("client", "server"):
            shown = [outline(event) for source, event in tapped.lines[number] if source == side]
            assert shown == [outline(event) for event in recorder.sent[side]]
        assert_conversation(sessions[0].model)


def test_foreign_client_holds_four_turns_through_the_tap_by_tls(certificate: tuple[str, str]) -> None:
    with (
        start_server_process("--voice", "models") as server,
        ThreadedTap(server.url, certificate=certificate[0], key=certificate[1]) as tapped,
    ):
        trust = str(Path(certificate[0]))
        hold_four_turns(OPENAI_JS, tapped.url, NODE_EXTRA_CA_CERTS=trust)
        hold_four_turns(OPENAI_JS, tapped.url, "secret", NODE_EXTRA_CA_CERTS=trust)
        sessions = [one for one in tapped.tap.sessions if one.is_session]
        assert len(sessions) == 2
        for session in sessions:
            tapped.ended(session.number)
            assert_conversation(session.model)
        # The minted secret was passed on, and is shown nowhere
        for lines in tapped.lines.values():
            assert "ek_" not in str(lines)


def assert_conversation(model: SessionModel) -> None:
    """The transcript has the four turns: typed, spoken, with a tool, and cancelled. The client may have cut answers."""
    rows = list(model.transcript)
    answers = {row.text: row for row in rows if row.role == "assistant"}
    assert "You said: The cat is on the mat." in answers
    assert answers["Hello! I am fine, thank you. How can I help you?"].seconds > 3
    assert "In Paris the temperature is 12 degrees." in answers
    assert any(row.role == "function" and "get_weather(" in row.text for row in rows)
    assert any(row.role == "output" and "12" in row.text for row in rows)
    spoken = [row for row in rows if row.role == "user" and words(row.text) == words(TEXTS["hello"])]
    assert [row.seconds > 1 for row in spoken] == [True]
