"""What docs/stability.md promises: the API index, the exported names and the examples agree with each other."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator

import pytest

from tests.pages import BLOCKS, DOCS, ROOT, read
from tools.module_map import find_modules
from tools.promised import PACKAGES, SERVERS, promised_modules


def test_every_promised_module_exists_and_says_what_it_exports():
    for name in [*PACKAGES, *promised_modules()]:
        module = importlib.import_module(name)
        assert module.__all__ and all(hasattr(module, member) for member in module.__all__), name
        assert not any(part.startswith("_") for part in name.split("."))


@pytest.mark.parametrize("package", ["wavtools", "realtime"])
def test_every_exported_name_comes_from_a_promised_module(package):
    """Or from a private one, of which only that name is promised: it is described on the page of the package."""
    module = importlib.import_module(package)
    promised = {package, *promised_modules()}
    public = {name for name in find_modules() if "._" not in name}
    for name in module.__all__:
        value = getattr(module, name)
        home = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None) or package
        assert home in promised or home not in public, f"{name} comes from {home}, which has no page"


def imported(code: str) -> Iterator[str]:
    """The modules of ours that *code* imports names from."""
    for node in ast.walk(ast.parse(code)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        yield from (name for name in names if name.partition(".")[0] in ("wavtools", "realtime"))


def test_examples_and_pages_import_promised_modules_only():
    promised = {*PACKAGES, *promised_modules()}
    programs = {path.name: read(path) for path in sorted((ROOT / "examples").glob("*.py"))}
    pages = [(block.page, block.code) for block in BLOCKS if block.language == "python"]
    for name, code in [*programs.items(), *pages]:
        assert set(imported(code)) <= promised, name


def test_the_page_of_the_promise_names_the_packages():
    page = read(DOCS / "stability.md")
    for name in [*PACKAGES, "realtime_console"]:
        assert f"`{name}`" in page
    assert all(name.startswith("realtime.") for name in SERVERS)
    (section,) = re.findall(r"^## What is promised\n(.*?)^## ", page, re.M | re.S)
    for verb in ("wavtools console", "wavtools relay", "wavtools offline"):
        assert verb in section
