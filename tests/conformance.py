"""Vectors recorded from the original wavtools in a browser: a copy in tests/data, the full set beside the repository."""

from __future__ import annotations

import json
import pathlib
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

_SMALL = pathlib.Path(__file__).parent / "data"
_FULL = pathlib.Path(__file__).parent.parent.parent / "shared" / "conformance"


class Vectors(NamedTuple):
    arrays: dict[str, NDArray[Any]]
    # The JSON file beside the arrays, or None.
    facts: Any


def both(name: str) -> pytest.MarkDecorator:
    """Parametrise ``folder`` with the small copy and the full set, which is skipped where it is missing."""
    missing = pytest.mark.skipif(not (_FULL / f"{name}.npz").exists(), reason=f"no {name}.npz in {_FULL}")
    folders = [pytest.param(_SMALL, id="small"), pytest.param(_FULL, id="full", marks=missing)]
    return pytest.mark.parametrize("folder", folders)


def load(folder: pathlib.Path, name: str) -> Vectors:
    """The arrays and facts of *name* in *folder*."""
    with np.load(folder / f"{name}.npz") as archive:
        arrays = {key: archive[key] for key in archive.files}
    facts = folder / f"{name}.json"
    return Vectors(arrays, json.loads(facts.read_text()) if facts.exists() else None)
