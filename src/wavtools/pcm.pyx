# cython: freethreading_compatible=True
# (safe without a GIL: no object has state; the G.711 tables and the kernels' pointer are written while the module is
# imported and only read afterwards; the buffers are the callers')
"""Sample conversion: float32, PCM16 and G.711 each way, the mix to mono, and which buffers count as int16 samples.

Thread: any; every function is stateless. GIL: released for more than ``LONG`` samples; for fewer, the switch would cost
more than the work.
"""

from libc.stdint cimport int16_t, int32_t, uint8_t, uint16_t
from libc.string cimport memcmp, memset

import numpy as np

cimport numpy as cnp
from cpython.buffer cimport PyBuffer_Release

from wavtools._buffers cimport FLOAT32, INT16, UINT8, acquire, acquire_contiguous, acquire_out, new_array
from wavtools._kernels cimport selected_kernels, wt_kernels, wt_kernels_available

__all__ = [
    "alaw_decode",
    "alaw_encode",
    "as_int16",
    "available_kernel_sets",
    "float32_to_pcm16",
    "kernel_set",
    "mix_to_mono",
    "pcm16_to_float32",
    "ulaw_decode",
    "ulaw_encode",
]

cnp.import_array()

cdef enum:
    LONG = 16384


cdef const wt_kernels *kernels = selected_kernels()

ctypedef void (*wt_decode)(const uint8_t *x, int16_t *out, size_t count) noexcept nogil

cdef object empty = np.empty
cdef object frombuffer = np.frombuffer
cdef object ndarray = np.ndarray
cdef object INT16_DTYPE = np.dtype(np.int16)
cdef object LITTLE_INT16_DTYPE = np.dtype("<i2")


cdef void floats_to_pcm16(const float *x, int16_t *out, size_t count) noexcept nogil:
    kernels.floats_to_pcm16(x, out, count)


cdef void pcm16_to_floats(const int16_t *x, float *out, size_t count) noexcept nogil:
    kernels.pcm16_to_floats(x, out, count)


cdef void floats_to_mono(const float *x, float *out, size_t frames, size_t channels) noexcept nogil:
    kernels.floats_to_mono(x, out, frames, channels)


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


def kernel_set():
    """The name of the kernels that run: "base"; on processors with AVX2 "x86-64-v3"; with the AVX-512 of Ice Lake,
    Zen 4 and later "x86-64-v4".

    The fastest that the processor has, chosen at import; the environment variable ``WAVTOOLS_KERNELS`` forces another.
    Every set gives the same bits.
    """
    return kernels.name.decode()


def available_kernel_sets():
    """The names of the kernel sets that this processor can run, slowest first, as a tuple."""
    names = []
    cdef unsigned index = 0
    while wt_kernels_available(index) != NULL:
        names.append(wt_kernels_available(index).name.decode())
        index += 1
    return tuple(names)


cdef bint begins_like_a_file(const Py_buffer *view) noexcept:
    """True for the first bytes of WAV and its relatives, AIFF, FLAC, Ogg and tagged MP3: sound does not begin so."""
    cdef const char *head = <const char *> view.buf
    if view.len < 12:
        return False
    if head[0] == b"R" and (head[1] == b"I" or head[1] == b"F") or head[0] == b"B" and head[1] == b"W":
        return memcmp(head + 8, b"WAVE", 4) == 0
    if head[0] == b"F":
        return memcmp(head, b"FORM", 4) == 0 and memcmp(head + 8, b"AIF", 3) == 0
    if head[0] == b"f":
        return memcmp(head, b"fLaC", 4) == 0
    if head[0] == b"O":
        return memcmp(head, b"OggS\0", 5) == 0
    if head[0] == b"I":
        return memcmp(head, b"ID3", 3) == 0 and 2 <= head[3] <= 4 and head[4] == 0
    return head[0] == b"r" and memcmp(head, b"riff\x2e\x91\xcf\x11", 8) == 0


cdef object new_target(int ndim, const Py_ssize_t *shape, int dtype, Py_buffer *target):
    """Make an array, with *target* over its memory."""
    cdef cnp.ndarray out = new_array(ndim, shape, dtype)
    # The caller holds the array: there is nothing to release.
    memset(target, 0, sizeof(Py_buffer))
    target.buf = cnp.PyArray_DATA(out)
    return out


cdef object new_like(const Py_buffer *source, Py_ssize_t count, int dtype, Py_buffer *target):
    """Make an array of the shape of *source*; of shape (count,) if that is raw bytes of int16."""
    if source.len // source.itemsize != count:
        return new_target(1, &count, dtype, target)
    return new_target(source.ndim, source.shape, dtype, target)


def as_int16(x, str name="x"):
    """View *x* as one-dimensional int16 samples, without a copy.

    The one place that decides which buffers count as mono int16 audio.

    Thread: any.

    Parameters
    ----------
    x : C-contiguous buffer of int16, shape (n,)
        ``bytes`` and other buffers of bytes are taken as little-endian int16, the Realtime API's pcm16.
    name : str
        What the messages of errors call *x*.

    Returns
    -------
    numpy.ndarray of int16
        Shape (n,), over the memory of *x*; *x* itself if it is such an array.

    Raises
    ------
    TypeError
        *x* is no buffer of int16 (the message names the converter), or is not C-contiguous
    ValueError
        an odd number of bytes, more than one dimension, or the bytes of an audio file
    """
    # The usual case: NumPy's buffer export takes longer than queueing the samples.
    if type(x) is ndarray and x.dtype == INT16_DTYPE and x.ndim == 1 and x.flags.c_contiguous:
        return x
    cdef Py_buffer view
    acquire_contiguous(name, x, &view, INT16, 0)
    cdef bint raw = view.itemsize == 1
    cdef Py_ssize_t size = view.len
    cdef bint is_file = raw and begins_like_a_file(&view)
    shape = tuple([view.shape[i] for i in range(view.ndim)])
    PyBuffer_Release(&view)
    if is_file:
        raise ValueError(f"{name} holds an audio file, not samples; use wavtools.read_wav() or WavRecorder.decode()")
    if not raw and len(shape) != 1:
        from wavtools._sample_advice import mono

        raise ValueError(f"{name} has shape {shape}; mono samples of shape (n,) are needed: {mono(shape, name)}")
    if size == 0:
        return empty(0, INT16_DTYPE)
    return frombuffer(x, LITTLE_INT16_DTYPE if raw else INT16_DTYPE).astype(INT16_DTYPE, copy=False)


def float32_to_pcm16(x, out=None):
    """Convert float32 samples to PCM16.

    Thread: any. Allocates nothing with *out*. GIL: released above 16384 samples.
    Source: the rule of wavtools' ``floatTo16BitPCM``: clamp, x32768 below zero and x32767 above in double, truncate.

    Parameters
    ----------
    x : buffer of float32, any shape
        Nominal range [-1, 1]; louder samples are clamped, NaN becomes 0.
    out : buffer of int16, optional
        Receives the result instead of a new array. C-contiguous, writable, as many samples as *x*, not overlapping *x*.

    Returns
    -------
    numpy.ndarray of int16
        The shape of *x*; or *out* itself.

    Raises
    ------
    TypeError
        *x* is not float32; *out* is not int16, or read-only
    ValueError
        *out* has another size, overlaps *x*, or is not contiguous; nothing is written
    """
    cdef Py_buffer source, target
    acquire("x", x, &source, FLOAT32)
    cdef Py_ssize_t count = source.len // 4
    try:
        if out is None:
            out = new_like(&source, count, cnp.NPY_INT16, &target)
        else:
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
    """Convert PCM16 samples to float32: exactly the sample divided by 32768.

    Thread: any. Allocates nothing with *out*. GIL: released above 16384 samples.
    Source: the same rule as wavtools' stream processor, and as the Web Audio decoders for negative samples.

    Parameters
    ----------
    x : buffer of int16, any shape; or bytes of little-endian PCM16
    out : buffer of float32, optional
        Receives the result instead of a new array. C-contiguous, writable, as many samples as *x*, not overlapping *x*.

    Returns
    -------
    numpy.ndarray of float32
        In [-1, 1), the shape of *x* (one dimension for bytes); or *out* itself.

    Raises
    ------
    TypeError
        *x* is not int16; *out* is not float32, or read-only
    ValueError
        an odd number of bytes; *out* has another size or overlaps *x*; nothing is written
    """
    cdef Py_buffer source, target
    acquire("x", x, &source, INT16)
    cdef Py_ssize_t count = source.len // 2
    try:
        if out is None:
            out = new_like(&source, count, cnp.NPY_FLOAT32, &target)
        else:
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


def mix_to_mono(x, out=None):
    """Average the channels of interleaved frames.

    Thread: any. Allocates nothing with *out*. GIL: released above 16384 samples.
    Source: the mean that wavtools' audio processor takes in ``mono``.

    Parameters
    ----------
    x : buffer of float32 or int16, shape (frames, channels) or (frames,)
    out : buffer of the dtype of *x*, optional
        Receives the result instead of a new array. C-contiguous, writable, as many samples as *x* has frames, not
        overlapping *x*.

    Returns
    -------
    numpy.ndarray of the dtype of *x*
        Shape (frames,): the arithmetic mean, summed in double for float32 and in integers for int16 (rounded to the
        nearest, halves away from zero); or *out* itself. One channel is returned as a copy.

    Raises
    ------
    TypeError
        *x* is neither float32 nor int16; *out* has another dtype or is read-only
    ValueError
        more than two dimensions, or no channel; *out* has another size or overlaps *x*; nothing is written
    """
    cdef Py_buffer source, target
    cdef int kind = acquire("x", x, &source, INT16 | FLOAT32)
    cdef Py_ssize_t frames, channels
    try:
        if source.ndim > 2 or source.ndim == 0:
            raise ValueError(f"x has {source.ndim} dimensions, expected (frames,) or (frames, channels)")
        channels = source.shape[1] if source.ndim == 2 else 1
        if source.ndim == 2 and source.itemsize == 1 or channels == 0:
            raise ValueError(f"x has {channels} channels of {source.itemsize} bytes each, expected samples")
        frames = source.shape[0] if source.itemsize > 1 else source.len // 2
        if out is None:
            out = new_target(1, &frames, cnp.NPY_FLOAT32 if kind == FLOAT32 else cnp.NPY_INT16, &target)
        else:
            acquire_out(out, &target, kind, frames, &source)
        if frames * channels > LONG:
            with nogil:
                mix(kind, source.buf, target.buf, frames, channels)
        else:
            mix(kind, source.buf, target.buf, frames, channels)
        PyBuffer_Release(&target)
    finally:
        PyBuffer_Release(&source)
    return out


cdef void mix(int kind, const void *x, void *out, size_t frames, size_t channels) noexcept nogil:
    if kind == FLOAT32:
        floats_to_mono(<const float *> x, <float *> out, frames, channels)
    else:
        pcm16_to_mono(<const int16_t *> x, <int16_t *> out, frames, channels)


# Codes by the upper 14 bits of a sample, and by the upper 13.
cdef uint8_t ulaw_codes[1 << 14]
cdef uint8_t alaw_codes[1 << 13]


cdef void make_g711_tables() noexcept:
    """Fill the tables by ITU-T G.711, tables 1 and 2: sign, three bits of segment, four of step.

    Mu-law inverts all bits of a code, A-law every other one.
    """
    cdef int sample, magnitude, segment, mask
    for sample in range(-(1 << 13), 1 << 13):
        mask = 0xFF if sample >= 0 else 0x7F
        # Louder samples are clipped.
        magnitude = min(sample if sample >= 0 else -sample, 8158) + 33
        segment = 0
        while magnitude >> (segment + 6):
            segment += 1
        ulaw_codes[sample & 0x3FFF] = (segment << 4 | (magnitude >> (segment + 1) & 15)) ^ mask
    for sample in range(-(1 << 12), 1 << 12):
        mask = 0xD5 if sample >= 0 else 0x55
        magnitude = sample if sample >= 0 else -sample - 1
        segment = 0
        while magnitude >> (segment + 5):
            segment += 1
        alaw_codes[sample & 0x1FFF] = (segment << 4 | (magnitude >> (segment if segment > 1 else 1) & 15)) ^ mask


make_g711_tables()


cdef void encode(
    const uint16_t *x, uint8_t *out, size_t count, const uint8_t *codes, int shift
) noexcept nogil:
    cdef size_t i
    for i in range(count):
        out[i] = codes[x[i] >> shift]


cdef object encoded(object x, object out, const uint8_t *codes, int shift):
    """A G.711 code for each sample, looked up by the sample without its lowest *shift* bits."""
    cdef Py_buffer source, target
    acquire("x", x, &source, INT16)
    cdef Py_ssize_t count = source.len // 2
    try:
        if out is None:
            out = new_like(&source, count, cnp.NPY_UINT8, &target)
        else:
            acquire_out(out, &target, UINT8, count, &source)
        if count > LONG:
            with nogil:
                encode(<const uint16_t *> source.buf, <uint8_t *> target.buf, count, codes, shift)
        else:
            encode(<const uint16_t *> source.buf, <uint8_t *> target.buf, count, codes, shift)
        PyBuffer_Release(&target)
    finally:
        PyBuffer_Release(&source)
    return out


cdef object decoded(object x, object out, wt_decode decode):
    """A sample for each G.711 code."""
    cdef Py_buffer source, target
    acquire("x", x, &source, UINT8)
    cdef Py_ssize_t count = source.len
    try:
        if out is None:
            out = new_like(&source, count, cnp.NPY_INT16, &target)
        else:
            acquire_out(out, &target, INT16, count, &source)
        if count > LONG:
            with nogil:
                decode(<const uint8_t *> source.buf, <int16_t *> target.buf, count)
        else:
            decode(<const uint8_t *> source.buf, <int16_t *> target.buf, count)
        PyBuffer_Release(&target)
    finally:
        PyBuffer_Release(&source)
    return out


def ulaw_encode(x, out=None):
    """Encode PCM16 as G.711 mu-law, one byte a sample.

    Thread: any. Allocates nothing with *out*. GIL: released above 16384 samples.
    Source: ITU-T G.711, on the upper 14 bits of each sample, as CPython's ``audioop.lin2ulaw``.

    Parameters
    ----------
    x : buffer of int16, any shape; or bytes of little-endian PCM16
    out : buffer of uint8, optional
        Receives the result instead of a new array. C-contiguous, writable, as many samples as *x*, not overlapping *x*.

    Returns
    -------
    numpy.ndarray of uint8
        The shape of *x* (one dimension for bytes); or *out* itself.

    Raises
    ------
    TypeError
        *x* is not int16; *out* is not uint8, or read-only
    ValueError
        an odd number of bytes; *out* has another size or overlaps *x*; nothing is written
    """
    return encoded(x, out, ulaw_codes, 2)


def ulaw_decode(x, out=None):
    """Decode G.711 mu-law to PCM16.

    Thread: any. Allocates nothing with *out*. GIL: released above 16384 samples.
    Source: ITU-T G.711, as CPython's ``audioop.ulaw2lin``.

    Parameters
    ----------
    x : buffer of uint8, any shape; or bytes
    out : buffer of int16, optional
        Receives the result instead of a new array. C-contiguous, writable, as many samples as *x*, not overlapping *x*.

    Returns
    -------
    numpy.ndarray of int16
        The shape of *x*; or *out* itself. ``ulaw_encode`` returns the same codes again, except that 0x7F (minus zero)
        becomes 0xFF.

    Raises
    ------
    TypeError
        *x* is not bytes or uint8; *out* is not int16, or read-only
    ValueError
        *out* has another size or overlaps *x*; nothing is written
    """
    return decoded(x, out, kernels.ulaw_to_pcm16)


def alaw_encode(x, out=None):
    """Encode PCM16 as G.711 A-law, one byte a sample. Parameters, result and errors as ``ulaw_encode``.

    Source: ITU-T G.711, on the upper 13 bits of each sample, as CPython's ``audioop.lin2alaw``.
    """
    return encoded(x, out, alaw_codes, 3)


def alaw_decode(x, out=None):
    """Decode G.711 A-law to PCM16. Parameters, result and errors as ``ulaw_decode``.

    ``alaw_encode`` returns exactly the same codes again.

    Source: ITU-T G.711, as CPython's ``audioop.alaw2lin``.
    """
    return decoded(x, out, kernels.alaw_to_pcm16)
