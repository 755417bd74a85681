"""Settings: flag > environment > .env > config file > default."""

from __future__ import annotations

import pytest

from console.errors import UserError
from console.settings import DotEnv, load


def test_the_nearest_place_wins(home):
    (home / "config" / "config.ini").write_text(
        "[console]\nmodel = file\nvoice = file\nmode = vad\ninput = file\n"
    )
    (home / ".env").write_text(
        "# mine\nexport REALTIME_CONSOLE_MODEL=dotenv\nREALTIME_CONSOLE_VOICE='dotenv'\n"
    )
    dotenv = DotEnv(home / ".env")
    loaded = load(
        {"model": "flag"}, {"REALTIME_CONSOLE_MODEL": "env", "REALTIME_CONSOLE_INPUT": "env"}, dotenv
    )
    assert (loaded.model, loaded.voice, loaded.input, loaded.mode) == ("flag", "dotenv", "env", "vad")
    assert loaded.sources == {"model": "flag", "voice": ".env", "input": "environment", "mode": "config file"}
    assert loaded.sessions == "sessions"


def test_a_value_that_is_none_is_refused_with_its_place(home):
    with pytest.raises(UserError, match=r"mode is 'loud' \(environment\); it can be manual or vad"):
        load({}, {"REALTIME_CONSOLE_MODE": "loud"}, DotEnv(home / ".env"))


def test_a_damaged_config_file_is_named(home):
    (home / "config" / "config.ini").write_text("no section\n")
    with pytest.raises(UserError, match=r"config\.ini"):
        load({}, {}, DotEnv(home / ".env"))
