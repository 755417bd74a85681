from typing import Literal, Protocol, TypeAlias, TypeVar, final, overload, type_check_only

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer, Self

__all__ = ["Resampler", "resample"]

_Quality: TypeAlias = Literal["fast", "high", "best"]
_Sample = TypeVar("_Sample", np.int16, np.float32)

@final
class Resampler:
    def __new__(cls, in_rate: int, out_rate: int, channels: int = 1, quality: _Quality = "high") -> Self: ...
    @property
    def in_rate(self) -> int: ...
    @property
    def out_rate(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def quality(self) -> _Quality: ...
    @property
    def latency_seconds(self) -> float: ...
    @overload
    def process(self, chunk: NDArray[_Sample]) -> NDArray[_Sample]: ...
    @overload
    def process(self, chunk: Buffer) -> NDArray[np.int16] | NDArray[np.float32]: ...
    def flush(self) -> NDArray[np.int16] | NDArray[np.float32]: ...
    def reset(self) -> None: ...

@overload
def resample(
    x: NDArray[_Sample], in_rate: int, out_rate: int, quality: _Quality = "high"
) -> NDArray[_Sample]: ...
@overload
def resample(
    x: Buffer, in_rate: int, out_rate: int, quality: _Quality = "high"
) -> NDArray[np.int16] | NDArray[np.float32]: ...

@type_check_only
class ResampleModule(Protocol):
    """The module, which is called as its function resample()."""

    Resampler: type[Resampler]
    @overload
    def __call__(
        self, x: NDArray[_Sample], in_rate: int, out_rate: int, quality: _Quality = "high"
    ) -> NDArray[_Sample]: ...
    @overload
    def __call__(
        self, x: Buffer, in_rate: int, out_rate: int, quality: _Quality = "high"
    ) -> NDArray[np.int16] | NDArray[np.float32]: ...
    @overload
    def resample(
        self, x: NDArray[_Sample], in_rate: int, out_rate: int, quality: _Quality = "high"
    ) -> NDArray[_Sample]: ...
    @overload
    def resample(
        self, x: Buffer, in_rate: int, out_rate: int, quality: _Quality = "high"
    ) -> NDArray[np.int16] | NDArray[np.float32]: ...
