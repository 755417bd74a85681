"""docs/coming-from.md: every task is shorter or as short in our code, and both sides run."""

from __future__ import annotations

import ast
import importlib.util
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import soundfile

import realtime
import wavtools
from tests.pages import DOCS, MARKDOWN, SILENT, environment, read

# Tasks of the page that need more than a silent device.
UNTIL_CTRL_C, DEVICES = "Record to a file until Ctrl-C", "List the devices"


class Twin(NamedTuple):
    package: str
    task: str
    theirs: str
    ours: str


def twins() -> list[Twin]:
    """The tasks of the page: their code in a py fence, then ours in a python fence."""
    found = []
    package = task = theirs = ""
    tokens = MARKDOWN.parse(read(DOCS / "coming-from.md"))
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and following is not None:
            package, task = (package, following.content) if token.tag == "h3" else (following.content, "")
        elif token.type == "fence" and token.info == "py":
            assert not theirs, f"{task}: two of theirs, none of ours"
            theirs = token.content
        elif token.type == "fence":
            assert theirs and token.info == "python", f"{task}: none of theirs before ours"
            found.append(Twin(package, task, theirs, token.content))
            theirs = ""
    return found


TWINS = twins()


def params(chosen: list[Twin]) -> list[Any]:
    return [pytest.param(twin, id=f"{twin.package} {twin.task}".replace(" ", "-")) for twin in chosen]


def lines(code: str) -> int:
    return sum(1 for line in code.splitlines() if line.strip() and not line.strip().startswith("#"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that the examples read."""
    noise = np.random.default_rng(5).uniform(-0.3, 0.3, 48_000)
    soundfile.write(tmp_path / "speech.wav", noise, 24_000, subtype="PCM_16")
    soundfile.write(tmp_path / "long.wav", np.tile(noise, 4), 24_000, subtype="PCM_24")
    soundfile.write(tmp_path / "music.flac", np.column_stack([noise, -noise]), 48_000)
    wavtools.load(tmp_path / "speech.wav", "int16").pcm.tofile(tmp_path / "speech.raw")
    return tmp_path


def run(code: str, folder: Path, env: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def names_after(code: str) -> dict[str, Any]:
    """Run code in this process; returns its names."""
    names: dict[str, Any] = {}
    exec(compile(code, "example", "exec"), names)
    return names


def test_the_page_has_twins_of_all_six_packages():
    audio = {"sounddevice", "soundfile", "PyAudio", "pydub", "simpleaudio"}
    assert {twin.package for twin in TWINS} == {*audio, "openai"}
    assert len(TWINS) > 20


@pytest.mark.parametrize("twin", params(TWINS))
def test_ours_is_shorter_or_as_short(twin):
    assert lines(twin.ours) <= lines(twin.theirs)
    assert max(map(len, twin.ours.splitlines())) <= 110


@pytest.mark.parametrize("twin", params([twin for twin in TWINS if twin.task not in (UNTIL_CTRL_C, DEVICES)]))
def test_ours_runs(twin, folder, offline_url):
    run(SILENT + twin.ours.replace("sleep(60)", "sleep(0.5)"), folder, environment(offline_url))


@pytest.mark.parametrize("twin", params([twin for twin in TWINS if twin.package == "openai"]))
def test_the_vendors_client_does_the_same_at_the_same_server(twin, folder, offline_url):
    """Both print something, or both write the answer."""
    pytest.importorskip("openai")
    url = offline_url.replace("ws", "http", 1) + "/v1"
    theirs = run(twin.theirs, folder, environment(url) | {"OPENAI_API_KEY": "offline"})
    answer = folder / "answer.wav"
    if answer.exists():
        frames = wavtools.info(answer).frames
        answer.unlink()
        run(twin.ours, folder, environment(offline_url))
        assert wavtools.info(answer).frames == frames > 0
    else:
        assert theirs.strip() and run(twin.ours, folder, environment(offline_url)).strip() == theirs.strip()


@pytest.mark.parametrize("twin", params([twin for twin in TWINS if twin.task == DEVICES]))
def test_ours_lists_the_devices(twin, audio_server):
    printed = run(twin.ours, audio_server.folder, environment("") | audio_server.env)
    assert "speaker" in printed and "* is the default device" in printed


@pytest.mark.skipif(
    sys.platform == "win32", reason="Ctrl-C of another process needs a console of its own there"
)
def test_ctrl_c_ends_a_recording_whose_file_is_whole(folder):
    (twin,) = [twin for twin in TWINS if twin.task == UNTIL_CTRL_C]
    process = subprocess.Popen(
        [sys.executable, "-c", SILENT + twin.ours],
        cwd=folder,
        env=environment(""),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        take = folder / "take.wav"
        while process.poll() is None and (not take.exists() or take.stat().st_size < 10_000):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        printed, complaints = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, complaints
    assert "recorded take.wav" in printed
    assert wavtools.read_wav(take, strict=True).duration > 0.1


@pytest.mark.parametrize("twin", params([twin for twin in TWINS if twin.package == "soundfile"]))
def test_theirs_runs_and_ours_gives_the_same(twin, folder, monkeypatch):
    monkeypatch.chdir(folder)
    given = set(folder.iterdir())
    theirs = names_after(twin.theirs)
    written = {path: soundfile.read(path) for path in set(folder.iterdir()) - given}
    for path in written:
        path.unlink()
    ours = names_after(twin.ours)
    for path, (samples, rate) in written.items():
        assert soundfile.info(path).samplerate == rate
        np.testing.assert_allclose(soundfile.read(path)[0], samples, atol=2**-22)
    data = ours["sound"].pcm if "sound" in ours else ours.get("data")
    if data is not None:
        np.testing.assert_allclose(data, theirs["data"], atol=2**-22)
    for name in ("levels", "part"):
        if name in theirs:
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4)


@pytest.mark.parametrize("twin", params(TWINS))
def test_the_names_of_theirs_exist(twin):
    """As far as the package is installed; that the code is Python, always.

    The source is searched, because importing sounddevice starts the system's audio.
    """
    tree = ast.parse(twin.theirs)
    sources = {}
    for node in ast.walk(tree):
        for alias in node.names if isinstance(node, ast.Import) else []:
            spec = importlib.util.find_spec(alias.name)
            if alias.name in ("sounddevice", "soundfile", "pyaudio", "simpleaudio") and spec and spec.origin:
                sources[alias.asname or alias.name] = read(Path(spec.origin))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in sources:
            pattern = rf"^((def|class) {node.attr}\b|{node.attr} = )"
            assert re.search(pattern, sources[node.value.id], re.M), f"{node.value.id}.{node.attr}"


def test_the_names_of_the_table_beside_openai_exist():
    table = read(DOCS / "coming-from.md").split("### Names\n")[1].split("\n## ")[0]
    ours = re.findall(
        r"`client\.(\w+)\(", " ".join(row.split("|")[2] for row in table.splitlines() if "|" in row)
    )
    assert len(ours) > 8
    client = realtime.RealtimeClient("", "ws://127.0.0.1:1")
    assert [name for name in ours if not callable(getattr(client, name, None))] == []
