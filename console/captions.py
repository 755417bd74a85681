"""``captions``: prints what is said, as it is said: by the microphone, or in a file.

On a terminal the interim words of an utterance change in place; elsewhere only final words are printed, a line each.

Thread: the event loop's; the microphone is opened in a thread and delivers on its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from wavtools import DecodeError, WavRecorder, WavtoolsError

from .endpoint import Endpoint
from .errors import UserError
from .text import one_line

__all__ = ["captions"]


async def captions(
    file: Path | None, *, offline: bool, url: str | None, model: str | None, microphone: str | None
) -> int:
    """Print the words in *file*, or of the microphone until the command is ended; returns the exit status.

    Raises UserError for a file, a microphone or a server that cannot be used.
    """
    from realtime.errors import RealtimeError, TranscriptionError

    if file is not None:
        _check_file(file)
    endpoint = Endpoint(offline=offline, url=url)
    if endpoint.offline:
        print("starting the offline server (no key, no network) ...", file=sys.stderr, flush=True)
    try:
        async with await endpoint.make_transcriber(model) as transcriber:
            if file is not None:
                async for words in transcriber.read(file):
                    _show(words)
                return 0
            async with _listening(transcriber, microphone):
                while True:
                    try:
                        async for words in transcriber:
                            _show(words)
                        return 0
                    except TranscriptionError as error:
                        # One utterance was not understood; the next one may be.
                        print(f"note: {one_line(str(error))}", file=sys.stderr, flush=True)
    except (RealtimeError, WavtoolsError, DecodeError, OSError, TypeError, ValueError) as error:
        raise UserError(one_line(str(error)) or type(error).__name__) from error
    finally:
        await endpoint.close()


def _check_file(file: Path) -> None:
    if not file.is_file():
        what = "it is a folder" if file.is_dir() else "no such file"
        raise UserError(f"{file}: {what}; give an audio file")


@contextlib.asynccontextmanager
async def _listening(transcriber: Any, microphone: str | None) -> AsyncIterator[None]:
    """Feed the transcriber from the microphone."""
    recorder = WavRecorder(transcriber.sample_rate, device=microphone, keep_seconds=0)
    await asyncio.to_thread(recorder.begin)
    try:
        recorder.record(transcriber.append)
        print("listening; Ctrl-C ends it", file=sys.stderr, flush=True)
        yield
    finally:
        await asyncio.to_thread(recorder.end)


def _show(words: Any) -> None:
    text = one_line(words.text)
    if not sys.stdout.isatty():
        if words.final and text:
            print(text, flush=True)
        return
    columns = shutil.get_terminal_size().columns - 1
    shown = text if words.final else text[-columns:]
    end = "\n" if words.final else ""
    # Erases the line of the interim words before.
    print(f"\r\x1b[K{shown}", end=end, flush=True)
