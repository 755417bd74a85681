"""``--interrupt duck``: the call leaves to the voice session when speech ends an answer, and tells of a cough."""

from __future__ import annotations

import pytest

from console.__main__ import main
from realtime import FalseInterruptionEvent
from realtime.offline import OfflineServer, SessionOptions, choose_voice
from tests.console.screens import make_call


@pytest.mark.parametrize(("interrupt", "by_server"), [("cut", True), ("duck", False)])
async def test_the_call_interrupts_as_it_was_told(interrupt, by_server):
    voice, options = choose_voice("standin"), SessionOptions(pace=0)
    async with OfflineServer(voice=voice, options=options, log=lambda line: None) as server:
        call = make_call(server.url, mode="vad", interrupt=interrupt)
        assert await call.connect(), call.model.notices
        try:
            assert call.client.server_interrupts() is by_server
            call.client.emit("interruption.false", FalseInterruptionEvent("item_1", 0.4))
            assert any("the answer goes on" in notice.text for notice in call.model.notices)
        finally:
            await call.disconnect()
            await call.close()


def test_the_command_line_takes_no_other_way(capsys):
    assert main(["--interrupt", "swim"]) == 2
    assert "'cut', 'duck'" in capsys.readouterr().err
