"""The compiled modules' one rule for samples that come through the buffer protocol: int16, float32, or bytes.

Inlined into pcm, resample, ring and spectrum, so that they accept the same buffers and refuse others with the same
words. The caller must release each Py_buffer that was acquired. A module that cimports this calls cnp.import_array().

Thread: any; needs the GIL.
"""

cimport numpy as cnp
from cpython.buffer cimport (
    PyBUF_FORMAT,
    PyBUF_STRIDES,
    PyBUF_WRITABLE,
    PyBuffer_FillInfo,
    PyBuffer_IsContiguous,
    PyBuffer_Release,
    PyObject_CheckBuffer,
    PyObject_GetBuffer,
)

cdef enum:
    INT16 = 1
    FLOAT32 = 2
    UINT8 = 4


cdef inline int sample_kind(const Py_buffer *view) noexcept:
    """INT16, FLOAT32, UINT8 or 0. Raw bytes count as UINT8; the byte order of the format must be little or native."""
    cdef const char *form = view.format
    if form == NULL:
        return UINT8
    if form[0] in (b"<", b"=", b"@", b"|"):
        form += 1
    if form[0] == 0 or form[1] != 0:
        return 0
    if form[0] == b"h" and view.itemsize == 2:
        return INT16
    if form[0] == b"f" and view.itemsize == 4:
        return FLOAT32
    if form[0] in (b"B", b"b", b"c"):
        return UINT8
    return 0


cdef inline str kind_name(int kind):
    return "int16" if kind == INT16 else "float32" if kind == FLOAT32 else "uint8"


cdef inline int refuse_kind(str name, object given, int allowed) except -1:
    """Raise the TypeError for samples of the wrong dtype. It names the converter if there is one."""
    what = f"{given.dtype} array" if hasattr(given, "dtype") else type(given).__name__
    names = [kind_name(kind) for kind in (INT16, FLOAT32, UINT8) if kind & allowed]
    wanted = " or ".join(names)
    from wavtools._sample_advice import converter

    raise TypeError(f"{name} must be a buffer of {wanted} samples, not {what}; {converter(given, name, wanted)}") from None


cdef inline int acquire_plain(object given, Py_buffer *view, int flags) except -1:
    """Acquire *given* and return its kind if it is a plain array of such samples; else return 0.

    Plain: exactly an ndarray, C-contiguous, aligned and in native byte order. NumPy's own export makes a format string
    first, which takes as long as converting 10 ms of audio.
    """
    if not cnp.PyArray_CheckExact(given):
        return 0
    cdef cnp.ndarray array = <cnp.ndarray> given
    cdef int dtype = cnp.PyArray_TYPE(array)
    cdef int kind = 0
    if dtype == cnp.NPY_INT16:
        kind = INT16
    elif dtype == cnp.NPY_FLOAT32:
        kind = FLOAT32
    elif dtype == cnp.NPY_UINT8:
        kind = UINT8
    if not (cnp.PyArray_ISCARRAY(array) if flags & PyBUF_WRITABLE else cnp.PyArray_ISCARRAY_RO(array)):
        kind = 0
    if not kind:
        return 0
    PyBuffer_FillInfo(view, given, cnp.PyArray_DATA(array), cnp.PyArray_NBYTES(array), not flags & PyBUF_WRITABLE, flags)
    view.itemsize = cnp.PyArray_ITEMSIZE(array)
    view.ndim = cnp.PyArray_NDIM(array)
    view.shape = <Py_ssize_t *> cnp.PyArray_DIMS(array)
    view.strides = <Py_ssize_t *> cnp.PyArray_STRIDES(array)
    return kind


cdef inline int acquire_any(str name, object given, Py_buffer *view, int allowed, int flags) except -1:
    """Acquire *given* in any layout and return its kind, one of *allowed*. *flags*: PyBUF_WRITABLE, or 0 to read.

    Where int16 is allowed and uint8 is not, raw bytes are taken as little-endian int16: the caller then finds
    ``view.itemsize == 1`` and must count ``view.len // 2`` samples.
    """
    cdef int kind = acquire_plain(given, view, flags)
    if kind & allowed:
        return kind
    if kind:
        PyBuffer_Release(view)
    try:
        PyObject_GetBuffer(given, view, PyBUF_FORMAT | PyBUF_STRIDES | flags)
    except (TypeError, BufferError, ValueError):
        if flags & PyBUF_WRITABLE and PyObject_CheckBuffer(given):
            raise TypeError(f"{name} is read-only; pass memory that can be written") from None
        refuse_kind(name, given, allowed)
    kind = sample_kind(view)
    if kind == UINT8 and not allowed & UINT8 and allowed & INT16:
        kind = INT16
        if view.len % 2:
            length = view.len
            PyBuffer_Release(view)
            raise ValueError(f"{name} holds {length} bytes, an odd number; int16 samples have two bytes each")
    if not kind & allowed:
        PyBuffer_Release(view)
        refuse_kind(name, given, allowed)
    return kind


cdef inline int acquire(str name, object given, Py_buffer *view, int allowed) except -1:
    """Acquire read access to *given* as C-contiguous memory, copied if it is strided; return its kind, as acquire_any."""
    cdef int kind = acquire_any(name, given, view, allowed, 0)
    if not PyBuffer_IsContiguous(view, b"C"):
        PyBuffer_Release(view)
        import numpy
        PyObject_GetBuffer(numpy.ascontiguousarray(given), view, PyBUF_FORMAT | PyBUF_STRIDES)
    return kind


cdef inline int acquire_contiguous(str name, object given, Py_buffer *view, int allowed, int flags) except -1:
    """As acquire_any, but refuse strided memory: for callers that must not copy."""
    cdef int kind = acquire_any(name, given, view, allowed, flags)
    if not PyBuffer_IsContiguous(view, b"C"):
        PyBuffer_Release(view)
        raise TypeError(f"{name} is not C-contiguous; pass numpy.ascontiguousarray({name})")
    return kind


cdef inline cnp.ndarray new_array(int ndim, const Py_ssize_t *shape, int dtype):
    """Make an uninitialised C-contiguous array, whose memory is ``cnp.PyArray_DATA`` of it.

    Through NumPy's C interface: for a chunk of 10 ms, ``numpy.empty`` takes as long as a conversion.
    """
    return cnp.PyArray_EMPTY(ndim, <cnp.npy_intp *> shape, dtype, 0)


cdef inline int acquire_new(object array, Py_buffer *view) except -1:
    """Acquire write access to an array that the caller has just made, whose shape and dtype are known."""
    return PyObject_GetBuffer(array, view, PyBUF_WRITABLE)


cdef inline int acquire_out(
    object given, Py_buffer *view, int kind, Py_ssize_t count, const Py_buffer *source
) except -1:
    """Acquire write access to a caller's ``out``: exactly *count* samples of *kind*, apart from *source*'s memory."""
    cdef int found
    try:
        found = acquire_plain(given, view, PyBUF_WRITABLE)
        if not found:
            PyObject_GetBuffer(given, view, PyBUF_FORMAT | PyBUF_STRIDES | PyBUF_WRITABLE)
            found = sample_kind(view)
    except (TypeError, BufferError, ValueError):
        raise TypeError(f"out must be a writable buffer of {kind_name(kind)}, not {type(given).__name__}") from None
    try:
        if found != kind:
            dtype = getattr(given, "dtype", type(given).__name__)
            raise TypeError(f"out must be a writable buffer of {kind_name(kind)}, not {dtype}")
        if not PyBuffer_IsContiguous(view, b"C"):
            raise ValueError("out is not C-contiguous")
        if view.len != count * view.itemsize:
            raise ValueError(f"out holds {view.len // view.itemsize} samples, expected {count}")
        if (
            source != NULL
            and view.len
            and source.len
            and <char *> view.buf < <char *> source.buf + source.len
            and <char *> source.buf < <char *> view.buf + view.len
        ):
            raise ValueError("out overlaps the input's memory; pass separate memory")
    except BaseException:
        PyBuffer_Release(view)
        raise
    return 0
