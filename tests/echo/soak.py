"""The mark of tests that take minutes: they run with WAVTOOLS_SOAK=1.

Thread: any; a constant.
"""

from __future__ import annotations

import os

import pytest

__all__ = ["soak"]

soak = pytest.mark.skipif(
    not os.environ.get("WAVTOOLS_SOAK"), reason="takes minutes: run it with WAVTOOLS_SOAK=1"
)
