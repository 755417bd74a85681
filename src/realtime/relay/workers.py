"""Several processes on one port: the kernel deals connections out, one process dies alone.

The parent holds no connection and no session. It reserves the port, starts the workers, starts one again that
has died, and passes signals on. SO_REUSEPORT is what lets them share the port: Linux and BSD spread connections
evenly, macOS has the option but does not spread, Windows does not have it (`Relay` says so).

Thread: main; the workers are processes of their own (spawned, not forked).
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

from ..errors import ConfigurationError
from ..protocol.redact import Secret
from .journal import record
from .policy import Policy

__all__ = ["supervise"]

RESTART_SECONDS = 1.0  # a worker that dies at once must not become a busy loop


def supervise(policy: Policy, key: Secret) -> int:
    """Run ``policy.listen.workers`` workers until a signal; returns the exit status.

    Raises ConfigurationError where a port cannot be shared, OSError where it cannot be had.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise ConfigurationError(
            f"--workers {policy.listen.workers} needs SO_REUSEPORT, which {sys.platform} does not have: start one relay "
            "for each port, behind a load balancer (deploy/haproxy.cfg)"
        )
    from .__main__ import set_up_logs
    from .server import Relay

    set_up_logs()
    Relay(policy, key, share_port=True)  # what is wrong with the policy is said once, here
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
    """A socket that is bound and does not listen: it gets no connections, and the port stays ours."""
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
    def __init__(self, policy: Policy, key: Secret) -> None:
        self._policy = policy
        self._key = key
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[BaseProcess] = []
        self._stopping = False

    def run(self) -> int:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        ready = self._context.Semaphore(0)
        for _ in range(self._policy.listen.workers):
            self._workers.append(self._start(ready))
        for _ in self._workers:
            while not ready.acquire(timeout=0.2):
                if self._stopping or not all(worker.is_alive() for worker in self._workers):
                    self._stop(signal.SIGTERM)
                    self._join()
                    return 0 if self._stopping else 1
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
                    if (
                        not self._stopping
                    ):  # a signal may have come meanwhile; a worker begun now would not get it
                        self._workers[index] = self._start(ready)
        self._join()
        return 0

    def _start(self, ready: object) -> BaseProcess:
        process = self._context.Process(target=_work, args=(self._policy, self._key.reveal(), ready))
        process.start()
        if self._stopping and process.pid is not None:
            os.kill(process.pid, signal.SIGTERM)  # the signal came while it was being started
        return process

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
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
    """A worker's main. The parent answers Ctrl-C; a terminal sends it to all."""
    from .__main__ import run, serve, set_up_logs

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_up_logs()
    run(serve(policy, Secret(key), share_port=True, ready=ready))
