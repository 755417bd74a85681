"""The command `wavtools` as a user runs it: its verbs that need no device, its errors and exit statuses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import wavtools
from wavtools.command.main import main, make_parser
from wavtools.command.verbs import PARTS, VERBS


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """Two seconds of a stereo tone: 1 kHz at -6 dBFS on the left, silence on the right."""
    t = np.arange(2 * 48_000) / 48_000
    left = 0.5 * np.sin(2 * np.pi * 1000 * t)
    path = tmp_path / "tone.wav"
    wavtools.save(path, np.stack([left, 0 * left], axis=1).astype(np.float32), 48_000, encoding="int24")
    return path


def command(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run `python -m wavtools` in a process."""
    line = [sys.executable, "-m", "wavtools", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, **options)


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run the command, which must end with status 2 and one line; returns the line."""
    assert main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert captured.err.startswith("wavtools: ")
    return captured.err


# --- the command line


def test_python_dash_m_and_the_command_are_the_same():
    assert command("--version").stdout == f"wavtools {wavtools.__version__}\n"
    installed = Path(sys.executable).with_name("wavtools")
    if installed.exists():
        version = subprocess.run([installed, "--version"], capture_output=True, text=True)
        assert version.stdout == f"wavtools {wavtools.__version__}\n"


def test_help_names_every_verb_and_imports_no_audio():
    shown = command("--help").stdout
    for verb, text in {**VERBS, **{verb: part[2] for verb, part in PARTS.items()}}.items():
        assert verb in shown and text.split(",")[0][:20] in " ".join(shown.split())
    program = (
        "import sys\nfrom wavtools.command.main import make_parser\nmake_parser()\n"
        "print(sorted(n for n in ('numpy', 'miniaudio', 'asyncio', 'realtime') if n in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "[]\n"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb, capsys):
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    assert f"usage: wavtools {verb}" in capsys.readouterr().out


def test_a_mistake_is_one_line_and_status_2(capsys, tmp_path):
    assert "VERB" in refused(capsys)
    assert "'sing'" in refused(capsys, "sing")
    assert "No such file" in refused(capsys, "info", tmp_path / "missing.wav")
    noise = tmp_path / "noise.wav"
    noise.write_bytes(b"no sound at all")
    assert "noise.wav" in refused(capsys, "info", noise)
    assert "8000 to 192000" in refused(capsys, "record", "a.wav", "--rate", "12")
    assert "0.01 to 1e+06" in refused(capsys, "record", "a.wav", "--seconds", "nan")


def test_control_characters_of_a_name_do_not_reach_the_terminal(capsys, tmp_path):
    told = refused(capsys, "info", tmp_path / "a\x1b[31mb.wav")
    assert "\x1b" not in told and "\\x1b[31m" in told


def test_a_reader_that_has_gone_is_no_error():
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, wavtools.command.main as m; sys.stdin.read(); sys.exit(m.main(['completion', 'bash']))",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    process.stdin.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(30) == 0


def test_parts_that_are_not_installed_say_what_to_install(capsys, monkeypatch):
    from wavtools.command import main as program

    monkeypatch.setitem(program.PARTS, "console", ("no_such_package", "console", ""))
    assert "pip install 'wavtools[console]'" in refused(capsys, "console")


def test_parts_get_their_own_arguments():
    shown = command("offline", "--help")
    assert shown.returncode == 0 and "--dialect" in shown.stdout
    assert command("relay", "--port", "nine").returncode == 2


# --- completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_knows_all_verbs_and_options(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in [*VERBS, *PARTS, "until-silence", "no-kernels"]:
        assert word in script
    interpreter = shutil.which(shell)
    if interpreter:
        checked = subprocess.run([interpreter, "-n"], input=script, text=True, capture_output=True)
        assert (checked.returncode, checked.stderr) == (0, "")


def test_bash_completes_a_verb():
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    script = command("completion", "bash").stdout
    asked = script + "\nCOMP_WORDS=(wavtools con); COMP_CWORD=1; _wavtools; echo ${COMPREPLY[@]}"
    assert subprocess.run([bash, "-c", asked], capture_output=True, text=True).stdout == "convert console\n"


# --- info


def test_info_says_what_a_file_holds(tone, capsys):
    assert main(["info", str(tone), "--levels"]) == 0
    heading, line = capsys.readouterr().out.splitlines()
    assert heading.split()[:4] == ["file", "format", "encoding", "Hz"]
    assert "PCM of 24 bits" in line and "48000" in line and "0:02.000" in line
    assert line.split()[-3:-1] == ["-6.0", "-12.0"]


def test_info_as_json(tone, tmp_path, capsys):
    silence = tmp_path / "silence.wav"
    wavtools.save(silence, np.zeros(48_000, np.int16), 48_000)
    assert main(["info", "--json", "--levels", str(tone), str(silence)]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["sample_rate"], first["channel_count"], first["frames"]) == (48_000, 2, 96_000)
    assert first["peak_db"] == pytest.approx(-6.02, abs=0.01)
    assert second["peak_db"] is None and second["loudness_lufs"] is None


# --- convert


def test_convert_changes_rate_channels_and_encoding(tone, tmp_path):
    target = tmp_path / "small.wav"
    assert main(["convert", str(tone), str(target), "--rate", "8000", "--mono", "--encoding", "ulaw"]) == 0
    found = wavtools.info(target)
    assert (found.sample_rate, found.channel_count, found.frames) == (8_000, 1, 16_000)
    assert "mu-law" in found.encoding
    heard = wavtools.load(target).pcm[2_000:-2_000]
    assert np.abs(heard).max() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("encoding", ["int16", "int32", "float32", "float64"])
def test_convert_keeps_every_bit_that_the_encoding_holds(tmp_path, encoding):
    source, target = tmp_path / "source.wav", tmp_path / "target.wav"
    dtype = encoding
    random = np.random.default_rng(0)
    if encoding.startswith("int"):
        limits = np.iinfo(dtype)
        samples = random.integers(limits.min, limits.max, 5_000, dtype, endpoint=True)
    else:
        samples = random.uniform(-1, 1, 5_000).astype(dtype)
    with wavtools.WavWriter(source, 44_100, encoding=encoding) as writer:
        writer.write(samples)
    assert main(["convert", str(source), str(target), "--encoding", encoding]) == 0
    with wavtools.WavReader(target) as reader:
        np.testing.assert_array_equal(reader.read(dtype=dtype), wavtools.load(source, dtype).pcm)


def test_convert_takes_the_part_that_is_asked_for(tone, tmp_path):
    target = tmp_path / "part.wav"
    assert (
        main(["convert", str(tone), str(target), "--start", "0.25", "--end", "1.75", "--encoding", "float32"])
        == 0
    )
    np.testing.assert_array_equal(wavtools.load(target).pcm, wavtools.load(tone).pcm[12_000:84_000])


def test_convert_that_fails_leaves_the_old_file(tone, tmp_path, capsys):
    target = tmp_path / "old.wav"
    target.write_bytes(b"old")
    broken = tmp_path / "broken.flac"
    broken.write_bytes(b"fLaC" + bytes(60))
    refused(capsys, "convert", broken, target)
    assert target.read_bytes() == b"old"
    assert "end" in refused(capsys, "convert", tone, target, "--start", "2", "--end", "1")
    assert "small.wav" in refused(capsys, "convert", tone, tmp_path / "small.mp3")
    assert target.read_bytes() == b"old"


def test_convert_can_replace_its_own_source(tone):
    before = wavtools.load(tone).pcm
    assert main(["convert", str(tone), str(tone), "--encoding", "int24"]) == 0
    np.testing.assert_array_equal(wavtools.load(tone).pcm, before)


# --- plot


@pytest.mark.parametrize("kind", ["waveform", "spectrogram"])
@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_plot_draws(tone, tmp_path, kind, suffix):
    target = tmp_path / f"picture.{suffix}"
    arguments = ["plot", str(tone), str(target), "--kind", kind, "--width", "400", "--height", "100"]
    assert main(arguments) == 0
    picture = target.read_bytes()
    if suffix == "svg":
        import xml.etree.ElementTree as tree

        assert tree.fromstring(picture).get("width") == "400"
        assert b"tone.wav" in picture
    else:
        assert picture.startswith(b"\x89PNG") and picture[16:24] == (400).to_bytes(4, "big") + (100).to_bytes(
            4, "big"
        )


def test_the_waveform_is_where_the_sound_is(tone, tmp_path):
    """The right channel is silent: its lane is one line; the left one fills half of its own."""
    target = tmp_path / "picture.svg"
    main(["plot", str(tone), str(target), "--height", "200", "--width", "300"])
    path = target.read_text().split('<path d="')[1].split('"')[0]
    strokes = [tuple(map(float, stroke.replace("V", " ").split())) for stroke in path.split("M")[1:]]
    assert len(strokes) == 600
    left, right = strokes[:300], strokes[300:]
    assert {bottom - top for _, top, bottom in right} == {1.0}
    assert all(49 <= bottom - top <= 52 for _, top, bottom in left)


def test_plot_refuses_what_it_cannot_draw(tone, tmp_path, capsys):
    assert ".png or .svg" in refused(capsys, "plot", tone, tmp_path / "picture.gif")
    empty = tmp_path / "empty.wav"
    wavtools.save(empty, np.zeros(0, np.int16), 8_000)
    assert "nothing to draw" in refused(capsys, "plot", empty, tmp_path / "picture.png")


def test_a_picture_of_one_frame(tmp_path):
    source = tmp_path / "short.wav"
    wavtools.save(source, np.ones(1, np.int16), 8_000)
    for kind in ("waveform", "spectrogram"):
        assert main(["plot", str(source), str(tmp_path / "short.png"), "--kind", kind]) == 0


# --- the shape of the package


def test_the_parser_knows_the_arguments_of_the_verbs_that_are_asked_for():
    assert make_parser(["info"]).parse_args(["info", "a", "b"]).files == ["a", "b"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_ctrl_c_ends_with_130(tone):
    process = subprocess.Popen(
        [sys.executable, "-m", "wavtools", "play", str(tone), "--loop", "--device", "null"],
        stderr=subprocess.PIPE,
    )
    import signal
    import time

    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert process.stderr.read() == b""
    process.stderr.close()
