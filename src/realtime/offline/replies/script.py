"""Replies from a saved session: the same words, audio and tool calls in the same order, so that a recorded call is a test.

The folder is one that the console has saved: ``session.json`` and the audio files that it names. Answers are chosen by the
conversation alone: a response continues behind the answers and calls that its input holds. What the user says is not
recognised: spoken items get the recorded words, one after another.

Thread: the event loop; the folder is read once, before the server listens.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wavtools import DecodeError, read_wav
from wavtools.resample import Resampler

from ...protocol.audio_format import Int16Array
from ...protocol.reading import Wire, dict_of, list_of, text_of
from ..models.interfaces import SPEECH_RATE_HZ
from .rules import Call, Context, Message, Say, Spoken, ToolCall

__all__ = ["ENDED", "Script", "ScriptedReplies", "read_script"]

DOCUMENT = "session.json"
LONGEST_BYTES = 64 << 20
# What is answered behind the last recorded answer.
ENDED = "The recorded conversation ends here."


@dataclass(frozen=True)
class Script:
    """A recorded conversation.

    Attributes
    ----------
    answers : sequence of sequences
        What each response gave, oldest first: `Spoken` and `Call`.
    heard : sequence of str
        The words of each item that the user spoke; "" where they are not known.
    """

    answers: Sequence[Sequence[Spoken | Call]]
    heard: Sequence[str]


class ScriptedReplies:
    """Replier that repeats the answers of a script."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def reply(self, context: Context) -> AsyncGenerator[Say | Call | Spoken, None]:
        """Implements Replier.reply: what the recording holds behind as many outputs as *context* does."""
        given = sum(
            isinstance(turn, ToolCall) or (isinstance(turn, Message) and turn.role == "assistant")
            for turn in context.history
        )
        start = 0
        for answer in self._script.answers:
            if start >= given:
                for piece in answer:
                    yield piece
                return
            start += len(answer)
        yield Spoken(ENDED, np.zeros(0, np.int16))


def read_script(folder: Path) -> Script:
    """Read a saved session.

    Parameters
    ----------
    folder : Path
        Of a saved session.

    Raises
    ------
    ValueError
        it is no saved session, or it holds no answer; the message says what to do
    """
    answers: list[tuple[str, list[Spoken | Call]]] = []
    heard = []
    # True behind something that the user or a tool said
    turn = True
    for item in _items(folder):
        role, text = item.get("role"), text_of(item.get("text")) or ""
        if role == "user":
            turn = True
            if item.get("audio"):
                heard.append(text.strip())
        elif role == "output":
            turn = True
        elif role in ("assistant", "function"):
            piece = _call(item, text) if role == "function" else Spoken(text, _audio(folder, item))
            response = text_of(item.get("response")) or ""
            if turn or response != answers[-1][0]:
                answers.append((response, []))
            answers[-1][1].append(piece)
            # Calls of one response stay together, though the output of the first may stand between them
            turn = False
    if not answers:
        raise ValueError(f"{folder} holds no answer; name the folder of a session in which the model spoke")
    return Script(_joined(answers), heard)


def _joined(answers: list[tuple[str, list[Spoken | Call]]]) -> list[list[Spoken | Call]]:
    """The pieces of each response: those with one id belong together."""
    joined: dict[str, list[Spoken | Call]] = {}
    for number, (response, pieces) in enumerate(answers):
        joined.setdefault(response or f"#{number}", []).extend(pieces)
    return list(joined.values())


def _items(folder: Path) -> list[Wire]:
    path = folder / DOCUMENT
    try:
        if path.stat().st_size > LONGEST_BYTES:
            raise ValueError(f"{path} is too large for a saved session")
        found: Any = json.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise ValueError(
            f"{folder} is not a saved session: it has no {DOCUMENT}; name a folder that the console has saved"
        ) from None
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise ValueError(f"{path} is damaged: it holds no JSON") from None
    return [dict_of(item) for item in list_of(dict_of(found).get("items"))]


def _call(item: Wire, text: str) -> Call:
    """A function call; sessions saved by older versions hold it only as the text ``name(arguments)``."""
    name, arguments = text_of(item.get("name")), text_of(item.get("arguments"))
    if name is None:
        name, _, arguments = text.removesuffix(")").partition("(")
    return Call(name, arguments or "{}")


def _audio(folder: Path, item: Wire) -> Int16Array:
    """The audio of an answer, mono at SPEECH_RATE_HZ; empty if it has none, or its file is missing or damaged."""
    name = text_of(item.get("audio"))
    if name is None or Path(name).name != name:
        return np.zeros(0, np.int16)
    try:
        sound = read_wav(folder / name)
    except (OSError, ValueError, DecodeError):
        return np.zeros(0, np.int16)
    samples = np.ascontiguousarray(sound.pcm.reshape(-1, sound.channel_count)[:, 0])
    if sound.sample_rate != SPEECH_RATE_HZ:
        resampler = Resampler(sound.sample_rate, SPEECH_RATE_HZ)
        samples = np.concatenate([resampler.process(samples), resampler.flush()])
    return samples
