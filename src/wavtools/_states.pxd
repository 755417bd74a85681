from libc.stdint cimport int16_t, uint32_t, uint64_t
from libc.stddef cimport size_t

from wavtools.ring cimport wt_ring


cdef extern from "polyphase.h" nogil:
    ctypedef struct wt_bank:
        pass
    wt_bank *wt_bank_new(uint32_t in_rate, uint32_t out_rate, int quality)
    void wt_bank_free(wt_bank *bank)
    uint32_t wt_bank_up(const wt_bank *bank)
    uint32_t wt_bank_down(const wt_bank *bank)
    uint32_t wt_bank_taps(const wt_bank *bank)
    uint64_t wt_polyphase(const wt_bank *bank, const float *x, uint32_t phase, float *y, size_t count)
    int WT_HIGH


cdef extern from "streams.h" nogil:
    ctypedef struct wt_clock:
        pass
    void wt_clock_init(wt_clock *clock, uint32_t rate)
    void wt_clock_tick(wt_clock *clock, uint64_t frames)
    uint64_t wt_clock_callbacks(wt_clock *clock)
    uint64_t wt_clock_last_ns(wt_clock *clock)
    uint64_t wt_clock_worst_lateness_ns(wt_clock *clock)

    uint64_t wt_now_ns()

    ctypedef struct wt_capture
    ctypedef struct wt_playback

    ctypedef struct wt_seat:
        uint32_t channels
    wt_capture *wt_seat_capture(wt_seat *seat)
    wt_playback *wt_seat_playback(wt_seat *seat)
    void wt_seat_take_capture(wt_seat *seat, wt_capture *capture)
    void wt_seat_take_playback(wt_seat *seat, wt_playback *playback)
    void wt_seat_notify(wt_seat *seat, uint32_t type)
    uint32_t wt_seat_take_notified(wt_seat *seat)

    ctypedef struct wt_capture:
        wt_ring ring
        wt_clock clock
        uint32_t channels
    uint64_t wt_capture_dropped(wt_capture *capture)
    void wt_capture_drop(wt_capture *capture, uint64_t frames)
    void wt_capture_stamp(wt_capture *capture, uint64_t position, uint64_t now_ns)
    void wt_capture_read_stamp(wt_capture *capture, uint64_t *position, uint64_t *now_ns)

    enum: WT_PLAYBACK_BLOCK
    enum: WT_FADE_IDLE
    enum: WT_FADE_ARMED
    enum: WT_FADE_PLAYING
    enum: WT_FADE_KILL

    ctypedef struct wt_playback:
        wt_ring ring
        wt_clock clock
        int16_t *fade
        uint64_t fade_capacity, fade_length, fade_head, fade_cut, fade_to
        uint32_t session_rate
        uint64_t prebuffer
        const wt_bank *bank
        float *window
        float *block
        int16_t *samples
        float gain_now
        bint holding
        uint64_t held_ns
        uint64_t expected, origin, phase
        uint64_t fade_pos, fade_phase, fade_origin
    bint wt_playback_commit(wt_playback *playback, uint64_t *expected, uint64_t position)
    uint64_t wt_playback_silent_frames(wt_playback *playback)
    void wt_playback_silence(wt_playback *playback, bint goes_on, uint64_t frames)
    bint wt_playback_hold(wt_playback *playback)
    void wt_playback_apply_gain(wt_playback *playback, int16_t *frames, size_t count)
    void wt_playback_set_gain(wt_playback *playback, float gain)
    int wt_fade_state(wt_playback *playback)
    void wt_fade_set(wt_playback *playback, int state)
    bint wt_fade_move(wt_playback *playback, int source, int target)
    void wt_floats_to_int16(const float *x, int16_t *out, size_t count)


cdef enum:
    MAX_CHANNELS = 8  # of a device


cdef class Seat:
    cdef wt_seat *seat
    cdef object _held


cdef class CaptureState:
    cdef wt_capture *capture
    cdef void *data
    cdef readonly int channels


cdef class PlaybackState:
    cdef wt_playback *playback
    cdef void *data
    cdef wt_bank *bank
    cdef readonly uint64_t capacity
    cdef void _free_buffers(self)
    cdef bint _arm_fade(self, uint64_t cut, uint64_t end, uint64_t count)
