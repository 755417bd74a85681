from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

__all__ = ["Spectrogram", "spectrogram"]

_Samples: TypeAlias = Buffer | NDArray[Any]

class Spectrogram(NamedTuple):
    decibels: NDArray[np.float32]
    times: NDArray[np.float64]
    frequencies: NDArray[np.float64]

def spectrogram(
    x: _Samples,
    sample_rate: int,
    window: int = 1024,
    hop: int | None = None,
    *,
    fft_size: int | None = None,
    floor_db: float = -120.0,
    out: _Samples | None = None,
) -> Spectrogram: ...
