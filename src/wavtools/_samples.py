"""Sample data in: the one place that decides what counts as int16 samples, which is compiled: see wavtools.pcm.

Thread: any; pure.
"""

from __future__ import annotations

from wavtools.pcm import as_int16

__all__ = ["as_int16"]
