"""Makes docs/offsets.svg from a run on an OfflineDevice: an underrun, two queued answers, an interrupt.

    python tools/draw_offsets.py

All positions and lengths come from the player's receipt and from what the device rendered.
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
    """Half an answer, a stalled network, the other half with the next answer behind it, and an interrupt."""
    device = OfflineDevice(sample_rate=DEVICE_HZ)
    player = WavStreamPlayer(sample_rate=RATE_HZ, device=device)
    player.connect()
    queued = [("answer-1", 4_800), ("answer-1", 4_800), ("answer-2", 7_200)]
    ones = np.full(7_200, 10_000, np.int16)
    player.add_16bit_pcm(ones[:4_800], "answer-1")
    heard = [device.render(DEVICE_HZ * 3 // 10)]  # 0.2 s of sound, then the queue is dry for 0.1 s
    player.add_16bit_pcm(ones[:4_800], "answer-1")
    player.add_16bit_pcm(ones[:7_200], "answer-2")
    heard.append(device.render(DEVICE_HZ // 10))
    receipt = player.interrupt()
    heard.append(device.render(DEVICE_HZ * 3 // 20))
    player.disconnect()
    assert receipt is not None
    return Scene(queued, np.concatenate(heard), receipt)


def sounding(heard: np.ndarray) -> list[tuple[float, float]]:
    """Stretches of sound in seconds; the filter's few samples of ringing at an edge are not one."""
    loud = np.abs(heard) > 5_000
    edges = np.flatnonzero(np.diff(np.concatenate([[0], loud.view(np.int8), [0]])))
    return [(begin / DEVICE_HZ, end / DEVICE_HZ) for begin, end in edges.reshape(-1, 2)]


class Drawing:
    """SVG elements on one scale of time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            'font-family="Helvetica, Arial, sans-serif" font-size="13" role="img" '
            'aria-label="Queue and loudspeaker on two lines; the interrupt cuts the first answer">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        ]
        self._scale = (WIDTH - LEFT - 30) / seconds

    def x(self, seconds: float) -> float:
        return LEFT + seconds * self._scale

    def text(
        self, x: float, y: float, words: str, anchor: str = "start", colour: str = "#222", style: str = ""
    ) -> None:
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" {style}>{words}</text>'
        )

    def bar(
        self, begin: float, end: float, y: float, colour: str, opacity: float = 1.0, dashed: bool = False
    ) -> None:
        """A stretch of seconds."""
        edge = f'stroke="{colour}" stroke-dasharray="4 3" fill-opacity="{opacity}"' if dashed else ""
        self.parts.append(
            f'<rect x="{self.x(begin):.1f}" y="{y}" width="{(end - begin) * self._scale:.1f}" height="{BAR}" '
            f'rx="3" fill="{colour}" {edge}/>'
        )

    def line(self, x: float, y: float, bottom: float, colour: str) -> None:
        """A vertical line."""
        self.parts.append(
            f'<line x1="{x:.1f}" y1="{y}" x2="{x:.1f}" y2="{bottom}" stroke="{colour}" stroke-width="1.4" '
            'stroke-dasharray=""/>'
        )


def draw(scene: Scene) -> str:
    drawing = Drawing(sum(count for _, count in scene.queued) / RATE_HZ)
    drawing.text(LEFT - 14, QUEUE_Y + 22, "queued", "end", style='font-weight="bold"')
    drawing.text(LEFT - 14, HEARD_Y + 22, "loudspeaker", "end", style='font-weight="bold"')
    draw_queue(drawing, scene)
    draw_heard(drawing, sounding(scene.heard))
    draw_axis(drawing)
    draw_receipt(drawing, scene.receipt)
    return "\n".join([*drawing.parts, "</svg>"]) + "\n"


def draw_queue(drawing: Drawing, scene: Scene) -> None:
    """The tracks in the queue: played, dropped, and the read position between the two."""
    receipt = scene.receipt
    # The offset is one of answer-1, which is first in the queue.
    cut = receipt.offset / RATE_HZ
    at, spans = 0.0, {}
    for track, count in scene.queued:
        spans.setdefault(track, [at, at])[1] = at = at + count / RATE_HZ
    for track, (begin, end) in spans.items():
        colour = COLOURS[track]
        done = max(begin, min(end, cut))
        if done > begin:
            drawing.bar(begin, done, QUEUE_Y, colour)
        drawing.bar(done, end, QUEUE_Y, colour, 0.18, dashed=True)
        lost = receipt.dropped.get(track, 0)
        drawing.text(drawing.x((done + end) / 2), QUEUE_Y + 22, f"{lost} dropped", "middle", colour)
        drawing.text(drawing.x(begin), QUEUE_Y - 28, track, colour=colour, style='font-weight="bold"')
    drawing.text(drawing.x(cut / 2), QUEUE_Y + 22, f"{receipt.offset} samples", "middle", "#fff")
    drawing.text(drawing.x(cut), QUEUE_Y - 10, "the read position", "middle", "#b22222")
    drawing.line(drawing.x(cut), QUEUE_Y - 5, QUEUE_Y + BAR + 6, "#b22222")


def draw_heard(drawing: Drawing, stretches: list[tuple[float, float]]) -> None:
    """What came out of the loudspeaker, with the silence between, and where it stopped."""
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


def draw_axis(drawing: Drawing) -> None:
    y = HEARD_Y + BAR + 8
    drawing.parts.append(f'<line x1="{LEFT}" y1="{y}" x2="{WIDTH - 30}" y2="{y}" stroke="#999"/>')
    for tenth in range(int(drawing.seconds * 10) + 1):
        x = drawing.x(tenth / 10)
        drawing.line(x, y, y + 5, "#999")
        drawing.text(x, y + 19, f"{tenth / 10:.1f} s", "middle", "#777", 'font-size="11"')


def draw_receipt(drawing: Drawing, receipt: TrackOffset) -> None:
    dropped = ", ".join(f"&quot;{track}&quot;: {count}" for track, count in receipt.dropped.items())
    drawing.text(LEFT - 14, HEIGHT - 20, "receipt", "end", style='font-weight="bold"')
    drawing.text(
        LEFT,
        HEIGHT - 20,
        f"track_id=&quot;{receipt.track_id}&quot; offset={receipt.offset} current_time={receipt.current_time} "
        f"queued={receipt.queued} dropped={{{dropped}}}",
        style='font-family="Menlo, Consolas, monospace" font-size="12"',
    )


def main() -> None:
    (Path(__file__).parents[1] / "docs" / "offsets.svg").write_text(draw(play()), encoding="utf-8")


if __name__ == "__main__":
    main()
