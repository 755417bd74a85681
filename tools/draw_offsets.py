"""Makes docs/offsets.svg: plays a conversation's worth of trouble on an OfflineDevice, and draws what the receipt says.

    python tools/draw_offsets.py

Nothing in the figure is typed in: positions and lengths come from the player and from what the device rendered.
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


def draw(scene: Scene) -> str:
    total = sum(count for _, count in scene.queued) / RATE_HZ
    scale = (WIDTH - LEFT - 30) / total
    receipt = scene.receipt
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="Helvetica, Arial, sans-serif" font-size="13" role="img" '
        'aria-label="Queue and loudspeaker on two lines; the interrupt cuts the first answer">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]

    def text(
        x: float, y: float, words: str, anchor: str = "start", colour: str = "#222", style: str = ""
    ) -> None:
        parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" {style}>{words}</text>'
        )

    def bar(
        x: float, y: float, width: float, colour: str, opacity: float = 1.0, dashed: bool = False
    ) -> None:
        edge = f'stroke="{colour}" stroke-dasharray="4 3" fill-opacity="{opacity}"' if dashed else ""
        parts.append(
            f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR}" rx="3" fill="{colour}" {edge}/>'
        )

    def line(x: float, y: float, end: float, bottom: float, colour: str, dash: str = "") -> None:
        parts.append(
            f'<line x1="{x:.1f}" y1="{y}" x2="{end:.1f}" y2="{bottom}" stroke="{colour}" stroke-width="1.4" '
            f'stroke-dasharray="{dash}"/>'
        )

    text(LEFT - 14, QUEUE_Y + 22, "queued", "end", style='font-weight="bold"')
    text(LEFT - 14, HEARD_Y + 22, "loudspeaker", "end", style='font-weight="bold"')
    cut = receipt.offset / RATE_HZ  # of answer-1, which is first in the queue
    at, spans = 0.0, {}
    for track, count in scene.queued:
        spans.setdefault(track, [at, at])[1] = at = at + count / RATE_HZ
    for track, (begin, end) in spans.items():
        done = max(begin, min(end, cut))
        if done > begin:
            bar(LEFT + begin * scale, QUEUE_Y, (done - begin) * scale, COLOURS[track])
        bar(LEFT + done * scale, QUEUE_Y, (end - done) * scale, COLOURS[track], 0.18, dashed=True)
        lost = receipt.dropped.get(track, 0)
        text(LEFT + (done + end) / 2 * scale, QUEUE_Y + 22, f"{lost} dropped", "middle", COLOURS[track])
        text(LEFT + begin * scale, QUEUE_Y - 28, track, colour=COLOURS[track], style='font-weight="bold"')
    text(LEFT + cut / 2 * scale, QUEUE_Y + 22, f"{receipt.offset} samples", "middle", "#fff")
    text(LEFT + cut * scale, QUEUE_Y - 10, "the read position", "middle", "#b22222")
    line(LEFT + cut * scale, QUEUE_Y - 5, LEFT + cut * scale, QUEUE_Y + BAR + 6, "#b22222")

    stretches = sounding(scene.heard)
    for begin, end in stretches:
        bar(LEFT + begin * scale, HEARD_Y, (end - begin) * scale, COLOURS["answer-1"])
        text(
            LEFT + (begin + end) / 2 * scale,
            HEARD_Y + 22,
            f"{round((end - begin) * RATE_HZ)}",
            "middle",
            "#fff",
        )
    gap = (stretches[0][1] + stretches[1][0]) / 2
    text(LEFT + gap * scale, HEARD_Y + 16, "silence:", "middle", "#777")
    text(LEFT + gap * scale, HEARD_Y + 30, "not counted", "middle", "#777")
    stop = stretches[-1][1]
    line(LEFT + stop * scale, HEARD_Y - 8, LEFT + stop * scale, HEARD_Y + BAR + 8, "#b22222")
    text(LEFT + stop * scale + 8, HEARD_Y + 22, "interrupt()", colour="#b22222", style='font-weight="bold"')
    parts.append(
        f'<line x1="{LEFT}" y1="{HEARD_Y + BAR + 8}" x2="{WIDTH - 30}" y2="{HEARD_Y + BAR + 8}" stroke="#999"/>'
    )
    for tenth in range(int(total * 10) + 1):
        x = LEFT + tenth / 10 * scale
        line(x, HEARD_Y + BAR + 8, x, HEARD_Y + BAR + 13, "#999")
        text(x, HEARD_Y + BAR + 27, f"{tenth / 10:.1f} s", "middle", "#777", 'font-size="11"')
    dropped = ", ".join(f'"{track}": {count}' for track, count in receipt.dropped.items())
    text(LEFT - 14, HEIGHT - 20, "receipt", "end", style='font-weight="bold"')
    text(
        LEFT,
        HEIGHT - 20,
        f"track_id=&quot;{receipt.track_id}&quot; offset={receipt.offset} current_time={receipt.current_time} "
        f"queued={receipt.queued} dropped={{{dropped.replace(chr(34), '&quot;')}}}",
        style='font-family="Menlo, Consolas, monospace" font-size="12"',
    )
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> None:
    (Path(__file__).parents[1] / "docs" / "offsets.svg").write_text(draw(play()), encoding="utf-8")


if __name__ == "__main__":
    main()
