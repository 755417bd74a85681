from typing import TypeVar, overload

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

__all__ = ["float32_to_pcm16", "mix_to_mono", "pcm16_to_float32"]

_Out = TypeVar("_Out", bound=Buffer)
_Sample = TypeVar("_Sample", np.int16, np.float32)

@overload
def float32_to_pcm16(x: Buffer, out: None = None) -> NDArray[np.int16]: ...
@overload
def float32_to_pcm16(x: Buffer, out: _Out) -> _Out: ...
@overload
def pcm16_to_float32(x: Buffer, out: None = None) -> NDArray[np.float32]: ...
@overload
def pcm16_to_float32(x: Buffer, out: _Out) -> _Out: ...
@overload
def mix_to_mono(x: NDArray[_Sample]) -> NDArray[_Sample]: ...
@overload
def mix_to_mono(x: Buffer) -> NDArray[np.int16] | NDArray[np.float32]: ...
