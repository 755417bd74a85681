"""SideDrawing and SideConsole: a screen with one pane in place of the map and the memory, which belong to the demo's tools.

Thread: the event loop's.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from . import words
from .app import RealtimeConsole
from .drawing import Drawing
from .lines import LinePane

__all__ = ["SideConsole", "SideDrawing", "SidePane"]


class SidePane(LinePane):
    """The pane on the side; subclasses say what it shows."""

    def state(self, call: Any) -> Hashable:
        """What is drawn, as a value that changes with it."""
        raise NotImplementedError

    def draw(self, call: Any) -> None:
        """Show what *call* has."""
        raise NotImplementedError


class SideDrawing(Drawing):
    """The widgets of such a screen.

    Parameters
    ----------
    call : Call or Tap
        What is shown.
    side : SidePane
        The pane.
    names : tuple of str
        The panes that a small terminal shows one at a time, by their ids.
    """

    def __init__(self, call: Any, side: SidePane, names: tuple[str, ...]) -> None:
        super().__init__(call)
        self.side = side
        self.names = names
        self._side_call = call

    @property
    def panes(self) -> tuple[LinePane, ...]:
        """The panes of ``names``."""
        every = (self.events, self.conversation, self.side, self.devices, self.waterfall)
        return tuple(pane for pane in every if pane.id in self.names)

    def choose_pane(self, name: str) -> None:
        """As `Drawing.choose_pane`."""
        self.active = name
        for pane in self.panes:
            pane.set_class(pane.id == name, "active")
        self.tabs.update(words.tabs(self.names, name), layout=False)

    def draw(self, hint: str, wide: bool) -> None:
        """As `Drawing.draw`."""
        super().draw(hint, wide)
        state = self.side.state(self._side_call)
        if self.shown.get("side") != state:
            self.shown["side"] = state
            self.side.draw(self._side_call)


class SideConsole(RealtimeConsole):
    """A screen that a `SideDrawing` draws; subclasses make it in ``make_drawing``."""

    CSS = "#weather, #memory { display: none; }"

    def __init__(self, call: Any, theme: str | None = None) -> None:
        super().__init__(call, theme)
        self.drawing: SideDrawing = self.make_drawing(call)

    def make_drawing(self, call: Any) -> SideDrawing:
        """Return what draws the screen."""
        raise NotImplementedError

    def on_mount(self) -> None:
        # Textual calls the handler of the base class too
        self.query_one("#side").mount(self.drawing.side, before=0)

    def _choose_pane(self, name: str) -> None:
        name = self._pane_of(name)
        super()._choose_pane(name)
        self.screen_stack[0].set_class(name not in ("events", "conversation", "waterfall"), "side-active")

    def action_pane(self, name: str) -> None:
        super().action_pane(self._pane_of(name))

    @property
    def pane_names(self) -> tuple[str, ...]:
        """As `RealtimeConsole.pane_names`."""
        return self.drawing.names

    def _pane_of(self, name: str) -> str:
        """The pane that takes the place of *name*."""
        return name if name in self.drawing.names else str(self.drawing.side.id)
