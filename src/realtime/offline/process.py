"""Starts the offline server in a process of its own, for programs and tests that connect to it.

In a thread instead of a process, the server would share the GIL with the caller's audio.

Thread: any; a ServerProcess is used by the thread that made it.
"""

from __future__ import annotations

import asyncio
import queue
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType

FIRST_LINE = "listening on "
CERTIFICATE_LINE = "certificate: "
READY_LINE = "ready"


class ServerStartError(RuntimeError):
    """The server process did not start; the message is the error that it printed."""


class ServerProcess:
    """A running offline server. Use it with ``with`` or ``async with``; ``stop`` may be called again.

    Attributes
    ----------
    url : str
        Its address: ``ws://127.0.0.1:PORT``, with "--tls" ``wss://127.0.0.1:PORT``.
    certificate : Path or None
        With "--tls": the self-signed certificate (PEM), for clients to trust.
    """

    def __init__(self, arguments: tuple[str, ...], wait_ready: bool, timeout: float, quiet: bool) -> None:
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._errors: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "realtime.offline", "--until-eof", *arguments],
            # The server stops when its input ends: that works on every system, also if this process is killed.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if quiet else None,
            text=True,
            encoding="utf-8",
            # Ctrl-C in a terminal is for this process, which stops the server.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self._readers = [threading.Thread(target=self._read_lines, daemon=True)]
        if quiet:
            self._readers.append(threading.Thread(target=self._read_errors, daemon=True))
        for reader in self._readers:
            reader.start()
        try:
            line = self._await_line(FIRST_LINE, timeout)
            self.url = line[len(FIRST_LINE) :].strip()
            self.certificate: Path | None = None
            if self.url.startswith("wss:"):
                line = self._await_line(CERTIFICATE_LINE, timeout)
                self.certificate = Path(line[len(CERTIFICATE_LINE) :].strip())
            if wait_ready:
                self._await_line(READY_LINE, timeout)
        except BaseException:
            self.stop()
            raise

    def _read_lines(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._errors = [*self._errors[-50:], line.strip()]

    def _await_line(self, start: str, timeout: float) -> str:
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            raise ServerStartError(f"the offline server did not start within {timeout:g} s") from None
        if line is None or not line.startswith(start):
            self._process.wait(timeout)
            for reader in self._readers[1:]:
                reader.join(timeout)
            reason = self._errors[-1] if self._errors else f"exit status {self._process.returncode}"
            raise ServerStartError(f"the offline server did not start: {reason}")
        return line

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._process.pid

    def stop(self, timeout: float = 5.0) -> None:
        """Ask the server to stop; kill it if it still runs after *timeout* seconds."""
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

    Blocks meanwhile: from a coroutine call it through ``asyncio.to_thread``.

    Parameters
    ----------
    *arguments : str
        Command-line options, such as "--dialect", "ga". By default the server takes a free port.
    wait_ready : bool
        Also wait until the models are loaded (a few seconds); if False, the first turn may wait instead.
    timeout : float
        Seconds to wait for each of the two.
    quiet : bool
        Do not print the server's log; if False, it goes to the stderr of this process.

    Returns
    -------
    ServerProcess
        The running server.

    Raises
    ------
    ServerStartError
        It did not start; the message contains its one-line error.
    """
    return ServerProcess(arguments, wait_ready, timeout, quiet)
