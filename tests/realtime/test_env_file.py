"""Files of NAME=value: read as people write them, refused in one line, and never a silent "no key"."""

from __future__ import annotations

import builtins
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.env_file import EnvFile
from realtime.errors import ConfigurationError

NAME = "OPENAI_API_KEY"


def env_file(folder: Path, data: bytes, mode: int = 0o600) -> EnvFile:
    path = folder / ".env"
    path.write_bytes(data)
    path.chmod(mode)
    return EnvFile(path)


@pytest.mark.parametrize(
    "data",
    [
        b"OPENAI_API_KEY=sk-1",
        b"\xef\xbb\xbfOPENAI_API_KEY=sk-1\r\n",
        b"# mine\r\nexport OPENAI_API_KEY='sk-1' # not 'theirs'\r\n",
        b'OPENAI_API_KEY = "sk-1"\n',
        b"OPENAI_API_KEY=sk-1 # a comment\n",
        b"A=${B}\rOPENAI_API_KEY=sk-1\r",
        b"source other\nOPENAI_API_KEY=old\nOPENAI_API_KEY=sk-1\n",
        b'OPENAI_API_KEY="torn\nOPENAI_API_KEY=sk-1\n',
        "OPENAI_API_KEY=sk-1\r\n".encode("utf-16"),
        b"\xfe\xff" + "OPENAI_API_KEY=sk-1\r\n".encode("utf-16-be"),
    ],
)
def test_a_key_is_found_however_an_editor_wrote_it(tmp_path, data):
    assert env_file(tmp_path, data).secret(NAME) == "sk-1"


def test_a_file_that_is_missing_or_empty_has_no_values(tmp_path):
    assert EnvFile(tmp_path / ".env").values == {}
    assert EnvFile(tmp_path / ".env").secret(NAME) == ""
    assert env_file(tmp_path, b"").get(NAME) == ""
    assert env_file(tmp_path, b"export OPENAI_API_KEY\n# OPENAI_API_KEY=x\nA=1\n").get(NAME) == ""


def test_variables_are_not_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME_OF_KEYS", "elsewhere")
    assert env_file(tmp_path, b"A=sk-${HOME_OF_KEYS}$x\n").get("A") == "sk-${HOME_OF_KEYS}$x"


@pytest.mark.parametrize(
    "line",
    [
        b'OPENAI_API_KEY="sk-1',
        b"export OPENAI_API_KEY='sk-1",
        b"OPENAI_API_KEY: sk-1",
        b"OPENAI_API_KEY:sk-1",
    ],
)
def test_a_damaged_line_is_named_if_it_holds_the_key_and_is_no_loss_otherwise(tmp_path, line):
    file = env_file(tmp_path, b"A=1\n" + line + b"\nB=2\n")
    assert file.values == {"A": "1", "B": "2"} and file.get("C") == ""
    with pytest.raises(
        ConfigurationError, match=r"\.env, line 2: OPENAI_API_KEY cannot be read; write"
    ) as refused:
        file.secret(NAME)
    assert "sk-1" not in str(refused.value)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mode bits")
def test_only_a_secret_must_be_kept_from_others(tmp_path):
    file = env_file(tmp_path, b"A=1\nOPENAI_API_KEY=sk-1\n", 0o640)
    assert file.get("A") == "1" and file.secret("B") == ""
    with pytest.raises(ConfigurationError, match=r"mode 0640.*run chmod 600 .*\.env"):
        file.secret(NAME)


def test_what_is_no_text_in_utf_8_is_refused(tmp_path):
    for data in (
        b"A=\xff\xfe",
        "A=ä".encode("latin-1"),
        "A=1".encode("utf-16-le"),
        "A=1".encode("utf-32"),
        b"\xff\xfeA",
    ):
        with pytest.raises(ConfigurationError, match="is not text in UTF-8; save it again"):
            env_file(tmp_path, data)


def test_a_folder_a_huge_file_and_an_unreadable_one_are_refused(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigurationError, match="is a folder, not a file; rename it"):
        EnvFile(tmp_path / "folder")
    with pytest.raises(ConfigurationError, match="more than 65536 bytes"):
        env_file(tmp_path, b"#" * 70_000)

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ConfigurationError, match=r"cannot read .*\.env: Permission denied"):
        EnvFile(tmp_path / ".env")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / ".env", 0o600)
    with pytest.raises(ConfigurationError, match="not a plain file"):
        EnvFile(tmp_path / ".env")


def test_without_python_dotenv_the_message_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name.startswith("dotenv"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigurationError, match="python-dotenv is missing"):
        env_file(tmp_path, b"A=1\n")


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200), st.text(max_size=200).map(lambda t: f"{NAME}={t}".encode("utf-8", "replace"))
    )
)
def test_any_bytes_are_values_or_one_line(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    try:
        file = env_file(folder, data)
        assert all(isinstance(text, str) for pair in file.values.items() for text in pair)
        file.secret(NAME)
    except ConfigurationError as error:
        assert "\n" not in str(error)
