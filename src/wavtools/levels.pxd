"""Levels for other compiled modules.

Thread: any for the functions; one at a time per Meter.
"""

from libc.stdint cimport int16_t

from wavtools.ring cimport wt_flag

# The mean of the squares on the scale of +-1, 0 for no samples; and in decibels: 10 log10(power), -inf for 0.
cdef double power_of_pcm16(const int16_t *x, size_t count) noexcept nogil
cdef double power_of_floats(const float *x, size_t count) noexcept nogil
cdef double power_db(double power) noexcept nogil


cdef class Meter:
    cdef readonly int sample_rate
    cdef readonly int channels
    # Samples of a block, of all channels; those of the block that is being filled.
    cdef Py_ssize_t block
    cdef float *pending
    cdef Py_ssize_t filled
    # The part of the difference by which the power approaches that of a block.
    cdef double rise, fall
    # What remains of the peak after a block, and blocks that it is held.
    cdef double peak_fall
    cdef long long hold_blocks, held_blocks
    # The state: mean square, and held peak.
    cdef double power, peak
    # Taken by the Python methods while they run.
    cdef wt_flag busy

    # Take samples, interleaved where there are several channels. Real-time safe.
    cdef void push_floats(self, const float *x, Py_ssize_t count) noexcept nogil
    cdef void push_pcm16(self, const int16_t *x, Py_ssize_t count) noexcept nogil
    # Of levels.pyx alone.
    cdef int enter(self) except -1
    cdef void push_any(self, const void *x, int kind, Py_ssize_t count) noexcept nogil
    cdef void take_block(self, const float *x) noexcept nogil
