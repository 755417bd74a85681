"""Writes two tables from the source: the modules in docs/architecture.md, and their tests in CONTRIBUTING.md.

    make maps
    python tools/module_map.py --order      print an order of rooms in which imports point downward

It also holds the order of the rooms, and reads what each module imports; tests/structure_rules.py checks both.

Thread: main.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).parents[1]

# The rooms of each package, lowest first: a room imports only rooms that stand before it. A room is a module, or a
# folder with its modules. The package's own name, such as `relay` in `realtime.relay`, is its __init__.
ROOMS = {
    "wavtools": """
        _native _kernels _sample_advice _buffers errors _version _arguments _process _events _jack _miniaudio
        _latch _alarm _fine_clock _one_call _held _aio ring pcm _encodings _samples spectrum stft levels _polyphase
        _blocks resample notebook files gain voice_activity loudness _echo_measure _echo_webrtc echo_native echo
        bands analysis echo_detector wav decode _states _callbacks _call_within _device_info _backends _context
        _probe _pulse_init _held_frames _device _stream _supervisor _open_stream _device_watch _tracks _settlement
        _play_position _played_tap _playback_stream _played_spectrum _player_samples _player_waits _audio_store
        _audio_chunk _pcm_frames _late_offset _reference _both_sides _echo_guard _echo_stage _delivery _chunk_queue
        _recorded_audio _recorder_stats _recording_file _capture_session _remote_frames _remote_wishes
        _remote_speaker _remote_microphone _remote_link _remote_output _remote_input offline_device duplex_device
        remote_device notebook_device player _recorder_states recorder _pieces playback oneliners remote scripting
        wavtools _pyinstaller command __main__
    """,
    "realtime": """
        name_clash errors callables printing env_file background daemon_threads command_line protocol prices
        conversation events voice_events tools connection client voice synchronous captions phone transcript_lines
        program realtime
    """,
    "realtime.relay": """
        policy targets addresses functions tokens policy_file keys secrets journal buckets metrics admission
        close_codes strict_json plain_append client_rules turns server_tools server_rules context socket upstream
        opening heartbeat pipe sessions health page plain_http minting handshake server memory_transport asgi run
        workers relay subcommands __main__
    """,
    "realtime.offline": """
        checks faults beta models replies client_secrets session calls admission http_api http_front certificate
        server asgi process voice offline __main__
    """,
    "console": """
        errors console text answer_end places ending untrusted event_lines event_log saved_folders settings keys
        tools world push_to_talk flags local_llm plain_words terminal_background typed_keys gists raw_event
        session_form sounding heard_words transcript undo heard event_book state input_clock turn_times waterfall
        phase session view_only session_items welcome audio sound_track session_files saved_sound report_rows report_sides
        report_sound report saving endpoint playback replay_time replay_sound replay model_tools echo_choice call
        plain demo talk captions room_measure doctor screen web running agent_file agent tap arguments __main__
    """,
}

# What a package may import of the others: another package with all its rooms, or single rooms of it.
BELOW = {
    "wavtools": [],
    "realtime": ["wavtools"],
    "realtime.relay": [
        "realtime.name_clash",
        "realtime.errors",
        "realtime.background",
        "realtime.callables",
        "realtime.printing",
        "realtime.env_file",
        "realtime.command_line",
        "realtime.protocol",
        "realtime.tools",
    ],
    "realtime.offline": [
        "wavtools",
        "realtime.name_clash",
        "realtime.errors",
        "realtime.callables",
        "realtime.background",
        "realtime.printing",
        "realtime.env_file",
        "realtime.command_line",
        "realtime.protocol",
    ],
    "console": ["wavtools", "realtime", "realtime.relay", "realtime.offline"],
}
FOLDERS = {"wavtools": "src/wavtools", "realtime": "src/realtime", "console": "console"}
NATIVE = {".h", ".c", ".inc"}
KINDS = {".py", ".pyx", ".pxd", ".pyi"} | NATIVE


@cache
def parsed(source: str) -> ast.Module:
    return ast.parse(source)


@cache
def nodes(source: str) -> tuple[ast.AST, ...]:
    """All nodes of the syntax tree."""
    return tuple(ast.walk(parsed(source)))


@dataclass
class Module:
    """A module of ours: all files of one name (.pyx, .pxd, .pyi), or one native file."""

    name: str
    files: list[Path] = field(default_factory=list)

    @cached_property
    def path(self) -> Path:
        """The file that holds its docstring."""
        order = [".py", ".pyx", ".pxd", ".pyi", *sorted(NATIVE)]
        return min(self.files, key=lambda path: order.index(path.suffix))

    @cached_property
    def package(self) -> str:
        fitting = [p for p in ROOMS if self.name == p or self.name.startswith(f"{p}.")]
        return max(fitting, key=len)

    @cached_property
    def room(self) -> str:
        """Its name in ROOMS."""
        rest = self.name[len(self.package) + 1 :]
        return rest.partition(".")[0] or self.package.rpartition(".")[2]

    @cached_property
    def source(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def docstring(self) -> str:
        """Its docstring, or a native file's first comment."""
        if self.path.suffix in NATIVE:
            found = re.match(r"\s*/\*+(.*?)\*/", self.source, re.S)
            text = re.sub(r"^ ?\*? ?", "", found[1], flags=re.M) if found else ""
        elif self.path.suffix == ".py":
            text = ast.get_docstring(parsed(self.source)) or ""
        else:
            found = re.match(r'(?:\s*#[^\n]*\n)*\s*"""(.*?)"""', self.source, re.S)
            text = found[1] if found else ""
        return text.strip()

    @cached_property
    def sentence(self) -> str:
        """The docstring's first sentence, on one line; "" if its first paragraph does not end one."""
        paragraph = " ".join(self.docstring.split("\n\n")[0].split())
        found = re.match(r"(.*?[.!?])(?=\s|$)(?<!e\.g\.)(?<!i\.e\.)", paragraph)
        return found[1] if found else ""

    @cached_property
    def thread(self) -> str:
        """The first sentence of its paragraph `Thread: ...`."""
        found = re.search(r"^Thread: +(.+?)(?:\n\s*\n|\Z)", self.docstring, re.S | re.M)
        text = " ".join(found[1].split()) if found else ""
        return re.split(r"(?<=\.)\s", text)[0].removesuffix(".")


def find_modules(root: Path = ROOT) -> dict[str, Module]:
    """Every module of the packages, in the order of the rooms and then of names."""
    found: dict[str, Module] = {}
    for top, folder in FOLDERS.items():
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in KINDS:
                continue
            inside = path.relative_to(root / folder)
            parts = [top, *inside.parent.parts, path.name if path.suffix in NATIVE else path.stem]
            if parts[-1] == "__init__":
                parts.pop()
            name = ".".join(parts)
            found.setdefault(name, Module(name)).files.append(path)
    generated = re.compile(r"\b(?:Generated|generated) by Cython")
    for name in [name for name, module in found.items() if module.path.suffix == ".c"]:
        if generated.search(found[name].source[:200]):
            del found[name]
    return dict(sorted(found.items(), key=lambda item: place(item[1])))


def place(module: Module) -> tuple[int, int, str]:
    rooms = ROOMS[module.package].split()
    at = rooms.index(module.room) if module.room in rooms else len(rooms)
    return list(ROOMS).index(module.package), at, module.name


# --------------------------------------------------------------------------------------------------------- imports


def imports(module: Module, modules: dict[str, Module]) -> dict[str, int]:
    """The modules of ours that *module* imports, each with a line number: at any level, for types only included."""
    found: dict[str, int] = {}
    targets: Iterable[tuple[str, int]]
    for path in module.files:
        text = path.read_text(encoding="utf-8")
        if path.suffix in NATIVE:
            targets = native_imports(module.name, text)
        elif path.suffix in (".py", ".pyi"):
            targets = python_imports(module.name, path.stem == "__init__", text)
        else:
            targets = cython_imports(text)
        for target, line in targets:
            known = resolved(target, modules)
            if known and known != module.name:
                found.setdefault(known, line)
    return found


def resolved(name: str, modules: dict[str, Module]) -> str:
    """The module that *name*, a module or a name in one, stands for; "" if it is none of ours."""
    name = re.sub(r"^realtime_console\b", "console", name)
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name


def native_imports(name: str, text: str) -> Iterator[tuple[str, int]]:
    folder = name.split("._native.")[0] + "._native."
    for number, line in enumerate(text.splitlines(), 1):
        if included := re.match(r'\s*#\s*include "([^"]+)"', line):
            yield folder + included[1], number


def cython_imports(text: str) -> Iterator[tuple[str, int]]:
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.match(r"\s*from ([\w.]+) c?import \(?(.*)", line):
            for name in re.findall(r"[A-Za-z_]\w*", found[2].partition("#")[0]) or [""]:
                yield f"{found[1]}.{name}", number
        elif found := re.match(r"\s*c?import ([\w.]+)", line):
            yield found[1], number
        elif found := re.search(r'cdef extern from "([^"]+)"', line):
            yield f"wavtools._native.{found[1].rpartition('/')[2]}", number


@cache
def python_imports(name: str, is_package: bool, text: str) -> list[tuple[str, int]]:
    return list(python_targets(name.split(".")[: None if is_package else -1], text))


def python_targets(package: list[str], text: str) -> Iterator[tuple[str, int]]:
    for node in nodes(text):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            for alias in node.names:
                yield ".".join([*base, *([node.module] if node.module else []), alias.name]), node.lineno
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module") and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                inside = ".".join(package) if first.value.startswith(".") else ""
                yield inside + first.value, node.lineno


# ----------------------------------------------------------------------------------------------------------- tests

# Where neither the name nor an import shows which tests concern a module. First the one to run first.
TESTED_BY = {
    **{
        f"wavtools.command.{name}": ["command/test_command.py"]
        for name in ("completion", "convert", "errors", "info", "options", "plot", "terminal")
    },
    **{
        f"wavtools.command.{name}": ["command/test_command_devices.py"]
        for name in ("devices", "doctor", "meter", "play", "record")
    },
    "wavtools.__main__": ["command/test_command.py"],
    "wavtools.files.vorbis_child": ["wavtools/test_files_damaged.py"],
    "wavtools._pyinstaller": ["wavtools/test_frozen.py"],
    "wavtools._pyinstaller.hook-realtime.offline.models": ["wavtools/test_frozen.py"],
    "wavtools._pyinstaller.hook-realtime.tools": ["wavtools/test_frozen.py"],
    "wavtools._pyinstaller.hook-wavtools": ["wavtools/test_frozen.py"],
    "wavtools._native.kernels_base.c": ["native/test_kernels.py"],
    "wavtools._native.kernels_select.c": ["native/test_kernels.py"],
    "wavtools._native.kernels_v3.c": ["native/test_kernels.py"],
    "wavtools._native.kernels_v4.c": ["native/test_kernels.py"],
    "wavtools._native.kernels.inc": ["native/test_kernels.py", "wavtools/test_pcm.py"],
    "wavtools._native.kernels.h": ["native/test_kernels.py"],
    "wavtools._native.echo.c": ["wavtools/test_echo_native.py", "test_rt_lint.py"],
    "wavtools._native.echo_suppress.c": ["wavtools/test_echo_native.py", "test_rt_lint.py"],
    "wavtools._native.echo.h": ["wavtools/test_echo_native.py", "test_rt_lint.py"],
    "wavtools._native.echo_state.h": ["wavtools/test_echo_native.py", "test_rt_lint.py"],
    "wavtools._native.fft.h": ["wavtools/test_spectrum.py"],
    "wavtools._native.vec8.h": ["native/test_kernels.py"],
    "wavtools._native.spsc.h": ["native/test_spsc.py", "wavtools/test_ring.py"],
    "wavtools._callbacks": ["test_rt_lint.py", "wavtools/test_player.py"],
    "wavtools._kernels": ["native/test_kernels.py"],
    "wavtools._version": ["test_package.py"],
    "console.tap.forward": ["console/test_tap.py"],
    "console.tap.link": ["console/test_tap.py"],
    "console.tap.process": ["console/test_tap.py"],
    "realtime.relay.pipe": ["realtime/test_relay_session.py", "realtime/test_relay_attacks.py"],
    "realtime.relay.server": ["realtime/test_relay_session.py", "realtime/test_relay_process.py"],
    "realtime.relay.workers": ["realtime/test_relay_process.py"],
}
SHOWN = 2


def tests_of(root: Path = ROOT) -> dict[str, list[str]]:
    """For each module its test modules, best first: the one of its name, then those that use most of its names.

    A module that no test imports has the tests of the modules that import it.
    """
    modules = find_modules(root)
    homes = exports(modules)
    uses: dict[str, Counter[str]] = {name: Counter() for name in modules}
    for path in sorted((root / "tests").rglob("test_*.py")):
        test = path.relative_to(root / "tests").as_posix()
        for name, count in used_names(path.read_text(encoding="utf-8"), modules, homes).items():
            uses[name][test] += count
    direct = {name: TESTED_BY.get(name) or ranked(m, uses[name], root) for name, m in modules.items()}
    above = importers(modules)
    found = {name: tests or inherited(name, direct, above) for name, tests in direct.items()}
    return {name: [f"tests/{test}" for test in tests[:SHOWN]] for name, tests in found.items()}


def exports(modules: dict[str, Module]) -> dict[str, str]:
    """`package.Name` of what a package's __init__ offers, and the module it comes from."""
    homes = {}
    for name, module in modules.items():
        if module.path.stem == "__init__":
            for target, _ in python_imports(name, True, module.source):
                if resolved(target, modules) != target:
                    homes[f"{name}.{target.rpartition('.')[2]}"] = resolved(target, modules)
    return homes


def used_names(text: str, modules: dict[str, Module], homes: dict[str, str]) -> Counter[str]:
    """How often a test uses names of each module, imported or reached as attributes of a package."""
    targets = {target for target, _ in python_imports("tests.module", False, text)}
    targets |= set(re.findall(r"\b(?:wavtools|realtime)(?:\.\w+)+", text))
    words = Counter(re.findall(r"\w+", text))
    found: Counter[str] = Counter()
    for target in targets:
        home = homes.get(target) or resolved(target, modules)
        if home:
            found[home] += words[target.rpartition(".")[2]]
    return found


def ranked(module: Module, uses: Counter[str], root: Path) -> list[str]:
    """The tests of a module, the one of its name first."""
    top = module.name.split(".")[0]
    stem = module.path.stem if module.path.suffix in NATIVE else module.name.rpartition(".")[2]
    wing = module.package.removeprefix("realtime").strip(".")
    named = f"test_{wing}_{stem}.py" if top == "realtime" and wing else f"test_{stem}.py"
    own = f"{top}/{named}"
    there = [own] if (root / "tests" / own).exists() else []
    return there + [test for test in sorted(uses, key=lambda test: (-uses[test], test)) if test != own]


def importers(modules: dict[str, Module]) -> dict[str, list[str]]:
    """For each module those that use it: an importer, a .c file's header, and the modules in a folder."""
    above: dict[str, list[str]] = {name: [] for name in modules}
    for name, module in modules.items():
        for target in imports(module, modules):
            above[target].append(name)
        header = name.removesuffix(".c") + ".h"
        if name.endswith(".c") and header in modules:
            above[name].append(header)
        if module.path.stem == "__init__":
            above[name] += [inner for inner in modules if inner.startswith(f"{name}.")]
    return above


def inherited(name: str, direct: dict[str, list[str]], above: dict[str, list[str]]) -> list[str]:
    """The tests of the nearest modules that import *name*."""
    seen, level = {name}, [name]
    while level:
        level = sorted({upper for lower in level for upper in above[lower]} - seen)
        seen |= set(level)
        tests = Counter(direct[upper][0] for upper in level if direct[upper])
        if tests:
            return sorted(tests, key=lambda test: (-tests[test], test))
    return []


# ---------------------------------------------------------------------------------------------------------- tables

PLACES = {"modules": "docs/architecture.md", "tests": "CONTRIBUTING.md"}


def module_table(root: Path = ROOT) -> str:
    """Every module with the sentence that says what it owns, and its thread; a section for each package."""
    lines: list[str] = []
    package = ""
    for module in find_modules(root).values():
        if module.package != package:
            package = module.package
            lines += ["", f"### {package}", "", "| module | what it owns | thread |", "|---|---|---|"]
        cells = [f"`{shown(module)}`", plain(module.sentence), plain(module.thread)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def test_table(root: Path = ROOT) -> str:
    """Every source file with the test modules to run when it changes."""
    tests = tests_of(root)
    lines = ["", "| source | tests |", "|---|---|"]
    for name, module in find_modules(root).items():
        source = module.path.relative_to(root).as_posix()
        lines.append(f"| `{source}` | {', '.join(f'`{test}`' for test in tests[name])} |")
    return "\n".join([*lines, ""])


def shown(module: Module) -> str:
    """The name inside its package; of a native file, its path."""
    if module.path.suffix in NATIVE:
        return "_native/" + module.path.name
    return module.name.removeprefix(f"{module.package}.") if module.name != module.package else "__init__"


def plain(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|")


def replaced(page: str, what: str, table: str) -> str:
    """*page* with *table* between the markers of *what*."""
    begin, end = f"<!-- {what}: begin -->", f"<!-- {what}: end -->"
    before, _, rest = page.partition(begin)
    _, there, after = rest.partition(end)
    if not there:
        raise SystemExit(f"markers are missing: {begin} and {end}")
    return f"{before}{begin}\n{table}\n{end}{after}"


def pages(root: Path = ROOT) -> Iterable[tuple[Path, str]]:
    """Each page that holds a table, and its text with a current one."""
    tables = {"modules": module_table, "tests": test_table}
    for what, place_of in PLACES.items():
        path = root / place_of
        yield path, replaced(path.read_text(encoding="utf-8"), what, tables[what](root))


def suggested_order(package: str, modules: dict[str, Module]) -> list[str]:
    """The rooms of a package, each after those it imports, near their present places; a circle is left out."""
    inside = [module for module in modules.values() if module.package == package]
    wanted: dict[str, set[str]] = {module.room: set() for module in inside}
    for module in inside:
        targets = [modules[target] for target in imports(module, modules)]
        wanted[module.room] |= {t.room for t in targets if t.package == package and t.room != module.room}
    order: list[str] = []
    while ready := [room for room in wanted if room not in order and wanted[room] <= set(order)]:
        order.append(ready[0])
    return order


def main() -> int:
    if "--order" in sys.argv:
        modules = find_modules()
        for package in ROOMS:
            print(f"{package}: {' '.join(suggested_order(package, modules))}")
        return 0
    for path, text in pages():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
