"""The FFT and the analyser for other compiled modules.

Thread: one at a time per object.
"""

from libc.stdint cimport uint64_t

from wavtools._kernels cimport wt_fft


cdef enum:
    MIN_FFT_SIZE = 32
    MAX_FFT_SIZE = 32768

cdef size_t checked_size(size) except 0


cdef class RealFFT:
    cdef readonly object samples
    cdef readonly object bins
    # The memory of samples and of bins.
    cdef Py_buffer source
    cdef Py_buffer target
    # Shared by all objects of this size.
    cdef const wt_fft *plan
    cdef float *work


cdef class Analyser:
    cdef readonly int fft_size
    cdef readonly double smoothing
    # Shared by all objects of this size.
    cdef const wt_fft *plan
    # Ring of the last fft_size samples, the window, and the samples in order.
    cdef float *recent
    cdef float *window
    cdef float *frame
    # Work space of the FFT.
    cdef float *work
    # fft_size / 2 + 1 bins.
    cdef float *re
    cdef float *im
    # Smoothed magnitudes, fft_size / 2.
    cdef float *state
    # One allocation for all of these.
    cdef float *memory
    # Samples since the start.
    cdef uint64_t pushed
    # Render quanta when the state last advanced.
    cdef uint64_t seen

    # Append mono samples. Real-time safe.
    cdef void push_samples(self, const float *x, size_t count) noexcept nogil
    # Add a spectrum of the newest samples to the smoothed state. Real-time safe.
    cdef void advance(self) noexcept nogil
