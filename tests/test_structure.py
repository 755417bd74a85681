"""The structure of the source: order of imports, private names, sizes, what each module says, and the maps of it.

Each rule is also seen to fail: on a small tree that breaks it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import structure_rules as rules
from tests.pages import ROOT, read
from tools import module_map

Rule = Callable[[Path], list[str]]
RULES: list[Rule] = [
    rules.upward_imports,
    rules.empty_rooms,
    rules.circles,
    rules.private_accesses,
    rules.long_files,
    rules.long_functions,
    rules.large_classes,
    rules.silent_modules,
    rules.odd_docstrings,
    rules.lost_files,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_source_keeps_every_rule(rule):
    found = rule(ROOT)
    assert found == [], "\n".join(["", *found])


def test_importing_wavtools_imports_no_asyncio():
    code = "import sys, wavtools; print('asyncio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# ------------------------------------------------------------------------------------ each rule notices a violation

SAID = '"""Owns a thing.\n\nThread: any.\n"""\n'
MANY = "".join(f"        self.a{number} = 0\n" for number in range(21))
LONG = "".join("    a += 1\n" for _ in range(60))
BROKEN = {
    "upward": (
        rules.upward_imports,
        {
            "src/realtime/protocol/ids.py": "from realtime.client import client",
            "src/realtime/client/client.py": "",
        },
        "src/realtime/protocol/ids.py:1 imports realtime.client.client, which does not stand below",
    ),
    "upward for types only": (
        rules.upward_imports,
        {
            "src/wavtools/wav.py": "if TYPE_CHECKING:\n    from wavtools.player import WavStreamPlayer",
            "src/wavtools/player.py": "",
        },
        "src/wavtools/wav.py:2 imports wavtools.player",
    ),
    "upward in a function": (
        rules.upward_imports,
        {"console/text.py": "def f():\n    from .call import Call", "console/call.py": ""},
        "console/text.py:2 imports console.call",
    ),
    "upward by cimport": (
        rules.upward_imports,
        {"src/wavtools/ring.pyx": "from wavtools.pcm cimport f", "src/wavtools/pcm.pyx": ""},
        "src/wavtools/ring.pyx:1 imports wavtools.pcm",
    ),
    "wavtools imports realtime": (
        rules.upward_imports,
        {"src/wavtools/player.py": "import realtime.errors", "src/realtime/errors.py": ""},
        "src/wavtools/player.py:1 imports realtime.errors",
    ),
    "realtime imports the console": (
        rules.upward_imports,
        {"src/realtime/voice.py": "def f():\n    import console.call", "console/call.py": ""},
        "src/realtime/voice.py:2 imports console.call",
    ),
    "the relay imports the client": (
        rules.upward_imports,
        {
            "src/realtime/relay/pipe.py": "from realtime.client import emitter",
            "src/realtime/client/emitter.py": "",
        },
        "src/realtime/relay/pipe.py:1 imports realtime.client.emitter",
    ),
    "a room without a place": (
        rules.upward_imports,
        {"src/wavtools/novel.py": ""},
        "wavtools.novel: give the room 'novel' a place",
    ),
    "a place without a room": (rules.empty_rooms, {}, "ROOMS['wavtools'] names player"),
    "a circle in a room": (
        rules.circles,
        {
            "src/realtime/client/a.py": "from realtime.client import b",
            "src/realtime/client/b.py": "def f():\n    from .c import x",
            "src/realtime/client/c.py": "if TYPE_CHECKING:\n    from . import a",
        },
        "realtime.client.a <-> realtime.client.b <-> realtime.client.c",
    ),
    "a circle of headers": (
        rules.circles,
        {
            "src/wavtools/_native/a.h": '#include "b.h"\n',
            "src/wavtools/_native/b.h": '#include "a.h"\n',
        },
        "wavtools._native.a.h <-> wavtools._native.b.h",
    ),
    "a private attribute": (
        rules.private_accesses,
        {"src/realtime/voice.py": "def f(client):\n    return client._session\n"},
        "src/realtime/voice.py:2 uses client._session",
    ),
    "a private attribute of an attribute": (
        rules.private_accesses,
        {"console/call.py": "class A:\n    def f(self):\n        self.session._model = 1\n"},
        "console/call.py:3 uses self.session._model",
    ),
    "a private name imported": (
        rules.private_accesses,
        {"src/realtime/voice.py": "from realtime.tools import _run"},
        "src/realtime/voice.py:1 uses realtime.tools._run",
    ),
    "a private module imported": (
        rules.private_accesses,
        {"console/audio.py": "from wavtools._device import open_device"},
        "console/audio.py:1 uses wavtools._device",
    ),
    "a private attribute in a compiled module": (
        rules.private_accesses,
        {"src/wavtools/pcm.pyx": "def f(x):\n    return x._ring\n"},
        "src/wavtools/pcm.pyx:2 uses x._ring",
    ),
    "a long file": (rules.long_files, {"tests/test_x.py": "a = 1\n" * 501}, "tests/test_x.py has 501 lines"),
    "a long function": (
        rules.long_functions,
        {"tools/x.py": f"class A:\n  def f(a):\n{LONG}"},
        "tools/x.py:2 f has 61 lines",
    ),
    "a long compiled function": (
        rules.long_functions,
        {"src/wavtools/x.pyx": f"cdef int f(int a) noexcept nogil:\n{LONG}\n\ndef g():\n    pass\n"},
        "src/wavtools/x.pyx:1 f has 61 lines",
    ),
    "a long function in C": (
        rules.long_functions,
        {"src/wavtools/_native/x.c": f"int g(int a);\n\nstatic int f(int a)\n{{\n{LONG}}}\n"},
        "src/wavtools/_native/x.c:3 f has 63 lines",
    ),
    "a large class": (
        rules.large_classes,
        {"console/x.py": f"class A:\n    def __init__(self):\n{MANY}"},
        "console/x.py:1 A has 21 attributes",
    ),
    "a large dataclass": (
        rules.large_classes,
        {"console/x.py": "@dataclass\nclass A:\n" + "".join(f"    a{n}: int\n" for n in range(21))},
        "console/x.py:2 A has 21 attributes",
    ),
    "a large compiled class": (
        rules.large_classes,
        {"src/wavtools/x.pxd": "cdef class A:\n" + "".join(f"    cdef int a{n}, *b{n}\n" for n in range(11))},
        "src/wavtools/x.pxd:1 A has 22 attributes",
    ),
    "a module without a docstring": (
        rules.silent_modules,
        {"console/x.py": "a = 1"},
        "x.py (console.x) has no",
    ),
    "a docstring without a sentence": (
        rules.silent_modules,
        {"console/x.py": '"""The thing\n\nThread: any.\n"""'},
        "no sentence begins the docstring",
    ),
    "a docstring without a thread": (
        rules.silent_modules,
        {"console/x.py": '"""Owns a thing."""'},
        "Thread:",
    ),
    "an exception and its text on one line": (
        rules.odd_docstrings,
        {"console/x.py": '"""Say.\n\nRaises\n------\nValueError  no good\n"""'},
        "console/x.py: no item of Raises: 'ValueError  no good'",
    ),
    "prose after a section": (
        rules.odd_docstrings,
        {
            "src/wavtools/x.pyx": 'def f(x):\n    """Say.\n\n    Returns\n    -------\n    int\n\n    Thread: any.\n    """'
        },
        "src/wavtools/x.pyx: prose after Returns: 'Thread: any.'",
    ),
    "a section of its own": (
        rules.odd_docstrings,
        {"console/x.py": '"""Say.\n\nEvents\n------\nclose\n"""'},
        "console/x.py: 'Events' is no section of numpydoc",
    ),
    "a comment that names a file that is gone": (
        rules.lost_files,
        {"console/x.py": "a = 1  # see y.py"},
        "console/x.py:1 names y.py",
    ),
    "a page that names a file that is gone": (
        rules.lost_files,
        {"docs/x.md": "The state is in `a/x.py`, the rest in `a/y.py`.", "src/realtime/a/x.py": ""},
        "docs/x.md:1 names a/y.py",
    ),
    "a header without a thread": (
        rules.silent_modules,
        {"src/wavtools/_native/x.h": "/* Owns a thing. */\n"},
        "no paragraph begins with Thread:",
    ),
}


def grow(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
        for folder in list((root / name).relative_to(root).parents)[:-1]:
            if folder.name not in ("src", "_native") and not (root / folder / "__init__.py").exists():
                (root / folder / "__init__.py").write_text(SAID, encoding="utf-8")
    return root


@pytest.mark.parametrize(("rule", "files", "problem"), BROKEN.values(), ids=BROKEN)
def test_a_violation_is_noticed(rule, files, problem, tmp_path):
    assert any(problem in found for found in rule(grow(tmp_path, files)))


KEPT = {
    "a long way down": {
        "src/wavtools/errors.py": SAID,
        "src/realtime/voice.py": SAID + "from wavtools.errors import DeviceError",
        "console/call.py": SAID + "from realtime import voice",
    },
    "private names of the module itself": {
        "src/realtime/voice.py": SAID + "class A:\n    def f(self, other):\n        self._a = other._a\n",
        "src/wavtools/player.py": SAID + "from wavtools._device import open_device",
        "src/wavtools/_device.py": SAID,
    },
    "many attributes with a reason": {
        "console/call.py": f"{SAID}# More than 20 attributes: a row of a table.\nclass A:\n  def f(self):\n{MANY}",
    },
    "a header": {"src/wavtools/_native/x.h": "/* Owns a thing.\n *\n * Thread:  any.\n */\n"},
}


@pytest.mark.parametrize("files", KEPT.values(), ids=KEPT)
def test_what_keeps_the_rules_is_let_through(files, tmp_path):
    grow(tmp_path, files)
    assert [problem for rule in RULES if rule != rules.empty_rooms for problem in rule(tmp_path)] == []


# ---------------------------------------------------------------------------------------------------------- maps


def test_the_tables_of_modules_and_of_their_tests_are_current():
    for path, current in module_map.pages():
        assert read(path) == current, f"{path.name} is stale; run: make maps"


def test_every_module_has_tests_and_they_exist():
    for module, tests in module_map.tests_of().items():
        assert tests, f"{module}: no test imports it; name one in TESTED_BY (tools/module_map.py)"
        for test in tests:
            assert (ROOT / test).is_file(), f"{test}, the test of {module}, does not exist"


def test_a_new_module_makes_both_tables_stale(tmp_path):
    grow(tmp_path, {"src/wavtools/wav.py": SAID, "tests/wavtools/test_wav.py": "import wavtools.wav"})
    before = module_map.module_table(tmp_path), module_map.test_table(tmp_path)
    grow(tmp_path, {"src/wavtools/pcm.py": '"""Owns PCM; nothing else.\n\nThread: one. Later.\n"""'})
    after = module_map.module_table(tmp_path), module_map.test_table(tmp_path)
    assert set(after[0].splitlines()) - set(before[0].splitlines()) == {
        "| `pcm` | Owns PCM; nothing else. | one |"
    }
    assert set(after[1].splitlines()) - set(before[1].splitlines()) == {"| `src/wavtools/pcm.py` |  |"}


def test_an_order_of_rooms_is_suggested(tmp_path):
    grow(
        tmp_path,
        {
            "src/wavtools/errors.py": "import wavtools.wav",
            "src/wavtools/wav.py": SAID,
            "src/wavtools/new.py": SAID,
        },
    )
    modules = module_map.find_modules(tmp_path)
    assert module_map.suggested_order("wavtools", modules) == ["wav", "errors", "wavtools", "new"]


def test_a_module_without_a_test_of_its_own_has_those_of_its_importers(tmp_path):
    grow(
        tmp_path,
        {
            "src/realtime/protocol/ids.py": SAID,
            "src/realtime/client/client.py": "from realtime.protocol import ids",
            "tests/realtime/test_client.py": "import realtime.client.client",
        },
    )
    assert module_map.tests_of(tmp_path)["realtime.protocol.ids"] == ["tests/realtime/test_client.py"]


def test_a_page_without_markers_is_refused():
    with pytest.raises(SystemExit, match=re.escape("<!-- tests: begin -->")):
        module_map.replaced("<!-- tests: begin -->", "tests", "")
