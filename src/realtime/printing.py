"""The gate for everything that programs print: text that cannot control a terminal, on streams that cannot fail.

`guarded_streams` puts a `Gate` before ``sys.stdout`` and ``sys.stderr``, so print(), argparse, logging and tracebacks
all go through it. The gate drops the C0 controls except newline and tab, DEL, the C1 controls, the bidirectional
controls (U+202E makes a file name read backwards), line separators, byte order marks and tag characters (CWE-150). Every
rule looks at a single character, so an escape sequence that is split over two writes is as harmless as a whole one.

Thread: any.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import sys
from collections.abc import Iterator
from typing import Any, TextIO

__all__ = ["Gate", "OutputError", "clean", "guarded_streams", "one_line"]

# C0 but tab and newline, DEL, C1; bidirectional controls; line separators, byte order marks, tag characters
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
    "\u2028\u2029\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_PAIR = re.compile("([\ud800-\udbff])([\udc00-\udfff])")
_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: object, limit: int | None = None) -> str:
    """Return *text* as it may be shown: at most *limit* characters, followed by an ellipsis if some were left out."""
    shown = text if isinstance(text, str) else _text_of(text)
    if limit is not None and len(shown) > limit:
        shown = shown[:limit] + "…"
    shown = _CONTROL.sub("", shown)
    # UTF-8 cannot hold a surrogate: writing it to a terminal would raise
    if _SURROGATE.search(shown):
        shown = _SURROGATE.sub("\ufffd", _PAIR.sub(_join, shown))
    return shown


def one_line(text: object, limit: int | None = None) -> str:
    """Return `clean` text in which newlines and tabs are spaces."""
    return clean(text, limit).replace("\n", " ").replace("\t", " ")


def _text_of(value: object) -> str:
    try:
        return str(value)
    except Exception as error:
        # A __str__ that raises, or an integer of more digits than Python converts
        return f"<{type(value).__name__}: {type(error).__name__}>"


def _join(pair: re.Match[str]) -> str:
    return (pair[1] + pair[2]).encode("utf-16", "surrogatepass").decode("utf-16")


class OutputError(OSError):
    """Standard output cannot be written, and its reader has not gone: a full disk, for example."""


class Gate(io.TextIOBase):
    """A text stream that cleans what is written and passes it on to *stream*.

    A character that the encoding of *stream* does not have becomes a question mark. Without a stream, on a closed one,
    and after a failure, what is written is dropped.

    Parameters
    ----------
    stream : file or None
        Where the text goes; None if the program was started without this stream.
    required : bool
        True raises a failure (once): BrokenPipeError if the reader has gone, else OutputError.
    """

    def __init__(self, stream: TextIO | None, *, required: bool = False) -> None:
        super().__init__()
        self._stream = stream
        self._required = required

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        try:
            return self._stream is not None and self._stream.isatty()
        except ValueError:
            # Closed
            return False

    def fileno(self) -> int:
        if self._stream is None:
            raise io.UnsupportedOperation("fileno")
        return self._stream.fileno()

    def write(self, text: str) -> int:
        stream = self._stream
        if stream is not None:
            shown = clean(text)
            try:
                try:
                    stream.write(shown)
                except UnicodeEncodeError:
                    stream.write(shown.encode(self.encoding, "replace").decode(self.encoding))
            except (OSError, ValueError) as error:
                self._failed(stream, error)
        return len(text)

    def flush(self) -> None:
        stream = self._stream
        if stream is not None:
            try:
                stream.flush()
            except (OSError, ValueError) as error:
                self._failed(stream, error)

    def _failed(self, stream: TextIO, error: OSError | ValueError) -> None:
        """Drop everything from now on. ValueError: the stream was closed, which somebody wanted."""
        self._stream = None
        if isinstance(error, OSError):
            _discard(stream)
            if self._required:
                # Windows reports a reader that has gone as an invalid argument.
                invalid = sys.platform == "win32" and error.errno == errno.EINVAL
                if invalid or isinstance(error, BrokenPipeError):
                    raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from error
                reason = error.strerror or type(error).__name__
                raise OutputError(error.errno, f"cannot write the output: {reason}") from error


def _discard(stream: TextIO) -> None:
    """Let the interpreter flush *stream* at exit without another failure: what it holds goes to the null device."""
    with contextlib.suppress(OSError, ValueError):
        number = stream.fileno()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, number)
        os.close(null)


@contextlib.contextmanager
def guarded_streams(*, required: bool = False) -> Iterator[None]:
    """Put a gate before ``sys.stdout`` and ``sys.stderr``; input that cannot be decoded is replaced too.

    Parameters
    ----------
    required : bool
        True for a program whose purpose is its output: a failure of stdout is raised, see `Gate`. A server goes on.
    """
    _fill_descriptors()
    # Python's own colours (argparse, tracebacks) are escape sequences, of which the gate would leave the letters
    os.environ.setdefault("PYTHON_COLORS", "0")
    before: tuple[Any, Any] = sys.stdout, sys.stderr
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    output = Gate(before[0], required=required)
    sys.stdout, sys.stderr = output, Gate(before[1])
    try:
        yield
        output.flush()
    finally:
        # After an exception, such as the SystemExit of --help: the interpreter must not fail on what is left
        with contextlib.suppress(OSError):
            output.flush()
        sys.stdout, sys.stderr = before


def _fill_descriptors() -> None:
    """Open the null device for each standard stream that is closed, so that no socket takes its number."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        number = 0
        while number <= 2:
            number = os.open(os.devnull, os.O_RDWR)
        os.close(number)
