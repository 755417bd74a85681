"""Flag > environment > .env > config file > default; and where the key may come from."""

from __future__ import annotations

import os

import pytest

from console import keys, settings
from console.errors import UserError
from console.keys import Key, find_key, save_key
from console.settings import DotEnv, load

SECRET = "sk-test-0123456789"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "config_folder", lambda: tmp_path / "config")
    monkeypatch.setattr(keys, "config_folder", lambda: tmp_path / "config")
    monkeypatch.setattr(keys, "_keyring_get", lambda: "")
    monkeypatch.setattr(keys, "_keyring_set", lambda value: False)
    (tmp_path / "config").mkdir()
    return tmp_path


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


def test_the_key_comes_from_environment_then_dotenv_then_file(home):
    dotenv = DotEnv(home / ".env")
    assert not find_key({}, dotenv)
    assert save_key(SECRET).source == "key file"
    assert find_key({}, dotenv).source == "key file"
    (home / ".env").write_text("OPENAI_API_KEY=sk-from-dotenv\n")
    (home / ".env").chmod(0o600)
    assert find_key({}, DotEnv(home / ".env")).reveal() == "sk-from-dotenv"
    assert find_key({"OPENAI_API_KEY": " sk-env "}, dotenv).reveal() == "sk-env"


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_a_kept_key_is_readable_by_its_owner_only_and_one_that_is_not_is_refused(home):
    save_key(SECRET)
    path = home / "config" / "key"
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(UserError, match="chmod 600"):
        find_key({}, DotEnv(home / ".env"))
    (home / ".env").write_text(f"OPENAI_API_KEY={SECRET}\n")
    (home / ".env").chmod(0o644)
    with pytest.raises(UserError, match="others can read it"):
        find_key({}, DotEnv(home / ".env"))


@pytest.mark.parametrize("typed", ["", "short", "with space in it", "sk-\x1b[2Jabcdef", "ключ-ключ-ключ"])
def test_what_cannot_be_a_key_is_refused_without_repeating_it(home, typed):
    with pytest.raises(UserError) as refused:
        save_key(typed)
    assert not typed or typed not in str(refused.value)
    assert not (home / "config" / "key").exists()


def test_a_key_does_not_show():
    key = Key(SECRET, "environment")
    assert SECRET not in f"{key!r} {key} {[key]}"
