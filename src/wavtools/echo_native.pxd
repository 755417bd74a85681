"""The echo canceller for other compiled modules.

Thread: one at a time per NativeEchoCanceller.
"""

from libc.stdint cimport int16_t, int32_t, uint32_t

from wavtools._kernels cimport wt_kernels
from wavtools.ring cimport wt_flag


cdef extern from "echo.h" nogil:
    ctypedef struct wt_echo:
        pass
    wt_echo *wt_echo_new(const wt_kernels *kernels, uint32_t sample_rate, double tail_seconds)
    void wt_echo_free(wt_echo *echo)
    void wt_echo_reset(wt_echo *echo)
    void wt_echo_process(wt_echo *echo, const int16_t *near_in, const int16_t *played, int16_t *out)
    float wt_echo_erle_db(const wt_echo *echo)
    int32_t wt_echo_path_delay(const wt_echo *echo)
    uint32_t wt_echo_slips(const wt_echo *echo)


cdef class NativeEchoCanceller:
    cdef readonly int sample_rate
    cdef readonly int frame
    cdef readonly double tail_seconds
    cdef wt_echo *state
    # Taken by the Python methods while they run.
    cdef wt_flag busy

    # Take the echo of `played` out of whole frames of `near_in`; out may be one of them. Real-time safe.
    cdef void run(self, const int16_t *near_in, const int16_t *played, int16_t *out, Py_ssize_t frames) noexcept nogil

    # Of echo_native.pyx alone.
    cdef int enter(self) except -1
