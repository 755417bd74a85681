"""What a player takes as samples: int16 buffers, and arrays or bytes of the other common types.

Thread: any; pure.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wavtools._samples import as_int16
from wavtools.pcm import float32_to_pcm16

__all__ = ["MAX_CHANNELS", "SampleType", "frames_of", "pcm16_frames"]

SampleType: TypeAlias = Literal["int16", "int32", "float32", "float64"]
# A player has 1 to 8 channels.
MAX_CHANNELS = 8
_TYPES: tuple[str, ...] = ("int16", "int32", "float32", "float64")


def pcm16_frames(pcm: Any, channels: int) -> NDArray[np.int16]:
    """int16 samples as C-contiguous frames for a player of *channels*.

    Parameters
    ----------
    pcm : buffer of int16, or bytes
        Interleaved frames, or an array of shape (frames, channels) or (frames, 1).
    channels : int

    Returns
    -------
    numpy.ndarray
        int16, shape (frames,) in mono, else (frames, channels).

    Raises
    ------
    TypeError
        samples that are not int16
    ValueError
        another shape, or no whole number of frames
    """
    if channels == 1:
        # The usual case, once for each delta: no more than the check itself.
        try:
            return as_int16(pcm, "pcm")
        except (TypeError, ValueError):
            if getattr(pcm, "ndim", 1) == 1:
                raise
    if isinstance(pcm, memoryview) and pcm.ndim != 1:
        pcm = np.asarray(pcm)
    if isinstance(pcm, np.ndarray) and pcm.ndim != 1 and pcm.dtype == np.int16:
        return _framed(pcm, channels, "pcm")
    flat = as_int16(pcm, "pcm")
    return flat if channels == 1 else _interleaved(flat, channels, "pcm")


def frames_of(samples: Any, channels: int, dtype: str | None) -> NDArray[np.int16]:
    """Samples of any of the four types as frames for a player of *channels*; see WavStreamPlayer.add().

    Returns as `pcm16_frames`.
    """
    if dtype is not None and dtype not in _TYPES:
        raise ValueError(f"dtype is {dtype!r}; it must be one of {', '.join(map(repr, _TYPES))}")
    array, flat = _as_array(samples, dtype)
    if flat:
        framed = array if channels == 1 else _interleaved(array, channels, "samples")
    elif array.ndim == 1 and channels > 1:
        raise ValueError(
            f"samples has shape {array.shape}, and this player has {channels} channels; pass (frames, {channels}): "
            f"interleaved samples as samples.reshape(-1, {channels}), mono for every channel as samples[:, np.newaxis]"
        )
    else:
        framed = np.ascontiguousarray(array) if array.ndim == 1 else _framed(array, channels, "samples")
    return _as_pcm16(framed)


def _as_array(samples: Any, dtype: str | None) -> tuple[NDArray[Any], bool]:
    """*samples* as an array of one of the types, and True for bytes: frames without a shape."""
    if not isinstance(samples, np.ndarray) and (raw := _raw_bytes(samples)) is not None:
        return _from_bytes(raw, dtype), True
    # Those who queue int16 or bytes do without it.
    from wavtools.files.samples import as_typed

    array = as_typed(samples, "samples")
    name = array.dtype.name
    if dtype is not None and dtype != name:
        raise TypeError(
            f"samples are {name}, and dtype is {dtype!r}; leave dtype out, or convert the samples"
        )
    return array, False


def _raw_bytes(samples: Any) -> bytes | None:
    """The bytes of a buffer of bytes; None for everything else."""
    try:
        view = memoryview(samples)
    except (TypeError, ValueError):
        return None
    return view.tobytes() if view.itemsize == 1 else None


def _from_bytes(data: bytes, dtype: str | None) -> NDArray[Any]:
    """Little-endian bytes as samples of *dtype*."""
    if dtype is None:
        raise TypeError(
            "samples are bytes; say what they hold with dtype='int16', 'int32', 'float32' or 'float64'"
        )
    kind = np.dtype(dtype)
    if len(data) % kind.itemsize:
        raise ValueError(f"samples holds {len(data)} bytes; a sample of {dtype} has {kind.itemsize}")
    if len(data) >= 12:
        # Refuses the bytes of an audio file.
        as_int16(data[:12], "samples")
    return np.frombuffer(data, kind.newbyteorder("<")).astype(kind, copy=False)


def _as_pcm16(samples: NDArray[Any]) -> NDArray[np.int16]:
    if samples.dtype == np.int16:
        return samples
    if samples.dtype == np.int32:
        return (samples >> 16).astype(np.int16)
    # What float32 cannot hold becomes infinite, and is clamped.
    with np.errstate(over="ignore"):
        return float32_to_pcm16(samples.astype(np.float32, copy=False))


def _interleaved(flat: NDArray[Any], channels: int, name: str) -> NDArray[Any]:
    if len(flat) % channels:
        raise ValueError(
            f"{name} holds {len(flat)} samples, no whole number of frames of {channels} channels; "
            f"pass all channels of each frame, or an array of shape (frames, {channels})"
        )
    return flat.reshape(-1, channels)


def _framed(array: NDArray[Any], channels: int, name: str) -> NDArray[Any]:
    """An array of two dimensions as contiguous frames: flat in mono; one channel is repeated for every one."""
    if array.ndim != 2 or array.shape[1] not in (1, channels):
        raise ValueError(_shape_advice(array.shape, channels, name))
    if array.shape[1] != channels:
        return np.repeat(array, channels, axis=1)
    contiguous = np.ascontiguousarray(array)
    return contiguous.reshape(-1) if channels == 1 else contiguous


def _shape_advice(shape: tuple[int, ...], channels: int, name: str) -> str:
    """What is wrong with *shape*, and what to write instead."""
    wanted = "(frames,) or (frames, 1)" if channels == 1 else f"(frames, {channels})"
    if len(shape) != 2:
        return f"{name} has shape {shape}; {wanted} is needed"
    frames, given = shape
    if frames == channels > 1 or frames <= MAX_CHANNELS < given:
        advice = f"{name} has shape {shape}, which looks like (channels, frames); {wanted} is needed: pass {name}.T"
        return advice if frames in (1, channels) else f"{advice} to a player made with channels={frames}"
    player = "a mono player" if channels == 1 else f"a player of {channels} channels"
    another = f"make it with WavStreamPlayer(channels={given}), or " if 1 <= given <= MAX_CHANNELS else ""
    mixed = f"wavtools.pcm.mix_to_mono({name})" + ("" if channels == 1 else "[:, np.newaxis]")
    return f"{name} has shape {shape}, and this is {player}; {another}mix the channels: {mixed}"
