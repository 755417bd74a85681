"""RESULTS.md by sections: each long benchmark writes its own section and keeps the others."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable
from pathlib import Path

__all__ = ["machine", "write_section"]

RESULTS = Path(__file__).parent / "RESULTS.md"
ORDER = [
    "kernels",
    "NEON",
    "devices, P8",
    "devices, P9 and P14",
    "audio systems",
    "installing",
    "files, P19",
    "client",
    "socket",
    "sessions",
    "offline voice",
    "relay",
    "console",
    "tap",
    "latency budget",
    "echo",
]


def machine() -> str:
    """Processor, system and Python, for the head of a section."""
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass  # not Linux
    return f"{name}, {platform.system()}, Python {platform.python_version()}"


def write_section(name: str, lines: Iterable[str]) -> None:
    """Replace the section *name* of RESULTS.md, or add it in its place."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    sections = dict(re.findall(r"<!-- section: (.+?) -->\n(.*?)(?=<!-- section: |\Z)", text, re.S))
    sections[name] = "\n".join(lines).rstrip() + "\n\n"
    ordered = sorted(sections, key=lambda key: (ORDER.index(key) if key in ORDER else len(ORDER), key))
    body = "".join(f"<!-- section: {key} -->\n{sections[key]}" for key in ordered)
    RESULTS.write_text(body.rstrip() + "\n", encoding="utf-8")
