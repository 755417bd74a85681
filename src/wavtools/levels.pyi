from typing import Any, TypeAlias, final

from numpy.typing import NDArray
from typing_extensions import Buffer, Self

__all__ = ["Meter", "peak_db", "rms_db"]

_Samples: TypeAlias = Buffer | NDArray[Any]

def rms_db(x: _Samples) -> float: ...
def peak_db(x: _Samples) -> float: ...

@final
class Meter:
    def __new__(
        cls,
        sample_rate: int,
        channels: int = 1,
        *,
        attack_seconds: float = 0.01,
        release_seconds: float = 0.3,
        hold_seconds: float = 1.5,
        fall_db: float = 20.0,
    ) -> Self: ...
    @property
    def sample_rate(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def level_db(self) -> float: ...
    @property
    def peak_db(self) -> float: ...
    def push(self, x: _Samples) -> None: ...
    def reset(self) -> None: ...
