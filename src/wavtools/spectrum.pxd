"""The analyser for other compiled modules."""

from libc.stdint cimport uint64_t


cdef class Analyser:
    cdef readonly int fft_size
    cdef readonly double smoothing
    cdef float *recent          # ring of the last fft_size samples
    cdef float *window
    cdef double *cosines        # fft_size / 2 twiddles, then as many sines
    cdef double *work           # 2 * fft_size
    cdef float *state           # smoothed magnitudes, fft_size / 2
    cdef uint64_t pushed        # samples since the start
    cdef uint64_t seen          # quanta when the state last advanced

    cdef void push_samples(self, const float *x, size_t count) noexcept nogil
    cdef void advance(self) noexcept nogil
