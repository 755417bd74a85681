"""Settings: flag > environment > .env > config file > default."""

from __future__ import annotations

import pytest

from console.errors import UserError
from console.keys import find_key
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


def test_a_cough_may_be_set_to_lower_the_answer(home):
    assert load({}, {}, DotEnv(home / ".env")).interrupt == "cut"
    assert load({"interrupt": "duck"}, {}, DotEnv(home / ".env")).interrupt == "duck"
    with pytest.raises(UserError, match=r"interrupt is 'swim' \(environment\); it can be cut or duck"):
        load({}, {"REALTIME_CONSOLE_INTERRUPT": "swim"}, DotEnv(home / ".env"))


def test_a_damaged_config_file_is_named(home):
    (home / "config" / "config.ini").write_text("no section\n")
    with pytest.raises(UserError, match=r"config\.ini"):
        load({}, {}, DotEnv(home / ".env"))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\xff\xfe[\0c\0", "is not text in UTF-8"),
        (b"[console]\nmodel = 1\nmodel = 2\n", "already exists"),
        (b"[console]\noffline = perhaps\n", r"offline is 'perhaps' \(config file\); it can be yes or no"),
        (None, "config.ini is a folder, not a file; rename it"),
    ],
)
def test_a_config_file_that_cannot_be_used_is_one_line(home, data, says):
    path = home / "config" / "config.ini"
    path.mkdir() if data is None else path.write_bytes(data)
    with pytest.raises(UserError, match=says) as refused:
        load({}, {}, DotEnv(home / ".env"))
    assert "\n" not in str(refused.value)


def test_a_config_file_that_an_editor_has_marked_is_read(home):
    (home / "config" / "config.ini").write_bytes(b"\xef\xbb\xbf[console]\r\nmodel = m\r\noffline = off\r\n")
    loaded = load({}, {}, DotEnv(home / ".env"))
    assert (loaded.model, loaded.offline) == ("m", False)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"A=\xff", "is not text in UTF-8"),
        (b'OPENAI_API_KEY="sk-1\n', "line 1: OPENAI_API_KEY cannot be read"),
        (None, "is a folder"),
    ],
)
def test_a_dotenv_that_cannot_be_used_is_one_line_for_users(home, data, says):
    path = home / ".env"
    path.mkdir() if data is None else path.write_bytes(data)
    with pytest.raises(UserError, match=says):
        find_key({}, DotEnv(path))


def test_a_byte_order_mark_does_not_hide_the_key(home):
    (home / ".env").write_bytes(b"\xef\xbb\xbfOPENAI_API_KEY=sk-marked\r\n")
    (home / ".env").chmod(0o600)
    key = find_key({}, DotEnv(home / ".env"))
    assert (key.reveal(), key.source) == ("sk-marked", ".env")


@pytest.mark.parametrize("value", ["sk-\u00e9cole", "sk a", "sk-\ufeff1", "sk\x1b[2J"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(home, value):
    with pytest.raises(UserError, match="the key from environment is not one") as refused:
        find_key({"OPENAI_API_KEY": value}, DotEnv(home / ".env"))
    assert value not in str(refused.value)
    (home / "config" / "key").write_bytes(value.encode("utf-16"))
    (home / "config" / "key").chmod(0o600)
    with pytest.raises(UserError, match="key"):
        find_key({}, DotEnv(home / ".env"))
