"""Drawing: the widgets of the main screen, drawn again where the model has changed.

It keeps no state but what is on the screen. `Drawing.draw` is called twenty times a second; it compares revision
numbers, so a frame in which nothing changed costs nothing.

Thread: the event loop's.
"""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import Any

from rich.text import Text
from textual.widgets import Static

from ..phase import PHASES
from ..welcome import suggestions
from . import words
from .bars import Bars
from .event_panes import DetailPane, EventsPane
from .keymap import Part, Typing, footer
from .lines import LinePane
from .panes import ConversationPane, DevicesPane, MemoryPane, WeatherPane
from .replay_keys import KEYS as REPLAY_KEYS
from .status_line import StatusLine
from .talk_bar import TalkBar
from .waterfall_pane import WaterfallPane

__all__ = ["PANES", "SIDE_PANES", "Drawing"]

PANES = ("events", "conversation", "weather", "memory", "devices", "waterfall")
SIDE_PANES = ("weather", "memory", "devices")


class Drawing:
    """The widgets that show a call, and what they show now.

    Parameters
    ----------
    call : Call or Replay
        Its model and its bars are drawn.

    Attributes
    ----------
    active : str
        Name of the pane that a small terminal shows.
    typing : {"", "empty", "text"}
        Where keys go, see `keymap`.
    shown : dict
        For each part, the state that is on the screen.
    """

    def __init__(self, call: Any) -> None:
        self._call = call
        self.active = "conversation"
        self.typing: Typing = ""
        self.shown: dict[Hashable, Any] = {}
        self.head = Static(id="head")
        self.tabs = Static(id="tabs")
        self.events = EventsPane()
        self.detail = DetailPane()
        self.conversation = ConversationPane()
        self.weather = WeatherPane()
        self.memory = MemoryPane()
        self.devices = DevicesPane()
        self.waterfall = WaterfallPane()
        self.microphone_bars = Bars("mic", "blue", id="mic-bars")
        self.speaker_bars = Bars("out", "green", id="out-bars")
        self.gauge = Static(id="gauge", markup=False)
        self.mode = Static(id="mode", markup=False)
        self.talk_bar = TalkBar(id="talk-bar", markup=False)
        self.status = StatusLine(id="status", markup=False)
        self.keys = Static(id="keys")

    @property
    def panes(self) -> tuple[LinePane, ...]:
        """The panes, in the order of PANES."""
        return self.events, self.conversation, self.weather, self.memory, self.devices, self.waterfall

    def choose_pane(self, name: str) -> None:
        """Mark a pane as the active one."""
        self.active = name
        for pane in self.panes:
            pane.set_class(pane.id == name, "active")
        self._update(self.tabs, words.tabs(PANES, name))

    def draw(self, hint: str, wide: bool) -> None:
        """Draw what has changed since the last call.

        Parameters
        ----------
        hint : str
            How to close the microphone, for the talk bar.
        wide : bool
            There is room for the long words.
        """
        model, call = self._call.model, self._call
        self.microphone_bars.set(call.microphone_bars)
        self.speaker_bars.set(call.speaker_bars)
        # Unfolded payloads wrap: a pane that was hidden has another width now
        unfolded = (frozenset(model.unfolded), self.events.size if model.unfolded else None)
        if self._changed("events", (model.events.revision, model.filter, unfolded)):
            self.events.draw(model)
        self.events.count(model)
        if self._changed(
            "detail", (model.events.revision, model.filter, self.events.cursor, self.detail.size)
        ):
            self.detail.draw(model, self.events.cursor)
        playback = (model.playback.item_id, model.playback.position)
        heard = (model.heard.revision, playback, self.conversation.text_width, suggestions(model))
        if self._changed("conversation", (model.transcript.revision, model.selected, heard)):
            self.conversation.draw(model)
        now = time.time()
        newest = model.waterfall.newest
        step = int(now * 10) if newest is not None and not newest.over else 0
        if self.waterfall.display and self._changed("waterfall", (model.waterfall.revision, step)):
            self.waterfall.draw(model, now)
        second = int(now) if model.connected_at is not None or model.notices else 0
        tenth = int(now * 10) if model.talk.active else 0
        rest = (model.revision, second, tenth, hint, self.typing, self.weather.content_size)
        if self._changed("rest", rest):
            self._draw_side_panes()
            self._draw_lines(now, hint, wide)

    def _draw_side_panes(self) -> None:
        model, call, place = self._call.model, self._call, self._call.model.place
        state = (id(place), place.state, place.temperature, self.weather.zoomed, self.weather.content_size)
        if self._changed("weather", state):
            self.weather.draw(model)
        if self._changed("memory", tuple(model.memory.items())):
            self.memory.draw(model)
        devices = [(device.name, device.problem) for device in (model.microphone, model.speaker)]
        if self._changed("devices", (devices, id(call.microphones), id(call.speakers))):
            self.devices.draw(call)

    def _draw_lines(self, now: float, hint: str, wide: bool) -> None:
        """Draw the parts of one to three lines."""
        model = self._call.model
        self._update(self.head, words.head(model, now, wide))
        self._update(self.gauge, words.gauge(model))
        self._update(self.mode, words.mode(model))
        self._update(self.talk_bar, words.talk(model, now, hint, wide, self.typing))
        # The same title once more would draw the bar again, and with the head all that lies between them
        titles = (PHASES[model.phase], words.echo(model))
        if titles != (self.talk_bar.border_title, self.talk_bar.border_subtitle):
            self.talk_bar.border_title, self.talk_bar.border_subtitle = titles
        self.talk_bar.set_class(model.talk.active, "open")
        self.talk_bar.set_class(model.talk.mode == "vad" and model.state == "connected", "vad")
        status = words.status(model, now)
        self.status.fit(status)
        self._update(self.status, status)
        self._update(self.keys, words.keys(self.footer(wide), wide))

    def footer(self, wide: bool) -> list[Part]:
        """Return the parts of the line of keys, as `keymap.footer` does."""
        if self._call.model.state == "replay" and not self.typing:
            return [(key, action, long if wide else short) for key, action, long, short in REPLAY_KEYS]
        return footer(wide, self.typing)

    def _changed(self, part: Hashable, state: Any) -> bool:
        if self.shown.get(part) == state:
            return False
        self.shown[part] = state
        return True

    def _update(self, part: Static, content: str | Text) -> None:
        """Change the text of a part. Its size is fixed: an update with layout would lay the whole screen out anew."""
        if self._changed(part, content.markup if isinstance(content, Text) else content):
            part.update(content, layout=False)
