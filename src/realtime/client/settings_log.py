"""The application's changes of the session in order, so that one that the server refuses can be taken back.

What a refused change has replaced counts again.

Thread: the event loop's only; pure.
"""

from __future__ import annotations

from ..protocol.dialect import merge_session
from ..protocol.reading import Wire

__all__ = ["SettingsLog", "fields_of"]

# Changes that can be taken back one by one; the oldest ones become one.
MAX_CHANGES = 64
# The names that lead to a field, such as ("audio", "output", "voice").
Path = tuple[str, ...]


def fields_of(session: Wire) -> dict[Path, Wire]:
    """Every field of *session* by its path, each as a session object that holds this field alone."""
    fields: dict[Path, Wire] = {}
    for key, value in session.items():
        if key != "audio" or not isinstance(value, dict):
            fields[(key,)] = {key: value}
            continue
        for side, holder in value.items():
            if not isinstance(holder, dict):
                fields[(key, side)] = {key: {side: holder}}
                continue
            for name, setting in holder.items():
                fields[(key, side, name)] = {key: {side: {name: setting}}}
    return fields


class SettingsLog:
    """Session objects in GA's shape, each with the fields that one call has set."""

    def __init__(self) -> None:
        self._changes: list[Wire] = []
        self.merged: Wire = {}

    def clear(self) -> None:
        """Forget everything."""
        self._changes.clear()
        self.merged = {}

    def add(self, change: Wire) -> None:
        """Add a change; the object itself identifies it for `take_back`."""
        self._changes.append(change)
        if len(self._changes) > MAX_CHANGES:
            self._changes[:2] = [merge_session(*self._changes[:2])]
        self.merged = merge_session(self.merged, change)

    def take_back(self, change: Wire) -> bool:
        """Remove a change; False if it is not here any more."""
        for index, one in enumerate(self._changes):
            if one is change:
                del self._changes[index]
                self._merge()
                return True
        return False

    def take_back_field(self, path: Path) -> Wire | None:
        """Remove the newest value of one field; returns the value before it as a session object, if there is one."""
        for index in range(len(self._changes) - 1, -1, -1):
            fields = fields_of(self._changes[index])
            if fields.pop(path, None) is not None:
                change: Wire = {}
                for alone in fields.values():
                    change = merge_session(change, alone)
                self._changes[index] = change
                self._merge()
                return fields_of(self.merged).get(path)
        return None

    def _merge(self) -> None:
        self.merged = {}
        for change in self._changes:
            self.merged = merge_session(self.merged, change)
