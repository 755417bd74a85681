"""Makes docs/console-recording.svg: the demo on the real screen, as an animation. ``python tools/recording.py``

The console runs as for a user of ``python -m console demo``: a private PulseAudio server is microphone and speaker, and the
offline server answers with its models. The screen is recorded three times a second. A line that stays
the same is written once, with the times at which it is visible, so a minute takes a few hundred KB. The animation is
SVG's own (SMIL): browsers and GitHub play it without a script.

It needs wavtools[console,offline] and PulseAudio; no network.

Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from rich.cells import cell_len  # noqa: E402
from rich.color import Color  # noqa: E402
from rich.terminal_theme import SVG_EXPORT_THEME  # noqa: E402
from textual.strip import Strip  # noqa: E402

from console.demo import demo_call, demo_on  # noqa: E402
from console.screen.app import RealtimeConsole  # noqa: E402
from console.settings import Settings  # noqa: E402
from tests.audio_server import AudioServer  # noqa: E402

FRAMES_PER_SECOND = 3
# Pixels: width of a character, height of a line, size of the font
CELL, LINE, FONT = 7.2, 15.0, 12.0
# The last frame stays this long
LAST_SECONDS = 3.0


class Recording:
    """Takes frames and makes an animated SVG of them."""

    def __init__(self, columns: int, rows: int) -> None:
        self._columns, self._rows = columns, rows
        # (row, content) -> spans of frames in which it is visible: (first, last + 1)
        self._seen: dict[tuple[int, str], list[tuple[int, int]]] = {}
        self._styles: dict[str, str] = {}
        self.frames = 0

    def add(self, strips: list[Strip]) -> None:
        """Add a frame."""
        for y, strip in enumerate(strips[: self._rows]):
            spans = self._seen.setdefault((y, self._line(y, strip)), [])
            if spans and spans[-1][1] == self.frames:
                spans[-1] = (spans[-1][0], self.frames + 1)
            else:
                spans.append((self.frames, self.frames + 1))
        self.frames += 1

    def _line(self, y: int, strip: Strip) -> str:
        """Return backgrounds and letters of a line. Every run is stretched to its cells, because fonts differ."""
        x, behind, letters = 0, [], []
        for text, style, _ in strip:
            cells = cell_len(text)
            front, back = (style.color, style.bgcolor) if style else (None, None)
            if style is not None and style.reverse:
                front, back = back, front
            if back is not None:
                box = f'x="{x * CELL:.1f}" y="{y * LINE:g}" width="{cells * CELL + 0.3:.1f}" height="{LINE + 0.3:g}"'
                behind.append(f'<rect {box} class="{self._style("fill:" + self._hex(back, False))}"/>')
            if text.strip():
                words, lead = text.strip(), cell_len(text) - cell_len(text.lstrip())
                rules = "fill:" + self._hex(front, True)
                if style is not None:
                    rules += ";font-weight:bold" * bool(style.bold) + ";opacity:.65" * bool(style.dim)
                    rules += ";font-style:italic" * bool(style.italic)
                    rules += ";text-decoration:line-through" * bool(style.strike)
                where = f'x="{(x + lead) * CELL:.1f}" y="{(y + 0.78) * LINE:.1f}" textLength="{cell_len(words) * CELL:.1f}"'
                letters.append(f'<text {where} class="{self._style(rules)}">{escape(words)}</text>')
            x += cells
        return "".join(behind + letters)

    def _style(self, rules: str) -> str:
        return self._styles.setdefault(rules, f"s{len(self._styles)}")

    @staticmethod
    def _hex(color: Color | None, front: bool) -> str:
        default = "#e6edf3" if front else "#0d1117"
        if color is None or color.is_default:
            return default
        return color.get_truecolor(SVG_EXPORT_THEME, foreground=front).hex

    def svg(self) -> str:
        """Return the animation."""
        width, height = self._columns * CELL, self._rows * LINE
        total = self.frames + LAST_SECONDS * FRAMES_PER_SECOND
        seconds = total / FRAMES_PER_SECOND
        rules = "".join(f".{name}{{{rules}}}" for rules, name in self._styles.items())
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" viewBox="0 0 {width:.0f} {height:.0f}" '
            f'font-family="ui-monospace,Menlo,Consolas,DejaVu Sans Mono,monospace" font-size="{FONT:g}">',
            "<title>The console: a guided minute with the offline server</title>",
            f"<style>text{{white-space:pre}}{rules}</style>",
            '<rect width="100%" height="100%" fill="#0d1117"/>',
        ]
        for (_, line), spans in self._seen.items():
            if not line:
                continue
            if spans == [(0, self.frames)]:
                parts.append(f"<g>{line}</g>")
                continue
            times, values = [0.0], ["hidden"]
            for first, last in spans:
                for frame, value in ((first, "visible"), (last, "hidden")):
                    if value == "hidden" and frame == self.frames:
                        # Visible until the end
                        continue
                    if frame == 0:
                        values[0] = value
                    else:
                        times.append(frame / total)
                        values.append(value)
            at = ";".join(f"{moment:.4f}".rstrip("0").rstrip(".") for moment in times)
            parts.append(
                f'<g visibility="hidden">{line}<animate attributeName="visibility" calcMode="discrete" '
                f'dur="{seconds:g}s" repeatCount="indefinite" keyTimes="{at}" values="{";".join(values)}"/></g>'
            )
        return "\n".join([*parts, "</svg>", ""])


async def record(app: RealtimeConsole, recording: Recording) -> None:
    """Add frames to *recording* until it is cancelled."""
    began = time.monotonic()
    while True:
        recording.add(app.screen._compositor.render_strips(app.size))
        await asyncio.sleep(max(0.0, began + recording.frames / FRAMES_PER_SECOND - time.monotonic()))


async def show_the_demo(columns: int, rows: int) -> Recording:
    """Record ``python -m console demo``, from the moment when it is connected, and unfold an event at its end."""
    call, recording = demo_call(Settings(sessions=tempfile.gettempdir())), Recording(columns, rows)
    done = asyncio.Event()

    async def guide(call: Any) -> None:
        try:
            if not await demo_on(call):
                raise SystemExit(call.model.notices[-1].text)
        finally:
            done.set()

    app = RealtimeConsole(call, guide=guide)
    async with app.run_test(size=(columns, rows)) as pilot:
        # The models load meanwhile: the recording begins afterwards
        while app.model.state != "connected" and not done.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        taking = asyncio.create_task(record(app, recording))
        await done.wait()
        await asyncio.sleep(1.0)
        await pilot.press("1", "slash", *"interrupted", "enter")
        await asyncio.sleep(0.6)
        await pilot.press("G", "enter")
        await asyncio.sleep(1.5)
        taking.cancel()
        app.save_screenshot("console.svg", path=str(ROOT / "docs"))
    return recording


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        audio = AudioServer(Path(folder))
        try:
            os.environ.update({name: audio.env[name] for name in ("PULSE_SERVER", "PULSE_RUNTIME_PATH")})
            recording = asyncio.run(show_the_demo(132, 44))
        finally:
            audio.stop()
    out = ROOT / "docs" / "console-recording.svg"
    out.write_text(recording.svg(), encoding="utf-8")
    print(f"{out}: {recording.frames / FRAMES_PER_SECOND:.0f} s, {out.stat().st_size // 1024} KB")


if __name__ == "__main__":
    subprocess.run(["paplay", "--version"], check=True, stdout=subprocess.DEVNULL)
    main()
