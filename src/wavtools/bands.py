"""The bands of a spectrum: frequencies and labels of each FFT bin and of each note of the musical scale.

Thread: any; the tables never change.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "NOTE_FREQUENCIES",
    "NOTE_LABELS",
    "VOICE_FREQUENCIES",
    "VOICE_LABELS",
    "bin_frequencies",
    "bin_labels",
    "first_bins",
]

# Octave 8 in Hz, from wavtools' constants.js. Each octave below has exactly half the frequencies.
_OCTAVE_8 = (
    4186.01,
    4434.92,
    4698.63,
    4978.03,
    5274.04,
    5587.65,
    5919.91,
    6271.93,
    6644.88,
    7040.0,
    7458.62,
    7902.13,
)
_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")

NOTE_FREQUENCIES: tuple[float, ...] = tuple(
    f / 2 ** (8 - octave) for octave in range(1, 9) for f in _OCTAVE_8
)
"""Hz of the 96 notes from C1 to B8."""
NOTE_LABELS: tuple[str, ...] = tuple(f"{name}{octave}" for octave in range(1, 9) for name in _NAMES)

_VOICE = [i for i, f in enumerate(NOTE_FREQUENCIES) if 32.0 < f < 2000.0]
VOICE_FREQUENCIES: tuple[float, ...] = tuple(NOTE_FREQUENCIES[i] for i in _VOICE)
"""Hz of the 72 notes from C1 to B6: those between 32 Hz and 2 kHz, where the human voice is."""
VOICE_LABELS: tuple[str, ...] = tuple(NOTE_LABELS[i] for i in _VOICE)


@lru_cache(maxsize=32)
def bin_frequencies(bins: int, sample_rate: float) -> NDArray[np.float64]:
    """Hz of each of *bins* FFT bins: from 0 to just below the Nyquist frequency. Read-only."""
    if bins == 0:
        return np.empty(0)
    # The last bit of every frequency depends on this order of operations.
    step = (1 / bins) * (sample_rate / 2)
    frequencies: NDArray[np.float64] = np.arange(bins, dtype=np.float64) * step
    frequencies.flags.writeable = False
    return frequencies


@lru_cache(maxsize=32)
def bin_labels(bins: int, sample_rate: float) -> tuple[str, ...]:
    """``"440.00 Hz"`` for each bin; ties of the exact binary value are rounded up, as JavaScript's toFixed does."""
    cent = Decimal("0.01")
    return tuple(
        f"{Decimal(float(f)).quantize(cent, ROUND_HALF_UP)} Hz" for f in bin_frequencies(bins, sample_rate)
    )


@lru_cache(maxsize=64)
def first_bins(bins: int, sample_rate: float, notes: Literal["music", "voice"]) -> NDArray[np.intp]:
    """The first bin of each note, and the end of the last: note n has the bins [first[n], first[n + 1]).

    A bin belongs to the highest note strictly below it. Bins at or below the first note belong to no note, and all bins
    above the last note belong to that.
    """
    frequencies = NOTE_FREQUENCIES if notes == "music" else VOICE_FREQUENCIES
    starts = np.searchsorted(bin_frequencies(bins, sample_rate), frequencies, side="right")
    bounds: NDArray[np.intp] = np.append(starts, bins).astype(np.intp)
    bounds.flags.writeable = False
    return bounds
