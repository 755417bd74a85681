"""script(): lets a small program end as a program should, by Ctrl+C and by an error that its user can mend.

Thread: the main one, where Python raises KeyboardInterrupt.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from wavtools.errors import WavtoolsError

__all__ = ["script"]


@contextlib.contextmanager
def script() -> Iterator[None]:
    """Run the lines of a small program: ``with wavtools.script(): ...``.

    Ctrl+C, and the end of the input of `input()` (Ctrl+D), end the block: devices and files that its ``with`` statements
    opened are closed, and the program goes on after it. A `WavtoolsError`, or an OSError such as a missing file, becomes
    one line on stderr, and the program ends with exit status 1. Everything else, such as a mistake in the program, has
    its traceback as always.

    Raises
    ------
    SystemExit
        after an error of these kinds; its text is the line

    Examples
    --------
    >>> with wavtools.script():
    ...     wavtools.play(bytes(4_800), device="null")
    """
    try:
        yield
    except (KeyboardInterrupt, EOFError):
        # The terminal shows ^C in the line of the prompt or the meter.
        print(file=sys.stderr)
    except (WavtoolsError, OSError) as error:
        sys.exit(_line(error))


def _line(error: Exception) -> str:
    """The text of *error* on one line; of an OSError about a file, its name and the reason."""
    text = str(error)
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        text = f"{error.filename}: {error.strerror}"
    return " ".join(text.split()) or type(error).__name__
