from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

__all__ = ["pack_int24", "read_integers", "round_floats"]

def read_integers(
    data: Buffer, sample_bytes: int, is_signed: bool, big_endian: bool, out: NDArray[Any]
) -> None: ...
def round_floats(x: NDArray[Any], out: NDArray[Any]) -> None: ...
def pack_int24(x: NDArray[np.int32]) -> bytearray: ...
