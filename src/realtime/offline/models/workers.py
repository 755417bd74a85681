"""Runs the models in worker processes and calls them from the event loop.

Each model has processes of its own: the voice detector never waits for a transcription, and no model holds the GIL
that the sockets need. A worker that dies is replaced, and its call is made once more.

Thread: the event loop, except the functions below "in the worker".
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Any

import numpy as np

from ...protocol.audio_format import Int16Array
from .interfaces import SPEECH_RATE_HZ, VAD_FRAME_SAMPLES, ModelError, Voice

# --- in the worker --------------------------------------------------------------------------------------

_model: Any = None
_factory: Callable[[], Any] | None = None


def _start(factory: Callable[[], Any]) -> None:
    global _factory
    _factory = factory
    # Ctrl-C is for the server, which then ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = multiprocessing.parent_process()
    assert server is not None
    threading.Thread(target=_exit_after, args=(server.sentinel,), daemon=True).start()


def _exit_after(sentinel: Any) -> None:
    """End this process at once when the server's process has ended."""
    wait([sentinel])
    os._exit(1)


def _call(method: str, *arguments: Any) -> Any:
    global _model
    if _model is None:
        assert _factory is not None
        try:
            _model = _factory()
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(f"cannot load a model: {type(error).__name__}: {error}") from None
    return getattr(_model, method)(*arguments)


# --- in the server --------------------------------------------------------------------------------------


# On every system: the server has threads, and a forked process would inherit their locks without the threads.
_SPAWN = multiprocessing.get_context("spawn")


def _run(
    loop: asyncio.AbstractEventLoop, executor: ProcessPoolExecutor, method: str, *arguments: Any
) -> asyncio.Future[Any]:
    """Start a call in the worker of *executor*.

    The first call starts the worker, which then has its own handle of the pipe for results. This process closes
    its own one: with it open, the executor's thread would wait for the rest of a result for ever if the worker
    died while it wrote, and Python would wait for that thread at exit.
    """
    future = loop.run_in_executor(executor, _call, method, *arguments)
    # Python has no public way to this handle.
    results = vars(executor)["_result_queue"]
    vars(results)["_writer"].close()
    return future


async def _result(future: asyncio.Future[Any]) -> Any:
    """The result of a call; what a model raises reaches the caller as an Exception.

    A model's own SystemExit would end the server, and its CancelledError would look like a cancellation of the caller.
    """
    try:
        await asyncio.wait([future])
    except asyncio.CancelledError:
        future.cancel()
        raise
    error = asyncio.CancelledError() if future.cancelled() else future.exception()
    if error is not None and not isinstance(error, Exception):
        raise ModelError(f"a model ended its call by {type(error).__name__}")
    return future.result()


class Workers:
    """Worker processes that each hold one model.

    Parameters
    ----------
    factory : callable
        Makes the model, in the worker, at its first call.
    count : int
        Number of processes.
    """

    def __init__(self, factory: Callable[[], Any], count: int) -> None:
        self._factory = factory
        # One executor per process: each can be warmed, and a crash affects only the calls of one.
        self._executors = [self._executor() for _ in range(count)]
        self._calls = [0] * count

    def _executor(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, _SPAWN, initializer=_start, initargs=(self._factory,))

    async def call(self, method: str, *arguments: Any) -> Any:
        """Result of ``model.method(*arguments)`` in the least busy worker. The result of a cancelled call is dropped."""
        index = min(range(len(self._calls)), key=self._calls.__getitem__)
        return await self._call_on(index, method, *arguments)

    @property
    def idle(self) -> bool:
        """True if no call is running or waiting."""
        return not any(self._calls)

    async def warm(self, method: str, *arguments: Any) -> None:
        """Load the model in every worker and run it once."""
        await asyncio.gather(*(self._call_on(i, method, *arguments) for i in range(len(self._executors))))

    async def _call_on(self, index: int, method: str, *arguments: Any) -> Any:
        self._calls[index] += 1
        loop = asyncio.get_running_loop()
        try:
            executor = self._executors[index]
            try:
                return await _result(_run(loop, executor, method, *arguments))
            except BrokenProcessPool:
                # The first caller that notices replaces it.
                if self._executors[index] is executor:
                    executor.shutdown(wait=False)
                    self._executors[index] = self._executor()
            try:
                return await _result(_run(loop, self._executors[index], method, *arguments))
            except BrokenProcessPool:
                # The next call finds the broken executor and replaces it.
                raise ModelError("the process of a model ended during a call, twice") from None
        finally:
            self._calls[index] -= 1

    def close(self) -> None:
        """End the processes at once, without waiting for calls that are running."""
        for executor in self._executors:
            # shutdown() alone would wait for a running call, and Python has no public way to end the processes
            # before 3.14 (terminate_workers).
            processes = list((getattr(executor, "_processes", None) or {}).values())
            executor.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.terminate()


class Models:
    """The three models of one server as coroutines; interfaces.py describes them.

    Parameters
    ----------
    voice : Voice
        The factories.
    workers : int
        Processes for each of speech recognition and synthesis; the voice detector has one.
    """

    def __init__(self, voice: Voice, workers: int = 1) -> None:
        self.voice = voice
        self._activity = Workers(voice.activity, 1)
        self._hearing = Workers(voice.hearing, workers)
        self._speech = Workers(voice.speech, workers)

    async def warm(self) -> None:
        """Load every model and run each once. Raises ModelError if one cannot be loaded."""
        second = np.zeros(SPEECH_RATE_HZ, np.int16)
        await asyncio.gather(
            self._activity.warm("probabilities", np.zeros(VAD_FRAME_SAMPLES, np.int16), None),
            self._hearing.warm("transcribe", second, SPEECH_RATE_HZ),
            self._speech.warm("synthesise", "Hello.", "", 1.0),
        )

    async def probabilities(self, samples: Int16Array, state: Any) -> tuple[list[float], Any]:
        """Calls VoiceActivity.probabilities."""
        result: tuple[list[float], Any] = await self._activity.call("probabilities", samples, state)
        return result

    async def transcribe(self, samples: Int16Array, sample_rate: int, prompt: str | None = None) -> str:
        """Calls SpeechToText.transcribe."""
        result: str = await self._hearing.call("transcribe", samples, sample_rate, prompt)
        return result

    @property
    def can_hear_at_once(self) -> bool:
        """True if a transcription that starts now would not wait for another."""
        return self._hearing.idle

    async def synthesise(self, text: str, voice: str, speed: float) -> Int16Array:
        """Calls TextToSpeech.synthesise."""
        result: Int16Array = await self._speech.call("synthesise", text, voice, speed)
        return result

    def close(self) -> None:
        """End all workers."""
        for workers in (self._activity, self._hearing, self._speech):
            workers.close()
