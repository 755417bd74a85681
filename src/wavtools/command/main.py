"""The command line: finds the verb, runs it, and turns what it raises into one line and an exit status.

The exit status is 0 for success, 1 if ``doctor`` found something to mend, 2 for a mistake that the user can mend (one line
on stderr says how), 130 after Ctrl-C where that is not the way to stop. A verb is imported when it runs, or when its help
is asked for.

Thread: the main one.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import os
import runpy
import sys
from collections.abc import Sequence
from typing import NoReturn

from wavtools._version import __version__
from wavtools.command.errors import UserError
from wavtools.command.terminal import one_line
from wavtools.command.verbs import PARTS, VERBS

__all__ = ["main", "make_parser"]

# Packages that come with each extra, beyond those of wavtools itself.
_NEEDS = {
    "console": ("textual", "websockets"),
    "offline": ("onnxruntime", "websockets"),
    "relay": ("websockets",),
}


class _Parser(argparse.ArgumentParser):
    """An ArgumentParser whose error messages are one line."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see {self.prog} --help")


def make_parser(verbs: Sequence[str] = tuple(VERBS)) -> argparse.ArgumentParser:
    """Return the parser of the command; only *verbs* know their arguments."""
    parser = _Parser(
        prog="wavtools",
        description="Record, play, convert and measure audio. 'wavtools VERB --help' explains a verb.",
    )
    parser.add_argument("--version", action="version", version=f"wavtools {__version__}")
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, text in VERBS.items():
        described = f"{text[0].upper()}{text[1:]}."
        subparser = subparsers.add_parser(verb, help=text, description=described)
        if verb in verbs:
            importlib.import_module(f"wavtools.command.{verb}").add_arguments(subparser)
    for verb, (_, _, text) in PARTS.items():
        # main() passes their arguments on.
        subparsers.add_parser(verb, help=text, add_help=False)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks is escaped, not fatal.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except UserError as error:
        return _complain(str(error))
    except BrokenPipeError:
        # The reader of the pipe has gone. What is still buffered goes nowhere.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        return _complain(f"{error.name} is missing; install it with: pip install {error.name}")
    except ImportError as error:
        return _complain(str(error))
    except Exception as error:
        if not _is_told(error):
            raise
        return _complain(_sentence(error))


def _run(arguments: list[str]) -> int:
    if arguments and arguments[0] in PARTS:
        return _run_part(arguments[0], arguments[1:])
    wanted = [arguments[0]] if arguments and arguments[0] in VERBS else []
    parsed = make_parser(wanted).parse_args(arguments)
    status: int = importlib.import_module(f"wavtools.command.{parsed.verb}").run(parsed)
    return status


def _run_part(verb: str, rest: list[str]) -> int:
    """Run another part of this distribution in this process, with its own arguments and exit status."""
    module, extra, _ = PARTS[verb]
    for package in (module.partition(".")[0], *_NEEDS[verb]):
        if importlib.util.find_spec(package) is None:
            raise UserError(f"{verb} needs {package}; install it with: pip install 'wavtools[{extra}]'")
    sys.argv = [f"wavtools {verb}", *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    return 0


def _is_told(error: Exception) -> bool:
    """True for errors whose text says to the user what to do: those of files, devices and arguments."""
    from wavtools.errors import WavtoolsError

    return isinstance(error, (OSError, WavtoolsError))


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def _complain(message: str) -> int:
    """Print one line on stderr, if there is one; return the exit status."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        print(f"wavtools: {one_line(message)}", file=sys.stderr, flush=True)
    return 2
