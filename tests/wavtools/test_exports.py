"""The package exports what it names, and imports a module only when it is needed."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import wavtools


@pytest.mark.parametrize("name", wavtools.__all__)
def test_every_public_name_can_be_used(name):
    assert getattr(wavtools, name) is not None
    assert name in dir(wavtools)


def test_type_checkers_see_the_same_names_from_the_same_modules():
    tree = ast.parse(Path(wavtools.__file__).read_text())
    block = next(
        node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    seen = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    # A module that can be called is declared, not imported.
    seen |= {node.target.id: "wavtools" for node in block.body if isinstance(node, ast.AnnAssign)}
    homes = {name: f"wavtools.{home}" for name, home in wavtools._HOME_OF.items()}
    assert seen == homes | dict.fromkeys(wavtools._MODULES, "wavtools")
    assert set(seen) | {"__version__", "get_include"} == set(wavtools.__all__)
    assert list(wavtools.__all__) == sorted(wavtools.__all__)


def test_importing_loads_neither_numpy_nor_a_device_library():
    code = "import sys, wavtools; print(sorted({'numpy', '_miniaudio', 'asyncio', 'wavtools.pcm'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_offline_device_needs_no_audio_library_at_all():
    code = """
import sys
sys.modules["_miniaudio"] = None  # as if it were not installed
import numpy, wavtools
device = wavtools.OfflineDevice(24_000)
with wavtools.WavStreamPlayer(device=device) as player:
    player.add_16bit_pcm(numpy.ones(10, "int16"))
    print(device.render(12).tolist())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]\n"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        wavtools.nothing  # noqa: B018


def test_get_include_has_the_headers():
    assert (Path(wavtools.get_include()) / "spsc.h").is_file()
    assert importlib.import_module("wavtools.ring")
