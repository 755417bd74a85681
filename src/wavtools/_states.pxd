"""The C structs that device callbacks and control threads share, as control threads may use them.

What only a device callback may call or touch is declared in _callbacks.pyx: a control thread that names it does not
compile.

Thread: control threads; the classes, under their owner's lock.
"""

from libc.stdint cimport int16_t, uint32_t, uint64_t

from wavtools._polyphase cimport wt_bank
from wavtools.ring cimport wt_ring


cdef extern from "clock.h" nogil:
    uint64_t wt_now_ns()

    ctypedef struct wt_clock:
        pass
    void wt_clock_init(wt_clock *clock, uint32_t rate)
    uint64_t wt_clock_callbacks(wt_clock *clock)
    uint64_t wt_clock_last_ns(wt_clock *clock)
    uint64_t wt_clock_slips(wt_clock *clock)
    uint32_t wt_clock_lateness(wt_clock *clock, uint32_t bin)
    enum: WT_LATENESS_BINS
    uint64_t wt_clock_worst_lateness_ns(wt_clock *clock)


cdef extern from "stamp.h" nogil:
    ctypedef struct wt_stamp:
        pass
    void wt_stamp_read(wt_stamp *stamp, uint64_t *position, uint64_t *ns)


cdef extern from "capture.h" nogil:
    ctypedef struct wt_capture:
        wt_ring ring
        wt_clock clock
        wt_stamp stamp
        uint32_t channels
    uint64_t wt_capture_dropped(wt_capture *capture)


cdef extern from "fade.h" nogil:
    enum: WT_FADE_IDLE
    enum: WT_FADE_ARMED
    enum: WT_FADE_PLAYING
    enum: WT_FADE_KILL

    ctypedef struct wt_fade:
        int16_t *frames
        uint64_t capacity, head, length, cut, resume
    int wt_fade_state(wt_fade *fade)
    void wt_fade_set(wt_fade *fade, int state)
    bint wt_fade_move(wt_fade *fade, int source, int target)


cdef extern from "tap.h" nogil:
    ctypedef struct wt_tap:
        wt_ring ring
        wt_stamp stamp
    uint64_t wt_tap_dropped(wt_tap *tap)


cdef extern from "playback.h" nogil:
    enum: WT_PLAYBACK_BLOCK

    ctypedef struct wt_scratch:
        int16_t *frames
        float *window
        float *block

    ctypedef struct wt_playback:
        wt_ring ring
        wt_clock clock
        wt_fade fade
        const wt_bank *bank
        wt_scratch scratch
        uint32_t channels, outputs
    void wt_playback_init(wt_playback *playback, uint32_t channels, uint32_t session_rate, uint64_t prebuffer)
    void wt_playback_restart(wt_playback *playback, uint32_t device_rate, uint32_t outputs)
    void wt_playback_set_gain(wt_playback *playback, float gain)
    bint wt_playback_commit(wt_playback *playback, uint64_t *expected, uint64_t position)
    uint64_t wt_playback_silent_frames(wt_playback *playback)
    void wt_playback_set_tap(wt_playback *playback, wt_tap *tap)
    wt_tap *wt_playback_tap(wt_playback *playback)


cdef extern from "seat.h" nogil:
    ctypedef struct wt_seat:
        uint32_t channels, outputs
    void wt_seat_set_capture(wt_seat *seat, wt_capture *capture)
    void wt_seat_set_playback(wt_seat *seat, wt_playback *playback)
    uint32_t wt_seat_take_notified(wt_seat *seat)


cdef enum:
    # Of a device.
    MAX_CHANNELS = 8


cdef class Seat:
    cdef wt_seat *seat
    # False for a device that runs when a program calls it.
    cdef readonly bint clocked
    # The states that the callback works on, or may still be working on.
    cdef object _held


cdef class CaptureState:
    cdef wt_capture *capture
    # Memory of the ring.
    cdef void *data
    cdef readonly int channels


cdef class PlayedRing:
    cdef wt_tap *tap
    # Memory of the ring.
    cdef void *data
    cdef readonly uint32_t sample_rate


cdef class PlaybackState:
    cdef wt_playback *playback
    # The rings that the callback writes what it plays to, or may still be writing to.
    cdef object _taps
    # Memory of the ring.
    cdef void *data
    # NULL where the device runs at the session rate.
    cdef wt_bank *bank
    # Frames that can wait in the queue.
    cdef readonly uint64_t capacity
    # Of a queued frame.
    cdef readonly uint32_t channels
    cdef void _free_buffers(self)
    cdef bint _arm_fade(self, uint64_t cut, uint64_t end, uint64_t count)
