"""Tells PyInstaller where our hooks are: the entry point "pyinstaller40" of pyproject.toml names get_hook_dirs.

Thread: PyInstaller's own process; programs never import this.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["get_hook_dirs"]


def get_hook_dirs() -> list[str]:
    """The folder of the hooks."""
    return [str(Path(__file__).parent)]
