"""Reads ``.env`` files, for console and relay: safely, and with a check of who else can read them.

python-dotenv parses the lines: comments, ``export``, quotes, CRLF. Variables are not expanded. It is imported when there
is a file to read.

Thread: any; reads a file.
"""

from __future__ import annotations

import codecs
import os
import re
import stat
import sys
from pathlib import Path

from .errors import ConfigurationError

__all__ = ["EnvFile"]

MAX_FILE_BYTES = 64 * 1024
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class EnvFile:
    """The values of one file; empty if the file does not exist.

    Parameters
    ----------
    path : Path
        The file.

    Attributes
    ----------
    values : dict
        Text by name.

    Raises
    ------
    ConfigurationError
        It is not a plain file, it is too large, it is not text in UTF-8 (or in UTF-16 with a byte order mark), or it
        cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.values: dict[str, str] = {}
        # Access rights of group and others, and the lines that could not be parsed: (number, text)
        self._open_mode: int | None = None
        self._damaged: list[tuple[int, str]] = []
        data = self._read()
        if data:
            self._parse(self._decode(data))

    def get(self, name: str) -> str:
        """Return a value; "" if the file does not have it.

        Raises
        ------
        ConfigurationError
            the line that should hold it cannot be parsed
        """
        if name in self.values:
            return self.values[name]
        for number, text in self._damaged:
            if re.match(rf"\s*(?:export\s+)?['\"]?{re.escape(name)}\b", text):
                raise ConfigurationError(
                    f"{self.path}, line {number}: {name} cannot be read; write {name}=value, with quotes on both sides "
                    "or on none"
                )
        return ""

    def secret(self, name: str) -> str:
        """Return a value that must be kept secret; "" if the file does not have it.

        Raises
        ------
        ConfigurationError
            the file has it and others can access the file, or the line cannot be parsed
        """
        value = self.get(name)
        if value and self._open_mode is not None:
            raise ConfigurationError(
                f"{self.path} holds {name} and others can read it (mode {self._open_mode:04o}), so it is not safe: "
                f"run chmod 600 {self.path}"
            )
        return value

    def _read(self) -> bytes:
        flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            if self.path.is_dir():
                # Windows refuses to open a folder, with a reason that does not help
                raise ConfigurationError(f"{self.path} is a folder, not a file; rename it")
            descriptor = os.open(self.path, flags | getattr(os, "O_BINARY", 0))
            with os.fdopen(descriptor, "rb") as file:
                # The open file is checked, not the path, so that the file that is read is the one that was checked
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode):
                    raise ConfigurationError(f"{self.path} is not a plain file; replace it by one")
                if sys.platform != "win32" and status.st_mode & 0o077:
                    self._open_mode = stat.S_IMODE(status.st_mode)
                data = file.read(MAX_FILE_BYTES + 1)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise ConfigurationError(f"cannot read {self.path}: {error.strerror}") from None
        if len(data) > MAX_FILE_BYTES:
            raise ConfigurationError(f"{self.path} has more than {MAX_FILE_BYTES} bytes; is it another file?")
        return data

    def _decode(self, data: bytes) -> str:
        mark, encoding = next((pair for pair in _MARKS if data.startswith(pair[0])), (b"", "utf-8"))
        try:
            text = data[len(mark) :].decode(encoding)
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            raise ConfigurationError(f"{self.path} is not text in UTF-8; save it again with that encoding")
        return text

    def _parse(self, text: str) -> None:
        from io import StringIO

        try:
            from dotenv.parser import parse_stream
        except ImportError:
            raise ConfigurationError(
                f"python-dotenv is missing, so {self.path} cannot be read; install it with: "
                "pip install 'wavtools[realtime]'"
            ) from None
        for binding in parse_stream(StringIO(text)):
            text = binding.original.string
            if binding.key is not None and binding.value is not None:
                self.values[binding.key] = binding.value
            # "export NAME" and a comment ask for nothing
            elif binding.error or (binding.key is not None and not text.strip().endswith(binding.key)):
                self._damaged.append((binding.original.line, text))
            elif binding.key is not None and not re.fullmatch(r"\w+", binding.key):
                # NAME:value
                self._damaged.append((binding.original.line, text))
