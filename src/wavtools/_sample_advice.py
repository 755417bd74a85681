"""What to write instead of samples that a call does not take: the end of its error messages.

Thread: any; pure.
"""

from __future__ import annotations

import os
from typing import Any

__all__ = ["converter", "mono"]

# More are taken for frames in the place of channels.
MAX_CHANNELS = 32


def converter(given: Any, name: str, wanted: str) -> str:
    """How to make samples of a wanted type, at the same loudness.

    Parameters
    ----------
    given : object
        What was passed.
    name : str
        What the message calls it.
    wanted : "int16", "float32", "int16 or float32" or "uint8"
    """
    if wanted == "uint8":
        return "G.711 codes are one byte a sample"
    dtype = getattr(given, "dtype", None)
    form = f"{getattr(dtype, 'kind', '')}{getattr(dtype, 'itemsize', '')}"
    if isinstance(given, (list, tuple)):
        return f"pass numpy.asarray({name}, numpy.{'int16' if wanted == 'int16' else 'float32'})"
    if isinstance(given, (str, os.PathLike)):
        return f"read a file with wavtools.load({name}).pcm"
    if form in ("i2", "f4") and not getattr(dtype, "isnative", True):
        return _native(form, name, wanted)
    if form == "i4":
        floats = f"({name} / 2**31).astype(np.float32)"
        return f"convert with {floats if wanted == 'float32' else f'({name} >> 16).astype(np.int16)'}"
    if form[:1] == "f" and form != "f4":
        floats = f"{name}.astype(np.float32)"
        return f"convert with {f'wavtools.pcm.float32_to_pcm16({floats})' if wanted == 'int16' else floats}"
    if form == "u1":
        return f"8-bit WAV samples become int16 with (({name}.astype(np.int16) - 128) << 8), bytes with {name}.tobytes()"
    if form[:1] in ("i", "u"):
        return f"scale integers of another width to full scale 1.0 first: ({name} / full_scale).astype(np.float32)"
    if wanted == "int16":
        return "convert float32 with wavtools.pcm.float32_to_pcm16"
    if wanted == "float32":
        return "convert int16 with wavtools.pcm.pcm16_to_float32"
    return "convert floats of another width with .astype(np.float32)"


def _native(form: str, name: str, wanted: str) -> str:
    """How to convert int16 or float32 of the other byte order."""
    kind, other = ("int16", "float32") if form == "i2" else ("float32", "int16")
    native = f"{name}.astype(np.{kind})"
    if wanted == other:
        native = f"wavtools.pcm.{'pcm16_to_float32' if form == 'i2' else 'float32_to_pcm16'}({native})"
    return f"convert with {native}"


def mono(shape: tuple[int, ...], name: str) -> str:
    """How to make mono samples, shape (frames,), of an array of another shape."""
    if len(shape) != 2:
        return f"pass {name}.reshape(-1)"
    if shape[1] == 1:
        return f"pass {name}[:, 0]"
    if shape[0] <= MAX_CHANNELS < shape[1]:
        return f"it looks like (channels, frames): pass wavtools.pcm.mix_to_mono({name}.T)"
    return f"mix the channels with wavtools.pcm.mix_to_mono({name})"
