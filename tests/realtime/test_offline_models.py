"""The models: their files, their choice, recognition and synthesis in this process, and the worker processes."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import multiprocessing.queues
import os
import re
import struct
import subprocess
import sys
import time
import wave
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from realtime.offline import question_path
from realtime.offline.models import interfaces
from realtime.offline.models.choice import choose_voice
from realtime.offline.models.clips import TEXTS, clip_samples
from realtime.offline.models.files import PINNED, model_file
from realtime.offline.models.interfaces import SPEECH_RATE_HZ, ModelError
from realtime.offline.models.workers import Workers
from wavtools.resample import resample


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())


# --- the files


def test_a_model_file_is_the_pinned_one_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "some_models"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(PINNED, ("some_models", "model.bin"), hashlib.sha256(b"good").hexdigest())
    with pytest.raises(ModelError, match="no_such_package is not installed"):
        model_file("no_such_package", "model.bin")
    with pytest.raises(ModelError, match="model.bin is missing; run: pip install --force-reinstall"):
        model_file("some_models", "model.bin")
    (package / "model.bin").write_bytes(b"changed")
    with pytest.raises(ModelError, match=r"has SHA-256 [0-9a-f]{12}\.\.\., expected"):
        model_file("some_models", "model.bin")
    (package / "model.bin").write_bytes(b"good")
    assert model_file("some_models", "model.bin") == package / "model.bin"


# --- the choice


def test_there_are_three_kinds_of_voice() -> None:
    with pytest.raises(ValueError, match="expected 'auto', 'models' or 'standin'"):
        choose_voice("robot")


def test_what_is_not_installed_has_a_standin_or_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("onnxruntime", "ctranslate2"):
        # A module that is None in sys.modules cannot be found.
        monkeypatch.setitem(sys.modules, name, None)
    assert choose_voice("auto") == choose_voice("standin")
    missing = (
        "voice detection .silero., speech recognition .whisper., speech synthesis .hibari.; run: pip install"
    )
    with pytest.raises(ModelError, match=missing):
        choose_voice("models")


def test_the_old_module_has_the_same_names() -> None:
    from realtime.offline import voice

    assert voice.choose_voice is choose_voice
    assert all(getattr(voice, name) is getattr(interfaces, name) for name in interfaces.__all__)


# --- whisper


@pytest.fixture(scope="module")
def whisper():
    pytest.importorskip("ctranslate2", reason="say: pip install 'wavtools[offline]'")
    from realtime.offline.models.whisper import WhisperTranscriber

    return WhisperTranscriber()


@pytest.fixture(scope="module")
def hibari():
    pytest.importorskip("hibari", reason="say: pip install 'wavtools[offline]'")
    from realtime.offline.models.hibari import HibariSpeech

    return HibariSpeech()


@pytest.mark.models
@pytest.mark.parametrize("rate", [16_000, SPEECH_RATE_HZ])
def test_speech_is_heard_at_any_rate(whisper, rate: int) -> None:
    samples = resample(clip_samples("hello"), SPEECH_RATE_HZ, rate)
    assert words(whisper.transcribe(samples, rate)) == words(TEXTS["hello"])


@pytest.mark.models
def test_a_loop_is_tried_in_every_window_and_then_taken_for_what_was_said(whisper, hibari) -> None:
    samples = hibari.synthesise("No. " * 16, "", 1.0)
    heard = whisper.transcribe(samples, SPEECH_RATE_HZ).lower()
    assert heard.count("no") >= 5


@pytest.mark.models
def test_a_folder_with_a_damaged_model_is_refused(whisper, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"not a model")
    (tmp_path / "vocabulary.txt").write_text("a\n")
    with pytest.raises(ModelError, match="cannot load the Whisper model"):
        type(whisper)(str(tmp_path))


# --- hibari


@pytest.mark.models
def test_nothing_to_say_is_no_sound(hibari) -> None:
    assert hibari.synthesise("", "", 1.0).tolist() == []


@pytest.mark.models
def test_a_voice_of_another_rate_is_refused(hibari, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hibari.SAMPLE_RATE", 16_000)
    with pytest.raises(ModelError, match="hibari speaks at 16000 Hz, expected 24000"):
        type(hibari)()


@pytest.mark.models
def test_the_clips_can_be_rendered_again(whisper, hibari, tmp_path: Path) -> None:
    """The same length and the same words; the samples differ with the arithmetic of the machine."""
    command = [sys.executable, Path(__file__).parents[2] / "tools/render_clips.py", tmp_path]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    for name in TEXTS:
        with wave.open(str(tmp_path / f"{name}.wav")) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, SPEECH_RATE_HZ)
            rendered = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        assert len(rendered) == len(clip_samples(name))
        assert words(whisper.transcribe(rendered, SPEECH_RATE_HZ)) == words(TEXTS[name])
    assert question_path().parent != tmp_path


# --- worker processes


class Slow:
    """Returns, after a while, the id of the process that it runs in."""

    def where(self) -> int:
        time.sleep(0.3)
        return os.getpid()


async def test_all_calls_of_a_worker_that_dies_are_made_again_in_the_one_that_follows() -> None:
    workers = Workers(Slow, 1)
    try:
        first = await workers.call("where")
        calls = [asyncio.create_task(workers.call("where")) for _ in range(3)]
        await asyncio.sleep(0.1)
        assert not workers.idle
        os.kill(first, 9)
        second = await asyncio.gather(*calls)
        assert len(set(second)) == 1 and first not in second
        assert workers.idle
    finally:
        workers.close()


class Torn:
    """Dies while its first result is being written; a file tells the worker after it that this has happened."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def where(self) -> int:
        if not self.marker.exists():
            self.marker.touch()
            queues = [one for one in gc.get_objects() if isinstance(one, multiprocessing.queues.SimpleQueue)]
            # The length of a message of 1000 bytes, and the first of them.
            os.write(queues[0]._writer.fileno(), struct.pack("!i", 1000) + b"x")
            os._exit(1)
        return os.getpid()


@pytest.mark.timeout(60)
async def test_a_worker_that_dies_within_a_result_is_replaced(tmp_path: Path) -> None:
    workers = Workers(partial(Torn, tmp_path / "torn"), 1)
    try:
        assert await asyncio.wait_for(workers.call("where"), 30) != os.getpid()
    finally:
        workers.close()
