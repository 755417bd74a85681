"""The streaming resampler for other compiled modules. The filter banks themselves are C: see _native/polyphase.h."""

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
    cdef Py_ssize_t reach       # input frames that one output frame looks at
    cdef Py_ssize_t behind      # of these, how many come before the one at or before the output's time
    cdef float *history         # channels rows of `row` values: what later output frames still need
    cdef float *scratch         # one channel of output
    cdef Py_ssize_t row
    cdef Py_ssize_t held        # frames in history
    cdef uint32_t phase         # numerator of the next output frame's time, in units of 1 / up input frames
    cdef int kind               # INT16 or FLOAT32 once the signal has begun, else 0
    cdef uint64_t taken         # input frames since the signal began
    cdef uint64_t given         # output frames since then
    cdef wt_flag busy           # taken by the Python methods while they run

    # Without Python, for compiled callers: begin_floats or begin_pcm16 once, then convert chunk after chunk. An output
    # buffer must hold writable(count) frames. Real-time safe; one thread at a time.
    cdef int enter(self) except -1
    cdef void restart(self) noexcept nogil
    cdef void begin_floats(self) noexcept nogil
    cdef void begin_pcm16(self) noexcept nogil
    cdef Py_ssize_t writable(self, Py_ssize_t frames) noexcept nogil
    cdef Py_ssize_t convert(self, const void *frames, Py_ssize_t count, void *out) noexcept nogil
    cdef void convert_whole(self, int kind, const void *frames, Py_ssize_t count, void *out) noexcept nogil
    cdef Py_ssize_t frames_of(self, const Py_buffer *source, int kind) except -1
    cdef object new_array(self, int kind, Py_ssize_t frames)
