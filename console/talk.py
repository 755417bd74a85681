"""``talk``: holds one spoken turn, from a WAV file to a WAV file, through the whole path and without hardware.

An OfflineDevice captures the question at the file's own rate and channels; another one plays the answer, as a speaker
would get it.

Thread: the event loop's; capture waits in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from wavtools import (
    DecodeError,
    OfflineDevice,
    WavPacker,
    WavRecorder,
    WavStreamPlayer,
    WavtoolsError,
    read_wav,
)

from .answer_end import answer_end
from .endpoint import Endpoint, connected_to
from .errors import UserError
from .event_log import EventLog
from .text import one_line

__all__ = ["Turn", "hold_turn", "read_question", "talk"]

# The rate of the API's pcm16
SESSION_RATE_HZ = 24_000
# The turn fails when the server has sent nothing for so long
ANSWER_SECONDS = 60.0
# ... and after an error, while no answer is being made
ERROR_SECONDS = 5.0
# Without these there is no answer
NEEDED = ("response.create", "input_audio_buffer.commit")
POLL_SECONDS = 0.005
# The API refuses less
MIN_QUESTION_SECONDS = 0.1
MAX_QUESTION_BYTES = 512 * 1024 * 1024


@dataclass
class Turn:
    """The result of a turn.

    Attributes
    ----------
    heard : str
        The question as the server understood it.
    answered : str
        Text of the answer.
    tools : list of str
        Calls of tools: name(arguments).
    notes : list of str
        What went wrong without ending the turn.
    audio : ndarray of int16
        The answer, mono, at SESSION_RATE_HZ.
    """

    heard: str = ""
    answered: str = ""
    tools: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    audio: np.ndarray = field(default_factory=lambda: np.empty(0, np.int16))


def read_question(path: Path) -> Any:
    """Read a WAV file; UserError if it cannot be a question."""
    try:
        status = path.stat()
        # A pipe ends; a device such as /dev/zero does not
        if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
            raise UserError(f"{path} is a device; give the WAV file of a spoken question")
        if status.st_size > MAX_QUESTION_BYTES:
            raise UserError(f"{path} has {status.st_size} bytes; a question has at most {MAX_QUESTION_BYTES}")
        wav = read_wav(path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; give the WAV file of a spoken question") from error
    except IsADirectoryError as error:
        raise UserError(f"{path} is a folder; give the WAV file of a spoken question") from error
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except (DecodeError, ValueError) as error:
        raise UserError(f"{path}: {error}") from error
    if not 8_000 <= wav.sample_rate <= 192_000:
        raise UserError(f"{path} has {wav.sample_rate} Hz; record it with 8000 to 192000 Hz")
    if not 1 <= wav.channel_count <= 8:
        raise UserError(f"{path} has {wav.channel_count} channels; record it with 1 to 8")
    if wav.duration < MIN_QUESTION_SECONDS:
        raise UserError(
            f"{path} holds {wav.duration:.2f} s of audio; a question takes at least {MIN_QUESTION_SECONDS} s"
        )
    return wav


async def hold_turn(client: Any, question: Any) -> Turn:
    """Speak *question* in the client's session and collect the answer.

    Raises
    ------
    UserError
        The server refuses, fails, or does not answer.
    """
    from realtime import VoiceSession
    from realtime.errors import RealtimeError

    microphone = OfflineDevice(question.sample_rate, question.channel_count)
    speaker = OfflineDevice(SESSION_RATE_HZ)
    recorder = WavRecorder(SESSION_RATE_HZ, device=microphone, keep_seconds=0)
    player = WavStreamPlayer(SESSION_RATE_HZ, device=speaker)
    turn, progress = Turn(), _Progress()
    progress.listen(client)
    heard: list[np.ndarray] = []
    try:
        async with VoiceSession(client, recorder, player, mode="manual") as voice:
            await voice.talk()
            await asyncio.to_thread(microphone.capture, question.pcm)
            await voice.release()
            while not (progress.done and player.wait_until_idle(0)):
                receipt = player.get_track_sample_offset()
                if receipt is not None and receipt.queued:
                    heard.append(speaker.render(receipt.queued))
                else:
                    await progress.wait(POLL_SECONDS)
            await _transcript_of_the_question(client)
            _read_items(client.conversation.get_items(), turn)
    except (RealtimeError, WavtoolsError, OSError, ValueError) as error:
        raise UserError(str(error) or type(error).__name__) from error
    turn.notes = progress.notes
    turn.audio = np.concatenate(heard) if heard else turn.audio
    return turn


def _read_items(items: Any, turn: Turn) -> None:
    """Copy the texts of the conversation into *turn*."""
    for item in items:
        if item.type == "function_call" and item.formatted.tool:
            turn.tools.append(f"{item.formatted.tool.name}({item.formatted.tool.arguments})")
        elif item.role == "user":
            turn.heard = item.formatted.transcript.strip() or turn.heard
        elif item.role == "assistant":
            said = item.formatted.transcript or item.formatted.text
            turn.answered = f"{turn.answered} {said.strip()}".strip()


async def _transcript_of_the_question(client: Any) -> None:
    """Wait a moment for the transcript of the question, which may come after the answer (protocol part 2, fact b)."""
    for _ in range(200):
        if any(item.role == "user" and item.formatted.transcript for item in client.conversation.get_items()):
            return
        await asyncio.sleep(0.01)


class _Progress:
    """Knows when the turn is over, and why; an error that leaves the answer possible becomes a note.

    The turn is over after a response without a function call (after a call, another response follows), when the
    connection has closed, and when the server has been silent for too long.
    """

    def __init__(self) -> None:
        self.done = False
        self.notes: list[str] = []
        self._problem: str | None = None
        # The last error, while no answer has come after it
        self._suspect: str | None = None
        self._answering = False
        self._last_event = time.monotonic()

    def listen(self, client: Any) -> None:
        """Watch the events of *client*."""
        client.on("server.response.created", self._on_response_created)
        client.on("server.response.done", self._on_response_done)
        client.on("error", self._on_error)
        client.on("close", lambda event: self._fail(f"the server closed the connection ({_why(event)})"))
        client.on("server.*", self._on_any)

    def _on_any(self, event: Any) -> None:
        self._last_event = time.monotonic()

    def _on_response_created(self, event: Any) -> None:
        self._answering, self._suspect = True, None

    def _on_response_done(self, event: Any) -> None:
        response = event.get("response")
        self._answering = False
        end = answer_end(response)
        output = response.get("output") if isinstance(response, dict) else None
        items = output if isinstance(output, list) else []
        calls = any(isinstance(item, dict) and item.get("type") == "function_call" for item in items)
        if end is None:
            self.done = not calls
        elif response.get("status") == "failed":
            self._fail(end)
        else:
            self.notes.append(end)
            self.done = True

    def _on_error(self, event: Any) -> None:
        if not self._answering and event.caused_by in NEEDED:
            self._fail(event.message)
            return
        self.notes.append(event.message)
        if not self._answering and event.source in ("server", "connection"):
            self._suspect = event.message

    def _fail(self, problem: str) -> None:
        if not self.done:
            self._problem = self._problem or problem

    async def wait(self, seconds: float) -> None:
        """Sleep. Raises UserError if the turn has failed."""
        await asyncio.sleep(seconds)
        if self._problem is not None:
            raise UserError(self._problem)
        quiet = time.monotonic() - self._last_event
        if self._suspect is not None and quiet > ERROR_SECONDS:
            raise UserError(self._suspect)
        if quiet > ANSWER_SECONDS:
            raise UserError(f"the server has sent nothing for {ANSWER_SECONDS:.0f} s; try again")


def _why(event: Any) -> str:
    return f"{event.code}: {event.reason}" if event.reason else str(event.code)


def check_writable(path: Path) -> None:
    """Raise UserError if no file can be written at *path*; done before the question is asked."""
    if not path.parent.is_dir():
        raise UserError(f"cannot write {path}: there is no folder {path.parent}")
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder; name a file")
    if path.exists() and not path.is_file():
        # The answer would take the place of a device or a pipe
        raise UserError(f"cannot write {path}: it is no plain file; name another one")
    partial = _partial(path)
    try:
        partial.touch()
        partial.unlink()
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def _partial(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


def save_answer(audio: np.ndarray, path: Path) -> None:
    """Write the WAV file of the answer, complete or not at all."""
    partial = _partial(path)
    try:
        WavPacker.pack(audio, SESSION_RATE_HZ).save(partial)
        os.replace(partial, path)  # noqa: PTH105
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise UserError(f"cannot write {path}: {error.strerror}") from error


async def talk(
    question_path: Path,
    out: Path,
    *,
    events: Path | None = None,
    endpoint: Endpoint,
    voice: str | None = None,
) -> int:
    """Hold a turn, save the answer, print the turn, and return exit status 0.

    Parameters
    ----------
    question_path : Path
        WAV file of a spoken question.
    out : Path
        WAV file for the answer.
    events : Path, optional
        File for the protocol events.
    endpoint : Endpoint
        The server that is asked; it is closed at the end.
    voice : str, optional
        The voice to ask for.

    Raises
    ------
    UserError
        The question cannot be read, the turn failed, or no audio came back.
    """
    question = read_question(question_path)
    check_writable(out)
    with contextlib.ExitStack() as stack:
        log = None if events is None else stack.enter_context(EventLog(events))
        async with connected_to(endpoint, **({"voice": voice} if voice else {})) as client:
            if log is not None:
                client.on("realtime.event", log.add)
            turn = await hold_turn(client, question)
    # Saved first: what cannot be printed must not cost the answer
    if len(turn.audio):
        save_answer(turn.audio, out)
    if log is not None and log.problem:
        turn.notes.append(log.problem)
    for note in turn.notes:
        print(f"note: {one_line(note, 300)}", file=sys.stderr)
    print(f"heard:    {one_line(turn.heard) or '(nothing)'}")
    for call in turn.tools:
        print(f"tool:     {one_line(call)}")
    print(f"answered: {one_line(turn.answered) or '(nothing)'}")
    if len(turn.audio) == 0:
        raise UserError("no audio came back")
    print(f"{out}: {len(turn.audio) / SESSION_RATE_HZ:.1f} s of speech")
    return 0
