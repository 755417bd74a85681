"""Voice activity for other compiled modules.

Thread: one at a time per VoiceActivity.
"""

from libc.stdint cimport uint64_t

from wavtools.ring cimport wt_flag


cdef class VoiceActivity:
    cdef readonly int sample_rate
    # The thresholds above the noise floor and the least level of speech, in dB.
    cdef double on_db, off_db, minimum_db
    # Steps of 10 ms: how many loud ones begin speech, and how many quiet ones end it.
    cdef Py_ssize_t attack, hangover
    # High-pass and low-pass: b0, b1, b2, a1, a2 of each; and their delays.
    cdef double[2][5] filters
    cdef double[4] delays
    # Of the step that is being filled: the sum of squares.
    cdef double sum
    # Frames and whole steps so far.
    cdef uint64_t frames, steps
    # The level of the last whole step, and the noise floor, in dB.
    cdef double level, floor
    # True during speech; frames where it began, and where it was last heard.
    cdef bint speaking
    cdef uint64_t begin, end
    # Loud steps, or during speech quiet ones, without a break.
    cdef Py_ssize_t run
    # Taken by the Python methods while they run.
    cdef wt_flag busy

    # Take mono samples up to the first step that begins or ends speech; return how many were taken. `changed` tells
    # whether there was such a step: then begin or end, by `speaking`, is its frame. Real-time safe.
    cdef Py_ssize_t advance(self, const float *x, Py_ssize_t count, bint *changed) noexcept nogil

    # Of voice_activity.pyx alone.
    cdef int enter(self) except -1
    cdef void restart(self) noexcept nogil
    cdef uint64_t end_of(self, uint64_t step) noexcept nogil
    cdef void filter(self, const float *x, Py_ssize_t count) noexcept nogil
    cdef bint end_step(self) noexcept nogil
    cdef void follow_noise(self) noexcept nogil
    cdef int take(self, const Py_buffer *source, int kind, Py_ssize_t frames, Py_ssize_t channels, list events) except -1
