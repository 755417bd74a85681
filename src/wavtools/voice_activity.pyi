from typing import Any, NamedTuple, TypeAlias, final

from numpy.typing import NDArray
from typing_extensions import Buffer, Self

__all__ = ["VoiceActivity", "VoiceEvent", "speech_segments"]

_Samples: TypeAlias = Buffer | NDArray[Any]

class VoiceEvent(NamedTuple):
    speaking: bool
    frame: int

@final
class VoiceActivity:
    def __new__(
        cls,
        sample_rate: int,
        *,
        on_db: float = 9.0,
        off_db: float = 6.0,
        attack_ms: float = 40.0,
        hangover_ms: float = 300.0,
        minimum_db: float = -55.0,
    ) -> Self: ...
    @property
    def sample_rate(self) -> int: ...
    @property
    def is_speaking(self) -> bool: ...
    @property
    def level_db(self) -> float: ...
    @property
    def floor_db(self) -> float: ...
    def push(self, x: _Samples) -> tuple[VoiceEvent, ...]: ...
    def flush(self) -> tuple[VoiceEvent, ...]: ...

def speech_segments(x: _Samples, sample_rate: int, **options: float) -> list[tuple[int, int]]: ...
