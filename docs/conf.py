"""How the pages are built: ``make docs``. Plain Markdown (MyST), and a page for each public module from its docstrings.

Public is what tools/promised.py lists, and of the two servers what their packages export. autosummary writes these pages to
docs/api/ at each build. What no extension does is here: the index, errors of two packages with one name, and links from code
type in Markdown.

Thread: main.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS.parent / "src"), str(DOCS.parent)]

import wavtools  # noqa: E402
from tools.promised import PACKAGES, PROMISED, SERVERS, promised_modules  # noqa: E402

project = "wavtools"
copyright = "the wavtools authors, MIT licence"
version = release = wavtools.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
extensions += ["tools.notebook_page"]
exclude_patterns = ["README.md", "_templates"]
templates_path = ["_templates"]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
myst_links_external_new_tab = False
# An included file may begin at its second level.
suppress_warnings = ["myst.header"]
# A fence without a language is a diagram.
highlight_language = "text"
# Dashes only: "null" keeps its quotes.
smartquotes_action = "D"
# `Name` in a docstring is a link where there is such a name, and plain where it is a field.
default_role = "py:obj"
nitpicky = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
napoleon_google_docstring = False
napoleon_use_rtype = False
# Types in Parameters are prose: "int16, shape (frames,)".
napoleon_use_param = False

html_theme = "furo"
html_title = "wavtools"
html_static_path = ["_static"]
html_css_files = ["wavtools.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False

# ------------------------------------------------------------------------------------------- a page for each module


def exports_of(package: str) -> dict[str, list[Any]]:
    """What a package offers: names described on other pages, and (kind, name) of those described on its own."""
    module = importlib.import_module(package)
    pages = promised_modules()
    elsewhere, here = [], []
    for name in module.__all__:
        value = getattr(module, name)
        home = getattr(value, "__module__", package)
        if inspect.ismodule(value):
            elsewhere.append(name)
        elif home in pages:
            elsewhere.append(f"{home}.{name}".removeprefix(f"{package}."))
        elif not name.startswith("__"):
            kind = "class" if inspect.isclass(value) else "function" if callable(value) else "data"
            here.append((kind, f"{home}.{name}"))
    if package == "wavtools":
        here.append(("class", "wavtools._device.DeviceInfo"))  # returned, but not exported
    return {"elsewhere": elsewhere, "here": here}


def write_index() -> None:
    """Write the page that lists the modules; remove pages of modules that are gone."""
    groups = [
        (package, [package, *(f"{package}.{name}" for name in names.split())])
        for package, names in PROMISED.items()
    ]
    groups.append(("The servers", SERVERS))
    lines = ["The modules", "===========", "", "Each page is made from the docstrings of one module."]
    lines += [
        "What these pages describe is :doc:`promised </stability>`; other modules are inside, and may change."
    ]
    for title, names in groups:
        lines += ["", title, "-" * len(title), ""]
        lines += [".. autosummary::", "   :toctree: .", "   :nosignatures:", ""]
        lines += [f"   {name}" for name in names]
    index = DOCS / "api/index.rst"
    index.parent.mkdir(exist_ok=True)
    wanted = {f"{name}.rst" for name in ["index", *PACKAGES, *promised_modules()]}
    for path in index.parent.iterdir():
        if path.name not in wanted:
            path.unlink()
    index.write_text("\n".join(lines) + "\n", encoding="utf-8")


write_index()
autosummary_context = {
    "exports": {package: exports_of(package) for package in PACKAGES},
    # RealtimeClient and WavRecorder are made of several classes; their pages show all of their methods.
    "with_inherited": ["realtime.client.client", "wavtools.recorder"],
}

# ----------------------------------------------------------------------------------------------------------- links


ARRAY = re.compile(
    r"~?numpy\.ndarray\[tuple\[~?typing\.Any, \.\.\.\], ~?numpy\.dtype\[~?(?:numpy\.)?([\w.]+)\]\]"
)


def short_signature(
    app: Any, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: str | None
) -> Any:
    """NDArray[int16] instead of what NumPy's alias stands for; no self in signatures that Cython embeds."""
    signature = signature and re.sub(r"^\(self(, )?", "(", signature)
    return tuple(text and ARRAY.sub(r"NDArray[\1]", text) for text in (signature, returns))


def mend_fields(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """After napoleon: name the module of an error, for both packages have a StateError; leave prose types unlinked."""
    errors = importlib.import_module(f"{name.partition('.')[0]}.errors")
    for at, line in enumerate(lines):
        lines[at] = re.sub(r"^( +):type: ", r"\1:Type: ", line)
        if field := re.match(r":raises ([\w, ]+):", line):
            names = [
                f"~{errors.__name__}.{one}" if hasattr(errors, one) else one for one in field[1].split(", ")
            ]
            lines[at] = f":raises {', '.join(names)}:{line[field.end() :]}"


OBJECTS = {
    "recorder": "WavRecorder",
    "player": "WavStreamPlayer",
    "client": "RealtimeClient",
    "voice": "VoiceSession",
}


def link_code(app: Any, doctree: nodes.document, docname: str) -> None:
    """Make `WavRecorder.begin` and `recorder.begin()` in code type lead to their entries."""
    known = entries(app)
    for literal in list(doctree.findall(nodes.literal)):
        owner, dot, rest = re.sub(r"\(.*\)$", "", literal.astext().removeprefix("await ")).partition(".")
        entry = known.get(OBJECTS.get(owner, owner) + dot + rest if rest else owner)
        linked = isinstance(literal.parent, nodes.reference) or docname.startswith("api/")
        if entry and not linked and not is_theirs(docname, literal):
            uri = app.builder.get_relative_uri(docname, entry[0]) + f"#{entry[1]}"
            literal.replace_self(nodes.reference("", "", literal.deepcopy(), internal=True, refuri=uri))


def is_theirs(docname: str, literal: nodes.literal) -> bool:
    """True for a name of the JavaScript originals: the first column of that page's tables."""
    cell = literal.parent.parent
    return docname == "from-javascript" and isinstance(cell, nodes.entry) and cell.parent.index(cell) == 0


def entries(app: Any) -> dict[str, tuple[str, str]]:
    """Page and anchor of each entry by the names that people write; names of two entries are left out."""
    found: dict[str, set[tuple[str, str]]] = {}
    for full, entry in app.env.get_domain("py").objects.items():
        parts = full.split(".")
        short = next((".".join(parts[at:]) for at, part in enumerate(parts) if part[:1].isupper()), parts[-1])
        if entry.objtype != "module":
            for name in (full, short, f"{parts[0]}.{short}"):
                found.setdefault(name, set()).add((entry.docname, entry.node_id))
    return {name: min(places) for name, places in found.items() if len(places) == 1}


def skip_tuple_fields(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leave out the fields of named tuples: their docstrings list them under Attributes."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def setup(app: Any) -> None:
    app.connect("autodoc-skip-member", skip_tuple_fields)
    app.connect("autodoc-process-docstring", mend_fields, priority=600)
    app.connect("autodoc-process-signature", short_signature)
    app.connect("doctree-resolved", link_code)
