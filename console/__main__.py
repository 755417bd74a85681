"""``python -m console``: arguments, wiring, exit statuses.

Exit status 0 when it did what was asked, 2 for a mistake that the user can mend (one line on stderr says how), 130
after Ctrl-C.

Thread: the main one, which runs the event loop.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, NoReturn

from console.errors import UserError

PROGRAM = "python -m console"


class _Parser(argparse.ArgumentParser):
    """An ArgumentParser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{PROGRAM}: {message}; see {PROGRAM} --help\n")


def _parser() -> argparse.ArgumentParser:
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument(
        "--offline", action="store_true", help="start the offline server inside (default without a key)"
    )
    where.add_argument("--url", help="another server: ws://... or wss://...")
    where.add_argument("--model", help="model to ask for")
    parser = _Parser(
        prog=PROGRAM,
        parents=[where],
        description="Hold a voice conversation. With no verb: talk through microphone and speaker; without a terminal, "
        "one demo turn. The key is read from OPENAI_API_KEY; without one, the offline server answers.",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    talk = verbs.add_parser("talk", parents=[where], help="one spoken turn from a WAV file, no screen")
    talk.add_argument("question", type=Path, help="WAV file of a spoken question")
    talk.add_argument("--out", type=Path, required=True, help="WAV file for the spoken answer")
    talk.add_argument("--events", type=Path, help="write every protocol event here, a line of JSON each")
    verbs.add_parser("devices", help="list microphones and speakers")
    return parser


def _devices() -> int:
    from wavtools import DeviceError, WavRecorder, WavStreamPlayer

    try:
        lists = {"microphones": WavRecorder.list_devices(), "speakers": WavStreamPlayer.list_devices()}
    except DeviceError as error:
        raise UserError(str(error)) from error
    for noun, devices in lists.items():
        print(f"{noun}:" if devices else f"{noun}: none")
        for device in devices:
            rates = ", ".join(f"{rate} Hz" for rate in device.sample_rates) or "any rate"
            print(f"  {'*' if device.default else ' '} {device.name}  [{device.id}]  {rates}")
    return 0


def _verb(arguments: argparse.Namespace) -> Coroutine[Any, Any, int]:
    """The coroutine that does what was asked. Imported here: a wrong argument should not wait for NumPy."""
    where = {"offline": arguments.offline, "url": arguments.url, "model": arguments.model}
    if arguments.verb == "talk":
        from console.talk import talk

        return talk(arguments.question, arguments.out, events=arguments.events, **where)
    if sys.stdin.isatty() and sys.stdout.isatty():
        from console.converse import converse

        return converse(**where)
    from console.talk import talk
    from realtime.offline import question_path

    print("no terminal: holding one demo turn with a recorded question")
    return talk(Path(question_path("hello")), Path("answer.wav"), **where)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        if arguments.verb == "devices":
            return _devices()
        return asyncio.run(_verb(arguments))
    except UserError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
