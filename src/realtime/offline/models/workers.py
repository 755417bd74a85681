"""Models in processes of their own, called from the event loop.

Each model has its own worker processes, so that the voice detector never waits behind a transcription and
no model ever holds the GIL of the socket. A worker that dies is replaced and its call made once more.

Thread: the event loop, but for the functions marked "in the worker".
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

from .interfaces import SPEECH_RATE_HZ, VAD_FRAME_SAMPLES, Int16Array, ModelError, Voice

# --- in the worker --------------------------------------------------------------------------------------

_model: Any = None
_factory: Callable[[], Any] | None = None


def _start(factory: Callable[[], Any]) -> None:
    global _factory
    _factory = factory
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which stops us
    parent = multiprocessing.parent_process()
    assert parent is not None  # the server
    threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()


def _die_with(sentinel: Any) -> None:
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


class Workers:
    """``count`` processes that each hold one model made by *factory*."""

    def __init__(self, factory: Callable[[], Any], count: int) -> None:
        self._factory = factory
        # One executor a process: then each can be warmed, and a crash costs only its own calls.
        self._executors = [self._executor() for _ in range(count)]
        self._calls = [0] * count

    def _executor(self) -> ProcessPoolExecutor:
        # spawn on every system: the server has threads, and a fork would copy them half alive.
        return ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn"), initializer=_start, initargs=(self._factory,)
        )

    async def call(self, method: str, *arguments: Any) -> Any:
        """Result of ``model.method(*arguments)`` in the least busy worker. Cancelling abandons the result."""
        index = min(range(len(self._calls)), key=self._calls.__getitem__)
        return await self._call_on(index, method, *arguments)

    @property
    def idle(self) -> bool:
        """Whether no call is under way or waiting."""
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
                return await loop.run_in_executor(executor, _call, method, *arguments)
            except BrokenProcessPool:
                if self._executors[index] is executor:  # the first of its callers to notice replaces it
                    executor.shutdown(wait=False)
                    self._executors[index] = self._executor()
                return await loop.run_in_executor(self._executors[index], _call, method, *arguments)
        finally:
            self._calls[index] -= 1

    def close(self) -> None:
        """Stop the processes; calls under way are abandoned."""
        for executor in self._executors:
            # Not only shutdown(): it would wait for a transcription that nobody wants any more.
            processes = list((getattr(executor, "_processes", None) or {}).values())
            executor.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.terminate()


class Models:
    """The three models of one server as coroutines; see voice.py for what each does."""

    def __init__(self, voice: Voice, workers: int = 1) -> None:
        self.voice = voice
        self._activity = Workers(voice.activity, 1)
        self._hearing = Workers(voice.hearing, workers)
        self._speech = Workers(voice.speech, workers)

    async def warm(self) -> None:
        """Load every model and run each once. ModelError if one cannot be loaded."""
        second = np.zeros(SPEECH_RATE_HZ, np.int16)
        await asyncio.gather(
            self._activity.warm("probabilities", np.zeros(VAD_FRAME_SAMPLES, np.int16), None),
            self._hearing.warm("transcribe", second, SPEECH_RATE_HZ),
            self._speech.warm("synthesise", "Hello.", "", 1.0),
        )

    async def probabilities(self, samples: Int16Array, state: Any) -> tuple[list[float], Any]:
        result: tuple[list[float], Any] = await self._activity.call("probabilities", samples, state)
        return result

    async def transcribe(self, samples: Int16Array, sample_rate: int, prompt: str | None = None) -> str:
        result: str = await self._hearing.call("transcribe", samples, sample_rate, prompt)
        return result

    @property
    def can_hear_at_once(self) -> bool:
        """Whether a transcription asked for now would not have to wait for another."""
        return self._hearing.idle

    async def synthesise(self, text: str, voice: str, speed: float) -> Int16Array:
        result: Int16Array = await self._speech.call("synthesise", text, voice, speed)
        return result

    def close(self) -> None:
        """Stop every worker."""
        for workers in (self._activity, self._hearing, self._speech):
            workers.close()
