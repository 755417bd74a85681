"""Finds the relay's API key: in the environment, or in a file that only its owner can read.

Thread: any; called once, at the start.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from ..errors import ConfigurationError
from ..protocol.redact import Secret

__all__ = ["find_key", "read_env_file"]

ENV_FILE = ".env"
MAX_FILE_BYTES = 64 * 1024


def find_key(name: str = "OPENAI_API_KEY", folder: str | Path = ".") -> Secret:
    """The key in the environment variable *name*, else in ``.env`` of *folder*; an empty Secret if it is in neither.

    Raises
    ------
    ConfigurationError
        The variable is not set, and others can access ``.env``, or it cannot be read.
    """
    value = os.environ.get(name, "").strip()
    if not value:
        value = read_env_file(Path(folder) / ENV_FILE).get(name, "").strip()
    return Secret(value)


def read_env_file(path: Path) -> dict[str, str]:
    """The ``NAME=value`` lines of a file; none if the file does not exist.

    ``export`` and quotes are understood; variables are not expanded.

    Raises
    ------
    ConfigurationError
        Group or others can access the file (POSIX), it is not a plain file, it is too large, or it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        # The open file is checked, not the path, so that the file that is read is the one that was checked.
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ConfigurationError(f"{path} is not a plain file")
        if sys.platform != "win32" and status.st_mode & 0o077:
            mode = stat.S_IMODE(status.st_mode)
            raise ConfigurationError(
                f"{path} can be read by others (mode {mode:04o}), so its key is not safe: run chmod 600 {path}"
            )
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ConfigurationError(f"{path} has more than {MAX_FILE_BYTES} bytes")
    values = {}
    for line in data.decode("utf-8", "replace").splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if not equals or name.startswith("#"):
            continue
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        else:
            value = value.partition(" #")[0].rstrip()
        values[name.strip()] = value
    return values
