"""The loudness meter for other compiled modules.

Thread: one at a time per LoudnessMeter.
"""

from libc.stdint cimport uint64_t

from wavtools.resample cimport Resampler
from wavtools.ring cimport wt_flag


# Two filters of second order: b0, b1, b2, a1, a2 of each.
cdef struct k_filter:
    double shelf[5]
    double highpass[5]


cdef class LoudnessMeter:
    cdef readonly int sample_rate
    cdef readonly int channels
    cdef k_filter weighting
    # For each channel: its weight, the filters' four delays, and the sum of squares since the last step.
    cdef double gains[8]
    cdef double delays[8][4]
    cdef double sums[8]
    # The weighted sum of squares of each step of 100 ms.
    cdef double *steps
    cdef Py_ssize_t count
    cdef Py_ssize_t room
    # Frames so far.
    cdef uint64_t frames
    # Four times the rate; None without true peaks.
    cdef Resampler oversampler
    cdef float *oversampled
    cdef double peak
    # Taken by the Python methods while they run.
    cdef wt_flag busy

    # Take interleaved frames; false, and nothing is taken, if memory is short. May allocate 8 bytes a step of 100 ms.
    cdef bint push_floats(self, const float *x, Py_ssize_t frames) noexcept nogil

    # Of loudness.pyx alone.
    cdef int enter(self) except -1
    cdef uint64_t end_of(self, Py_ssize_t step) noexcept nogil
    cdef bint reserve(self, Py_ssize_t frames) noexcept nogil
    cdef void take(self, const float *x, Py_ssize_t frames) noexcept nogil
    cdef void take_peak(self, const float *x, Py_ssize_t frames) noexcept nogil
    cdef void end_step(self) noexcept nogil
    cdef void push_silence(self, Py_ssize_t frames) noexcept nogil
    cdef bint push_any(self, const void *x, int kind, Py_ssize_t frames) noexcept nogil
    cdef double power(self, Py_ssize_t first, Py_ssize_t last) noexcept nogil
    cdef double gated(self) noexcept nogil
    cdef double spread(self, double *powers) noexcept nogil
