"""The rules of structure: each function looks at a tree of sources and returns what breaks its rule.

Rules: imports point downward and make no circle; private names stay in their module; files, functions and classes stay
small; every module says what it owns and on which thread it runs. The order of the rooms is in tools/module_map.py.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TypeGuard

from tools.module_map import BELOW, NATIVE, ROOMS, Module, find_modules, imports, nodes

LINES_OF_A_FILE = 500
LINES_OF_A_FUNCTION = 60
ATTRIBUTES = 20
CHECKED = ["src", "console", "tests", "tools", "benchmarks", "examples"]
SUFFIXES = {".py", ".pyx", ".pxd", ".pyi", *NATIVE}
# Made by a tool.
GENERATED = ["src/wavtools/_native/prototypes.h"]
# Public, in spite of their first letter.
PUBLIC = {"_exit", "_replace", "_asdict", "_fields", "_make"}


def our_files(root: Path, folders: Iterable[str] = CHECKED) -> list[Path]:
    found = []
    for folder in folders:
        found += [
            path
            for path in sorted((root / folder).rglob("*"))
            if path.suffix in SUFFIXES and "node_modules" not in path.parts
        ]
    return [path for path in found if "by Cython" not in path.read_text(encoding="utf-8")[:200]]


# --------------------------------------------------------------------------------------------------------- imports


def upward_imports(root: Path) -> list[str]:
    """Imports of a room that does not stand below, in the order of ROOMS and BELOW."""
    modules = find_modules(root)
    problems = []
    for name, module in modules.items():
        if module.room not in ROOMS[module.package].split():
            problems.append(f"{name}: give the room {module.room!r} a place in ROOMS (tools/module_map.py)")
            continue
        for target, line in sorted(imports(module, modules).items()):
            if not below(modules[target], module):
                where = module.path.relative_to(root).as_posix()
                problems.append(f"{where}:{line} imports {target}, which does not stand below {name}")
    return problems


def empty_rooms(root: Path) -> list[str]:
    """Rooms in ROOMS that hold no module any more."""
    there = {(module.package, module.room) for module in find_modules(root).values()}
    named = [(package, room) for package, rooms in ROOMS.items() for room in rooms.split()]
    return [f"ROOMS[{package!r}] names {room}" for package, room in named if (package, room) not in there]


def below(target: Module, module: Module) -> bool:
    if target.package != module.package:
        return any(
            target.package == allowed or target.name == allowed or target.name.startswith(f"{allowed}.")
            for allowed in BELOW[module.package]
        )
    rooms = ROOMS[module.package].split()
    if target.room == module.room or target.room not in rooms:
        return True
    return rooms.index(target.room) < rooms.index(module.room)


def circles(root: Path) -> list[str]:
    """Modules that import each other, directly or through others: one line for each circle."""
    modules = find_modules(root)
    graph = {name: sorted(imports(module, modules)) for name, module in modules.items()}
    return [" <-> ".join(sorted(circle)) for circle in strong_components(graph) if len(circle) > 1]


def strong_components(graph: dict[str, list[str]]) -> Iterator[list[str]]:
    """Tarjan's algorithm."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []

    def visit(node: str) -> Iterator[list[str]]:
        index[node] = lowest[node] = len(index)
        stack.append(node)
        for target in graph[node]:
            if target not in index:
                yield from visit(target)
                lowest[node] = min(lowest[node], lowest[target])
            elif target in stack:
                lowest[node] = min(lowest[node], index[target])
        if lowest[node] == index[node]:
            at = stack.index(node)
            yield stack[at:]
            del stack[at:]

    for node in graph:
        if node not in index:
            yield from visit(node)


# --------------------------------------------------------------------------------------------------- private names


def private_accesses(root: Path) -> list[str]:
    """`x._name` where no object of the module has such a name, and imports of private names."""
    problems = []
    modules = find_modules(root)
    for module in modules.values():
        texts = {path: path.read_text(encoding="utf-8") for path in module.files}
        compiled = [text for path, text in texts.items() if path.suffix in (".pyx", ".pxd")]
        for path, text in texts.items():
            where = path.relative_to(root).as_posix()
            found: Iterable[tuple[int, str]] = ()
            if path.suffix == ".py":
                found = python_accesses(module, text, modules)
            elif text in compiled:
                found = cython_accesses(text, "\n".join(compiled))
            problems += [f"{where}:{line} uses {what}" for line, what in found]
    return problems


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_" and name not in PUBLIC


def python_accesses(module: Module, text: str, modules: dict[str, Module]) -> Iterator[tuple[int, str]]:
    own = defined_names(text)
    for node in nodes(text):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            own_object = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            own_object = own_object or ast.unparse(node.value) == "super()"
            if not own_object and node.attr not in own:
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.ImportFrom):
            ours = node.level > 0 or (node.module or "").split(".")[0] in ("wavtools", "realtime", "console")
            inside = module.name.startswith("wavtools") and ours
            for alias in node.names:
                is_module = f"{node.module}.{alias.name}" in modules
                if ours and is_private(alias.name) and not (inside and is_module):
                    yield node.lineno, f"{node.module}.{alias.name}"
            if ours and not inside and any(is_private(part) for part in (node.module or "").split(".")):
                yield node.lineno, str(node.module)


def defined_names(text: str) -> set[str]:
    """Names that the module defines: functions, classes, variables, and attributes set on self or cls."""
    names: set[str] = set()
    for node in nodes(text):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif is_set_on(node, ("self", "cls")):
            names.add(node.attr)
    return names


def is_set_on(node: ast.AST, owners: tuple[str, ...]) -> TypeGuard[ast.Attribute]:
    """True for the target of `self.x = ...`, *owners* being self."""
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id in owners
    )


def cython_accesses(text: str, module: str) -> Iterator[tuple[int, str]]:
    """The same for one file of a compiled module; *module* is the text of all its files."""
    own = set(re.findall(r"(?:(?<![\w.])|\bself\.)(_\w+)", without_strings(module)))
    for number, line in enumerate(without_strings(text).splitlines(), 1):
        for owner, name in re.findall(r"([\w\])]+)\.(_\w+)", line):
            is_import = re.match(r"\s*(from|import|cimport)\b", line)
            if not is_import and owner not in ("self", "cls") and is_private(name) and name not in own:
                yield number, f"{owner}.{name}"


def without_strings(text: str) -> str:
    """The code alone, on the same lines: without docstrings, strings and comments."""
    blank = re.compile(r'"""(?:.|\n)*?"""|"[^"\n]*"|\'[^\'\n]*\'|#[^\n]*')
    return blank.sub(lambda match: "\n" * match[0].count("\n"), text)


# ------------------------------------------------------------------------------------------------------------ size


def long_files(root: Path) -> list[str]:
    problems = []
    for path in our_files(root):
        where = path.relative_to(root).as_posix()
        count = len(path.read_text(encoding="utf-8").splitlines())
        if count > LINES_OF_A_FILE and where not in GENERATED:
            problems.append(f"{where} has {count} lines")
    return problems


def long_functions(root: Path) -> list[str]:
    problems = []
    for path in our_files(root):
        text = path.read_text(encoding="utf-8")
        for name, first, last in functions(path.suffix, text):
            if last - first + 1 > LINES_OF_A_FUNCTION:
                where = path.relative_to(root).as_posix()
                problems.append(f"{where}:{first} {name} has {last - first + 1} lines")
    return problems


@cache
def functions(suffix: str, text: str) -> list[tuple[str, int, int]]:
    """(name, first line, last line) of each function, docstring included, decorators not."""
    if suffix in (".py", ".pyi"):
        return list(python_functions(text))
    return list(cython_functions(text) if suffix in (".pyx", ".pxd") else native_functions(text))


def python_functions(text: str) -> Iterator[tuple[str, int, int]]:
    for node in nodes(text):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno, node.end_lineno or node.lineno


def cython_functions(text: str) -> Iterator[tuple[str, int, int]]:
    lines = text.splitlines()
    for first, line in enumerate(lines, 1):
        if found := re.match(r"( *)(?:def|cdef|cpdef)\b[^=#]*?\b(\w+)\(", line):
            last, at = first, first
            while at < len(lines):
                following = lines[at]
                at += 1
                if following.strip():
                    indent = len(following) - len(following.lstrip())
                    if indent <= len(found[1]) and not following.lstrip().startswith(")"):
                        break
                    last = at
            yield found[2], first, last


def native_functions(text: str) -> Iterator[tuple[str, int, int]]:
    """A body ends at a brace in the first column."""
    first, name = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.match(r"(?!typedef|struct|enum|#)[A-Za-z_][\w \*]*?\b(\w+)\(", line):
            first, name = number, found[1]
        if line.startswith("}") and first:
            yield name, first, number
            first = 0
        elif first == number and line.rstrip().endswith(";"):
            first = 0


def large_classes(root: Path) -> list[str]:
    """Classes with many attributes and no comment `# More than 20 attributes: <reason>` beside them."""
    problems = []
    for path in our_files(root):
        text = path.read_text(encoding="utf-8")
        where = path.relative_to(root).as_posix()
        for name, line, attributes, beside in classes(path, text):
            reason = re.search(rf"# More than {ATTRIBUTES} attributes: \S", beside)
            if len(attributes) > ATTRIBUTES and not reason:
                problems.append(f"{where}:{line} {name} has {len(attributes)} attributes")
    return problems


def classes(path: Path, text: str) -> Iterator[tuple[str, int, set[str], str]]:
    """(name, line, attributes, the text beside it: three lines before and up to its first method)."""
    lines = text.splitlines()
    if path.suffix == ".py":
        for node in nodes(text):
            if isinstance(node, ast.ClassDef):
                methods = [
                    n.lineno for n in node.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
                ]
                end = min([*methods, node.end_lineno or node.lineno])
                yield (
                    node.name,
                    node.lineno,
                    attributes_of(node),
                    "\n".join(lines[max(node.lineno - 4, 0) : end]),
                )
    elif path.suffix in (".pyx", ".pxd"):
        for match in re.finditer(r"^(?:cdef )?class (\w+)[^\n]*\n((?:[ \t]+[^\n]*\n|\n)*)", text, re.M):
            line = text[: match.start()].count("\n") + 1
            body = without_strings(match[2])
            names = set(re.findall(r"\bself\.(\w+) *=[^=]", body))
            for declared in re.findall(r"^    cdef ([^(=:\n]+)$", body, re.M):
                names |= {part.split()[-1].strip("*") for part in declared.split(",") if part.split()}
            end = line + len(match[0].splitlines())
            yield match[1], line, names, "\n".join(lines[max(line - 4, 0) : end])


def attributes_of(node: ast.ClassDef) -> set[str]:
    names: set[str] = set()
    if "TypedDict" not in [ast.unparse(base) for base in node.bases]:
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign) and "ClassVar" not in ast.unparse(statement.annotation):
                names.add(ast.unparse(statement.target))
    return names | {inner.attr for inner in ast.walk(node) if is_set_on(inner, ("self",))}


# ------------------------------------------------------------------------------------------------ docstrings and pages


def lost_files(root: Path) -> list[str]:
    """Source files that a comment, a docstring or a page names, and that do not exist (any more)."""
    there = {f"/{path.relative_to(root).as_posix()}" for path in our_files(root)}
    pages = [
        path for path in [*root.glob("*.md"), *root.glob("docs/*.md")] if "change" not in path.name.lower()
    ]
    problems = []
    for path in [*our_files(root, ["src", "console"]), *sorted(pages)]:
        text = path.read_text(encoding="utf-8")
        # Programs that a page lets its reader save under a name, which is their first line.
        there_too = set(re.findall(r"^```python\n# (\w+\.py)$", text, re.M))
        for number, line in enumerate(text.splitlines(), 1):
            for name in re.findall(r"(?<![\w/.*-])((?:\w+/)*\w+\.(?:pyx|pxd|py|inc|h|c))\b", line):
                known = (
                    "#include" in line
                    or name in there_too
                    or any(file.endswith(f"/{name}") for file in there)
                )
                if not known:
                    problems.append(f"{path.relative_to(root).as_posix()}:{number} names {name}")
    return problems


SECTIONS = ["Parameters", "Returns", "Yields", "Raises", "Attributes", "Examples", "Notes", "See Also"]
NAMES = r"[\w.*\\]+(, [\w.*\\]+)*"
# Lines that begin an item of a section: the names, and a type where there is one.
ITEMS = {"Parameters": rf"{NAMES}( : .+)?$", "Attributes": rf"{NAMES}( : .+)?$", "Raises": rf"{NAMES}$"}
PROSE = r"(Thread|Source|GIL|Allocates|Units|Raises|Memory): |Cancel-safe"


def odd_docstrings(root: Path) -> list[str]:
    """Docstrings with sections that numpydoc does not know, or with prose after a section."""
    problems = []
    for path in our_files(root, ["src", "console"]):
        where = path.relative_to(root).as_posix()
        for text in docstrings(path):
            problems += [f"{where}: {problem}" for problem in section_problems(text)]
    return problems


def docstrings(path: Path) -> Iterator[str]:
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        for node in nodes(source):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield ast.get_docstring(node) or ""
    elif path.suffix == ".pyx":
        yield from map(inspect.cleandoc, re.findall(r'"""(.*?)"""', source, re.S))


def section_problems(text: str) -> Iterator[str]:
    lines = text.splitlines()
    section = ""
    for line, following in zip(lines, [*lines[1:], ""], strict=False):
        if re.fullmatch(r"-{3,}", following):
            section = line
            if section not in SECTIONS:
                yield f"{section!r} is no section of numpydoc"
        elif line and not line.startswith((" ", "---")):
            if section and re.match(PROSE, line):
                yield f"prose after {section}: {line!r}"
            elif section in ITEMS and not re.match(ITEMS[section], line):
                yield f"no item of {section}: {line!r}"


def silent_modules(root: Path) -> list[str]:
    """Modules that do not say, in their docstring or first comment, what they own or on which thread they run."""
    problems = []
    for name, module in find_modules(root).items():
        where = f"{module.path.relative_to(root).as_posix()} ({name})"
        if not module.docstring:
            problems.append(f"{where} has no docstring")
            continue
        if not module.sentence:
            problems.append(f"{where}: no sentence begins the docstring")
        if not module.thread:
            problems.append(f"{where}: no paragraph begins with Thread:")
    return problems
