"""The command line `python -m realtime.offline`: options, first line of output, signals and exit status.

The exit status is 0 after SIGTERM or Ctrl-C, 128 + n after another signal n, and 2 for a mistake of the caller; one line
on stderr then says how to correct it.

Thread: main. Every worker process imports this module too, because of multiprocessing's spawn; modules that only the
server needs are therefore imported where they are used.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import sys
import threading
from typing import TYPE_CHECKING

from ..command_line import Parser, StopSignals, count, port
from ..printing import guarded_streams
from .models.choice import choose_voice
from .models.interfaces import ModelError

if TYPE_CHECKING:
    from .certificate import SelfSigned
    from .replies.rules import Replier
    from .server import OfflineServer

PROGRAM = "python -m realtime.offline"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = Parser(
        prog=PROGRAM,
        description="Serve the OpenAI Realtime protocol without a key and without a network.",
        epilog="The first line on stdout is: listening on ws://HOST:PORT (with --tls: wss://HOST:PORT, and the next line "
        "is: certificate: PATH)",
    )
    p.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    p.add_argument("--port", type=port, default=0, help="port to listen on; 0 (default): a free one")
    p.add_argument(
        "--dialect",
        choices=("auto", "ga", "beta"),
        default="auto",
        help="protocol version; auto: what each client asks for (default: %(default)s)",
    )
    p.add_argument(
        "--key-env",
        metavar="NAME",
        help="environment variable with the API key that clients must send (default: no key is needed)",
    )
    p.add_argument(
        "--tls",
        action="store_true",
        help="serve wss:// with a self-signed certificate, and print the path of the certificate for clients to trust",
    )
    _add_model_options(p)
    p.add_argument(
        "--max-sessions", type=count(), default=64, help="connections at a time (default: %(default)s)"
    )
    p.add_argument(
        "--pace",
        type=_positive,
        default=8.0,
        help="send audio at most this many times faster than real time; 0: no limit (default: %(default)g)",
    )
    p.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="make this deliberate fault in every session; the names are in realtime.offline.faults.Faults",
    )
    p.add_argument(
        "--session-seconds",
        type=_positive,
        default=3600,
        help="end a session after this time (default: %(default)s, as the vendor does)",
    )
    p.add_argument(
        "--until-eof",
        action="store_true",
        help="stop when standard input ends (for programs that start the server)",
    )
    return p


def _add_model_options(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--voice",
        choices=("auto", "models", "standin"),
        default="auto",
        help="auto: the installed models, stand-ins for the others; models: fail if one is not installed; "
        "standin: no models (default: %(default)s)",
    )
    p.add_argument("--stt-model", metavar="FOLDER", help="use another Whisper model, in CTranslate2 form")
    p.add_argument(
        "--workers",
        type=count(),
        default=1,
        help="processes for each of recognition and synthesis (default: 1)",
    )
    p.add_argument(
        "--llm-url", metavar="URL", help="answer with a chat model, for example http://127.0.0.1:11434/v1"
    )
    p.add_argument(
        "--script",
        metavar="FOLDER",
        help="answer as in a session that the console has saved: the same words, audio and tool calls in order",
    )
    p.add_argument(
        "--llm-model",
        metavar="NAME",
        help="name of the chat model; its key, if any, is read from LLM_API_KEY",
    )


def _positive(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{value!r} is not a valid number: expected 0 or more")
    return number


async def serve(arguments: argparse.Namespace) -> int:
    """Serve until a stop signal; returns the exit status. Raises ModelError or OSError if the server cannot start."""
    from .certificate import SelfSigned
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
    if arguments.script is not None and arguments.llm_url is not None:
        raise ModelError("--script and --llm-url both say what is answered; give one of them")
    certificate = SelfSigned(arguments.host) if arguments.tls else None
    options = SessionOptions(pace=arguments.pace, seconds=arguments.session_seconds, faults=faults)
    try:
        server = OfflineServer(
            arguments.host,
            arguments.port,
            dialect=arguments.dialect,
            key=key,
            voice=voice,
            replier=replier,
            options=options,
            workers=arguments.workers,
            max_sessions=arguments.max_sessions,
            script=arguments.script,
            ssl=None if certificate is None else certificate.context,
        )
        return await _serve_until_stopped(server, certificate, arguments)
    except ValueError as error:
        raise ModelError(f"--script: {error}") from None
    finally:
        if certificate is not None:
            certificate.close()


async def _serve_until_stopped(
    server: OfflineServer, certificate: SelfSigned | None, arguments: argparse.Namespace
) -> int:
    stop = asyncio.Event()
    signals = StopSignals(stop)
    if arguments.until_eof:
        loop = asyncio.get_running_loop()
        threading.Thread(target=_await_eof, args=(loop, stop), daemon=True).start()
    async with server:
        print(f"listening on {server.url}", flush=True)
        if certificate is not None:
            print(f"certificate: {certificate.path}", flush=True)
        if server.voice.only_says is not None and arguments.voice == "auto":
            print("no models installed; run: pip install 'wavtools[offline]'", file=sys.stderr, flush=True)
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
    return signals.status


def _chat_replies(url: str, model: str | None) -> Replier:
    from .server import log_to_stderr

    if model is None:
        raise ModelError("--llm-url needs --llm-model: the name of the chat model")
    if not url.startswith(("http://", "https://")):
        raise ModelError(f"--llm-url is {url!r}, expected an address such as http://127.0.0.1:11434/v1")
    try:
        from .replies.chat_model import ChatReplies
    except ImportError:
        raise ModelError("--llm-url needs httpx; run: pip install httpx") from None
    return ChatReplies(url, model, key=os.environ.get("LLM_API_KEY"), log=log_to_stderr)


def _await_eof(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    try:
        # Reads the descriptor: sys.stdin has a lock, which this thread would hold at exit.
        while os.read(0, 4096):
            pass
    except OSError:
        # There is no standard input.
        pass
    try:
        loop.call_soon_threadsafe(stop.set)
    except RuntimeError:
        # The loop has ended.
        pass


def main(argv: list[str] | None = None) -> int:
    """Run the server; returns the exit status."""
    # Without a reader of its output the server goes on
    with guarded_streams():
        return _main(parser().parse_args(argv))


def _main(arguments: argparse.Namespace) -> int:
    try:
        return asyncio.run(serve(arguments))
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
