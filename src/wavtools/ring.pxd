"""The ring for other compiled modules: the C ring of _native/spsc.h, and RingBuffer.

`from wavtools.ring cimport wt_ring, wt_ring_write`; the header is in wavtools.get_include(). The struct is opaque, so
that Cython code reads positions only through functions that choose a memory order.

Thread: one thread per end.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint64_t


cdef extern from "spsc.h" nogil:
    ctypedef struct wt_ring:
        pass
    void wt_ring_init(wt_ring *ring, void *data, uint64_t capacity, uint64_t keep, size_t frame_bytes)
    uint64_t wt_ring_writable(wt_ring *ring)
    uint64_t wt_ring_readable(wt_ring *ring)
    uint64_t wt_ring_write(wt_ring *ring, const void *frames, uint64_t count)
    uint64_t wt_ring_read(wt_ring *ring, void *frames, uint64_t count)
    uint64_t wt_ring_clear(wt_ring *ring)
    uint64_t wt_ring_write_pos(wt_ring *ring)
    uint64_t wt_ring_read_pos(wt_ring *ring)
    void wt_ring_copy_out(const wt_ring *ring, uint64_t pos, void *out, uint64_t count)

    ctypedef struct wt_flag:
        pass
    void wt_flag_init(wt_flag *flag)
    bint wt_flag_take(wt_flag *flag)
    void wt_flag_drop(wt_flag *flag)


cdef class RingBuffer:
    cdef wt_ring *ring
    # Memory of the ring.
    cdef void *data
    # INT16 or FLOAT32.
    cdef int kind
    cdef Py_ssize_t frame_bytes
    # Taken by the Python methods while they use an end.
    cdef wt_flag writing
    cdef wt_flag reading
    cdef readonly object capacity_frames
    cdef readonly int channels
    cdef readonly str dtype
    cdef int _frames(self, Py_buffer *view, object x, int flags, str name) except -1
