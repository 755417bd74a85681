"""The panes conversation, weather, memory and devices; each shows one part of the model as lines.

Thread: the event loop's.
"""

from __future__ import annotations

import json

from rich.style import Style
from rich.text import Text

from ..call import Call
from ..session import SessionModel
from ..text import one_line
from ..transcript import ItemRow
from ..welcome import suggestions
from ..world import position, world_map
from .heard_text import HeardText
from .lines import Line, LinePane

__all__ = ["ConversationPane", "DevicesPane", "MemoryPane", "WeatherPane"]

PLAY_BAR_CELLS = 24
ROLE_CELLS = 11
ROLE_STYLES = {
    "user": "bold blue",
    "assistant": "bold green",
    "function": "bold magenta",
    "output": "magenta",
    "system": "bold yellow",
    "session": "dim",
}


# Revision, width, position and word of a row that is heard
RowState = tuple[int, int, int | None, tuple[int, int] | None]


def heard_part(model: SessionModel, row: ItemRow) -> tuple[int | None, tuple[int, int] | None]:
    """Return position and word of a row that is heard now, or played again; None for what is not."""
    if model.playback.item_id == row.id:
        position = model.playback.position
        return position, row.words.word(position, row.text) if row.spoken else None
    if model.heard.item_id == row.id:
        # The bar shows tenths of a second
        tenth = row.sample_rate // 10
        return model.heard.samples // tenth * tenth, row.lit
    return None, row.lit


def clock(seconds: float) -> str:
    """Return seconds as m:ss.t."""
    minutes, rest = divmod(max(seconds, 0.0), 60)
    return f"{int(minutes)}:{rest:04.1f}"


class ConversationPane(LinePane):
    """Every item with its role, text and audio, and the place where an answer was cut."""

    FOLLOWS = True

    def __init__(self) -> None:
        super().__init__(id="conversation", title="conversation")
        self._kept: dict[str, tuple[RowState, list[Line]]] = {}
        # Of the row that is heard: its state but for the word, and its wrapped text
        self._wrapped: tuple[tuple[str, int, int], HeardText] | None = None

    def forget(self) -> None:
        super().forget()
        self._kept.clear()

    def draw(self, model: SessionModel) -> None:
        """Show the rows of the transcript."""
        lines: list[Line] = []
        kept: dict[str, tuple[RowState, list[Line]]] = {}
        width = max(self.text_width, 20)
        for row in model.transcript:
            playing, word = heard_part(model, row)
            # Only a row that changed is wrapped again; usually it is the last one
            state = (row.revision, width, playing, word)
            before = self._kept.get(row.id)
            same = before is not None and before[0] == state
            drawn = before[1] if same and before else self._row(row, width, playing, word)
            kept[row.id] = (state, drawn)
            lines += drawn
        self._kept = kept
        lines += [(None, line) for line in _offered(suggestions(model))]
        if not lines:
            lines.append((None, Text("the conversation appears here", style="dim")))
        self.cursor = model.selected
        gone = f"{model.transcript.evicted} older dropped" if model.transcript.evicted else ""
        if gone != self.border_subtitle:
            self.border_subtitle = gone
        self.show(lines)

    def _row(self, row: ItemRow, width: int, playing: int | None, word: tuple[int, int] | None) -> list[Line]:
        if row.role == "session":
            return [(row.id, Text(f"── {row.text} ──", style="dim", no_wrap=True))]
        shown = Text(row.shown.replace("\t", "  "), style="" if row.text else "italic dim")
        if row.heard_samples is not None and row.text:
            shown.stylize("dim strike", row.heard_chars)
            cut = Text("|", style="bold red")
            shown = shown[: row.heard_chars] + cut + shown[row.heard_chars :]
        if word is not None and row.text and row.heard_samples is None:
            wrapped = self._lit(row, shown.plain, width - ROLE_CELLS).lines(word)
        else:
            wrapped = list(shown.wrap(self.app.console, width - ROLE_CELLS))
        lines: list[Line] = []
        for number, part in enumerate(wrapped or [Text("")]):
            role = f"{row.role[: ROLE_CELLS - 1]:<{ROLE_CELLS}}" if number == 0 else " " * ROLE_CELLS
            lines.append((row.id, Text.assemble((role, ROLE_STYLES.get(row.role, "bold")), part)))
        below = self._audio_line(row, playing, width - ROLE_CELLS)
        if below:
            lines.append((row.id, Text.assemble(" " * ROLE_CELLS, below)))
        return lines

    def _lit(self, row: ItemRow, text: str, width: int) -> HeardText:
        """Return the wrapped text of a row that is heard; it is wrapped again when it grows."""
        state = (row.id, len(text), width)
        if self._wrapped is None or self._wrapped[0] != state:
            self._wrapped = state, HeardText(text, self.app.console, width)
        return self._wrapped[1]

    def _audio_line(self, row: ItemRow, playing: int | None, width: int) -> Text | None:
        length = len(row.audio)
        notes = []
        if row.status == "incomplete" and row.heard_samples is None:
            notes.append("incomplete")
        if row.heard_samples is not None:
            heard, of = (samples / row.sample_rate for samples in (row.heard_samples, row.received))
            notes.append(f"cut: heard {heard:.1f} of {of:.1f} s")
        if row.latency is not None:
            notes.append(f"{row.latency * 1000:.0f} ms")
        if not length:
            return Text("  ".join(notes), style="dim") if notes else None
        noted = "  ".join(notes)
        position = "" if playing is None else f"{clock(playing / row.sample_rate)} "
        ends = f" {clock(row.seconds)}  {noted}"
        cells_wide = min(max(width - len(position) - len(ends) - 2, 1), PLAY_BAR_CELLS)
        line = Text()
        line.append("■ " if playing is not None else "▶ ", style="bold")
        line.append(position)
        done = round(cells_wide * (playing or 0) / length)
        cells = ["━"] * done + ["─"] * (cells_wide - done)
        if row.heard_samples is not None:
            cells[min(cells_wide - 1, cells_wide * row.heard_samples // length)] = "|"
        line.append("".join(cells) + f" {clock(row.seconds)}  ")
        line.append(noted, style="dim")
        return line


def _offered(texts: tuple[str, ...]) -> list[Text]:
    """Return lines that offer *texts*: a click on one, or its number, says it."""
    if not texts:
        return []
    lines = [Text(""), Text("Speak, type, or choose something to say:")]
    for number, text in enumerate(texts, 1):
        click = Style.from_meta({"@click": f"app.number({number})"})
        lines.append(Text.assemble(f"  {number}  ", (text, "underline"), style=click))
    return lines


class WeatherPane(LinePane):
    """Place, map, temperature and wind of the last get_weather()."""

    def __init__(self) -> None:
        super().__init__(id="weather", title="get_weather()")
        self.zoomed = False

    def draw(self, model: SessionModel) -> None:
        """Show the place of the model."""
        place = model.place
        columns, rows = self.text_width, self.content_size.height - 4
        lines: list[Line] = []
        if columns > 10 and rows > 3:
            drawn = world_map(place.latitude, place.longitude, columns, rows, self.zoomed)
            for text in drawn:
                line = Text(text, style="green", no_wrap=True)
                line.highlight_words(["◆"], "bold red")
                lines.append((None, line))
        name = place.name or "no place yet"
        lines.append((None, Text(f"◆ {name}", style="bold", no_wrap=True)))
        lines.append(
            (
                None,
                Text(f"{position(place.latitude, place.longitude)}  {'region' if self.zoomed else 'world'}"),
            )
        )
        if place.temperature is not None and place.wind is not None:
            lines.append(
                (
                    None,
                    Text(
                        f"{place.temperature:.1f} °C   wind {place.wind:.1f} km/h"
                        f"{'   sample' if place.sample else ''}",
                        style="bold",
                    ),
                )
            )
        else:
            state = Text(place.state, style="yellow").wrap(self.app.console, max(columns, 10))
            lines += [(None, line) for line in state[:2]]
        self.show(lines)


class MemoryPane(LinePane):
    """Keys and values that set_memory() has stored."""

    def __init__(self) -> None:
        super().__init__(id="memory", title="set_memory()")

    def draw(self, model: SessionModel) -> None:
        """Show the memory as JSON."""
        text = json.dumps(model.memory, indent=2, ensure_ascii=False)
        self.show([(None, Text(line, no_wrap=True)) for line in text.split("\n")])


class DevicesPane(LinePane):
    """Microphones and speakers; Enter changes to the one under the cursor while the session goes on."""

    def __init__(self) -> None:
        super().__init__(id="devices", title="devices")

    def draw(self, call: Call) -> None:
        """Show the devices that the call has found."""
        model = call.model
        lines: list[Line] = []
        for noun, word, listed, used, problem in (
            ("input", "mic", call.microphones, model.microphone.name, model.microphone.problem),
            ("output", "out", call.speakers, model.speaker.name, model.speaker.problem),
        ):
            names = [one_line(device.name, 60) for device in listed]
            choices = [(None, "default", "")] + [
                # Devices of the same name also show their ids
                (device.id, name, f" [{one_line(device.id, 60)}]" if names.count(name) > 1 else "")
                for device, name in zip(listed, names, strict=True)
            ]
            for device_id, name, which in choices:
                mark = "●" if used in (name + which, name, device_id) else "○"
                entry = (noun, device_id, name + which)
                lines.append((entry, Text(f"{mark} {word}  {name}{which}", no_wrap=True)))
            if problem:
                lines.append((None, Text(f"  ! {problem}", style="bold yellow", no_wrap=True)))
        if not call.microphones and not call.speakers:
            lines.append((None, Text("  no audio device found", style="dim")))
        self.show(lines)
