"""Finds out which tools a server refuses: which it has accepted, which are being tried alone, which it refused.

Thread: the event loop's only; pure.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["ToolTrials"]


class ToolTrials:
    """Names of tools by what the server made of them.

    Attributes
    ----------
    refused_names : set of str
        Tools that the server refused. They are told to no session until they are removed and added again.
    """

    def __init__(self) -> None:
        self.refused_names: set[str] = set()
        self._accepted: set[str] = set()
        self._tried: dict[str, None] = {}

    def clear(self) -> None:
        """Forget everything."""
        self.refused_names.clear()
        self._accepted.clear()
        self.begin_session()

    def begin_session(self) -> None:
        """No trial goes on in a new session."""
        self._tried.clear()

    def forget(self, name: str) -> None:
        """Forget a tool that was removed."""
        self.refused_names.discard(name)
        self._accepted.discard(name)

    def accepted(self, names: Iterable[str]) -> None:
        """The server accepted an update with these tools."""
        self._accepted.update(names)

    def unknown(self, names: Iterable[str]) -> list[str]:
        """Those of *names* of which the server has said nothing, sorted."""
        return sorted(set(names) - self._accepted - self.refused_names)

    def begin(self, name: str) -> None:
        """A tool is tried alone."""
        self._tried[name] = None

    def refuse(self, name: str) -> None:
        """The server refused this tool."""
        self.refused_names.add(name)

    def ended(self, name: str) -> bool:
        """The trial of a tool has ended; True if it was the last one."""
        return self._tried.pop(name, 0) is None and not self._tried
