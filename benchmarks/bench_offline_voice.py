"""How well and how fast the offline server hears and answers: `python -m benchmarks.bench_offline_voice`.

Everything goes through the server's socket: word error rate by voice, level and noise; delay from the end
of speech to the first answered audio at real-time pace; the same with eight sessions at once, their answers
understood again. With no argument it does all three and writes its section of RESULTS.md; `words`, `delay` or `many` does
one and prints.

Voices: hibari (of wavtools[offline]); espeak-ng, if that program is installed; humans (ten LibriVox and
card-game clips), if pocketsphinx' source archive lies in build/speech:
    pip download --no-deps --no-binary :all: -d build/speech pocketsphinx==5.1.1
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tarfile
import time
import wave
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.sections import write_section
from realtime.offline import start_server_process
from tests.word_errors import word_errors
from wavtools.resample import resample

Int16Array = npt.NDArray[np.int16]
Say = Callable[[str], None]
RATE_HZ = 24_000
CHUNK_SAMPLES = 480  # 20 ms, as a microphone gives them
ARCHIVE = Path("build/speech/pocketsphinx-5.1.1.tar.gz")

SENTENCES = (
    "What is the weather in Paris?",
    "Please remember that my name is Ann.",
    "Tell me a long story about the sea.",
    "What time is it?",
    "Could you turn the volume down a little?",
    "Thank you, that was very helpful.",
    "I would like to book a table for tomorrow evening.",
    "How far is it from Berlin to Rome?",
    "Please read me the first message again.",
    "Is it going to rain this afternoon?",
    "Play some music in the kitchen.",
    "Goodbye, and have a nice day.",
)
# (name, gain in dB, signal to noise ratio in dB or None)
WORKERS = 2  # of each model, for the many sessions: one for each of two cores
CONDITIONS = (
    ("clean, as spoken", 0.0, None),
    ("clean, -20 dB", -20.0, None),
    ("clean, -36 dB", -36.0, None),
    ("pink noise, 20 dB", 0.0, 20.0),
    ("pink noise, 10 dB", 0.0, 10.0),
    ("pink noise, 5 dB", 0.0, 5.0),
)


@dataclass(frozen=True)
class Utterance:
    """A clip at 24 kHz and what is said in it; ``end_s`` is where its last word ends."""

    text: str
    samples: Int16Array

    @property
    def end_s(self) -> float:
        loud = np.flatnonzero(np.abs(self.samples) > 0.02 * np.abs(self.samples).max())
        return float(loud[-1] + 1) / RATE_HZ


# --- speech ----------------------------------------------------------------------------------------------


def hibari_voice() -> list[Utterance]:
    from realtime.offline.models.hibari import HibariSpeech

    speech = HibariSpeech()
    return [Utterance(text, speech.synthesise(text, "", 1.0)) for text in SENTENCES]


def espeak_voice() -> list[Utterance]:
    program = shutil.which("espeak-ng")
    if program is None:
        return []
    clips = []
    for text in SENTENCES:
        data = subprocess.run([program, "--stdout", text], capture_output=True, check=True).stdout
        clips.append(Utterance(text, read_wav(data)))
    return clips


def human_voices() -> list[Utterance]:
    if not ARCHIVE.exists():
        return []
    clips = []
    with tarfile.open(ARCHIVE) as archive:
        files = {name.split("/", 3)[-1]: name for name in archive.getnames() if "/test/data/" in name}
        for folder in ("librivox", "cards"):
            listing = "transcription" if folder == "librivox" else "cards.transcription"
            lines = _member(archive, files[f"{folder}/{listing}"]).decode().splitlines()
            for line in lines:
                match = re.fullmatch(r"(?:<s> )?(.*?)(?: </s>)? \((.*)\)", line.strip())
                if match:
                    data = _member(archive, files[f"{folder}/{match[2]}.wav"])
                    clips.append(Utterance(match[1], read_wav(data)))
    return clips


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


def read_wav(data: bytes) -> Int16Array:
    with wave.open(io.BytesIO(data)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
        return samples if file.getframerate() == RATE_HZ else resample(samples, file.getframerate(), RATE_HZ)


def degrade(samples: Int16Array, gain_db: float, snr_db: float | None, seed: int) -> Int16Array:
    """*samples* at another level, with pink noise at the given ratio to the active speech."""
    signal = samples.astype(np.float64) * 10 ** (gain_db / 20)
    if snr_db is not None:
        spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(len(signal)))
        noise = np.fft.irfft(spectrum / np.sqrt(np.arange(len(spectrum)) + 1.0), len(signal))
        active = signal[np.abs(signal) > 0.02 * np.abs(signal).max()]
        noise *= np.sqrt(np.mean(active**2) / np.mean(noise**2)) * 10 ** (-snr_db / 20)
        signal = signal + noise
    return np.clip(np.rint(signal), -32768, 32767).astype(np.int16)


_NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
NUMBERS = {str(number): word for number, word in enumerate(_NUMBER_WORDS)}

# --- words -----------------------------------------------------------------------------------------------


def words(text: str) -> list[str]:
    found = re.findall(r"[a-z0-9']+", text.lower().replace("mr.", "mister"))
    return [NUMBERS.get(word, word) for word in found]


def error_rate(pairs: Iterable[tuple[str, str]]) -> float:
    counts = [(word_errors(words(said), words(heard)), len(words(said))) for said, heard in pairs]
    return 100.0 * sum(errors for errors, _ in counts) / max(1, sum(total for _, total in counts))


# --- order -----------------------------------------------------------------------------------------------

# One letter for each event. Events that may come at any place (speech_started, transcripts, rate limits) are left out.
LETTERS = {
    "input_audio_buffer.speech_stopped": "P",
    "input_audio_buffer.committed": "C",
    "response.created": "R",
    "response.output_item.added": "O",
    "response.content_part.added": "N",
    "response.output_audio_transcript.delta": "T",
    "response.output_audio.delta": "D",
    "response.output_audio.done": "d",
    "response.output_audio_transcript.done": "t",
    "response.content_part.done": "n",
    "response.output_item.done": "o",
    "response.done": "Z",
}
ITEM_LETTERS = {
    ("conversation.item.added", "user"): "U",
    ("conversation.item.done", "user"): "u",
    ("conversation.item.added", "assistant"): "A",
    ("conversation.item.done", "assistant"): "a",
}
# A spoken turn and its answer, as the protocol orders them; an answer may be cancelled before its first word.
TURNS = re.compile(r"(PCUuR(OAN(T[TD]*)?dtnao)?Z)*")


class Order:
    """All events sent to one session; finds those out of order and those of another session."""

    def __init__(self) -> None:
        self.letters = ""
        self.faults: list[str] = []
        self._response = self._item = self._last_item = ""

    def take(self, event: dict[str, Any]) -> None:
        name = event["type"]
        item = event.get("item") or {}
        self.letters += LETTERS.get(name) or ITEM_LETTERS.get((name, item.get("role")), "")
        if name == "response.created":
            self._response = event["response"]["id"]
        elif name == "conversation.item.added":
            if (event["previous_item_id"] or "") != self._last_item:
                self.faults.append(f"{name} stands behind {event['previous_item_id']}")
            self._item = self._last_item = item["id"]
        elif name.startswith("response."):
            if event.get("response_id", self._response) != self._response:
                self.faults.append(f"{name} of {event['response_id']}")
            if event.get("item_id", self._item) != self._item:
                self.faults.append(f"{name} of item {event['item_id']}")

    def complaints(self) -> list[str]:
        """Problems found; empty if the order is right."""
        broken = [] if TURNS.fullmatch(self.letters) else [f"the order is {self.letters}"]
        return self.faults + broken


# --- talking to the server -------------------------------------------------------------------------------


async def send(connection: ClientConnection, event_type: str, **fields: Any) -> None:
    await connection.send(json.dumps({"type": event_type, **fields}))


async def append(connection: ClientConnection, samples: Int16Array) -> None:
    audio = base64.b64encode(samples.astype("<i2").tobytes()).decode()
    await send(connection, "input_audio_buffer.append", audio=audio)


async def until(
    connection: ClientConnection, *event_types: str, order: Order | None = None
) -> dict[str, Any]:
    while True:
        event: dict[str, Any] = json.loads(await asyncio.wait_for(connection.recv(), 120))
        assert event["type"] != "error", event
        if order is not None:
            order.take(event)
        if event["type"] in event_types:
            return event


async def configure(connection: ClientConnection, detection: dict[str, Any] | None) -> None:
    audio = {"input": {"transcription": {"model": "whisper-1"}, "turn_detection": detection}}
    await send(connection, "session.update", session={"type": "realtime", "audio": audio})
    await until(connection, "session.updated")


async def transcribe(connection: ClientConnection, samples: Int16Array) -> str:
    """The words that the server recognises in *samples*, in manual mode."""
    await append(connection, samples)
    await send(connection, "input_audio_buffer.commit")
    event = await until(connection, "conversation.item.input_audio_transcription.completed")
    return str(event["transcript"])


async def spoken_turn(
    connection: ClientConnection, clip: Utterance, silence_ms: int, order: Order | None = None
) -> dict[str, Any]:
    """Speak *clip* at real-time pace into a VAD session; the words heard, the answer, the delays in ms."""
    signal = np.concatenate([clip.samples, np.zeros(int(RATE_HZ * (silence_ms / 1000 + 1.5)), np.int16)])
    begun = time.perf_counter()
    done = asyncio.Event()

    async def speak() -> None:
        for start in range(0, len(signal), CHUNK_SAMPLES):
            due = begun + (start + CHUNK_SAMPLES) / RATE_HZ
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if done.is_set():
                return
            await append(connection, signal[start : start + CHUNK_SAMPLES])

    speaker = asyncio.create_task(speak())
    turn: dict[str, Any] = {"heard": "", "audio": b""}
    while True:
        event = await until(
            connection,
            "input_audio_buffer.speech_stopped",
            "conversation.item.input_audio_transcription.completed",
            "response.output_audio.delta",
            "response.done",
            order=order,
        )
        now = time.perf_counter()
        if event["type"] == "input_audio_buffer.speech_stopped":
            turn["stopped"] = now
        elif event["type"] == "conversation.item.input_audio_transcription.completed":
            turn["heard"] += " " + event["transcript"]
        elif event["type"] == "response.output_audio.delta":
            if not turn["audio"]:
                turn["from_end_ms"] = 1000 * (now - begun - clip.end_s)
                turn["from_stop_ms"] = 1000 * (now - turn["stopped"])
            turn["audio"] += base64.b64decode(event["delta"])
        elif event["response"]["status"] == "completed":
            turn["answer"] = event["response"]["output"][0]["content"][0]["transcript"]
            break
        else:  # a pause in the sentence ended a turn, and what followed interrupted its answer
            turn["audio"] = b""
    done.set()
    await speaker
    return turn


# --- the three questions ---------------------------------------------------------------------------------


async def measure_word_errors(url: str, voices: dict[str, list[Utterance]], say: Say) -> None:
    say("\n### Word error rate, %\n")
    say(
        "| condition | " + " | ".join(f"{name} ({len(clips)} clips)" for name, clips in voices.items()) + " |"
    )
    say("|---|" + "---|" * len(voices))
    async with connect(url, max_size=None) as connection:
        await configure(connection, None)
        for condition, gain_db, snr_db in CONDITIONS:
            cells = []
            for clips in voices.values():
                pairs = []
                for i, clip in enumerate(clips):
                    heard = await transcribe(connection, degrade(clip.samples, gain_db, snr_db, i))
                    pairs.append((clip.text, heard))
                cells.append(f"{error_rate(pairs):.1f}")
            say(f"| {condition} | " + " | ".join(cells) + " |")


async def measure_delay(url: str, clips: list[Utterance], say: Say) -> None:
    say("\n### Delay to the first audio of the answer, one session at real-time pace, ms\n")
    say("| silence setting | after speech_stopped: median, worst | after the last word: median, worst |")
    say("|---|---|---|")
    for silence_ms in (200, 500):
        async with connect(url, max_size=None) as connection:
            await configure(connection, {"type": "server_vad", "silence_duration_ms": silence_ms})
            turns = [await spoken_turn(connection, clip, silence_ms) for clip in clips]
        cells = [_median_and_worst([turn[key] for turn in turns]) for key in ("from_stop_ms", "from_end_ms")]
        say(f"| {silence_ms} ms | {cells[0]} | {cells[1]} |")


async def measure_many(url: str, clips: list[Utterance], sessions: int, turns: int, say: Say) -> None:
    orders = [Order() for _ in range(sessions)]

    async def session(number: int) -> list[tuple[Utterance, dict[str, Any]]]:
        await asyncio.sleep(0.4 * number)  # speakers begin one after another
        async with connect(url, max_size=None) as connection:
            await configure(connection, {"type": "server_vad", "silence_duration_ms": 500})
            chosen = [clips[(number + 3 * i) % len(clips)] for i in range(turns)]
            return [(clip, await spoken_turn(connection, clip, 500, orders[number])) for clip in chosen]

    results = [pair for group in await asyncio.gather(*map(session, range(sessions))) for pair in group]
    async with connect(url, max_size=None) as connection:
        await configure(connection, None)
        understood = []
        for _, turn in results:
            again = await transcribe(connection, np.frombuffer(turn["audio"], "<i2").astype(np.int16))
            understood.append((turn["answer"], again))
    say(
        f"\n### {sessions} sessions at once, {turns} spoken turns each, silence setting 500 ms, --workers {WORKERS}\n"
    )
    say("| | |\n|---|---|")
    say(f"| turns answered | {len(results)} of {sessions * turns} |")
    complaints = [order.complaints() for order in orders]
    in_order = sum(not one for one in complaints)
    say(
        f"| sessions with every event in the protocol's order, and none of another's | {in_order} of {sessions} |"
    )
    for one in filter(None, complaints):
        print("out of order:", *one, sep="\n  ", file=sys.stderr)
    heard = error_rate((clip.text, turn["heard"]) for clip, turn in results)
    say(f"| word error rate of what was heard | {heard:.1f} % |")
    say(f"| word error rate of the answers, heard again | {error_rate(understood):.1f} % |")
    delays = _median_and_worst([turn["from_stop_ms"] for _, turn in results])
    say(f"| first audio after speech_stopped: median, worst, ms | {delays} |")


def _median_and_worst(values: list[float]) -> str:
    return f"{statistics.median(values):.0f}, {max(values):.0f}"


async def main(parts: list[str]) -> None:
    lines: list[str] = []

    def say(line: str) -> None:
        print(line, flush=True)
        lines.append(line)

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f", load {os.getloadavg()[0]:.1f} before the start" if hasattr(os, "getloadavg") else ""
    say("## Offline server: hearing, speed and eight sessions at once\n")
    say(f"`python -m benchmarks.bench_offline_voice` on {platform.machine()}, {cores} cores{load}, ")
    say(f"Python {platform.python_version()}. Times are of this machine with whatever else ran on it.")
    voices = {"hibari": hibari_voice(), "espeak-ng": espeak_voice(), "humans": human_voices()}
    voices = {name: clips for name, clips in voices.items() if clips}
    begun = time.perf_counter()
    with await asyncio.to_thread(start_server_process, "--voice", "models") as server:
        say(f"Cold start until every model was warm: {time.perf_counter() - begun:.1f} s.")
        if not parts or "words" in parts:
            await measure_word_errors(server.url, voices, say)
        if not parts or "delay" in parts:
            await measure_delay(server.url, voices["hibari"], say)
    if not parts or "many" in parts:
        arguments = ("--voice", "models", "--workers", str(WORKERS))
        with await asyncio.to_thread(start_server_process, *arguments) as server:
            await measure_many(server.url, voices["hibari"], 8, 3, say)
    if not parts:
        write_section("offline voice", lines)
        print("wrote the section of RESULTS.md")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
