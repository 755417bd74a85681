from typing import Any, TypeAlias, TypeVar, final, overload

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer, Self

__all__ = ["Gain", "apply_gain"]

RAMP_SECONDS: float
LOOKAHEAD_MS: float
RELEASE_MS: float

_Samples: TypeAlias = Buffer | NDArray[Any]
_Out = TypeVar("_Out", bound=_Samples)
_Sample = TypeVar("_Sample", np.int16, np.float32)

@final
class Gain:
    def __new__(
        cls,
        db: float = 0.0,
        sample_rate: int = 24_000,
        channels: int = 1,
        *,
        limiter: bool = True,
        ceiling_db: float = -0.1,
        lookahead_ms: float = ...,
        release_ms: float = ...,
    ) -> Self: ...
    @property
    def sample_rate(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def limits(self) -> bool: ...
    @property
    def delay_frames(self) -> int: ...
    @property
    def db(self) -> float: ...
    @db.setter
    def db(self, value: float) -> None: ...
    @overload
    def process(self, chunk: NDArray[_Sample], out: None = None) -> NDArray[_Sample]: ...
    @overload
    def process(self, chunk: Buffer, out: None = None) -> NDArray[np.int16] | NDArray[np.float32]: ...
    @overload
    def process(self, chunk: _Samples, out: _Out) -> _Out: ...
    def flush(self) -> NDArray[np.int16] | NDArray[np.float32]: ...

@overload
def apply_gain(
    x: NDArray[_Sample],
    db: float,
    sample_rate: int = 24_000,
    *,
    limiter: bool = True,
    ceiling_db: float = -0.1,
) -> NDArray[_Sample]: ...
@overload
def apply_gain(
    x: Buffer, db: float, sample_rate: int = 24_000, *, limiter: bool = True, ceiling_db: float = -0.1
) -> NDArray[np.int16] | NDArray[np.float32]: ...
