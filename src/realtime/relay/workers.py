"""Runs several relay processes on one port; the kernel spreads the connections over them.

The parent holds no connections and no sessions. It reserves the port, starts the workers, restarts a worker that
has died, and forwards signals. The processes share the port by SO_REUSEPORT: Linux and BSD spread connections
evenly, macOS has the option but does not spread, Windows does not have it (`Relay` raises an error there).

Thread: main; the workers are separate processes (spawned, not forked).
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from dataclasses import replace
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from types import FrameType

from ..command_line import LOUD_SIGNALS, stop_signals
from ..errors import ConfigurationError
from ..printing import guarded_streams
from ..protocol.redact import Secret
from .journal import record
from .policy import Policy
from .run import run, serve, set_up_logs
from .server import Relay

__all__ = ["supervise"]

# Delay before a restart, so that a worker that dies at once does not cause a busy loop
RESTART_SECONDS = 1.0


def supervise(policy: Policy, key: Secret) -> int:
    """Run ``policy.listen.workers`` workers until a signal; returns the exit status.

    Raises ConfigurationError if this system cannot share a port, OSError if the port cannot be opened.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise ConfigurationError(
            f"--workers {policy.listen.workers} needs SO_REUSEPORT, which {sys.platform} does not have: start one relay "
            "on each of several ports, behind a load balancer (deploy/haproxy.cfg)"
        )
    set_up_logs()
    # Raises an error in the policy once, here, not in each worker.
    Relay(policy, key, share_port=True)
    reserved = _reserve(policy.listen.host, policy.listen.port)
    port = reserved.getsockname()[1]
    policy = replace(policy, listen=replace(policy.listen, port=port))
    metrics = None
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        metrics = os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="relay-metrics-")
    try:
        return _Supervisor(policy, key).run()
    finally:
        reserved.close()
        if metrics is not None:
            shutil.rmtree(metrics, ignore_errors=True)


def _reserve(host: str, port: int) -> socket.socket:
    """A socket that is bound but does not listen: it keeps the port reserved and receives no connections."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    reserved = socket.socket(family, kind, protocol)
    try:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(address)
    except OSError:
        reserved.close()
        raise
    return reserved


class _Supervisor:
    """Starts the workers, restarts them, stops them."""

    def __init__(self, policy: Policy, key: Secret) -> None:
        self._policy = policy
        self._key = key
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[BaseProcess] = []
        self._stopping = False
        # See StopSignals
        self._status = 0

    def run(self) -> int:
        for number in stop_signals():
            signal.signal(number, self._on_signal)
        ready = self._context.Semaphore(0)
        for _ in range(self._policy.listen.workers):
            self._workers.append(self._start(ready))
        for _ in self._workers:
            while not ready.acquire(timeout=0.2):
                if self._stopping or not all(worker.is_alive() for worker in self._workers):
                    self._stop(signal.SIGTERM)
                    self._join()
                    return self._status if self._stopping else 1
        host = self._policy.listen.host
        scheme = "wss" if self._policy.listen.tls_certificate else "ws"
        print(
            f"listening on {scheme}://{f'[{host}]' if ':' in host else host}:{self._policy.listen.port}",
            flush=True,
        )
        while not self._stopping:
            wait([worker.sentinel for worker in self._workers], timeout=0.5)
            for index, worker in enumerate(self._workers):
                if not worker.is_alive() and not self._stopping:
                    record("worker.died", pid=worker.pid, exit=worker.exitcode)
                    _forget_metrics(worker.pid)
                    time.sleep(RESTART_SECONDS)
                    # A signal may have arrived meanwhile; a worker started now would not receive it.
                    if not self._stopping:
                        self._workers[index] = self._start(ready)
        self._join()
        return self._status

    def _start(self, ready: object) -> BaseProcess:
        process = self._context.Process(target=_work, args=(self._policy, self._key.reveal(), ready))
        process.start()
        # The signal may have arrived while the process was starting.
        if self._stopping and process.pid is not None:
            os.kill(process.pid, signal.SIGTERM)
        return process

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self._stopping and number in LOUD_SIGNALS:
            self._status = 128 + number
        self._stopping = True
        self._stop(signal.SIGTERM)

    def _stop(self, number: int) -> None:
        for worker in self._workers:
            if worker.is_alive() and worker.pid is not None:
                os.kill(worker.pid, number)

    def _join(self) -> None:
        for worker in self._workers:
            worker.join()


def _forget_metrics(pid: int | None) -> None:
    try:
        from prometheus_client import multiprocess
    except ImportError:
        return
    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _work(policy: Policy, key: str, ready: object) -> None:
    """A worker's main function. It ignores what a terminal sends to all processes; the parent handles these signals."""
    for number in (signal.SIGINT, *LOUD_SIGNALS):
        signal.signal(number, signal.SIG_IGN)
    with guarded_streams():
        set_up_logs()
        run(serve(policy, Secret(key), share_port=True, ready=ready))
