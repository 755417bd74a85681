# cython: freethreading_compatible=True
# (safe without a GIL: there is no state; the buffers are the callers')
"""The compiled part of files.encodings: samples between the widths of files and the types of NumPy.

Thread: any; every function is stateless. GIL: released for more than ``LONG`` samples.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int16_t, int32_t, uint8_t

from cpython.buffer cimport PyBUF_FORMAT, PyBUF_ND, PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer

__all__ = ["pack_int24", "read_integers", "round_floats"]


cdef extern from "encodings.h" nogil:
    enum:
        WT_UNSIGNED_8
        WT_SIGNED_8
        WT_LITTLE_16
        WT_BIG_16
        WT_LITTLE_24
        WT_BIG_24
        WT_LITTLE_32
        WT_BIG_32
    void wt_read_int16(const uint8_t *x, int stored, int16_t *out, size_t count)
    void wt_read_int32(const uint8_t *x, int stored, int32_t *out, size_t count)
    void wt_read_float(const uint8_t *x, int stored, float *out, size_t count)
    void wt_read_double(const uint8_t *x, int stored, double *out, size_t count)
    void wt_float_to_int16(const float *x, int16_t *out, size_t count)
    void wt_float_to_int32(const float *x, int32_t *out, size_t count)
    void wt_double_to_int16(const double *x, int16_t *out, size_t count)
    void wt_double_to_int32(const double *x, int32_t *out, size_t count)
    void wt_write_24(const int32_t *x, uint8_t *out, size_t count)

cdef enum:
    LONG = 16384

cdef enum:
    INT16 = 1
    INT32 = 2
    FLOAT32 = 4
    FLOAT64 = 8


cdef int way_of_storing(int sample_bytes, bint is_signed, bint big_endian) except -1:
    if sample_bytes == 1:
        return WT_SIGNED_8 if is_signed else WT_UNSIGNED_8
    if sample_bytes == 2:
        return WT_BIG_16 if big_endian else WT_LITTLE_16
    if sample_bytes == 3:
        return WT_BIG_24 if big_endian else WT_LITTLE_24
    if sample_bytes == 4:
        return WT_BIG_32 if big_endian else WT_LITTLE_32
    raise ValueError(f"sample_bytes is {sample_bytes}; integers of 1 to 4 bytes can be read")


cdef int acquire(object array, Py_buffer *view, int allowed, int flags) except -1:
    """Acquire a C-contiguous array of native samples and return its kind, one of *allowed*."""
    PyObject_GetBuffer(array, view, PyBUF_FORMAT | PyBUF_ND | flags)
    cdef char form = view.format[0] if view.format != NULL else b"B"
    cdef int kind = 0
    if form == b"h" and view.itemsize == 2:
        kind = INT16
    elif form in (b"i", b"l") and view.itemsize == 4:
        kind = INT32
    elif form == b"f":
        kind = FLOAT32
    elif form == b"d":
        kind = FLOAT64
    if not kind & allowed:
        PyBuffer_Release(view)
        raise ValueError("an array of another type is needed; its byte order must be the processor's")
    return kind


cdef void read(const uint8_t *x, int stored, int kind, void *out, size_t count) noexcept nogil:
    if kind == INT16:
        wt_read_int16(x, stored, <int16_t *> out, count)
    elif kind == INT32:
        wt_read_int32(x, stored, <int32_t *> out, count)
    elif kind == FLOAT32:
        wt_read_float(x, stored, <float *> out, count)
    else:
        wt_read_double(x, stored, <double *> out, count)


def read_integers(data, int sample_bytes, bint is_signed, bint big_endian, out):
    """Read stored integers.

    Parameters
    ----------
    data : bytes-like
        At least ``len(out)`` samples.
    sample_bytes : int
        1 to 4.
    is_signed, big_endian : bool
        Integers of two bytes and more are signed; one byte has no order.
    out : int16, int32, float32 or float64 array, shape (samples,)
        Receives the samples at full scale: int16 rounded to the nearest, floats of full scale 1.0.

    Raises
    ------
    ValueError
        another width, fewer data than *out* needs, or an *out* of another type; nothing is written
    """
    cdef int stored = way_of_storing(sample_bytes, is_signed, big_endian)
    cdef Py_buffer source, target
    cdef int kind = acquire(out, &target, INT16 | INT32 | FLOAT32 | FLOAT64, PyBUF_WRITABLE)
    cdef size_t count = target.len // target.itemsize
    try:
        PyObject_GetBuffer(data, &source, PyBUF_SIMPLE)
        try:
            if <size_t> source.len < count * sample_bytes:
                raise ValueError(f"data holds {source.len} bytes; {count * sample_bytes} are needed")
            if count > LONG:
                with nogil:
                    read(<const uint8_t *> source.buf, stored, kind, target.buf, count)
            else:
                read(<const uint8_t *> source.buf, stored, kind, target.buf, count)
        finally:
            PyBuffer_Release(&source)
    finally:
        PyBuffer_Release(&target)


cdef void to_nearest(int kind, const void *x, int wanted, void *out, size_t count) noexcept nogil:
    if kind == FLOAT32 and wanted == INT16:
        wt_float_to_int16(<const float *> x, <int16_t *> out, count)
    elif kind == FLOAT32:
        wt_float_to_int32(<const float *> x, <int32_t *> out, count)
    elif wanted == INT16:
        wt_double_to_int16(<const double *> x, <int16_t *> out, count)
    else:
        wt_double_to_int32(<const double *> x, <int32_t *> out, count)


def round_floats(x, out):
    """Round floats of full scale 1.0 to int16 or int32, to the nearest, halves to even.

    Parameters
    ----------
    x : float32 or float64 array, shape (samples,)
        What is beyond full scale is clamped, NaN becomes 0.
    out : int16 or int32 array, shape (samples,)
        Receives the result.

    Raises
    ------
    ValueError
        *out* has another length, or one of the arrays another type; nothing is written
    """
    cdef Py_buffer source, target
    cdef int kind = acquire(x, &source, FLOAT32 | FLOAT64, 0)
    cdef size_t count = source.len // source.itemsize
    cdef int wanted
    try:
        wanted = acquire(out, &target, INT16 | INT32, PyBUF_WRITABLE)
        try:
            if <size_t> (target.len // target.itemsize) != count:
                raise ValueError(f"out holds {target.len // target.itemsize} samples, x {count}")
            if count > LONG:
                with nogil:
                    to_nearest(kind, source.buf, wanted, target.buf, count)
            else:
                to_nearest(kind, source.buf, wanted, target.buf, count)
        finally:
            PyBuffer_Release(&target)
    finally:
        PyBuffer_Release(&source)


def pack_int24(x):
    """The upper 24 bits of each sample, rounded to the nearest, as little-endian integers of three bytes.

    Parameters
    ----------
    x : int32 array, shape (samples,)

    Returns
    -------
    bytearray
        Three bytes for each sample.

    Raises
    ------
    ValueError
        an array of another type
    """
    cdef Py_buffer source
    acquire(x, &source, INT32, 0)
    cdef size_t count = source.len // 4
    cdef uint8_t *target
    try:
        out = bytearray(3 * count)
        target = <uint8_t *> <char *> out
        if count > LONG:
            with nogil:
                wt_write_24(<const int32_t *> source.buf, target, count)
        else:
            wt_write_24(<const int32_t *> source.buf, target, count)
    finally:
        PyBuffer_Release(&source)
    return out
