"""``wavtools info``: says what files hold.

Thread: the main one.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from typing import Any

from wavtools.command.terminal import Progress, one_line, table

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this verb."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="audio file")
    parser.add_argument("--levels", action="store_true", help="measure peak, level and loudness too")
    parser.add_argument("--json", action="store_true", help="print JSON, one line for each file")


def run(arguments: argparse.Namespace) -> int:
    """Describe the files; return the exit status."""
    from wavtools import info

    rows = []
    for name in arguments.files:
        found = info(name)
        facts: dict[str, Any] = {"file": name, **dataclasses.asdict(found)}
        if arguments.levels:
            facts |= _levels(name, found.frames)
        if arguments.json:
            print(json.dumps(facts))
        else:
            rows.append(facts)
    if rows:
        print(table(_table(rows, arguments.levels), "<<<>>>" + ">>>" * arguments.levels))
    return 0


def _levels(name: str, frames: int) -> dict[str, float | None]:
    """Peak and level in dBFS, loudness in LUFS; None for silence."""
    import numpy as np

    from wavtools import LoudnessMeter, blocks

    meter, peak, energy, count, done = None, 0.0, 0.0, 0, 0
    with blocks(name, seconds=1.0) as parts, Progress("measuring") as progress:
        for part in parts:
            if meter is None:
                channels = part.shape[1] if part.ndim == 2 else 1
                meter = LoudnessMeter(parts.sample_rate, channels) if 1 <= channels <= 8 else None
            if meter is not None:
                meter.push(part)
            peak = max(peak, float(np.abs(part).max(initial=0.0)))
            energy += float(np.sum(np.square(part, dtype=np.float64)))
            count, done = count + part.size, done + len(part)
            progress.show(done / frames if frames else None)
    values = {
        "peak_db": 20 * math.log10(peak) if peak else -math.inf,
        "level_db": 10 * math.log10(energy / count) if energy else -math.inf,
        "loudness_lufs": -math.inf if meter is None else meter.integrated,
    }
    # JSON has no infinity.
    return {key: round(value, 2) if math.isfinite(value) else None for key, value in values.items()}


def _table(rows: list[dict[str, Any]], levels: bool) -> list[tuple[str, ...]]:
    heading = ("file", "format", "encoding", "Hz", "channels", "length")
    lines = [heading + (("peak dBFS", "level dBFS", "LUFS") if levels else ())]
    for facts in rows:
        minutes, seconds = divmod(facts["duration"], 60)
        length = f"{int(minutes)}:{seconds:06.3f}" + " (cut short)" * facts["truncated"]
        line = (
            facts["file"],
            facts["format"],
            facts["encoding"],
            facts["sample_rate"],
            facts["channel_count"],
        )
        more = [facts[key] for key in ("peak_db", "level_db", "loudness_lufs")] if levels else []
        lines.append((*map(one_line, line), length, *("silent" if v is None else f"{v:.1f}" for v in more)))
    return lines
