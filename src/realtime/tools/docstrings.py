"""Reads the texts for the model out of a function's docstring: numpydoc, Google's style, and Sphinx fields.

Thread: any; stateless.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

__all__ = ["texts_of"]

FIELD = re.compile(r":param\s+(?:[^:\n]+?\s)?\*{0,2}(\w+)\s*:\s*(.*)")
GOOGLE = re.compile(r"(?:Args|Arguments|Parameters|Params):\s*$")
# "name: text", "name (type): text"
GOOGLE_ITEM = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)")
# "name", "name : type", "one, other : type"
NUMPY_ITEM = re.compile(r"(\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?::.*)?$")


def texts_of(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """The description of a function, and the texts of its parameters by name.

    The part of the docstring that describes the parameters is left out of the description.
    """
    lines = (inspect.getdoc(function) or "").splitlines()
    described: list[str] = []
    parameters: dict[str, str] = {}
    at = 0
    while at < len(lines):
        line, after = lines[at], lines[at + 1] if at + 1 < len(lines) else ""
        if re.fullmatch(r"(Other )?Parameters", line.strip()) and re.fullmatch(r"-{3,}", after.strip()):
            at = _numpy_items(lines, at + 2, parameters)
        elif GOOGLE.match(line.strip()):
            at = _google_items(lines, at + 1, parameters)
        elif found := FIELD.match(line.strip()):
            at, text = _continued(lines, at + 1, _indent(line), found[2])
            parameters[found[1]] = text
        else:
            described.append(line)
            at += 1
    description = re.sub(r"\n{3,}", "\n\n", "\n".join(described)).strip()
    return description, {name: text for name, text in parameters.items() if text}


def _numpy_items(lines: list[str], at: int, parameters: dict[str, str]) -> int:
    """Read items from line *at* on; returns the line after them, at which another section begins."""
    while at < len(lines):
        following = lines[at + 1] if at + 1 < len(lines) else ""
        if not lines[at].strip():
            at += 1
            continue
        found = NUMPY_ITEM.match(lines[at].strip())
        if found is None or re.fullmatch(r"-{3,}", following.strip()):
            break
        indent = _indent(lines[at])
        at, text = _continued(lines, at + 1, indent, "")
        for name in found[1].split(","):
            parameters[name.strip(" *")] = text
    return at


def _google_items(lines: list[str], at: int, parameters: dict[str, str]) -> int:
    """Read items from line *at* on; returns the line after them, which is not indented."""
    heading = _indent(lines[at - 1])
    while at < len(lines) and (not lines[at].strip() or _indent(lines[at]) > heading):
        found = GOOGLE_ITEM.match(lines[at].strip())
        if found is None:
            at += 1
            continue
        at, parameters[found[1]] = _continued(lines, at + 1, _indent(lines[at]), found[2])
    return at


def _continued(lines: list[str], at: int, indent: int, text: str) -> tuple[int, str]:
    """Join the lines from *at* on that are indented deeper than *indent* to *text*."""
    parts = [text.strip()]
    while at < len(lines) and lines[at].strip() and _indent(lines[at]) > indent:
        parts.append(lines[at].strip())
        at += 1
    return at, " ".join(part for part in parts if part)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
