"""The C kernels, for the extensions compiled with kernels_*.c. Private: others cimport pcm, resample, spectrum.

Thread: any.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int16_t, uint8_t, uint32_t, uint64_t


cdef extern from "fft.h" nogil:
    ctypedef struct wt_fft:
        pass
    const wt_fft *wt_fft_plan(uint32_t size)
    enum:
        WT_FFT_PAD
    size_t WT_FFT_WORK(size_t size)


cdef extern from "kernels.h" nogil:
    ctypedef struct wt_kernels:
        const char *name
        void (*floats_to_pcm16)(const float *x, int16_t *out, size_t count) noexcept nogil
        void (*pcm16_to_floats)(const int16_t *x, float *out, size_t count) noexcept nogil
        void (*round_to_pcm16)(const float *x, int16_t *out, size_t count, size_t stride) noexcept nogil
        void (*floats_to_mono)(const float *x, float *out, size_t frames, size_t channels) noexcept nogil
        void (*ulaw_to_pcm16)(const uint8_t *x, int16_t *out, size_t count) noexcept nogil
        void (*alaw_to_pcm16)(const uint8_t *x, int16_t *out, size_t count) noexcept nogil
        void (*real_fft)(
            const wt_fft *plan, const float *x, const float *window, float *work, float *re, float *im
        ) noexcept nogil
        void (*smooth)(
            const float *re, const float *im, float *state, size_t count, float keep, float gain
        ) noexcept nogil
        void (*decibels)(const float *x, float *out, size_t count) noexcept nogil
        float (*loudest)(const float *x, size_t count) noexcept nogil
        void (*measure_pcm16)(const int16_t *x, size_t count, uint64_t *sum, uint32_t *peak) noexcept nogil
        void (*measure_floats)(const float *x, size_t count, double *sum, float *peak) noexcept nogil
    const wt_kernels *wt_kernels_select()
    const wt_kernels *wt_kernels_available(unsigned index)


cdef inline const wt_kernels *selected_kernels() except NULL:
    """The kernel set of this process. Raises ImportError if WAVTOOLS_KERNELS names one that this machine lacks."""
    cdef const wt_kernels *kernels = wt_kernels_select()
    cdef unsigned index = 0
    if kernels == NULL:
        names = []
        while wt_kernels_available(index) != NULL:
            names.append(wt_kernels_available(index).name.decode())
            index += 1
        raise ImportError(f"WAVTOOLS_KERNELS names no kernel set of this machine; it has {', '.join(names)}")
    return kernels
