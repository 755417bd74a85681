"""C-level conversions: no Python, no allocation, usable without the GIL and in audio callbacks.

Thread: any. Memory: `count` values each; input and output must not overlap.
"""

from libc.stdint cimport int16_t, uint8_t

cdef void floats_to_pcm16(const float *x, int16_t *out, size_t count) noexcept nogil
cdef void pcm16_to_floats(const int16_t *x, float *out, size_t count) noexcept nogil
cdef void floats_to_mono(const float *x, float *out, size_t frames, size_t channels) noexcept nogil
