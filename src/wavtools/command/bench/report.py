"""The figures as text, as JSON and as one HTML page; and those of an earlier run beside.

Thread: any; pure but for the files.
"""

from __future__ import annotations

import html
import json
import math
from pathlib import Path
from typing import Any

from wavtools.command.errors import UserError
from wavtools.command.terminal import one_line, table

__all__ = ["read_figures", "show", "write_html", "write_json"]

MOST_BYTES = 10_000_000
GAPS_SHOWN = 8
WIDTH, HEIGHT = 560, 160


def read_figures(path: Path) -> dict[str, Any]:
    """Read what write_json() has written."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError
        figures = json.loads(path.read_text("utf-8"))
        # Every figure that is shown is looked up once: what is missing is found now.
        if figures["version"] != 1:
            raise ValueError
        show(figures, figures)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        raise UserError(f"{path}: this is no file that 'wavtools bench --json' has written") from error
    return dict(figures)


def write_json(figures: dict[str, Any], path: Path) -> None:
    """Write the figures as JSON."""
    path.write_text(json.dumps(figures, indent=1), "utf-8")


def show(figures: dict[str, Any], old: dict[str, Any] | None = None) -> str:
    """Return the figures as text for a terminal; those of *old* stand in brackets."""
    parts = [_machine(figures)]
    if old is not None:
        parts.append(f"in brackets: {one_line(old['time'])}; {_machine(old)}")
    if "paths" in figures:
        devices = figures["devices"]
        parts.append(f"output: {one_line(devices['output'])}\ninput:  {one_line(devices['input'])}")
        parts.append(table(_path_rows(figures, old), "<>>>>>"))
        parts.append("\n".join(one_line(line) for path in figures["paths"] for line in _remarks(path)))
    if "kernels" in figures:
        parts.append(table(_kernel_rows(figures, old), "<>"))
    return "\n\n".join(parts)


def _machine(figures: dict[str, Any]) -> str:
    facts = (figures[key] for key in ("wavtools", "python", "system", "kernel_set"))
    return one_line("wavtools {}, Python {}, {}, kernels {}".format(*facts))


def _facts(path: dict[str, Any]) -> tuple[str, ...]:
    """The columns of a condition."""
    heard = path["heard"]
    trip, drift = heard["round_trip"], heard["drift_ppm"]
    gaps = heard["gaps"]
    return (
        f"{1e3 * quantile(path['output_lateness'], 0.99):.2g}",
        f"{1e3 * max(path['worst_output'], path['worst_input']):.1f}",
        "none" if not gaps else f"{len(gaps)} ({1e3 * sum(gap['seconds'] for gap in gaps):.0f} ms)",
        "not heard" if trip is None else f"{1e3 * trip:.1f} ± {500 * heard['round_trip_spread']:.1f}",
        "unknown" if drift is None else f"{drift:+.1f}",
    )


def _path_rows(figures: dict[str, Any], old: dict[str, Any] | None) -> list[tuple[str, ...]]:
    before = {path["condition"]: _facts(path) for path in (old or {}).get("paths", [])}
    rows: list[tuple[str, ...]] = [
        ("", "99 % late, ms", "latest, ms", "gaps", "round trip, ms", "drift, ppm")
    ]
    for path in figures["paths"]:
        facts = _facts(path)
        known = before.get(path["condition"])
        shown = facts if known is None else tuple(f"{a} ({b})" for a, b in zip(facts, known, strict=True))
        rows.append((path["condition"], *shown))
    return rows


def _remarks(path: dict[str, Any]) -> list[str]:
    """What a table cannot say, a line each."""
    heard, lines = path["heard"], []
    for gap in heard["gaps"][:GAPS_SHOWN]:
        what = {
            "silence": "of silence",
            "delay": "inserted",
            "skip": "missing",
            "stall": "in which the microphone gave nothing",
        }[gap["kind"]]
        lines.append(f"{path['condition']}: at {gap['at']:.2f} s, {1e3 * gap['seconds']:.0f} ms {what}")
    if len(heard["gaps"]) > GAPS_SHOWN:
        lines.append(f"{path['condition']}: and {len(heard['gaps']) - GAPS_SHOWN} more gaps")
    if path["dropped"]:
        lines.append(f"{path['condition']}: {path['dropped']} captured frames were lost")
    if heard["round_trip"] is None:
        lines.append(
            f"{path['condition']}: the microphone heard {heard['sweeps']} of {heard['expected']} sweeps: too few for "
            "round trip, drift and gaps; turn the speaker up, or choose a loopback with --input"
        )
    else:
        lines.append(
            f"{path['condition']}: {heard['sweeps']} of {heard['expected']} sweeps heard, {heard['clearness']:.0f} times "
            f"the noise ({confidence(heard)})"
        )
    return lines


def confidence(heard: dict[str, Any]) -> str:
    """How far the figures of what was heard can be trusted, in words."""
    share = heard["sweeps"] / max(heard["expected"], 1)
    if share > 0.95 and heard["clearness"] > 25:
        return "sure"
    return "likely" if share > 0.7 else "doubtful"


def quantile(counts: list[int], share: float) -> float:
    """Seconds of lateness that *share* of the callbacks keep: the upper edge of a bin of `PlayerStats`."""
    total, seen = sum(counts), 0
    for number, count in enumerate(counts):
        seen += count
        if seen >= share * total:
            return 2.0**number * 1e-6
    return 0.0


def _kernel_rows(figures: dict[str, Any], old: dict[str, Any] | None) -> list[tuple[str, ...]]:
    before = {kernel["work"]: kernel["microseconds"]["wavtools"] for kernel in (old or {}).get("kernels", [])}
    rows: list[tuple[str, ...]] = [("kernels", "µs", "times ours")]
    for kernel in figures["kernels"]:
        times = dict(kernel["microseconds"])
        ours = times.pop("wavtools")
        known = before.get(kernel["work"])
        shown = f"{ours:.2f}" + ("" if known is None else f" ({known:.2f})")
        rows.append(
            (kernel["work"], shown, ", ".join(f"{name} {time / ours:.1f}" for name, time in times.items()))
        )
    return rows


def write_html(figures: dict[str, Any], path: Path) -> None:
    """Write one page that needs nothing else: tables and plots, for dark and light screens."""
    parts = [f"<pre>{html.escape(_plain(show(figures)))}</pre>"]
    for taken in figures.get("paths", []):
        name = html.escape(taken["condition"])
        parts.append(f"<h2>{name}</h2>")
        for side in ("output", "input"):
            plot = _histogram(taken[f"{side}_lateness"])
            parts.append(f"<figure>{plot}<figcaption>{side}: callbacks by lateness</figcaption></figure>")
    page = (
        "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        "<title>wavtools bench</title><style>:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;"
        "max-width:60rem;margin:2rem auto;padding:0 1rem}pre{overflow-x:auto}"
        "figure{display:inline-block;margin:0 1rem 1rem 0}"
        "svg{max-width:100%}rect{fill:#2f80c9}text{fill:currentColor;font:11px system-ui,sans-serif}</style>"
        f"<h1>wavtools bench</h1><p>{html.escape(figures['time'])}</p>{''.join(parts)}</html>"
    )
    path.write_text(page, "utf-8")


def _plain(text: str) -> str:
    return text.replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "")


def _edge(number: int) -> str:
    """The upper edge of a bin."""
    if number < 10:
        return f"{2**number} µs"
    return f"{2**number / 1000:.0f} ms" if number < 20 else f"{2**number / 1e6:.0f} s"


def _histogram(counts: list[int]) -> str:
    """Bars of the share of callbacks, on a logarithmic scale, for each power of two of microseconds."""
    most = max([1, *counts])
    step = WIDTH / max(len(counts), 1)
    bars, labels = [], []
    for number, count in enumerate(counts):
        tall = HEIGHT * math.log1p(count) / math.log1p(most)
        edge = _edge(number)
        bars.append(
            f"<rect x='{number * step + 1:.1f}' y='{HEIGHT - tall:.1f}' width='{step - 2:.1f}' height='{tall:.1f}'>"
            f"<title>up to {edge}: {count}</title></rect>"
        )
        if number % 4 == 0:
            labels.append(f"<text x='{number * step:.1f}' y='{HEIGHT + 14}'>{edge}</text>")
    label = ", ".join(str(count) for count in counts)
    return (
        f"<svg role='img' aria-label='callbacks by lateness: {label}' viewBox='0 0 {WIDTH} {HEIGHT + 20}' width='{WIDTH}'>"
        f"{''.join(bars)}{''.join(labels)}</svg>"
    )
