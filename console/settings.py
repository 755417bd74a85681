"""Settings: each value from the first place that has it: flag > environment > .env > config file > default.

The config file is ``config.ini`` in the user's config folder (platformdirs), section [console]. The API key comes
neither from a flag, because other users can read a command line, nor from that file: see keys.py.

Thread: the main one; reads files.
"""

from __future__ import annotations

import configparser
import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .errors import UserError
from .saved_folders import default_folder

if TYPE_CHECKING:
    from realtime.env_file import EnvFile

__all__ = ["DotEnv", "Settings", "config_folder", "load"]

PREFIX = "REALTIME_CONSOLE_"
SWITCHES = ("offline", "save")
CHOICES = {"mode": ("manual", "vad"), "interrupt": ("cut", "duck"), "llm": ("auto",)}
NAMES = (
    *("offline", "url", "model", "voice", "mode", "interrupt", "input", "output", "theme", "sessions"),
    *("llm", "llm_url", "llm_model", "save", "save_to"),
)
NO_DEVICE = ("", "default")
YES, NO = ("1", "yes", "true", "on"), ("0", "no", "false", "off")


@dataclass(frozen=True)
class Settings:
    """The settings. ``sources`` tells where each value came from; a default is not in it.

    ``save_to`` is the folder in which sessions are saved while they happen; None: they are not.
    """

    offline: bool = False
    url: str | None = None
    model: str | None = None
    voice: str | None = None
    mode: str | None = None
    interrupt: Literal["cut", "duck"] = "cut"
    input: str | None = None
    output: str | None = None
    theme: str | None = None
    llm: str | None = None
    llm_url: str | None = None
    llm_model: str | None = None
    sessions: str = "sessions"
    save_to: str | None = None
    sources: Mapping[str, str] | None = None


class DotEnv:
    """The ``.env`` of the working folder, as `realtime.env_file.EnvFile` reads it; its errors are UserErrors.

    Without such a file nothing is imported, so that the screen comes first.
    """

    def __init__(self, path: Path = Path(".env")) -> None:
        self.path = path
        self.values: dict[str, str] = {}
        self._file: EnvFile | None = None
        if os.path.lexists(path):
            from realtime.env_file import EnvFile

            with user_errors():
                self._file = EnvFile(path)
            self.values = self._file.values

    def secret(self, name: str) -> str:
        """Return a value that must be kept secret; UserError if other users can read the file."""
        if self._file is None:
            return ""
        with user_errors():
            return self._file.secret(name)


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """Turn realtime's ConfigurationError into a UserError."""
    from realtime.errors import ConfigurationError

    try:
        yield
    except ConfigurationError as error:
        raise UserError(str(error)) from error


def config_folder() -> Path:
    """Return the folder of the settings and the key, by the rules of the operating system."""
    from platformdirs import user_config_dir

    return Path(user_config_dir("realtime-console", appauthor=False))


def load(flags: Mapping[str, object], environment: Mapping[str, str], dotenv: DotEnv) -> Settings:
    """Return the settings. A flag that was not given is None or missing.

    Raises
    ------
    UserError
        A value that is not allowed, or a file that cannot be read.
    """
    file = _config_file(config_folder() / "config.ini")
    values: dict[str, object] = {}
    sources: dict[str, str] = {}
    for name in NAMES:
        for source, value in (
            ("flag", flags.get(name) or None),
            ("environment", environment.get(PREFIX + name.upper())),
            (".env", dotenv.values.get(PREFIX + name.upper())),
            ("config file", file.get(name)),
        ):
            if value not in (None, ""):
                values[name], sources[name] = value, source
                break
    if "url" not in values:
        for source, place in (("environment", environment), (".env", dotenv.values)):
            if place.get("OPENAI_BASE_URL"):
                values["url"], sources["url"] = place["OPENAI_BASE_URL"], f"{source} (OPENAI_BASE_URL)"
                break
    for name in SWITCHES:
        if isinstance(values.get(name), str):
            said = str(values[name]).lower()
            if said not in YES + NO:
                raise UserError(f"{name} is {said!r} ({sources[name]}); it can be yes or no")
            values[name] = said in YES
    if not values.pop("save", True):
        values["save_to"] = None
    elif "save_to" not in values:
        values["save_to"] = str(default_folder())
    for name, allowed in CHOICES.items():
        if name in values and values[name] not in allowed:
            raise UserError(f"{name} is {values[name]!r} ({sources[name]}); it can be {' or '.join(allowed)}")
    for name in ("input", "output"):
        if values.get(name) in NO_DEVICE:
            values.pop(name, None)
    return Settings(**values, sources=sources)  # type: ignore[arg-type]


def _config_file(path: Path) -> Mapping[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    if path.is_dir():
        # Windows refuses to open a folder, with a reason that does not help
        raise UserError(f"{path} is a folder, not a file; rename it")
    try:
        parser.read_string(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not text in UTF-8; save it again with that encoding") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except configparser.Error as error:
        raise UserError(f"{path}: {str(error).splitlines()[0]}") from error
    return parser["console"] if parser.has_section("console") else {}
