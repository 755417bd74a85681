"""The command line, ``python -m console`` or ``realtime-console``: arguments, wiring, exit statuses.

The exit status is 0 for success, 1 if ``doctor`` found something to mend or a part of the program failed, 2 for a mistake
that the user can mend (one line on stderr says how), 128 + n after signal n (Ctrl-C: 130). Each verb imports what it
needs when it runs: Textual takes a second.

Thread: the main one, which runs the event loop.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import runpy
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, NoReturn

from . import PROGRAM
from .ending import Ended, ended_by_signals, run
from .errors import ProgramError, UserError
from .text import one_line

SERVERS = {"relay": "realtime.relay", "offline": "realtime.offline"}


def _where(settings: Any) -> dict[str, Any]:
    return {"offline": settings.offline, "url": settings.url, "model": settings.model}


class _Parser(argparse.ArgumentParser):
    """An ArgumentParser whose error messages are one line."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see {PROGRAM} --help")


def _parser() -> argparse.ArgumentParser:
    # SUPPRESS: otherwise the verb's default would overwrite a flag that stands before the verb
    where = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    where.add_argument(
        "--offline", action="store_true", help="start the offline server and use it (default without a key)"
    )
    where.add_argument("--url", help="another server: ws://... or wss://...")
    where.add_argument("--model", help="model to ask for")
    where.add_argument("--voice", help="voice to ask for")
    where.add_argument(
        "--mode",
        choices=("manual", "vad"),
        help="push to talk (manual), or turns detected by the server (vad)",
    )
    where.add_argument(
        "--interrupt", choices=("cut", "duck"), help="speech over an answer stops or lowers it"
    )
    where.add_argument("--input", metavar="NAME", help="microphone: an id or a part of its name")
    where.add_argument("--output", metavar="NAME", help="speaker: an id or a part of its name")
    parser = _Parser(
        prog=PROGRAM,
        parents=[where],
        argument_default=argparse.SUPPRESS,
        description="Hold and inspect a voice conversation. Without a verb: the screen, or one demo turn if there is no "
        "terminal. The key comes from OPENAI_API_KEY, from .env, or from the screen (key a); without a key the offline "
        "server answers. Settings: flag > REALTIME_CONSOLE_... in the environment > .env > config.ini > default.",
    )
    parser.add_argument("--theme", help="dark, light, or the name of a Textual theme")
    parser.add_argument("--sessions", metavar="FOLDER", help="folder for saved sessions (default: sessions)")
    parser.add_argument("--plain", action="store_true", help="print lines of text, show no screen")
    parser.add_argument("--json", action="store_true", help="print lines of JSON, show no screen")
    parser.set_defaults(verb=None)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    talk = verbs.add_parser(
        "talk", parents=[where], help="hold one spoken turn with WAV files, show no screen"
    )
    talk.add_argument("question", type=Path, help="WAV file of a spoken question")
    talk.add_argument("--out", type=Path, required=True, help="WAV file for the spoken answer")
    talk.add_argument(
        "--events", type=Path, help="write every protocol event to this file, one line of JSON each"
    )
    captions = verbs.add_parser(
        "captions", parents=[where], help="print what is said: by the microphone, or in a file"
    )
    captions.add_argument("file", type=Path, nargs="?", help="audio file; without one: the microphone")
    verbs.add_parser("devices", help="list microphones and speakers")
    verbs.add_parser(
        "doctor",
        parents=[where],
        help="check devices, round trip of a test tone, endpoint and key; say what to mend",
    )
    replay = verbs.add_parser("replay", help="replay a saved session")
    replay.add_argument("folder", type=Path, help="folder of a saved session")
    replay.add_argument(
        "--speed", type=_speed, default=1.0, help="factor of speed; 0: without pauses (default: %(default)g)"
    )
    for verb, module in SERVERS.items():
        # main() passes their arguments on
        verbs.add_parser(verb, add_help=False, help=f"the same as python -m {module}")
    return parser


def _speed(value: str) -> float:
    try:
        speed = float(value)
    except ValueError:
        speed = -1.0
    if not 0 <= speed <= 1000:
        raise argparse.ArgumentTypeError(f"{value!r} is not a speed; expected 0 to 1000")
    return speed


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
            print(
                f"  {'*' if device.default else ' '} {one_line(device.name)}  [{one_line(device.id)}]  {rates}"
            )
    return 0


def _serve(verb: str, rest: list[str]) -> int:
    """Run a server in this process, with its own arguments and exit status."""
    sys.argv = [SERVERS[verb], *rest]
    try:
        runpy.run_module(SERVERS[verb], run_name="__main__", alter_sys=True)
    except ImportError as error:
        raise UserError(
            f"{error.name or SERVERS[verb]} is missing; install it with: pip install 'wavtools[realtime]'"
        ) from error
    return 0


def _is_terminal() -> bool:
    """Return True if a person can type and read here. A stream that is missing or closed is no terminal."""
    try:
        return sys.stdin is not None and sys.stdin.isatty() and sys.stdout is not None and sys.stdout.isatty()
    except ValueError:
        return False


def _shows_screen(arguments: argparse.Namespace) -> bool:
    lines = getattr(arguments, "plain", False) or getattr(arguments, "json", False)
    return arguments.verb in (None, "replay") and not lines and _is_terminal()


def _verb(arguments: argparse.Namespace) -> Coroutine[Any, Any, int]:
    """Return the coroutine that does what the arguments ask for."""
    from .settings import DotEnv, load

    settings = load(vars(arguments), os.environ, DotEnv())
    where = _where(settings)
    terminal = _is_terminal()
    plain, as_json = getattr(arguments, "plain", False), getattr(arguments, "json", False)
    if arguments.verb == "talk":
        from .talk import talk

        return talk(arguments.question, arguments.out, events=arguments.events, **where)
    if arguments.verb == "captions":
        from .captions import captions

        # --model is the model of the transcription; that of a conversation in the settings is another one.
        model = getattr(arguments, "model", None)
        return captions(arguments.file, **{**where, "model": model}, microphone=settings.input)
    if arguments.verb == "doctor":
        from .doctor import doctor

        return doctor(settings)
    if arguments.verb == "replay":
        from .replay import Replay
        from .session_files import load_session

        speed = arguments.speed if terminal else 0.0
        replay = Replay(load_session(arguments.folder), speed=speed, output=settings.output)
        return _screen(replay, settings.theme) if _shows_screen(arguments) else _replayed(replay, as_json)
    if plain or as_json:
        from dataclasses import replace

        from .call import Call
        from .plain import JsonView, PlainView, hold

        call = Call(replace(settings, mode=settings.mode or ("vad" if terminal else "manual")))
        return hold(call, (JsonView if as_json else PlainView)(call))
    if terminal:
        from .call import Call

        return _screen(Call(settings), settings.theme)
    from realtime.offline import question_path

    from .talk import talk

    print("no terminal: holding one demo turn with a recorded question")
    return talk(Path(question_path("hello")), Path("answer.wav"), **where)


async def _screen(call: Any, theme: str | None) -> int:
    try:
        from .screen.app import RealtimeConsole
    except ImportError as error:
        raise UserError(
            f"{error.name} is missing; install it with: pip install 'wavtools[console]', or use --plain"
        ) from error
    app = RealtimeConsole(call, theme)
    # Modules stay: a collection that walked through all of them would cost the screen two frames
    gc.freeze()

    async def shown() -> int:
        await app.run_async()
        return app.return_code or 0

    return await run(shown(), stop=lambda status: app.exit(return_code=status))


async def _replayed(replay: Any, as_json: bool) -> int:
    from .plain import JsonView, PlainView

    view = JsonView(replay) if as_json else PlainView(replay)
    try:
        await replay.start()
        view.draw()
    finally:
        await replay.close()
    return 0


async def _run(arguments: argparse.Namespace) -> int:
    work = _verb(arguments)
    return await (work if _shows_screen(arguments) else run(work))


def _main(argv: list[str]) -> int:
    # The servers parse their own arguments, and guard their own streams
    if argv and argv[0] in SERVERS:
        return _serve(argv[0], argv[1:])
    arguments = _parser().parse_args(argv)
    with ended_by_signals(), contextlib.ExitStack() as stack:
        # The screen prints nothing. Whatever else prints, prints through the gate
        if not _shows_screen(arguments):
            from realtime.printing import guarded_streams

            stack.enter_context(guarded_streams(required=True))
        if arguments.verb == "devices":
            return _devices()
        return asyncio.run(_run(arguments))


def _complain(message: str) -> None:
    """Print one line on stderr, if there is one."""
    text = f"{PROGRAM}: {one_line(message)}\n"
    with contextlib.suppress(OSError, ValueError):
        encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
        if sys.stderr is not None:
            sys.stderr.write(text.encode(encoding, "replace").decode(encoding))
            sys.stderr.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the console; return its exit status."""
    try:
        return _main(list(sys.argv[1:] if argv is None else argv))
    except UserError as error:
        _complain(str(error))
        return 2
    except ProgramError as error:
        _complain(str(error))
        return 1
    except ModuleNotFoundError as error:
        _complain(f"{error.name} is missing; install it with: pip install 'wavtools[console]'")
        return 2
    except BrokenPipeError:
        # The reader of the pipe has gone; the gate prints nothing more
        return 0
    except OSError as error:
        # The gate's OutputError, and what else the system refuses
        what = f"{error.filename}: " if error.filename else ""
        _complain(f"{what}{error.strerror or error}")
        return 2
    except Ended as ended:
        return ended.status
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
