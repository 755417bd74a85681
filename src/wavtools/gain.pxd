"""The gain with its limiter for other compiled modules.

Thread: one at a time per Gain.
"""

from libc.stdint cimport int16_t, int64_t, uint64_t

from wavtools.ring cimport wt_flag


# The look-ahead limiter's state; a gain factor of 1 is the integer ONE in gain.pyx.
cdef struct limiter:
    # Frames of delay.
    Py_ssize_t delay
    # The limit of a magnitude.
    double ceiling
    # By which part of the difference the factor returns to 1 in one frame; where it is.
    double release
    double released
    # The last `delay + 1` frames: samples after the gain, and factors after the release; the sum of the latter.
    double *samples
    int64_t *factors
    int64_t sum
    # Ascending candidates for the least factor of the last `delay + 1` frames: a ring of factors and of their frames.
    int64_t *least
    uint64_t *least_frame
    Py_ssize_t first
    Py_ssize_t candidates
    # Frames so far, and this frame's place in the rings.
    uint64_t frame
    Py_ssize_t place


cdef class Gain:
    cdef readonly int sample_rate
    cdef readonly int channels
    cdef readonly bint limits
    cdef double decibels
    # The gain goes from `start` to `target` in `ramp` frames, of which `ramped` are done.
    cdef double start, target
    cdef Py_ssize_t ramp, ramped
    cdef limiter state
    # INT16 or FLOAT32 once the signal has begun, else 0.
    cdef int kind
    # Taken by the Python methods while they run.
    cdef wt_flag busy

    # As many frames out as in, interleaved; x and out may be the same memory. Real-time safe.
    cdef void run_pcm16(self, const int16_t *x, int16_t *out, Py_ssize_t frames) noexcept nogil
    cdef void run_floats(self, const float *x, float *out, Py_ssize_t frames) noexcept nogil

    # Of gain.pyx alone.
    cdef double next_gain(self) noexcept nogil
    cdef int enter(self) except -1
    cdef void restart(self) noexcept nogil
    cdef Py_ssize_t frames_of(self, const Py_buffer *source, int kind) except -1
    cdef void run(self, int kind, const void *x, void *out, Py_ssize_t frames) noexcept nogil
