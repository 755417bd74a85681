"""`python -m realtime.offline`: arguments, the first line, signals, exit status.

Exit status 0 after SIGTERM or Ctrl-C, 2 for anything the caller can mend (one line on stderr says how).

Thread: main. Every worker process imports this module too (multiprocessing's spawn does), so what only the
server needs is imported where it is used.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import sys
import threading
from typing import TYPE_CHECKING

from ..command_line import Parser, count, on_stop_signal, port
from .models.choice import choose_voice
from .models.interfaces import ModelError

if TYPE_CHECKING:
    from .replies.rules import Replier

PROGRAM = "python -m realtime.offline"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = Parser(
        prog=PROGRAM,
        description="A server of the OpenAI Realtime protocol that needs no key and no network.",
        epilog="The first line on stdout is: listening on ws://HOST:PORT",
    )
    p.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    p.add_argument("--port", type=port, default=0, help="port to listen on; 0 picks a free one (default)")
    p.add_argument("--dialect", choices=("auto", "ga", "beta"), default="auto", help="default: %(default)s")
    p.add_argument(
        "--key-env",
        metavar="NAME",
        help="ask clients for the API key in this environment variable (default: let everybody in)",
    )
    p.add_argument(
        "--voice",
        choices=("auto", "models", "standin"),
        default="auto",
        help="models: refuse to start without them; standin: load none (default: %(default)s)",
    )
    p.add_argument("--stt-model", metavar="FOLDER", help="another Whisper model, in CTranslate2 form")
    p.add_argument("--workers", type=count(), default=1, help="processes to hear, and to speak (default: 1)")
    p.add_argument("--max-sessions", type=count(), default=64, help="default: %(default)s")
    p.add_argument(
        "--pace",
        type=_positive,
        default=8.0,
        help="send audio at most so many times faster than real time; 0: no limit (default: %(default)g)",
    )
    p.add_argument("--llm-url", metavar="URL", help="let a chat model answer: http://127.0.0.1:11434/v1")
    p.add_argument("--llm-model", metavar="NAME", help="its name there; its key, if any: LLM_API_KEY")
    p.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="misbehave on purpose; the names are those of realtime.offline.faults.Faults",
    )
    p.add_argument(
        "--session-seconds",
        type=_positive,
        default=3600,
        help="end a session after this time, as the vendor does after an hour (default: %(default)s)",
    )
    p.add_argument(
        "--until-eof",
        action="store_true",
        help="stop when standard input ends: for programs that start the server",
    )
    return p


def _positive(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{value!r} is no number from 0 on")
    return number


async def serve(arguments: argparse.Namespace) -> None:
    """Listen until a signal; ModelError or OSError if that cannot be."""
    from .faults import Faults
    from .server import OfflineServer
    from .session.session import SessionOptions

    voice = choose_voice(arguments.voice, arguments.stt_model)
    key = None
    if arguments.key_env is not None:
        key = os.environ.get(arguments.key_env)
        if not key:
            raise ModelError(f"the environment variable {arguments.key_env} is not set")
    try:
        faults = Faults.parse(arguments.fault)
    except ValueError as error:
        raise ModelError(f"--fault: {error}") from None
    replier: Replier | None = None
    if arguments.llm_url is not None:
        replier = _chat_replies(arguments.llm_url, arguments.llm_model)
    server = OfflineServer(
        arguments.host,
        arguments.port,
        dialect=arguments.dialect,
        key=key,
        voice=voice,
        replier=replier,
        options=SessionOptions(pace=arguments.pace, seconds=arguments.session_seconds, faults=faults),
        workers=arguments.workers,
        max_sessions=arguments.max_sessions,
    )
    stop = asyncio.Event()
    on_stop_signal(stop)
    if arguments.until_eof:
        loop = asyncio.get_running_loop()
        threading.Thread(target=_await_eof, args=(loop, stop), daemon=True).start()
    async with server:
        print(f"listening on {server.url}", flush=True)
        if voice.only_says is not None and arguments.voice == "auto":
            print("no models installed; say: pip install 'wavtools[offline]'", file=sys.stderr, flush=True)
        warm = asyncio.create_task(server.warm())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([warm, stopped], return_when=asyncio.FIRST_COMPLETED)
        if warm.done():
            warm.result()
            print("ready", flush=True)
            await stopped
        else:
            warm.cancel()
            await asyncio.wait([warm])


def _chat_replies(url: str, model: str | None) -> Replier:
    from .server import log_to_stderr

    if model is None:
        raise ModelError("--llm-url needs --llm-model: the name of the model there")
    if not url.startswith(("http://", "https://")):
        raise ModelError(f"--llm-url is {url!r}, expected an address such as http://127.0.0.1:11434/v1")
    try:
        from .replies.chat_model import ChatReplies
    except ImportError:
        raise ModelError("--llm-url needs httpx; say: pip install httpx") from None
    return ChatReplies(url, model, key=os.environ.get("LLM_API_KEY"), log=log_to_stderr)


def _await_eof(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    try:
        while os.read(0, 4096):  # the descriptor, not sys.stdin: its lock would be held at exit
            pass
    except OSError:
        pass  # no standard input at all
    try:
        loop.call_soon_threadsafe(stop.set)
    except RuntimeError:
        pass  # the loop has ended already


def main(argv: list[str] | None = None) -> int:
    """Run the server; returns the exit status."""
    arguments = parser().parse_args(argv)
    try:
        asyncio.run(serve(arguments))
    except ModelError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        where = f"{arguments.host}:{arguments.port}"
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or error
        instead = "--port 0" if arguments.port else "another --host"
        print(f"{PROGRAM}: cannot listen on {where}: {reason}; try {instead}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
