"""The README and the documentation are true: code runs, links and names exist, numbers agree."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import require_program
from tests.pages import BLOCKS, DOCS, PAGES, ROOT, SILENT, Block, Shell, environment, of, read, stand_ins
from tools.notebook_cells import NotebookError, run_notebook
from tools.promised import promised_modules


def test_every_block_is_in_a_language_that_is_run():
    """Except py: the code of other packages, see test_coming_from.py."""
    assert {block.language for block in BLOCKS} == {"python", "sh", "js", "py"}


GENERATOR = ("sphinx", "myst_parser", "furo", "IPython")


@pytest.fixture(scope="module")
def building(tmp_path_factory) -> Iterator[tuple[Any, Path]]:
    """The process that builds the pages strictly, and its folder. It starts early: it takes as long as all blocks.

    The output is pseudo-XML, which is written in half the time of HTML. `make docs` differs by the theme alone.
    """
    if any(importlib.util.find_spec(name) is None for name in GENERATOR):
        yield None, Path()
        return
    folder = tmp_path_factory.mktemp("pages")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-b",
        "pseudoxml",
        "-d",
        folder / "trees",
    ]
    with (folder / "complaints").open("w") as complaints:
        process = subprocess.Popen(
            [*command, DOCS, folder], env=environment(""), stdout=complaints, stderr=subprocess.STDOUT
        )
    yield process, folder
    process.kill()
    process.wait()


# Their blocks need files, or each other.
WALKED = {"coming-from.md": "test_coming_from.py", "tutorial.md": "test_tutorial.py"}


@pytest.mark.usefixtures("building")
@pytest.mark.parametrize("block", [one for one in of("python") if one.values[0].page not in WALKED])
def test_a_python_block_runs(block, offline_url, tmp_path):
    code = SILENT + block.code.replace("sleep(60)", "sleep(1)").replace("record(10, ", "record(1, ")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(offline_url),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def alone(block: Block) -> bool:
    """True for a block that needs no other block before it, and leaves no process behind."""
    return block.page not in ("contributing.md", *WALKED) and "pulseaudio -n" not in block.code


posix = pytest.mark.skipif(sys.platform == "win32", reason="the shell blocks are for a POSIX shell")


@posix
@pytest.mark.parametrize("block", [one for one in of("sh") if alone(*one.values)])
def test_a_shell_block_runs(block, offline_url, tmp_path):
    """In a folder that looks like the repository. A block that ends in a server is stopped once it listens."""
    folder = tmp_path / "repository"
    folder.mkdir()
    for entry in ROOT.iterdir():
        (folder / entry.name).symlink_to(entry)
    env = environment(offline_url) | {"PATH": stand_ins(tmp_path / "bin"), "HOME": str(tmp_path)}
    code = block.code.strip()
    # Not verbs of the servers, such as `relay token`, which end by themselves.
    servers = r"(python -m realtime\.(relay|offline)|wavtools (relay|offline|console tap))\b(?! [a-z])"
    serves = re.search(servers, code.splitlines()[-1])
    free = " --listen 127.0.0.1:0" if "console tap" in code else " --port 0"
    with Shell(code + free if serves else code, folder, env, tmp_path / "complaints") as shell:
        if serves:
            assert shell.line().startswith("listening on ws://127.0.0.1:"), read(shell.complaints)
        else:
            # Status 1 of doctor: it found a fault of this machine.
            shell.end(expect={0, 1} if "console doctor" in code else {0})


@posix
def test_the_sound_server_for_a_container_is_found_by_our_programs(tmp_path):
    """In its own runtime folder, so that no other server is touched; the test ends it there."""
    pulseaudio = require_program("pulseaudio", "pulseaudio")
    (block,) = [block for block in BLOCKS if "pulseaudio -n" in block.code]
    others = {name: value for name, value in environment("").items() if not name.startswith("PULSE_")}
    env = others | {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    env["PATH"] = stand_ins(tmp_path / "bin")
    (tmp_path / "run").mkdir(mode=0o700)
    try:
        with Shell(block.code, tmp_path, env, tmp_path / "complaints") as shell:
            assert "Null Output" in shell.end()
    finally:
        subprocess.run([pulseaudio, "--kill"], env=env, capture_output=True, check=False)


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Path:
    """A folder with the original wavtools and the parts of a browser that it needs."""
    require_program("node", "nodejs")
    npm = require_program("npm", "npm")
    folder = tmp_path_factory.mktemp("browser")
    for name in ("browser.mjs", "package.json"):
        shutil.copy(ROOT / "tests/browser" / name, folder)
    command = [npm, "install", "--silent", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=folder, check=True, timeout=100)
    return folder


@pytest.mark.parametrize("block", of("js"))
def test_a_javascript_block_runs_with_the_original(block, browser):
    ask = "console.log(JSON.stringify([trackId, offset]));\nprocess.exit();\n"
    (browser / "block.mjs").write_text(block.code + ask)
    done = subprocess.run(
        ["node", "--import", "./browser.mjs", "block.mjs"],
        cwd=browser,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    track_id, offset = json.loads(done.stdout)
    # None: no sample was played yet.
    assert track_id in ("my-track", None) and 0 <= offset <= 24_000


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_of_the_repository_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", read(page)):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


# ---------------------------------------------------------------------------------------------- from JavaScript

# The public names of the originals: wavtools 0.1.5, its worklets, and the reference client.
ORIGINALS = re.findall(
    r"\S+",
    """
WavRecorder getSampleRate getStatus requestPermission listDevices listenForDeviceChange begin record pause clear read
save end quit getFrequencies decode log outputToSpeakers debug sampleRate eventReceipts eventTimeout mono raw blob url
values audioBuffer DecodedAudioType meanValues scriptSrc stream processor source node recording analyser
WavStreamPlayer connect add16BitPCM interrupt getTrackSampleOffset trackId offset currentTime context
trackSampleOffsets interruptedTrackIds
AudioAnalysis AudioAnalysisOutputType fftResults resumeIfSuspended frequencies labels
noteFrequencies noteFrequencyLabels voiceFrequencies
voiceFrequencyLabels AnalyserNode
WavPacker WavPackerAudioType floatTo16BitPCM mergeBuffers pack bitsPerSample channels data channelCount duration
AudioProcessor initialize readChannelData formatAudioData getValues export receive sendChunk process
StreamProcessor writeData AudioProcessorSrc StreamProcessorSrc StreamProcessorWorklet
RealtimeClient dangerouslyAllowAPIKeyInBrowser apiKey isConnected reset waitForSessionCreated sessionCreated disconnect
getTurnDetectionType addTool removeTool tools deleteItem updateSession sendUserMessageContent appendInputAudio
createResponse cancelResponse waitForNextItem waitForNextCompletedItem conversation realtime sessionConfig
defaultSessionConfig defaultServerVadConfig transcriptionModels inputAudioBuffer
conversation.updated conversation.item.appended conversation.item.completed conversation.interrupted error close
realtime.event server.* client.* formatted transcript tool output file delta arguments
RealtimeEventHandler on onNext off offNext waitForNext dispatch clearEventHandlers eventHandlers nextEventHandlers
RealtimeAPI defaultUrl ws send model
RealtimeConversation getItem getItems processEvent EventProcessors queueInputAudio items itemLookup responses
responseLookup queuedSpeechItems queuedTranscriptItems queuedInputAudio defaultFrequency
RealtimeUtils arrayBufferToBase64 base64ToArrayBuffer mergeInt16Arrays generateId
RealtimeRelay listen REACT_APP_LOCAL_RELAY_SERVER_URL localStorage get_weather set_memory
SessionResourceType ToolDefinitionType AudioFormatType
""",
)


def rows() -> list[list[str]]:
    text = read(DOCS / "from-javascript.md")
    lines = [
        line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| JavaScript |")
    ]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_every_name_of_the_originals_is_in_the_table():
    assert not missing_in_the_table(ORIGINALS)


def test_every_name_that_the_original_declares_is_in_the_table(browser):
    """Taken from its type declarations."""
    declared = set()
    for path in (browser / "node_modules/wavtools/dist").rglob("*.d.ts"):
        text = re.sub(r"/\*.*?\*/", "", read(path), flags=re.S)
        declared |= set(re.findall(r"^    (?:static |readonly )*([a-zA-Z]\w*)\??[(:]", text, re.M))
        declared |= set(re.findall(r"\bexport (?:class|const|type) (\w+)", text))
    declared.remove("constructor")
    assert len(declared) > 60
    assert not missing_in_the_table(sorted(declared))


def missing_in_the_table(names: list[str]) -> list[str]:
    left = " ".join(row[0] for row in rows()) + read(DOCS / "from-javascript.md").split("## The console")[1]
    heads = " ".join(re.findall(r"^## (.+)$", read(DOCS / "from-javascript.md"), re.M))
    return [name for name in names if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", left + heads)]


OBJECTS = {"recorder": "WavRecorder", "player": "WavStreamPlayer", "client": "RealtimeClient"}


def test_every_python_name_in_the_table_exists():
    """Each second cell begins with code: the name exists, and the arguments of a call fit."""
    checked = 0
    for _, python, *_ in rows():
        code = re.match(r"`([^`]+)`$", python)
        if code is None or code.group(1).startswith(("python -m", "wavtools ", "for ", "OPENAI_")):
            assert (
                code
                or python == "—"
                or python in ("mic, out", "enter", "its pane")
                or python.startswith(("key", "in "))
            )
            continue
        name, call, arguments = code.group(1).removeprefix("await ").partition("(")
        value = resolve(name)
        if call:
            check_arguments(value, f"f({arguments}", bound=name.partition(".")[0] in OBJECTS)
        checked += 1
    assert checked > 80


def resolve(name: str) -> Any:
    owner, _, rest = name.partition(".")
    parts = [OBJECTS.get(owner, owner), *rest.split(".")] if rest else [owner]
    for home in ("wavtools", "realtime", "realtime.events", None):
        try:
            value: Any = importlib.import_module(home if home else parts[0])
            for part in parts if home else parts[1:]:
                found = getattr(value, part, None)
                if found is None and isinstance(value, ModuleType):
                    found = importlib.import_module(f"{value.__name__}.{part}")
                if found is None and part == "items":
                    found = value().items  # made by the constructor
                value = found
            assert value is not None
        except (ImportError, AttributeError, AssertionError):
            continue
        return value
    pytest.fail(f"{name} does not exist")


def check_arguments(value: Any, call: str, *, bound: bool) -> None:
    try:
        signature = inspect.signature(value)
    except ValueError:  # compiled
        return
    node = ast.parse(call, mode="eval").body
    assert isinstance(node, ast.Call)
    unbound = bound or ("self" in signature.parameters and not isinstance(value, type))
    arguments = [object() for _ in node.args] + (
        [object()] if unbound and "self" in signature.parameters else []
    )
    signature.bind(*arguments, **{word.arg: object() for word in node.keywords if word.arg})


# ------------------------------------------------------------------------------------------------------- numbers


def result(section: str, row: str, column: int) -> str:
    """A cell of RESULTS.md: the row that begins with *row*, under the heading that begins with *section*."""
    text = read(ROOT / "benchmarks/RESULTS.md")
    under = re.split(rf"^#+ {re.escape(section)}.*$", text, maxsplit=1, flags=re.M)[1].split("\n#", 1)[0]
    line = next(line for line in under.splitlines() if line.startswith(f"| {row} |"))
    return line.split("|")[column + 1].strip()


def test_the_numbers_of_the_readme_are_those_that_were_measured():
    stream, fft, pcm = (
        "stream 48000 -> 24000 Hz, chunks of 10 ms",
        "real FFT of 8192 float32",
        "float32 to PCM16, 480 samples",
    )
    delta, room = "P10, P11 and P13", "P12: the relay"
    lag = result("48000 → 24000 Hz", "soxr HQ", 4)
    wanted = [
        (
            result("P9 and P14", "interrupt()", 1) + " µs",
            "2.7 ms, the original in Chromium (another run)",
            None,
        ),
        (result(stream, "wavtools high", 1) + " µs", result(stream, "soxr HQ", 1) + " µs, soxr HQ", 2),
        (result("48000 → 24000 Hz", "wavtools high", 4) + " ms", f"{lag} ms, soxr HQ", None),
        (result(fft, "wavtools", 1) + " µs", result(fft, "scipy.fft", 1) + " µs, scipy.fft", 2),
        (result(fft, "wavtools", 1) + " µs", result(fft, "FFTW (patient)", 1) + " µs, FFTW (patient)", 2),
        (result(pcm, "wavtools", 1) + " µs", result(pcm, "NumPy", 1) + " µs, NumPy", 2),
        (
            result(delta, "P10 ours: parsed, in the conversation, handlers called, queued in a player", 1),
            result(delta, "P10 openai: parsed, decoded, in a deque", 1) + ", openai, to a deque",
            2,
        ),
        (
            result(delta, "wavtools and realtime", 2) + " ms",
            result(delta, "openai and sounddevice", 2) + " ms, openai and sounddevice",
            2,
        ),
        (result(room, "sessions on one core", 1), result(room, "sessions on one core", 2) + ", Node", 2),
    ]
    table = read(ROOT / "README.md").split("| | wavtools | peer | ratio |")[1].split("\n\n")[0]
    shown = [[cell.strip() for cell in line.split("|")[2:-1]] for line in table.strip().splitlines()[1:]]
    assert len(shown) == len(wanted)
    for cells, (ours, peer, digits) in zip(shown, wanted, strict=True):
        assert cells[:2] == [ours, peer]
        if digits is None:
            assert cells[2] == ""
            continue
        figures = [float(re.match(r"[\d.]+", text).group()) for text in (ours, peer)]
        faster = figures[0] / figures[1] if peer.endswith("Node") else figures[1] / figures[0]
        assert float(cells[2]) == pytest.approx(faster, rel=0.01), f"{ours} and {peer} give {faster:.2f}"
    gaps = [result("P8", row, 3) for row in ("wavtools", "pyminiaudio, generator", "sounddevice, callback")]
    told = "{} gaps with wavtools, {} with pyminiaudio's generator, {} with sounddevice's callback".format(
        *gaps
    )
    assert told in " ".join(read(ROOT / "README.md").split())


def test_the_numbers_in_the_text_are_those_that_were_measured():
    """Numbers that pages repeat in a sentence."""
    latency, delta = read(DOCS / "latency.md"), "P10, P11 and P13"
    for row in ("wavtools and realtime", "openai and sounddevice"):
        assert f"{result(delta, row, 2)} ms" in latency
    ours = float(
        result(delta, "P10 ours: parsed, in the conversation, handlers called, queued in a player", 1)[:-3]
    )
    assert f"some {round(ours / 10) * 10} µs" in latency


def test_the_figure_of_offsets_shows_a_run_of_this_code():
    spec = importlib.util.spec_from_file_location("draw_offsets", ROOT / "tools/draw_offsets.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["draw_offsets"] = module
    spec.loader.exec_module(module)
    assert module.draw(module.play()) == read(DOCS / "offsets.svg"), "run: python tools/draw_offsets.py"


# ----------------------------------------------------------------------------------- notebook and generated pages


def needs(*modules: str) -> None:
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}; say: pip install 'wavtools[docs]'")


def test_the_notebook_runs_and_shows_waveform_spectrogram_player_and_meter():
    needs("IPython")
    path = DOCS / "first_look.ipynb"
    code = [cell for cell in json.loads(read(path))["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    record, notes, measure, meter, resample = run_notebook(path)
    for *_, output in (record, notes, resample):
        assert output.kind == "html"
        for part in ("<svg", "data:image/png", "<audio"):
            assert part in output.content
    assert "speech from" in measure[0].content
    (bar,) = meter
    level = re.search(r'aria-valuenow="(-?[\d.]+)"', bar.content)
    assert level and float(level[1]) > -60 and "stopped" in bar.content


def test_a_notebook_that_fails_is_an_error_that_shows_the_traceback(tmp_path):
    needs("IPython")
    cells = [
        {"cell_type": "code", "source": [line]} for line in ("print('before')", "1 / 0", "print('after')")
    ]
    (tmp_path / "wrong.ipynb").write_text(json.dumps({"cells": cells}))
    with pytest.raises(NotebookError, match=r"wrong\.ipynb does not run(.|\n)*ZeroDivisionError"):
        run_notebook(tmp_path / "wrong.ipynb")


@pytest.mark.timeout(300)
def test_the_pages_are_built_without_a_warning_and_every_promised_module_has_one(building):
    """Strict: an unknown link, an anchor that does not exist, a docstring that is no reStructuredText fail the build."""
    needs(*GENERATOR)
    process, folder = building
    assert process.wait() == 0, read(folder / "complaints")
    index = read(folder / "api" / "index.pseudoxml")
    for name in promised_modules():
        assert name in index
        page = read(folder / "api" / f"{name}.pseudoxml")
        module = importlib.import_module(name)
        for member in getattr(module, "__all__", ()):
            value = getattr(module, member)
            if getattr(value, "__name__", member) != member:
                continue  # a constant that is a function which another one made
            if inspect.isclass(value) or inspect.isfunction(value) or inspect.isbuiltin(value):
                assert re.search(rf"\b{member}\b", page), f"{member} on the page of {name}"
    assert "<audio" in read(folder / "first_look.pseudoxml")
    budget = read(folder / "latency.pseudoxml")
    assert "latency_seconds" in budget and "The latency budget" in budget  # included from RESULTS.md
