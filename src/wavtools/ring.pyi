from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

__all__ = ["RingBuffer"]

class RingBuffer:
    capacity_frames: int
    channels: int
    dtype: str
    def __init__(
        self, capacity_frames: int, channels: int = 1, dtype: Literal["float32", "int16"] = "float32"
    ) -> None: ...
    @property
    def readable(self) -> int: ...
    @property
    def writable(self) -> int: ...
    def write(self, x: Buffer | NDArray[Any]) -> int: ...
    @overload
    def read(self, n: int | None = None, out: None = None) -> NDArray[np.float32] | NDArray[np.int16]: ...
    @overload
    def read(self, n: None = None, *, out: Any) -> int: ...
    def clear(self) -> int: ...
