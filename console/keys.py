"""The API key: found in the environment, in ``.env``, in the keyring if that package is installed, or in a file.

The file has mode 0600. The key is never an argument, never in a repr and never on the screen; the screen shows where it
came from.

Thread: any; a keyring may take a moment, and may ask the user.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from .errors import UserError
from .settings import DotEnv, config_folder

__all__ = ["Key", "find_key", "forget_key", "save_key"]

NAME = "OPENAI_API_KEY"
SERVICE = "realtime-console"
MAX_FILE_BYTES = 4096


class Key:
    """A key and where it came from. Its repr and str do not contain it; an empty key is false."""

    __slots__ = ("_value", "source")

    def __init__(self, value: str, source: str) -> None:
        self._value = value
        self.source = source

    def reveal(self) -> str:
        """Return the key itself."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return f"<key from {self.source}>" if self._value else "<no key>"


def find_key(environment: Mapping[str, str], dotenv: DotEnv) -> Key:
    """Return the first key that is found, or an empty one.

    Raises
    ------
    UserError
        Others can read the file that holds the key, or it cannot be read.
    """
    if environment.get(NAME, "").strip():
        return _checked(environment[NAME], "environment")
    if dotenv.secret(NAME).strip():
        return _checked(dotenv.secret(NAME), ".env")
    kept = _keyring_get().strip()
    if kept:
        return _checked(kept, "keyring")
    path = _path()
    if path.is_dir():
        raise UserError(f"{path} is a folder, not a file; rename it")
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise UserError(f"others can read {path}; run: chmod 600 {path}")
        with path.open("rb") as file:
            kept = file.read(MAX_FILE_BYTES).decode("utf-8-sig").strip()
    except FileNotFoundError:
        kept = ""
    except OSError as error:
        raise UserError(f"cannot read the key in {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UserError(f"{path} does not hold a key; delete it") from None
    return _checked(kept, f"key file {path}") if kept else Key("", "nowhere")


def _checked(value: str, source: str) -> Key:
    """Return the key; UserError if no HTTP header could carry it."""
    value = value.strip()
    if not value.isascii() or not value.isprintable() or " " in value:
        raise UserError(
            f"the key from {source} is not one: it has spaces or characters beyond ASCII; set it again"
        )
    return Key(value, "key file" if source.startswith("key file") else source)


def check_key(value: str) -> str:
    """Return *value* without surrounding spaces; UserError if it cannot be a key."""
    value = value.strip()
    if not value.isascii() or not value.isprintable() or " " in value or not 8 <= len(value) <= 512:
        raise UserError("this is not a key: expected 8 to 512 letters, digits and dashes without spaces")
    return value


def save_key(value: str) -> Key:
    """Save the key in the keyring, or in a file that only its owner can read; UserError if that fails."""
    value = check_key(value)
    if _keyring_set(value):
        return Key(value, "keyring")
    path = _path()
    partial = path.with_suffix(".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial.unlink(missing_ok=True)
        # O_EXCL and the mode: nobody else can open the file at any moment, and no link is followed
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(value + "\n")
        partial.replace(path)
    except OSError as error:
        raise UserError(f"cannot save the key in {path}: {error.strerror}") from error
    return Key(value, "key file")


def forget_key() -> None:
    """Remove the saved key."""
    try:
        import keyring  # type: ignore[import-not-found,unused-ignore]

        keyring.delete_password(SERVICE, NAME)
    except Exception:
        # Not installed, locked, or no key in it: only the file remains
        pass
    _path().unlink(missing_ok=True)


def _path() -> Path:
    return config_folder() / "key"


def _keyring_get() -> str:
    try:
        import keyring  # type: ignore[import-not-found,unused-ignore]

        return keyring.get_password(SERVICE, NAME) or ""
    except Exception:
        # Not installed, or no backend works; backends raise exceptions of their own
        return ""


def _keyring_set(value: str) -> bool:
    try:
        import keyring  # type: ignore[import-not-found,unused-ignore]

        keyring.set_password(SERVICE, NAME, value)
        return bool(keyring.get_password(SERVICE, NAME) == value)
    except Exception:
        # As in _keyring_get
        return False
