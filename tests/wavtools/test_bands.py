"""The tables of notes, and which bins belong to which note."""

from __future__ import annotations

import pathlib

import numpy as np

from tests.conformance import both, load
from wavtools import bands


@both("frequencies")
def test_note_tables_are_the_originals(folder: pathlib.Path) -> None:
    facts = load(folder, "frequencies").facts
    assert list(bands.NOTE_FREQUENCIES) == facts["music"]["frequencies"]
    assert list(bands.NOTE_LABELS) == facts["music"]["labels"]
    assert list(bands.VOICE_FREQUENCIES) == facts["voice"]["frequencies"]
    assert list(bands.VOICE_LABELS) == facts["voice"]["labels"]


def test_a_bin_belongs_to_the_highest_note_strictly_below_it() -> None:
    bins, rate = 4096, 24_000
    bounds = bands.first_bins(bins, rate, "music")
    for index, frequency in enumerate(bands.bin_frequencies(bins, rate)):
        owners = [n for n, note in enumerate(bands.NOTE_FREQUENCIES) if note < frequency]
        found = int(np.searchsorted(bounds[:-1], index, side="right")) - 1
        assert found == (owners[-1] if owners else -1)


def test_ties_in_labels_are_rounded_up() -> None:
    assert bands.bin_labels(1024, 288_000)[1] == "140.63 Hz"  # exactly 140.625, which Python prints as 140.62
