"""``wavtools convert``: writes an audio file of any format as WAV, in constant memory.

Thread: the main one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wavtools.command.errors import UserError
from wavtools.command.options import between, whole
from wavtools.command.terminal import Progress, one_line

if TYPE_CHECKING:
    from wavtools.resample import Resampler

__all__ = ["add_arguments", "run"]

ENCODINGS = ("int16", "int24", "int32", "uint8", "float32", "float64", "ulaw", "alaw")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this verb."""
    parser.add_argument("source", type=Path, help="audio file of any format that wavtools reads")
    parser.add_argument(
        "target", type=Path, help="WAV file; one that exists is replaced when the new one is whole"
    )
    parser.add_argument(
        "--rate", type=whole(1_000, 384_000, "Hz"), help="sample rate in Hz (default: as it is)"
    )
    parser.add_argument("--mono", action="store_true", help="one channel: the mean of all")
    parser.add_argument("--encoding", choices=ENCODINGS, default="int16", help="default: %(default)s")
    parser.add_argument("--start", type=between(0, 1e9, "seconds"), default=0.0, help="second where to begin")
    parser.add_argument(
        "--end", type=between(0, 1e9, "seconds"), help="second where to stop (default: the end)"
    )
    parser.add_argument("--quality", choices=("fast", "high", "best"), default="high", help="of a new rate")


def run(arguments: argparse.Namespace) -> int:
    """Convert; return the exit status."""
    from wavtools import WavWriter, blocks
    from wavtools.files.replacing import replaced
    from wavtools.resample import Resampler

    source, target = arguments.source, arguments.target
    if target.suffix.lower() not in (".wav", ".wave", ".rf64"):
        raise UserError(f"{target.name}: convert writes WAV files; name it {target.with_suffix('.wav').name}")
    if arguments.end is not None and arguments.end <= arguments.start:
        raise UserError(f"--end {arguments.end:g} is not after --start {arguments.start:g}")
    written = 0
    with blocks(source, 1.0, _read_as(arguments)) as parts, Progress("converting") as progress:
        rate, channels = parts.sample_rate, 1 if arguments.mono else parts.channel_count
        out_rate = arguments.rate or rate
        made = _mixed(_between(parts, arguments), arguments.mono)
        if out_rate != rate:
            made = _resampled(made, Resampler(rate, out_rate, channels, arguments.quality))
        with (
            replaced(target) as file,
            WavWriter(file, out_rate, channels, encoding=arguments.encoding) as writer,
        ):
            for part in made:
                writer.write(part)
                written += len(part)
                progress.show(None, f"{written / out_rate:.0f} s")
    print(f"{one_line(target)}: {written / out_rate:.2f} s, {out_rate} Hz, {arguments.encoding}")
    return 0


def _read_as(arguments: argparse.Namespace) -> str:
    """The type of samples that loses nothing on the way."""
    computes = arguments.mono or arguments.rate is not None
    return (
        arguments.encoding
        if not computes and arguments.encoding in ("int16", "int32", "float64")
        else "float32"
    )


def _between(parts: Any, arguments: argparse.Namespace) -> Iterator[Any]:
    """The frames from --start to --end."""
    rate, at = parts.sample_rate, 0
    first = round(arguments.start * rate)
    last = float("inf") if arguments.end is None else round(arguments.end * rate)
    for part in parts:
        begin, stop = max(first - at, 0), int(min(last - at, len(part)))
        at += len(part)
        if begin < stop:
            yield part[begin:stop]
        if at >= last:
            return


def _mixed(parts: Iterator[Any], mono: bool) -> Iterator[Any]:
    for part in parts:
        yield part.mean(axis=1, dtype="float32") if mono and part.ndim == 2 else part


def _resampled(parts: Iterator[Any], resampler: Resampler) -> Iterator[Any]:
    for part in parts:
        yield resampler.process(part)
    yield resampler.flush()
