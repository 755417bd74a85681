# cython: freethreading_compatible=True
# (safe without a GIL: an atomic flag for each end turns a second thread away, positions are atomics with the orders of
# spsc.h, everything else is fixed at construction; the module has no state)
"""RingBuffer: the lock-free ring between two threads, as Python sees it.

One producer thread writes, one consumer thread reads; neither ever waits. The index arithmetic and its memory orders
are in _native/spsc.h, which other extensions may use directly.

Thread: one thread per end at a time; using one end from two threads at once raises ConcurrencyError.
"""

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS,
    PyBUF_FORMAT,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_CheckBuffer,
    PyObject_GetBuffer,
)
from libc.stdlib cimport calloc, free

import numpy as np

from wavtools.errors import ConcurrencyError

__all__ = ["RingBuffer"]


cdef class RingBuffer:
    """Fixed-size ring of frames for one producer and one consumer thread.

    A full ring refuses frames, it never overwrites; an empty ring gives none. Every frame written is read exactly
    once, in order.

    Parameters
    ----------
    capacity_frames : int, 1 or more
        Frames the ring can hold; all of them are usable, and any number will do.
    channels : int, 1..64
    dtype : "float32" or "int16"

    Raises
    ------
    ValueError   capacity, channels or dtype out of range

    Thread: construct anywhere; then one thread writes and one reads. Allocates: only here.
    """

    def __cinit__(self, capacity_frames, channels=1, dtype="float32"):
        name = np.dtype(dtype).name
        if name not in ("float32", "int16"):
            raise ValueError(f"dtype is {name}; a ring holds float32 or int16")
        if not 1 <= channels <= 64:
            raise ValueError(f"channels is {channels}; a ring holds 1 to 64")
        sample_bytes = 4 if name == "float32" else 2
        if not 1 <= capacity_frames <= (1 << 40) // (sample_bytes * channels):
            raise ValueError(f"capacity_frames is {capacity_frames}; it must be at least 1 and fit in memory")
        self.capacity_frames = int(capacity_frames)
        self.channels = channels
        self.dtype = name
        self.data = calloc(self.capacity_frames, sample_bytes * channels)
        self.ring = <wt_ring *> calloc(1, sizeof(wt_ring))
        if self.data == NULL or self.ring == NULL:
            raise MemoryError(f"no memory for a ring of {capacity_frames} frames")
        wt_ring_init(self.ring, self.data, self.capacity_frames, 0, sample_bytes * channels)
        wt_flag_init(&self.writing)
        wt_flag_init(&self.reading)

    def __dealloc__(self):
        free(self.ring)
        free(self.data)

    def __repr__(self):
        return (
            f"RingBuffer(capacity_frames={self.capacity_frames}, channels={self.channels}, dtype='{self.dtype}')"
            f" with {self.readable} readable frames"
        )

    @property
    def readable(self):
        """Frames that can be read now. Seen from the consumer it only grows until its next read."""
        return wt_ring_readable(self.ring)

    @property
    def writable(self):
        """Frames that can be written now. Seen from the producer it only grows until its next write."""
        return wt_ring_writable(self.ring)

    cdef int _samples(self, Py_buffer *view, object x, int flags, str name) except -1:
        """Open a buffer of whole frames of this ring's type; the caller releases it."""
        if not PyObject_CheckBuffer(x):
            raise TypeError(f"{name} must be an array or buffer of {self.dtype}, not {type(x).__name__}")
        try:
            PyObject_GetBuffer(x, view, flags | PyBUF_C_CONTIGUOUS | PyBUF_FORMAT)
        except (BufferError, ValueError) as error:
            raise TypeError(f"{name} is not usable ({error}); pass a C-contiguous array") from None
        fmt = (<bytes> view.format).decode() if view.format != NULL else "B"
        fmt = fmt.lstrip("@=<")
        wanted = "f" if self.dtype == "float32" else "h"
        # Plain bytes count as int16, as everywhere in wavtools.
        if fmt != wanted and not (wanted == "h" and fmt in "Bbc"):
            PyBuffer_Release(view)
            raise TypeError(f"{name} holds items of format {fmt!r}, this ring holds {self.dtype}")
        frame_bytes = (4 if wanted == "f" else 2) * self.channels
        if view.len % frame_bytes:
            length = view.len
            PyBuffer_Release(view)
            raise ValueError(f"{name} holds {length} bytes, not a whole number of {frame_bytes}-byte frames")
        if view.ndim == 2 and view.shape[1] != self.channels:
            columns = view.shape[1]
            PyBuffer_Release(view)
            raise ValueError(f"{name} has {columns} channels, the ring has {self.channels}")
        return 0

    def write(self, x):
        """Append frames; what does not fit is not taken.

        Parameters
        ----------
        x : buffer of the ring's dtype, shape (frames,) for one channel, (frames, channels), or interleaved samples
            C-contiguous. ``bytes`` are taken as int16.

        Returns
        -------
        int : frames taken, 0 when the ring is full.

        Raises
        ------
        TypeError, ValueError   wrong item type, not contiguous, or not whole frames; nothing is written
        ConcurrencyError        another thread is writing at this moment

        Thread: producer. Allocates: no.
        """
        cdef Py_buffer view
        cdef uint64_t taken
        if wt_flag_take(&self.writing):
            raise ConcurrencyError("write() is already running in another thread; a ring has one producer")
        try:
            self._samples(&view, x, 0, "x")
            taken = wt_ring_write(self.ring, view.buf, view.len // self._frame_bytes())
            PyBuffer_Release(&view)
            return taken
        finally:
            wt_flag_drop(&self.writing)

    def read(self, n=None, out=None):
        """Take frames off the ring: up to *n* into a new array, or as many as fit into *out*.

        Parameters
        ----------
        n : int, optional
            Most frames to take; all that are readable when neither *n* nor *out* is given.
        out : writable buffer of the ring's dtype, whole frames, C-contiguous
            Filled from its start; the rest stays as it was.

        Returns
        -------
        array of the ring's dtype, shape (frames,) for one channel, else (frames, channels); with *out*, the number
        of frames written to it.

        Raises
        ------
        TypeError, ValueError   both or wrong arguments; nothing is read
        ConcurrencyError        another thread is reading at this moment

        Thread: consumer. Allocates: only without *out*.
        """
        cdef Py_buffer view
        cdef uint64_t taken
        if n is not None and out is not None:
            raise TypeError("give n or out, not both")
        if wt_flag_take(&self.reading):
            raise ConcurrencyError("read() is already running in another thread; a ring has one consumer")
        try:
            if out is not None:
                self._samples(&view, out, PyBUF_WRITABLE, "out")
                taken = wt_ring_read(self.ring, view.buf, view.len // self._frame_bytes())
                PyBuffer_Release(&view)
                return taken
            readable = self.readable
            if n is None:
                n = readable
            elif n < 0:
                raise ValueError(f"n is {n}; it must be 0 or more")
            count = min(n, readable)
            result = np.empty(count if self.channels == 1 else (count, self.channels), self.dtype)
            self._samples(&view, result, PyBUF_WRITABLE, "out")
            wt_ring_read(self.ring, view.buf, count)
            PyBuffer_Release(&view)
            return result
        finally:
            wt_flag_drop(&self.reading)

    def clear(self):
        """Drop all readable frames and return how many. Thread: consumer."""
        if wt_flag_take(&self.reading):
            raise ConcurrencyError("read() is running in another thread; a ring has one consumer")
        try:
            return wt_ring_clear(self.ring)
        finally:
            wt_flag_drop(&self.reading)

    def _frame_bytes(self):
        return (4 if self.dtype == "float32" else 2) * self.channels
