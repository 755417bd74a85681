"""The command line ``python -m wavtools.remote``: makes this machine the sound card of a program elsewhere.

Thread: main; it waits for the end of the connection.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import sys
from collections.abc import Sequence

from wavtools._remote_frames import Malformed
from wavtools.remote.listener import GREETING, MAX_LINE
from wavtools.remote.peer import NativePeer
from wavtools.remote.streams import Pump

CONNECT_SECONDS = 10.0
TOKEN_VARIABLE = "WAVTOOLS_REMOTE_TOKEN"
MAX_FAULTS = 8


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status: 0 after a goodbye, 1 for a connection that failed, 2 for wrong use."""
    options = _parser().parse_args(arguments)
    token = options.token or os.environ.get(TOKEN_VARIABLE, "")
    try:
        if options.address == "-":
            output = sys.stdout.buffer
            # What a library prints must not end up in the frames.
            sys.stdout = sys.stderr
            pump = Pump(sys.stdin.buffer, output, lambda: None)
        else:
            pump = _connected(*_address(options.address), token)
    except (OSError, ValueError) as error:
        print(f"wavtools.remote: {error}", file=sys.stderr)
        return 1
    return _serve(pump, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m wavtools.remote",
        description="Play and capture here for a program that calls wavtools.remote.listen() elsewhere.",
    )
    parser.add_argument("address", help="[HOST:]PORT of the program; - for stdin and stdout")
    parser.add_argument("--token", help=f"what listen() shows; or in the environment as {TOKEN_VARIABLE}")
    parser.add_argument("--input", help="microphone: an id, a name, or part of one")
    parser.add_argument("--output", help="loudspeaker: an id, a name, or part of one")
    return parser


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 1 <= int(port) <= 65_535:
        raise ValueError(f"{text!r} is no [HOST:]PORT, such as 8700 or 127.0.0.1:8700")
    return host.strip("[]") or "127.0.0.1", int(port)


def _connected(host: str, port: int, token: str) -> Pump:
    """A connection whose other side has accepted the token; raises OSError."""
    if not token:
        raise ValueError(f"a token is needed: --token, or {TOKEN_VARIABLE} in the environment")
    try:
        connection = socket.create_connection((host, port), CONNECT_SECONDS)
    except OSError as error:
        raise OSError(
            f"nothing answers on {host}:{port} ({error}); is the program running, and ssh -L too?"
        ) from None
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(f"{GREETING} {token}\n".encode())
    reader = connection.makefile("rb")
    answer = reader.readline(MAX_LINE).decode(errors="replace").strip()
    if answer != "ok":
        connection.close()
        raise OSError(f"the program refuses the connection: {answer.removeprefix('no: ') or 'it closed it'}")
    connection.settimeout(None)

    def close() -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    return Pump(reader, connection.makefile("wb"), close)


def _serve(pump: Pump, options: argparse.Namespace) -> int:
    peer = NativePeer(pump.send, options.input, options.output, name=f"Python on {socket.gethostname()}")
    faults = 0

    def receive(frame: bytes) -> None:
        nonlocal faults
        try:
            if not peer.handle(frame):
                pump.close()
        except Malformed as fault:
            faults += 1
            if faults == MAX_FAULTS:
                pump.reason = f"the other side breaks the protocol: {fault}"
                pump.close()

    print("connected; Ctrl-C ends", file=sys.stderr)
    pump.start(receive, lambda: None)
    try:
        # With a timeout, so that Ctrl-C is seen on Windows too.
        while not pump.wait(0.2):
            pass
    except KeyboardInterrupt:
        return 0
    finally:
        peer.close()
        pump.close()
    print(f"ended: {peer.goodbye or pump.reason or 'the connection was closed'}", file=sys.stderr)
    return 0 if peer.goodbye or not pump.reason else 1


if __name__ == "__main__":
    sys.exit(main())
