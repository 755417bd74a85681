"""The command line, ``python -m console`` or ``realtime-console``: what each verb runs, and the exit statuses.

The exit status is 0 for success, 1 if ``doctor`` found something to mend or a part of the program failed, 2 for a mistake
that the user can mend (one line on stderr says how), 128 + n after signal n (Ctrl-C: 130). Each verb imports what it
needs when it runs: Textual takes a second.

Thread: the main one, which runs the event loop.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import runpy
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import BROWSER_HINT, PROGRAM
from .arguments import AGENT, SERVERS, make_parser
from .ending import Ended, ended_by_signals, run
from .errors import ProgramError, UserError
from .flags import refuse_unused
from .running import AGENT_SCREEN, is_terminal, show_screen
from .tap.command import make_tap
from .tap.command import show as show_tap
from .text import one_line

if TYPE_CHECKING:
    from .settings import Settings

SCREENS = (None, "replay", "demo", "tap", AGENT)


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
    module = SERVERS[verb][0]
    sys.argv = [module, *rest]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except ModuleNotFoundError as error:
        raise UserError(
            f"{error.name or module} is missing; install it with: pip install 'wavtools[realtime]'"
        ) from error
    return 0


def _report(folder: Path, out: Path | None) -> int:
    from .report import write_report

    print(f"written: {write_report(folder, out)}")
    return 0


def _wants(arguments: argparse.Namespace, flag: str) -> bool:
    return bool(getattr(arguments, flag, False))


def _shows_screen(arguments: argparse.Namespace) -> bool:
    lines = _wants(arguments, "plain") or _wants(arguments, "json")
    return arguments.verb in SCREENS and not lines and is_terminal()


def _verb(arguments: argparse.Namespace) -> Coroutine[Any, Any, int]:
    """Return the coroutine that does what the arguments ask for."""
    from .settings import DotEnv, load

    settings = load(vars(arguments), os.environ, DotEnv())
    if arguments.verb == "talk":
        return _talk(arguments.question, arguments.out, settings, arguments.events)
    if arguments.verb == "captions":
        from .captions import captions

        # --model is the model of the transcription; that of a conversation in the settings is another one.
        model = getattr(arguments, "model", None)
        return captions(
            arguments.file,
            offline=settings.offline,
            url=settings.url,
            model=model,
            microphone=settings.input,
        )
    if arguments.verb == "web":
        from .web.run import web

        return web(settings, arguments)
    if arguments.verb == "doctor":
        from .doctor import doctor

        return doctor(settings)
    if arguments.verb == "replay":
        return _replay(arguments, settings)
    if arguments.verb == "tap":
        return _tap(arguments, settings)
    return _conversation(arguments, settings)


def _replay(arguments: argparse.Namespace, settings: Settings) -> Coroutine[Any, Any, int]:
    from .replay import Replay
    from .session_files import load_session

    screen = _shows_screen(arguments)
    speed = arguments.speed if is_terminal() else 0.0
    replay = Replay(load_session(arguments.folder), speed=speed, output=settings.output, sound=screen)
    return show_screen(replay, settings.theme) if screen else _replayed(replay, _wants(arguments, "json"))


def _tap(arguments: argparse.Namespace, settings: Settings) -> Coroutine[Any, Any, int]:
    tap = make_tap(arguments, output=settings.output, sessions=settings.sessions)
    if _shows_screen(arguments):
        return show_tap(tap, lambda one: show_screen(one, settings.theme, "tap.TapConsole"))
    from .tap.lines import hold_tap

    return hold_tap(tap, _wants(arguments, "json"))


def _conversation(arguments: argparse.Namespace, settings: Settings) -> Coroutine[Any, Any, int]:
    """Return a conversation: on the screen, as lines, or one turn; with an agent of the user's own; or the demo."""
    as_json = _wants(arguments, "json")
    if arguments.verb == "demo":
        from .demo import demo_call, demo_lines, demo_on

        call = demo_call(settings)
        if _shows_screen(arguments):
            return show_screen(call, settings.theme, guide=demo_on)
        return demo_lines(call, as_json)
    from .call import Call
    from .plain import JsonView, PlainView, hold

    view = JsonView if as_json else PlainView
    if arguments.verb == AGENT:
        from .agent import AgentCall, FileSource

        call = AgentCall(settings, FileSource(arguments.file))
        if _shows_screen(arguments):
            return show_screen(call, settings.theme, AGENT_SCREEN)
        return hold(call, view(call))
    if _wants(arguments, "plain") or as_json:
        call = Call(replace(settings, mode=settings.mode or ("vad" if is_terminal() else "manual")))
        return hold(call, view(call))
    if is_terminal():
        return show_screen(Call(settings), settings.theme)
    from realtime.offline import question_path

    print(f"no terminal: holding one demo turn with a recorded question; {BROWSER_HINT}")
    return _talk(Path(question_path("hello")), Path("answer.wav"), settings)


def _talk(
    question: Path, out: Path, settings: Settings, events: Path | None = None
) -> Coroutine[Any, Any, int]:
    from .endpoint import Endpoint
    from .talk import talk

    return talk(question, out, events=events, endpoint=Endpoint.of(settings), voice=settings.voice)


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
    arguments = make_parser().parse_args(_with_agent(argv))
    refuse_unused(arguments)
    with ended_by_signals(), contextlib.ExitStack() as stack:
        # The screen prints nothing. Whatever else prints, prints through the gate
        if not _shows_screen(arguments):
            from realtime.printing import guarded_streams

            stack.enter_context(guarded_streams(required=True))
        if arguments.verb == "devices":
            return _devices()
        if arguments.verb == "report":
            return _report(arguments.folder, arguments.out)
        return asyncio.run(_run(arguments))


def _with_agent(argv: list[str]) -> list[str]:
    """Insert the verb before the name of a Python file that stands where a verb is expected."""
    for at, word in enumerate(argv):
        value_of_option = at > 0 and argv[at - 1].startswith("--") and "=" not in argv[at - 1]
        if word.endswith(".py") and not word.startswith("-"):
            return [*argv[:at], AGENT, *argv[at:]]
        if not word.startswith("-") and not value_of_option:
            break
    return argv


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
    except ImportError as error:
        # Another package has taken the place of ours: its text says what to do.
        _complain(str(error))
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
