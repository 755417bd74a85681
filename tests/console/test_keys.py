"""The API key: its sources, its file, and that it is never shown."""

from __future__ import annotations

import os

import pytest

from console.errors import UserError
from console.keys import Key, find_key, save_key
from console.settings import DotEnv

SECRET = "sk-test-0123456789"


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
