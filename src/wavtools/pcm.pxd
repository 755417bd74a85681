"""The conversions for other compiled modules: no Python, no allocation, usable without the GIL and in audio callbacks.

Input and output hold `count` values each (`frames * channels` and `frames` for the mix to mono) and must not overlap.

Thread: any.
"""

from libc.stdint cimport int16_t, uint8_t

cdef void floats_to_pcm16(const float *x, int16_t *out, size_t count) noexcept nogil
cdef void pcm16_to_floats(const int16_t *x, float *out, size_t count) noexcept nogil
cdef void floats_to_mono(const float *x, float *out, size_t frames, size_t channels) noexcept nogil
