"""Microphone: records for a voice session, and sends each chunk to the server.

Thread: the event loop's, except the chunks, which come on the recorder's delivery thread. Calls of the device run in
daemon threads.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from ..background import Failed, describe
from ..client.client import RealtimeClient
from ..protocol.audio_format import Int16Array
from ..protocol.numbers import not_negative
from .devices import Chunk, Devices, Recorder
from .options import check_on_chunk

__all__ = ["Microphone"]


class Microphone:
    """The microphone of one voice session.

    Parameters
    ----------
    client : RealtimeClient
        Gets the samples.
    devices : Devices
        Runs what blocks.
    chunk_ms : float
        Milliseconds of audio in one message.
    hear : callable
        ``hear(chunk, gate)`` returns what to send of a chunk; *gate* is True under vad.
    on_chunk : callable, optional
        The application's: gets each chunk.
    failed : callable
        As for `background.start`, if *on_chunk* raises.

    Raises
    ------
    TypeError
        an *on_chunk* that is no plain function
    ValueError
        a *chunk_ms* that is no number

    Attributes
    ----------
    muted : bool
        True while the server gets silence under vad, and nothing in manual mode.
    listener : callable or None
        Gets each array of samples that is sent under vad.
    """

    def __init__(
        self,
        client: RealtimeClient,
        devices: Devices,
        chunk_ms: float,
        hear: Callable[[Chunk, bool], Int16Array],
        on_chunk: Callable[[Any], object] | None,
        failed: Failed,
    ) -> None:
        self.muted = False
        self.listener: Callable[[Int16Array], object] | None = None
        self._client = client
        self._devices = devices
        self._chunk_ms = not_negative(chunk_ms, "chunk_ms")
        self._hear = hear
        self._on_chunk = check_on_chunk(on_chunk)
        self._failed = failed
        # True under vad, where the server finds the turns
        self._vad = False
        # Text of the error of on_chunk that was reported last: one of each chunk would flood the application.
        self._reported: str | None = None
        self._loop: asyncio.AbstractEventLoop
        # Held while the recorder starts or pauses.
        self._changing = asyncio.Lock()

    async def record(self, recorder: Recorder, *, vad: bool) -> None:
        """Send what *recorder* captures from now on, if it is paused."""
        self._vad = vad
        self._loop = asyncio.get_running_loop()
        chunk_size = max(1, int(recorder.sample_rate * self._chunk_ms / 1000))
        async with self._changing:
            if recorder.get_status() == "paused":
                await self._devices.call(recorder.record, self._take, chunk_size)

    async def pause(self, recorder: Recorder) -> None:
        """Stop sending; returns when every sample captured before the call was delivered."""
        async with self._changing:
            if recorder.get_status() == "recording":
                await self._devices.call(recorder.pause)

    def _take(self, chunk: Chunk) -> None:
        """Send one chunk. Thread: the recorder's delivery thread."""
        samples = self._hear(chunk, self._vad)
        if self._on_chunk is not None:
            self._show(self._on_chunk, chunk)
        if self.muted:
            if not self._vad:
                return
            samples = np.zeros_like(samples)
        self._client.append_input_audio(samples)
        if self.listener is not None:
            self.listener(samples)

    def _show(self, on_chunk: Callable[[Any], object], chunk: Chunk) -> None:
        """Give the application one chunk. Whatever it raises, recording goes on, and the error is reported once."""
        try:
            on_chunk(chunk)
        except BaseException as error:
            what = describe(error)
            if what != self._reported:
                self._reported = what
                # Does not wait: the loop may be busy, or may have ended.
                with contextlib.suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(self._failed, "on_chunk", error)
