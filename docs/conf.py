"""How the pages are built: ``make docs``. Plain Markdown (MyST), and a page for each public module from its docstrings.

Public is every module of wavtools and realtime whose name does not begin with an underscore, and the two packages of
servers by what they export. Their pages are written to docs/api/ anew by each build; nothing in there is edited.

Three things are done to docstrings and pages on the way: the short form ``ValueError   when`` of our Raises sections
becomes what numpydoc wants, prose in a Returns section stays prose, and `RealtimeClient.connect` in code type becomes
a link to its entry.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes

DOCS = Path(__file__).parent
ROOT = DOCS.parent
SOURCE = ROOT / "src"
sys.path.insert(0, str(SOURCE))
sys.path.insert(0, str(DOCS))

import wavtools  # noqa: E402

project = "wavtools"
copyright = "the wavtools authors, MIT licence"
version = release = wavtools.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["README.md"]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
myst_links_external_new_tab = False
suppress_warnings = ["myst.header"]  # an included file may begin at its second level
highlight_language = "text"  # a fence without a language is a diagram
smartquotes_action = "D"  # dashes only: "null" is meant as it is written
default_role = "py:obj"  # `Name` in a docstring
nitpicky = False  # the role above is also used for the names of fields
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Events", "notes_style")]

html_theme = "furo"
html_title = "wavtools"
html_static_path = ["_static"]
html_css_files = ["wavtools.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False

# ------------------------------------------------------------------------------------------- a page for each module

PACKAGES_BY_EXPORT = ["realtime.offline", "realtime.relay"]
FIRST = {
    "wavtools": "recorder player oneliners offline_device duplex_device wav decode analysis bands spectrum resample"
    " pcm ring errors",
    "realtime": "client voice conversation items events errors link emitter",
}


def public_modules() -> list[str]:
    """Names of all modules that have a page, the ones people look for first."""
    found = []
    for package, first in FIRST.items():
        stems = {path.stem for kind in ("*.py", "*.pyx") for path in (SOURCE / package).glob(kind)}
        stems = {stem for stem in stems if not stem.startswith("_")}
        wanted = first.split()
        found += [package, *(f"{package}.{stem}" for stem in [*wanted, *sorted(stems - set(wanted))])]
    return found + PACKAGES_BY_EXPORT


def source_of(module: str) -> Path:
    path = SOURCE.joinpath(*module.split("."))
    return next(
        p for p in (path.with_suffix(".pyx"), path / "__init__.py", path.with_suffix(".py")) if p.exists()
    )


def first_line(module: str) -> str:
    """What a module says of itself in one line."""
    source = source_of(module).read_text(encoding="utf-8")
    text = re.search(r'^"""(.+?)(?:"""|\n\n)', source, re.S | re.M)
    assert text, f"{module} has no docstring"
    line = " ".join(text.group(1).split()).replace("``", "`")
    return re.split(r"(?<=\.)\s", line)[0]


def exports_of(module: str) -> list[tuple[str, str]]:
    """(home module, name) of what a package offers, as its own imports say."""
    tree = ast.parse(source_of(module).read_text(encoding="utf-8"))
    homes = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module != "typing":
            home = f"{module}.{node.module}" if node.level else node.module
            homes |= {alias.name: home for alias in node.names}
    names = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
    )
    return [(homes.get(name, module), name) for name in names if not name.startswith("__")]


def module_page(module: str) -> str:
    """The page's Markdown; autodoc writes reStructuredText, so its directives stand in eval-rst."""
    lines = [f"# {module}\n"]
    rst = [f".. automodule:: {module}"]
    if module in PACKAGES_BY_EXPORT:
        for home, name in exports_of(module):
            rst.append(
                f".. autoclass:: {home}.{name}\n   :members:"
                if name[0].isupper()
                else f".. autofunction:: {home}.{name}"
            )
    elif module in FIRST:
        rows = ["## What it exports\n", "| name | lives in |\n|---|---|"]
        homeless = [("wavtools._device", "DeviceInfo")] if module == "wavtools" else []
        for home, name in exports_of(module):
            role = "py:mod" if home == module and source_exists(f"{module}.{name}") else "py:obj"
            target = f"{home}.{name}"
            shown = home
            if home.rpartition(".")[2].startswith("_") or (role == "py:obj" and home == module):
                homeless.append((home, name))
                shown = module
            rows.append(f"| {{{role}}}`{name} <{target}>` | {shown} |")
        kinds = {True: "autoclass", False: "autofunction"}
        rst += [f".. {kinds[name[0].isupper()]}:: {home}.{name}" for home, name in homeless]
        return "\n".join([*lines, *eval_rst(rst[:1]), *rows, "", *eval_rst(rst[1:])])
    else:
        rst[0] += "\n   :members:"
    return "\n".join([*lines, *eval_rst(rst)])


def source_exists(module: str) -> bool:
    path = SOURCE.joinpath(*module.split("."))
    return path.with_suffix(".py").exists() or path.with_suffix(".pyx").exists()


def eval_rst(directives: list[str]) -> list[str]:
    return ["```{eval-rst}", *(f"{directive}\n" for directive in directives), "```", ""] if directives else []


def write_if_changed(path: Path, text: str) -> None:
    """Untouched files are not read again by the next build."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def write_module_pages() -> None:
    folder = DOCS / "api"
    folder.mkdir(exist_ok=True)
    modules = public_modules()
    wanted = {f"{module}.md" for module in modules} | {"index.md"}
    for path in folder.glob("*.md"):
        if path.name not in wanted:
            path.unlink()
    lines = [
        "# The modules\n",
        "Each page is made of the docstrings of one module: shapes, dtypes, units, errors, threads.\n",
    ]
    for title, chosen in (
        ("wavtools", [m for m in modules if m.startswith("wavtools")]),
        ("realtime: for applications", ["realtime", *(f"realtime.{m}" for m in FIRST["realtime"].split())]),
        ("realtime: the servers", PACKAGES_BY_EXPORT),
    ):
        lines += [f"## {title}\n", "| module | |\n|---|---|"]
        lines += [f"| [{module}]({module}.md) | {first_line(module)} |" for module in chosen]
        lines.append("")
    inside = [m for m in modules if f"[{m}]" not in "\n".join(lines)]
    lines += ["## realtime: inside the client\n", "For those who change it; the names may change too.\n"]
    lines += ["| module | |\n|---|---|", *(f"| [{m}]({m}.md) | {first_line(m)} |" for m in inside), ""]
    lines.append("```{toctree}\n:hidden:\n\n" + "\n".join(modules) + "\n```")
    write_if_changed(folder / "index.md", "\n".join(lines) + "\n")
    for module in modules:
        write_if_changed(folder / f"{module}.md", module_page(module))


write_module_pages()

# ------------------------------------------------------------------------------------------- docstrings and links

HEADS = {"Parameters", "Returns", "Raises", "Attributes", "Events", "Examples"}
ITEM = {
    "Raises": r"[A-Z]\w+(, [A-Z]\w+)*(\s{2,}\S.*)?$",
    "Parameters": r"[\w*, ]+( : .*)?$",
    "Attributes": r"[\w*, ]+( : .*)?$",
}


def before_napoleon(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Give each section the form that napoleon knows; lay aside what belongs to none, for after_napoleon."""
    if what in (
        "property",
        "attribute",
        "data",
    ):  # napoleon would take what stands before a colon for the type
        embedded = bool(lines) and re.match(r"\w+\.\w+: ", lines[0])  # Cython's signature line
        app._laid_aside = (name, [], lines[2:] if embedded else lines[:])
        lines[:] = []
        return
    if what == "module":  # an indented command line or program, not a quotation
        for index in range(len(lines) - 1, 1, -1):
            begins = re.match(r"    [^\s*]", lines[index]) and not lines[index - 1].strip()
            if begins and re.match(r"\S", lines[index - 2]) and not lines[index - 2].endswith("::"):
                lines[index:index] = ["::", ""]
    out: list[str] = []
    prose: list[str] = []  # "Thread: ...", "Source: ...", after the last item of a section
    returns: list[str] = []
    section, in_prose = "", False
    for index, line in enumerate(lines):
        following = lines[index + 1] if index + 1 < len(lines) else ""
        if line.strip() in HEADS and following.strip() and set(following.strip()) == {"-"}:
            section, in_prose = line.strip(), False
            if section != "Returns":
                out += ["", line, following]
            continue
        if (
            index
            and lines[index - 1].strip() == section
            and section
            and line.strip()
            and set(line.strip()) == {"-"}
        ):
            continue
        begins = bool(line) and not line.startswith(" ") and not lines[index - 1].strip() if index else False
        if section and section != "Events" and begins:
            item = ITEM.get(section)
            typed = (
                item
                and re.match(item, line)
                and (section == "Raises" or " : " in line or following.startswith(" "))
            )
            in_prose = not typed and not (section == "Returns" and not returns)
        if in_prose:
            prose.append(line)
        elif section == "Returns":
            returns.append(line)
        elif section == "Raises" and (short := re.match(r"^([A-Z]\w+(?:, [A-Z]\w+)*)\s{2,}(\S.*)$", line)):
            out += [_qualified(short.group(1), name), "    " + short.group(2)]
        else:
            out.append(line)
    while out and not out[0].strip():
        out.pop(0)
    lines[:] = out
    app._laid_aside = (name, returns, prose)


def _qualified(names: str, inside: str) -> str:
    """Exceptions of ours with their module: both packages have a StateError."""
    package = inside.partition(".")[0]
    ours = re.findall(r"^class (\w+)", source_of(f"{package}.errors").read_text(encoding="utf-8"), re.M)
    return ", ".join(f"~{package}.errors.{name}" if name in ours else name for name in names.split(", "))


def after_napoleon(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    of, returns, prose = app._laid_aside
    if of != name:
        return
    text = [part.strip() for part in returns if part.strip()]
    if text:
        at = next((i for i, line in enumerate(lines) if line.startswith(":raises")), len(lines))
        if at == len(lines) and at and not any(line.startswith(":param") for line in lines):
            lines.append("")
        lines[at:at] = [":returns: " + " ".join(text)] + ([""] if at == len(lines) else [])
    if prose:
        lines += ["", *prose]


def short_types(
    app: Any, what: str, name: str, obj: Any, options: Any, signature: str, annotation: str
) -> Any:
    """NDArray[int16] instead of what NumPy's alias stands for."""
    spelled = r"~?numpy\.ndarray\[tuple\[~?typing\.Any, \.\.\.\], ~?numpy\.dtype\[~?(?:numpy\.)?([\w.]+)\]\]"
    texts = [text and re.sub(spelled, r"NDArray[\1]", text) for text in (signature, annotation)]
    return tuple(text and re.sub(r"~?\btyping\.|~(?:\w+\.)+|(?<=^\()self(?:, )?", "", text) for text in texts)


OWNERS = {
    "recorder": "WavRecorder",
    "player": "WavStreamPlayer",
    "client": "RealtimeClient",
    "voice": "VoiceSession",
}


def link_code(app: Any, doctree: nodes.document, docname: str) -> None:
    """Make `WavRecorder.begin` and `recorder.begin()` in code type lead to their entries."""
    if docname.startswith("api/"):
        return
    known = _index(app)
    for literal in list(doctree.findall(nodes.literal)):
        cell = literal.parent.parent
        theirs = (
            docname == "from-javascript" and isinstance(cell, nodes.entry) and cell.parent.index(cell) == 0
        )
        if theirs or isinstance(literal.parent, nodes.reference):
            continue
        text = re.sub(r"\(.*\)$", "", literal.astext().removeprefix("await "))
        owner, _, rest = text.partition(".")
        if owner in OWNERS and rest:
            text = f"{OWNERS[owner]}.{rest}"
        if text in known:
            page, anchor = known[text]
            uri = app.builder.get_relative_uri(docname, page) + f"#{anchor}"
            literal.replace_self(nodes.reference("", "", literal.deepcopy(), internal=True, refuri=uri))


def _index(app: Any) -> dict[str, tuple[str, str]]:
    """Entries by every name that people write: with module, with package, and classes alone; ambiguous ones left out."""
    if not hasattr(app, "_wavtools_names"):
        found: dict[str, set[tuple[str, str]]] = {}
        for full, entry in app.env.get_domain("py").objects.items():
            parts = full.split(".")
            places = {full}
            for at, part in enumerate(parts):
                if part[:1].isupper() or (at == len(parts) - 1 and entry.objtype == "function"):
                    places |= {f"{parts[0]}.{'.'.join(parts[at:])}"}
                    places |= (
                        {".".join(parts[at:])} if part[:1].isupper() else {".".join(parts[max(at - 1, 0) :])}
                    )
                    break
            for place in places:
                found.setdefault(place, set()).add((entry.docname, entry.node_id))
        app._wavtools_names = {
            name: min(at) for name, at in found.items() if len({page for page, _ in at}) == 1
        }
    return app._wavtools_names


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", before_napoleon, priority=100)
    app.connect("autodoc-process-docstring", after_napoleon, priority=900)
    app.connect("autodoc-process-signature", short_types)
    app.connect("doctree-resolved", link_code)
