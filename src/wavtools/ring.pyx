# cython: freethreading_compatible=True
# (safe without a GIL: an atomic flag for each end refuses a second thread, positions are atomics with the orders of
# spsc.h, everything else is fixed at construction; the module has no state)
"""RingBuffer: the Python interface of the lock-free ring between two threads.

One producer thread writes, one consumer thread reads; neither ever waits. The index arithmetic and its memory orders
are in _native/spsc.h, which other extensions may use directly.

Thread: one thread per end at a time; using one end from two threads at once raises ConcurrencyError.
"""

from libc.stdlib cimport calloc, free

import numpy as np

cimport numpy as cnp
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release

from wavtools._buffers cimport FLOAT32, INT16, acquire_contiguous, new_array

from wavtools._arguments import integer
from wavtools.errors import ConcurrencyError

__all__ = ["RingBuffer"]

cnp.import_array()


cdef class RingBuffer:
    """Fixed-size ring of frames for one producer and one consumer thread.

    A full ring refuses frames, it never overwrites; an empty ring gives none. Every frame written is read exactly
    once, in order.

    Thread: construct anywhere; then one thread writes and one reads. Only the constructor allocates.

    Parameters
    ----------
    capacity_frames : int
        Frames the ring can hold, 1 or more, any number; all of them are usable.
    channels : int
        1 to 64, interleaved.
    dtype : {"float32", "int16"}
        Of the samples.

    Attributes
    ----------
    capacity_frames : int
    channels : int
    dtype : str

    Raises
    ------
    TypeError
        *capacity_frames* or *channels* is no integer
    ValueError
        *capacity_frames*, *channels* or *dtype* is out of range
    MemoryError
        there is no memory for the ring
    """

    def __cinit__(self, capacity_frames, channels=1, dtype="float32"):
        name = np.dtype(dtype).name
        if name not in ("float32", "int16"):
            raise ValueError(f"dtype is {name}; a ring holds float32 or int16")
        channels = integer(channels, "channels", 1, 64, "a ring holds 1 to 64")
        frame_bytes = (4 if name == "float32" else 2) * channels
        most = (1 << 40) // frame_bytes
        capacity_frames = integer(
            capacity_frames, "capacity_frames", 1, most, "it must be at least 1 and fit in memory"
        )
        self.capacity_frames = capacity_frames
        self.channels = channels
        self.dtype = name
        self.kind = FLOAT32 if name == "float32" else INT16
        self.frame_bytes = frame_bytes
        self.data = calloc(self.capacity_frames, frame_bytes)
        self.ring = <wt_ring *> calloc(1, sizeof(wt_ring))
        if self.data == NULL or self.ring == NULL:
            raise MemoryError(f"no memory for a ring of {capacity_frames} frames")
        wt_ring_init(self.ring, self.data, self.capacity_frames, 0, frame_bytes)
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
        """Frames that can be read now. For the consumer it only grows until its next read."""
        return wt_ring_readable(self.ring)

    @property
    def writable(self):
        """Frames that can be written now. For the producer it only grows until its next write."""
        return wt_ring_writable(self.ring)

    cdef int _frames(self, Py_buffer *view, object x, int flags, str name) except -1:
        """Acquire a buffer of whole frames of this ring's type; the caller releases it."""
        acquire_contiguous(name, x, view, self.kind, flags)
        if view.len % self.frame_bytes:
            length = view.len
            PyBuffer_Release(view)
            raise ValueError(f"{name} holds {length} bytes, not a whole number of {self.frame_bytes}-byte frames")
        if view.ndim == 2 and view.shape[1] != self.channels:
            columns = view.shape[1]
            PyBuffer_Release(view)
            raise ValueError(f"{name} has {columns} channels, the ring has {self.channels}")
        return 0

    def write(self, x):
        """Append frames, as many as fit.

        Thread: producer. Allocates nothing.

        Parameters
        ----------
        x : buffer
            Of the ring's dtype, C-contiguous, shape (frames,) for one channel, (frames, channels), or interleaved
            samples. ``bytes`` are taken as little-endian int16.

        Returns
        -------
        int
            Frames taken, 0 if the ring is full.

        Raises
        ------
        TypeError, ValueError
            *x* has another sample type, is not contiguous, or does not hold whole frames; nothing is written
        ConcurrencyError
            another thread is writing at this moment
        """
        cdef Py_buffer view
        cdef uint64_t taken
        if wt_flag_take(&self.writing):
            raise ConcurrencyError("write() is already running in another thread; a ring has one producer")
        try:
            self._frames(&view, x, 0, "x")
            taken = wt_ring_write(self.ring, view.buf, view.len // self.frame_bytes)
            PyBuffer_Release(&view)
            return taken
        finally:
            wt_flag_drop(&self.writing)

    def read(self, n=None, out=None):
        """Take frames off the ring: up to *n* into a new array, or as many as fit into *out*.

        Thread: consumer. Allocates nothing with *out*.

        Parameters
        ----------
        n : int, optional
            Most frames to take; all that are readable if neither *n* nor *out* is given.
        out : writable buffer, optional
            Of the ring's dtype, C-contiguous, whole frames. Filled from its start; the rest stays as it was.

        Returns
        -------
        numpy.ndarray or int
            The frames, of the ring's dtype, shape (frames,) for one channel, else (frames, channels); with *out*, the
            number of frames written to it.

        Raises
        ------
        TypeError, ValueError
            both arguments, or a wrong one; nothing is read
        ConcurrencyError
            another thread is reading at this moment
        """
        cdef Py_buffer view
        cdef uint64_t taken
        cdef Py_ssize_t[2] shape
        cdef cnp.ndarray result
        if n is not None and out is not None:
            raise TypeError("give n or out, not both")
        if wt_flag_take(&self.reading):
            raise ConcurrencyError("read() is already running in another thread; a ring has one consumer")
        try:
            if out is not None:
                self._frames(&view, out, PyBUF_WRITABLE, "out")
                taken = wt_ring_read(self.ring, view.buf, view.len // self.frame_bytes)
                PyBuffer_Release(&view)
                return taken
            shape[0] = wt_ring_readable(self.ring)
            shape[1] = self.channels
            if n is not None:
                if n < 0:
                    raise ValueError(f"n is {n}; it must be 0 or more")
                shape[0] = min(n, shape[0])
            result = new_array(
                1 if self.channels == 1 else 2, shape, cnp.NPY_FLOAT32 if self.kind == FLOAT32 else cnp.NPY_INT16
            )
            wt_ring_read(self.ring, cnp.PyArray_DATA(result), shape[0])
            return result
        finally:
            wt_flag_drop(&self.reading)

    def clear(self):
        """Drop all readable frames and return how many. Thread: consumer. Raises ConcurrencyError as ``read``."""
        if wt_flag_take(&self.reading):
            raise ConcurrencyError("read() is running in another thread; a ring has one consumer")
        try:
            return wt_ring_clear(self.ring)
        finally:
            wt_flag_drop(&self.reading)
