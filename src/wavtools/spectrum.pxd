"""The FFT and the analyser for other compiled modules."""

from libc.stdint cimport uint64_t

from wavtools._kernels cimport wt_fft


cdef class RealFFT:
    cdef readonly object samples
    cdef readonly object bins
    cdef Py_buffer source       # the memory of samples
    cdef Py_buffer target       # the memory of bins
    cdef const wt_fft *plan     # shared by all of its size
    cdef float *work


cdef class Analyser:
    cdef readonly int fft_size
    cdef readonly double smoothing
    cdef const wt_fft *plan     # shared by all of its size
    cdef float *recent          # ring of the last fft_size samples
    cdef float *window
    cdef float *frame           # the samples in order
    cdef float *work            # of the FFT
    cdef float *re              # fft_size / 2 + 1 bins
    cdef float *im
    cdef float *state           # smoothed magnitudes, fft_size / 2
    cdef float *memory          # all of these
    cdef uint64_t pushed        # samples since the start
    cdef uint64_t seen          # quanta when the state last advanced

    # Append mono samples. Real-time safe.
    cdef void push_samples(self, const float *x, size_t count) noexcept nogil
    # Take a spectrum of the newest samples into the state. Real-time safe.
    cdef void advance(self) noexcept nogil
