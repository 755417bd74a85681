"""A program frozen with PyInstaller plays, records, lists devices and decodes files."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
import sys
import textwrap
import zipapp
from pathlib import Path

import numpy as np
import pytest

import wavtools
from tests import early
from tests.audio_server import no_server_environment

pytest.importorskip("PyInstaller", reason="PyInstaller is in wavtools[dev]")
soundfile = pytest.importorskip("soundfile")

RATE = 24_000
PROGRAM = """
    import json, sys
    import numpy as np
    import realtime
    import wavtools

    told = {"frozen": sys.frozen, "missing": []}
    for package in (wavtools, realtime):
        for name in package.__all__:
            try:
                getattr(package, name)
            except (AttributeError, ImportError) as error:
                told["missing"].append(f"{package.__name__}.{name}: {error}")

    def decoded(path):
        try:
            return len(wavtools.load(path).pcm)
        except wavtools.DecodeError as error:
            return str(error)

    told["files"] = [decoded(path) for path in sys.argv[1:]]
    device = wavtools.OfflineDevice(24_000)
    with wavtools.WavStreamPlayer(24_000, device=device) as player:
        player.add_16bit_pcm(np.arange(1, 1_001, dtype=np.int16))
        told["heard"] = device.render(1_000).tolist()
    with wavtools.WavStreamPlayer(device="null") as player, wavtools.WavRecorder(device="null") as recorder:
        player.add_16bit_pcm(np.ones(2_400, np.int16))
        told["idle"] = player.wait_until_idle(30)
    try:
        told["devices"] = [entry.id for entry in wavtools.WavStreamPlayer.list_devices()]
    except wavtools.DeviceError as error:
        told["devices"] = str(error)
    print(json.dumps(told))
"""


def freeze(folder: Path) -> Path:
    """The program that PyInstaller makes of PROGRAM; without PyAV, which is large."""
    script = folder / "program.py"
    script.write_text(textwrap.dedent(PROGRAM))
    # PyInstaller does not see an editable installation.
    source = Path(wavtools.__file__).parents[1]
    command = [sys.executable, "-m", "PyInstaller", "--log-level=ERROR", f"--paths={source}"]
    command += ["--exclude-module=av", "--noconfirm", "--specpath=.", "program.py"]
    subprocess.run(command, cwd=folder, check=True, timeout=280)
    return folder / "dist" / "program" / ("program.exe" if sys.platform == "win32" else "program")


@pytest.mark.timeout(300)
@pytest.mark.early.with_args(freeze)
def test_a_frozen_program_plays_lists_devices_and_decodes_files(tmp_path):
    program = early.result(freeze)
    tone = (np.sin(np.arange(RATE) / 20) * 0.5).astype(np.float32)
    files = [tmp_path / name for name in ("tone.wav", "tone.flac", "tone.mp3", "tone.ogg")]
    for file in files:
        soundfile.write(file, tone, RATE)
    done = subprocess.run(
        [program, *files], capture_output=True, text=True, timeout=60, env=no_server_environment(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["frozen"] and told["missing"] == []
    wav, flac, mp3, ogg = told["files"]
    assert (wav, flac) == (RATE, RATE)
    assert RATE <= mp3 < RATE + 3_000
    # Decoded in a process of Python, which is not there.
    assert "PyAV" in ogg
    assert told["heard"] == list(range(1, 1_001))
    assert told["idle"]
    assert "no audio system answers" in told["devices"]


def test_pyinstaller_finds_our_hooks():
    (entry,) = importlib.metadata.distribution("wavtools").entry_points.select(group="pyinstaller40")
    (folder,) = entry.load()()
    assert {path.name for path in Path(folder).glob("hook-*.py")} == {
        "hook-wavtools.py",
        "hook-realtime.tools.py",
        "hook-realtime.offline.models.py",
    }


@pytest.mark.parametrize("package", ["wavtools", "realtime"])
def test_a_zipapp_says_why_it_cannot_hold_the_package(tmp_path, package):
    source, archive = tmp_path / "source", tmp_path / "program.pyz"
    for name in ("wavtools", "realtime"):
        shutil.copytree(Path(wavtools.__file__).parents[1] / name, source / name)
    (source / "__main__.py").write_text(f"import {package}")
    zipapp.create_archive(source, archive)
    done = subprocess.run([sys.executable, "-I", archive], capture_output=True, text=True, cwd=tmp_path)
    said = (
        "ImportError: wavtools cannot be imported from a zip archive, because Python loads compiled modules"
    )
    assert done.stderr.splitlines()[-1].startswith(said)
