"""Starts the offline server in a process of its own, for programs and tests that talk to it.

Its own process, not a thread: the models then never share a GIL with the caller's audio.

Thread: any; a ServerProcess belongs to the thread that made it.
"""

from __future__ import annotations

import asyncio
import queue
import subprocess
import sys
import threading
from types import TracebackType

FIRST_LINE = "listening on "
READY_LINE = "ready"


class ServerStartError(RuntimeError):
    """The server process ended before it listened; the message is what it said."""


class ServerProcess:
    """A running offline server. Use as ``with`` or ``async with``; ``stop`` may be called twice.

    Attributes
    ----------
    url : str
        ``ws://127.0.0.1:PORT``.
    """

    def __init__(self, arguments: tuple[str, ...], wait_ready: bool, timeout: float, quiet: bool) -> None:
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._said: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "realtime.offline", "--until-eof", *arguments],
            # Its end is the signal to stop: the same on every system, and given even if we are killed.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if quiet else None,
            text=True,
            encoding="utf-8",
            # Ctrl-C in a terminal is for us; we stop the server when we are done.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self._readers = [threading.Thread(target=self._read_lines, daemon=True)]
        if quiet:
            self._readers.append(threading.Thread(target=self._read_complaints, daemon=True))
        for reader in self._readers:
            reader.start()
        try:
            line = self._await_line(FIRST_LINE, timeout)
            if wait_ready:
                self._await_line(READY_LINE, timeout)
        except BaseException:
            self.stop()
            raise
        self.url = line[len(FIRST_LINE) :].strip()

    def _read_lines(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _read_complaints(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said = [*self._said[-50:], line.strip()]

    def _await_line(self, start: str, timeout: float) -> str:
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            raise ServerStartError(f"the offline server did not start within {timeout:g} s") from None
        if line is None or not line.startswith(start):
            self._process.wait(timeout)
            for reader in self._readers[1:]:
                reader.join(timeout)
            said = self._said[-1] if self._said else f"exit status {self._process.returncode}"
            raise ServerStartError(f"the offline server did not start: {said}")
        return line

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._process.pid

    def stop(self, timeout: float = 5.0) -> None:
        """Ask it to end, and end it if it has not within *timeout* seconds."""
        if self._process.poll() is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for reader in self._readers:
            reader.join(timeout)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> ServerProcess:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.stop)


def start_server_process(
    *arguments: str, wait_ready: bool = True, timeout: float = 60.0, quiet: bool = True
) -> ServerProcess:
    """Start ``python -m realtime.offline *arguments`` and wait until it listens.

    Blocks for as long as that takes: from a coroutine call it through ``asyncio.to_thread``.

    Parameters
    ----------
    *arguments : str
        Command line arguments, such as "--dialect", "ga". The port is free to choose unless given.
    wait_ready : bool
        Also wait until the models are loaded and warm (a few seconds). Without, the first turn may wait
        instead.
    timeout : float
        Seconds until it is given up, for each of the two steps.
    quiet : bool
        Keep what it says on stderr to itself (and put it into the exception); else it goes to ours.

    Raises
    ------
    ServerStartError   it did not start; the message is its own one-line error.
    """
    return ServerProcess(arguments, wait_ready, timeout, quiet)
