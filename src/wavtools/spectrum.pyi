from typing import Any, NamedTuple, TypeAlias, final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer, Self

__all__ = ["Analyser", "RealFFT", "Spectrogram", "rfft", "scaled_bands", "spectrogram"]

_Samples: TypeAlias = Buffer | NDArray[Any]

@final
class Analyser:
    def __new__(cls, fft_size: int = 8192, smoothing: float = 0.1) -> Self: ...
    @property
    def fft_size(self) -> int: ...
    @property
    def smoothing(self) -> float: ...
    def push(self, x: _Samples) -> None: ...
    def float_frequency_data(self) -> NDArray[np.float32]: ...
    def float_time_domain_data(self) -> NDArray[np.float32]: ...
    def reset(self) -> None: ...

@final
class RealFFT:
    def __new__(cls, fft_size: int) -> Self: ...
    @property
    def samples(self) -> NDArray[np.float32]: ...
    @property
    def bins(self) -> NDArray[np.complex64]: ...
    def execute(self) -> NDArray[np.complex64]: ...

def rfft(x: _Samples) -> NDArray[np.complex64]: ...
def scaled_bands(
    db: NDArray[np.float32], first_bins: NDArray[np.intp] | None, low: float, high: float
) -> NDArray[np.float32]: ...

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
