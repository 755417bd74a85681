"""The arguments of the command line: every verb with its help and its own arguments.

The flags that several verbs take are in flags.py.

Thread: the main one.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NoReturn

from . import PROGRAM
from .errors import UserError
from .flags import add_flags
from .tap.command import add_arguments as add_tap
from .web.flags import add_web

__all__ = ["AGENT", "SERVERS", "make_parser"]

# The verb that a Python file alone stands for
AGENT = "agent"
# Verbs that are programs of their own: the module, and what it is
SERVERS = {
    "relay": ("realtime.relay", "a server that keeps your key and lets clients in"),
    "offline": ("realtime.offline", "a server that answers without key and network"),
}


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose error messages are one line, and whose flags are written in full."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **{**named, "allow_abbrev": False})

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see {PROGRAM} --help")


def make_parser() -> Parser:
    """Return the parser of the command line."""
    parser = Parser(
        prog=PROGRAM,
        description="Hold and inspect a voice conversation. Without a verb: the screen, or one demo turn if there is no "
        "terminal. The key comes from OPENAI_API_KEY, from .env, or from the screen (key a); without a key the offline "
        "server answers.",
        epilog="Each flag can also be set as REALTIME_CONSOLE_NAME in the environment or in .env, or as NAME in "
        "config.ini; a flag comes first, then the environment, .env, config.ini, and the default. Each verb has its "
        f"own help: {PROGRAM} VERB --help",
    )
    add_flags(parser, None)
    parser.set_defaults(verb=None)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    _add_turns(verbs)
    _add_saved(verbs)
    _add_own(verbs)
    _add_checks(verbs)
    for verb, (module, about) in SERVERS.items():
        # main() passes their arguments on
        verbs.add_parser(verb, add_help=False, help=f"{about} (python -m {module})")
    return parser


def _add(verbs: Any, verb: str, about: str, short: str) -> argparse.ArgumentParser:
    """Add a verb with its flags."""
    added: argparse.ArgumentParser = verbs.add_parser(verb, description=about, help=short)
    add_flags(added, verb)
    return added


def _add_turns(verbs: Any) -> None:
    about = "Hold one spoken turn without a screen: ask the question in a WAV file, save the spoken answer."
    talk = _add(verbs, "talk", about, "one spoken turn: a WAV file asks, a WAV file answers")
    talk.add_argument("question", type=Path, help="WAV file of a spoken question")
    talk.add_argument("--out", type=Path, required=True, help="WAV file to write the spoken answer to")
    talk.add_argument(
        "--events", type=Path, help="file to write every protocol event to, one line of JSON each"
    )
    about = "Print what is said, by the microphone or in a file. --model is the model that transcribes."
    captions = _add(verbs, "captions", about, "print what is said")
    captions.add_argument("file", type=Path, nargs="?", help="audio file; without one: the microphone")
    about = "A guided minute with the offline server: ask, use a tool, interrupt, hear it again. No key, no network."
    _add(verbs, "demo", about, "a guided minute, without key and network")


def _add_saved(verbs: Any) -> None:
    about = "Show a saved session again, with its sound."
    replay = _add(verbs, "replay", about, "show a saved session again, with its sound")
    replay.add_argument("folder", type=Path, help="folder of a saved session")
    replay.add_argument(
        "--speed",
        type=_speed,
        default=1.0,
        help="how many times as fast; 0: without pauses; there is sound at 1 only (default: %(default)g)",
    )
    about = "Write a saved session as one HTML file that opens anywhere."
    report = _add(verbs, "report", about, "write a saved session as one HTML file")
    report.add_argument("folder", type=Path, help="folder of a saved session")
    report.add_argument("--out", type=Path, help="the file (default: report.html in the folder)")


def _add_own(verbs: Any) -> None:
    """Add the verbs that show clients of the user's own, and the page."""
    about = "Show what any client and its server say: the client connects here instead of to its server."
    add_tap(_add(verbs, "tap", about, "show what any client and its server say"))
    about = "Hold a conversation with your own agent. A Python file in place of a verb is the same."
    agent = _add(verbs, AGENT, about, "your own agent; a Python file in place of a verb is the same")
    agent.add_argument("file", type=Path, help="a Python file that defines client, or make_client()")
    about = "Serve the console as a web page: its browser is microphone and speaker."
    add_web(_add(verbs, "web", about, "the console as a web page: the browser is microphone and speaker"))


def _add_checks(verbs: Any) -> None:
    about = "List microphones and speakers, with the ids that --input and --output take; * marks the default."
    _add(verbs, "devices", about, "list microphones and speakers")
    about = "Check packages, devices, key and server, and the way of a test tone from the speaker to the microphone."
    _add(verbs, "doctor", about, "check everything, and say what to mend")


def _speed(value: str) -> float:
    try:
        speed = float(value)
    except ValueError:
        speed = -1.0
    if not 0 <= speed <= 1000:
        raise argparse.ArgumentTypeError(f"{value!r} is not a speed; expected 0 to 1000")
    return speed
