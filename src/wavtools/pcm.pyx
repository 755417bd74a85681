"""Sample conversion: float32 and PCM16 both ways, and the mix to mono.

Thread: any; every function is stateless. GIL: released for more than ``LONG`` samples; for less, the switch would cost
more than the work.
"""

from libc.stdint cimport int16_t, int32_t

import numpy as np

from cpython.buffer cimport PyBuffer_Release

from wavtools._samples cimport FLOAT32, INT16, acquire, acquire_out

__all__ = ["float32_to_pcm16", "mix_to_mono", "pcm16_to_float32"]

cdef enum:
    LONG = 16384


cdef void floats_to_pcm16(const float *x, int16_t *out, size_t count) noexcept nogil:
    cdef size_t i
    cdef float value, scaled
    cdef int32_t whole
    for i in range(count):
        value = x[i]
        value = value if value == value else 0.0  # a NaN would be undefined when cast below
        value = value if value > -1.0 else -1.0
        value = value if value < 1.0 else 1.0
        # value * 32767 rounds in float32. But scaled and the rest below are exact, and 32767 x = 32768 x - x.
        scaled = value * 32768.0
        whole = <int32_t> scaled
        whole -= (value > 0.0) & (scaled - <float> whole < value)
        out[i] = <int16_t> whole


cdef void pcm16_to_floats(const int16_t *x, float *out, size_t count) noexcept nogil:
    cdef size_t i
    for i in range(count):
        out[i] = <float> x[i] * <float> (1.0 / 32768.0)


cdef void floats_to_mono(const float *x, float *out, size_t frames, size_t channels) noexcept nogil:
    cdef size_t i, channel
    cdef double total
    for i in range(frames):
        total = 0.0
        for channel in range(channels):
            total += x[i * channels + channel]
        out[i] = <float> (total / channels)


cdef void pcm16_to_mono(const int16_t *x, int16_t *out, size_t frames, size_t channels) noexcept nogil:
    cdef size_t i, channel
    cdef int32_t total, half
    for i in range(frames):
        total = 0
        for channel in range(channels):
            total += x[i * channels + channel]
        half = <int32_t> channels // 2
        total = total + half if total >= 0 else total - half
        out[i] = <int16_t> (total / <int32_t> channels)


cdef object shape_of(object given, const Py_buffer *view, Py_ssize_t count):
    """The shape of the result: that of *given*, or flat for raw bytes."""
    if view.itemsize == 1 or view.ndim == 1:
        return count
    return tuple([view.shape[i] for i in range(view.ndim)])


def float32_to_pcm16(x, out=None):
    """Convert float32 samples to PCM16.

    Parameters
    ----------
    x : float32, any shape, C-contiguous
        Nominal range [-1, 1]; louder samples are clamped, NaN becomes 0.
    out : int16, as many samples as *x*, C-contiguous, writable, optional
        Receives the result instead of a new array. Must not overlap *x*.

    Returns
    -------
    int16, the shape of *x*; or *out* itself.

    Raises
    ------
    TypeError   *x* is not float32, *out* is not int16 or read-only
    ValueError  *out* has another size or overlaps *x*, or one of them is not contiguous; nothing is written

    Thread: any. Allocates: no, with *out*. GIL: released above 16384 samples.
    Source: the rule of wavtools' ``floatTo16BitPCM``: clamp, x32768 below zero and x32767 above in double, truncate.
    """
    cdef Py_buffer source, target
    acquire("x", x, &source, FLOAT32)
    cdef Py_ssize_t count = source.len // 4
    try:
        if out is None:
            out = np.empty(shape_of(x, &source, count), np.int16)
        acquire_out(out, &target, INT16, count, &source)
        if count > LONG:
            with nogil:
                floats_to_pcm16(<const float *> source.buf, <int16_t *> target.buf, count)
        else:
            floats_to_pcm16(<const float *> source.buf, <int16_t *> target.buf, count)
        PyBuffer_Release(&target)
    finally:
        PyBuffer_Release(&source)
    return out


def pcm16_to_float32(x, out=None):
    """Convert PCM16 samples to float32, dividing by 32768. Exact.

    Parameters
    ----------
    x : int16, any shape, C-contiguous; or bytes of little-endian PCM16
    out : float32, as many samples as *x*, C-contiguous, writable, optional
        Receives the result instead of a new array. Must not overlap *x*.

    Returns
    -------
    float32 in [-1, 1), the shape of *x* (flat for bytes); or *out* itself.

    Raises
    ------
    TypeError   *x* is not int16, *out* is not float32 or read-only
    ValueError  an odd number of bytes; *out* has another size or overlaps *x*; nothing is written

    Thread: any. Allocates: no, with *out*. GIL: released above 16384 samples.
    Source: the same rule as wavtools' stream processor, and as the Web Audio decoders for negative samples.
    """
    cdef Py_buffer source, target
    acquire("x", x, &source, INT16)
    cdef Py_ssize_t count = source.len // 2
    try:
        if out is None:
            out = np.empty(shape_of(x, &source, count), np.float32)
        acquire_out(out, &target, FLOAT32, count, &source)
        if count > LONG:
            with nogil:
                pcm16_to_floats(<const int16_t *> source.buf, <float *> target.buf, count)
        else:
            pcm16_to_floats(<const int16_t *> source.buf, <float *> target.buf, count)
        PyBuffer_Release(&target)
    finally:
        PyBuffer_Release(&source)
    return out


def mix_to_mono(x):
    """Average the channels of interleaved frames.

    Parameters
    ----------
    x : float32 or int16, shape (frames, channels) or (frames,), C-contiguous

    Returns
    -------
    The dtype of *x*, shape (frames,): the arithmetic mean, summed in double for float32 and in integers for int16
    (rounded to the nearest, halves away from zero). One channel comes back as a copy.

    Raises
    ------
    TypeError   *x* is neither float32 nor int16
    ValueError  more than two dimensions, or no channel

    Thread: any. GIL: released above 16384 samples.
    Source: the mean that wavtools' audio processor takes in ``mono``.
    """
    cdef Py_buffer source, target
    cdef int kind = acquire("x", x, &source, INT16 | FLOAT32)
    cdef Py_ssize_t frames, channels
    try:
        if source.ndim > 2 or source.ndim == 0:
            raise ValueError(f"x has {source.ndim} dimensions, expected (frames,) or (frames, channels)")
        channels = source.shape[1] if source.ndim == 2 else 1
        if source.ndim == 2 and source.itemsize == 1 or channels == 0:
            raise ValueError(f"x has {channels} channels of {source.itemsize} bytes, expected at least one of samples")
        frames = source.shape[0] if source.itemsize > 1 else source.len // 2
        out = np.empty(frames, np.float32 if kind == FLOAT32 else np.int16)
        acquire_out(out, &target, kind, frames, NULL)
        with nogil:
            if kind == FLOAT32:
                floats_to_mono(<const float *> source.buf, <float *> target.buf, frames, channels)
            else:
                pcm16_to_mono(<const int16_t *> source.buf, <int16_t *> target.buf, frames, channels)
        PyBuffer_Release(&target)
    finally:
        PyBuffer_Release(&source)
    return out
