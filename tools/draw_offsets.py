"""Draws docs/offsets.svg: plays an interrupted conversation on an OfflineDevice, and draws the receipt.

    python tools/draw_offsets.py

All positions and lengths in the figure come from the player and from the audio that the device rendered.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wavtools import OfflineDevice, TrackOffset, WavStreamPlayer

RATE_HZ = 24_000
DEVICE_HZ = 48_000
LEFT, WIDTH, HEIGHT = 120, 960, 262
QUEUE_Y, HEARD_Y, BAR = 58, 136, 34
COLOURS = {"answer-1": "#3b7dd8", "answer-2": "#d98a2b"}


@dataclass
class Scene:
    """What was queued as (track, samples), what the device got, and the receipt of the interrupt."""

    queued: list[tuple[str, int]]
    heard: np.ndarray
    receipt: TrackOffset


def play() -> Scene:
    """Play half an answer, a gap, the other half, the next answer, and an interrupt."""
    device = OfflineDevice(sample_rate=DEVICE_HZ)
    player = WavStreamPlayer(sample_rate=RATE_HZ, device=device)
    player.connect()
    queued = [("answer-1", 4_800), ("answer-1", 4_800), ("answer-2", 7_200)]
    ones = np.full(7_200, 10_000, np.int16)
    player.add_16bit_pcm(ones[:4_800], "answer-1")
    # 0.2 s of sound, then the queue is empty for 0.1 s.
    heard = [device.render(DEVICE_HZ * 3 // 10)]
    player.add_16bit_pcm(ones[:4_800], "answer-1")
    player.add_16bit_pcm(ones[:7_200], "answer-2")
    heard.append(device.render(DEVICE_HZ // 10))
    receipt = player.interrupt()
    heard.append(device.render(DEVICE_HZ * 3 // 20))
    player.disconnect()
    assert receipt is not None
    return Scene(queued, np.concatenate(heard), receipt)


def sounding(heard: np.ndarray) -> list[tuple[float, float]]:
    """Stretches of sound in seconds; the filter's ringing at an edge is too quiet to count."""
    loud = np.abs(heard) > 5_000
    edges = np.flatnonzero(np.diff(np.concatenate([[0], loud.view(np.int8), [0]])))
    return [(begin / DEVICE_HZ, end / DEVICE_HZ) for begin, end in edges.reshape(-1, 2)]


class Drawing:
    """SVG shapes on a time axis: *scale* pixels for each second, from LEFT."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            'font-family="Helvetica, Arial, sans-serif" font-size="13" role="img" '
            'aria-label="Queue and loudspeaker on two lines; the interrupt cuts the first answer">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        ]

    def x(self, seconds: float) -> float:
        """Pixels from the left edge."""
        return LEFT + seconds * self.scale

    def text(
        self, x: float, y: float, words: str, anchor: str = "start", colour: str = "#222", style: str = ""
    ) -> None:
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" {style}>{words}</text>'
        )

    def bar(
        self, begin: float, end: float, y: float, colour: str, opacity: float = 1.0, dashed: bool = False
    ) -> None:
        """A bar from *begin* to *end*, in seconds."""
        edge = f'stroke="{colour}" stroke-dasharray="4 3" fill-opacity="{opacity}"' if dashed else ""
        self.parts.append(
            f'<rect x="{self.x(begin):.1f}" y="{y}" width="{(end - begin) * self.scale:.1f}" '
            f'height="{BAR}" rx="3" fill="{colour}" {edge}/>'
        )

    def line(self, x: float, y: float, bottom: float, colour: str) -> None:
        self.parts.append(
            f'<line x1="{x:.1f}" y1="{y}" x2="{x:.1f}" y2="{bottom}" stroke="{colour}" stroke-width="1.4" '
            f'stroke-dasharray=""/>'
        )


def draw_queue(drawing: Drawing, scene: Scene) -> None:
    """The queue's line: the played part of each track is solid, the dropped part is dashed."""
    receipt = scene.receipt
    # The offset counts samples of answer-1, which is the first track of the queue.
    cut = receipt.offset / RATE_HZ
    at, spans = 0.0, {}
    for track, count in scene.queued:
        spans.setdefault(track, [at, at])[1] = at = at + count / RATE_HZ
    for track, (begin, end) in spans.items():
        done = max(begin, min(end, cut))
        if done > begin:
            drawing.bar(begin, done, QUEUE_Y, COLOURS[track])
        drawing.bar(done, end, QUEUE_Y, COLOURS[track], 0.18, dashed=True)
        lost = receipt.dropped.get(track, 0)
        drawing.text(drawing.x((done + end) / 2), QUEUE_Y + 22, f"{lost} dropped", "middle", COLOURS[track])
        drawing.text(drawing.x(begin), QUEUE_Y - 28, track, colour=COLOURS[track], style='font-weight="bold"')
    drawing.text(drawing.x(cut / 2), QUEUE_Y + 22, f"{receipt.offset} samples", "middle", "#fff")
    drawing.text(drawing.x(cut), QUEUE_Y - 10, "the read position", "middle", "#b22222")
    drawing.line(drawing.x(cut), QUEUE_Y - 5, QUEUE_Y + BAR + 6, "#b22222")


def draw_loudspeaker(drawing: Drawing, scene: Scene) -> None:
    """The loudspeaker's line: stretches of sound, the silence between them, and the interrupt."""
    stretches = sounding(scene.heard)
    for begin, end in stretches:
        drawing.bar(begin, end, HEARD_Y, COLOURS["answer-1"])
        samples = f"{round((end - begin) * RATE_HZ)}"
        drawing.text(drawing.x((begin + end) / 2), HEARD_Y + 22, samples, "middle", "#fff")
    gap = drawing.x((stretches[0][1] + stretches[1][0]) / 2)
    drawing.text(gap, HEARD_Y + 16, "silence:", "middle", "#777")
    drawing.text(gap, HEARD_Y + 30, "not counted", "middle", "#777")
    stop = drawing.x(stretches[-1][1])
    drawing.line(stop, HEARD_Y - 8, HEARD_Y + BAR + 8, "#b22222")
    drawing.text(stop + 8, HEARD_Y + 22, "interrupt()", colour="#b22222", style='font-weight="bold"')


def draw_axis(drawing: Drawing, total: float) -> None:
    """The time axis, *total* seconds long."""
    y = HEARD_Y + BAR + 8
    drawing.parts.append(f'<line x1="{LEFT}" y1="{y}" x2="{WIDTH - 30}" y2="{y}" stroke="#999"/>')
    for tenth in range(int(total * 10) + 1):
        x = drawing.x(tenth / 10)
        drawing.line(x, y, y + 5, "#999")
        drawing.text(x, y + 19, f"{tenth / 10:.1f} s", "middle", "#777", 'font-size="11"')


def draw(scene: Scene) -> str:
    """The figure as SVG."""
    total = sum(count for _, count in scene.queued) / RATE_HZ
    drawing = Drawing(scale=(WIDTH - LEFT - 30) / total)
    for y, label in ((QUEUE_Y + 22, "queued"), (HEARD_Y + 22, "loudspeaker"), (HEIGHT - 20, "receipt")):
        drawing.text(LEFT - 14, y, label, "end", style='font-weight="bold"')
    draw_queue(drawing, scene)
    draw_loudspeaker(drawing, scene)
    draw_axis(drawing, total)
    receipt = scene.receipt
    dropped = ", ".join(f"&quot;{track}&quot;: {count}" for track, count in receipt.dropped.items())
    drawing.text(
        LEFT,
        HEIGHT - 20,
        f"track_id=&quot;{receipt.track_id}&quot; offset={receipt.offset} current_time={receipt.current_time} "
        f"queued={receipt.queued} dropped={{{dropped}}}",
        style='font-family="Menlo, Consolas, monospace" font-size="12"',
    )
    return "\n".join([*drawing.parts, "</svg>"]) + "\n"


def main() -> None:
    (Path(__file__).parents[1] / "docs" / "offsets.svg").write_text(draw(play()), encoding="utf-8")


if __name__ == "__main__":
    main()
