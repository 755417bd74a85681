"""Finds the relay's API key: in the environment, or in a file that only its owner can read.

Thread: any; called once, at the start.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..env_file import EnvFile
from ..errors import ConfigurationError
from ..protocol.redact import Secret

__all__ = ["find_key"]

ENV_FILE = ".env"


def find_key(name: str = "OPENAI_API_KEY", folder: str | Path = ".") -> Secret:
    """The key in the environment variable *name*, else in ``.env`` of *folder*; an empty Secret if it is in neither.

    Raises
    ------
    ConfigurationError
        The variable is not set, and ``.env`` holds the key and others can access it, or it cannot be read; or the key
        has characters that no HTTP header can carry.
    """
    value, source = os.environ.get(name, "").strip(), f"the environment variable {name}"
    if not value:
        path = Path(folder) / ENV_FILE
        value, source = EnvFile(path).secret(name).strip(), f"{name} in {path}"
    if not value.isascii() or not (value.isprintable() and " " not in value):
        raise ConfigurationError(f"{source} is not a key: it has spaces or characters beyond ASCII")
    return Secret(value)
