"""The streaming resampler for other compiled modules. Its filter banks are in C: _native/polyphase.h.

Thread: one at a time per Resampler.
"""

from libc.stdint cimport uint32_t, uint64_t

from wavtools._polyphase cimport wt_bank
from wavtools.ring cimport wt_flag


cdef class Resampler:
    cdef wt_bank *bank
    cdef readonly int in_rate
    cdef readonly int out_rate
    cdef readonly int channels
    cdef readonly str quality
    cdef uint64_t up, down
    # Input frames that one output frame depends on, and how many of these precede its own time.
    cdef Py_ssize_t reach
    cdef Py_ssize_t behind
    # What later output frames still need: for each channel a line of `row` values, `held` of them in use.
    cdef float *history
    cdef Py_ssize_t row
    cdef Py_ssize_t held
    # One channel of output.
    cdef float *scratch
    # Numerator of the next output frame's time, in units of 1 / up input frames.
    cdef uint32_t phase
    # INT16 or FLOAT32 once the signal has begun, else 0.
    cdef int kind
    # Input and output frames since the signal began.
    cdef uint64_t taken
    cdef uint64_t given
    # Taken by the Python methods while they run.
    cdef wt_flag busy

    # Without Python, for compiled callers: begin_floats or begin_pcm16 once, then convert chunk after chunk. An output
    # buffer must hold writable(count) frames. Real-time safe; one thread at a time.
    cdef void begin_floats(self) noexcept nogil
    cdef void begin_pcm16(self) noexcept nogil
    cdef Py_ssize_t writable(self, Py_ssize_t frames) noexcept nogil
    cdef Py_ssize_t convert(self, const void *frames, Py_ssize_t count, void *out) noexcept nogil

    # Of resample.pyx alone.
    cdef Py_ssize_t convert_in_place(self, const float *frames, Py_ssize_t count, float *out) noexcept nogil
    cdef int enter(self) except -1
    cdef void restart(self) noexcept nogil
    cdef void append(self, float *line, const void *frames, Py_ssize_t count, Py_ssize_t channel) noexcept nogil
    cdef void filter(
        self, const float *line, Py_ssize_t count, void *out, Py_ssize_t first, Py_ssize_t channel
    ) noexcept nogil
    cdef void convert_whole(self, int kind, const void *frames, Py_ssize_t count, void *out) noexcept nogil
    cdef Py_ssize_t frames_of(self, const Py_buffer *source, int kind) except -1
    cdef object new_output(self, int kind, Py_ssize_t frames)
