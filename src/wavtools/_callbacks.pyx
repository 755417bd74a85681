# cython: cdivision=True
# (a division that checks for zero takes the GIL to raise; tests/test_rt_lint.py would tell)
# Not freethreading_compatible: set_offsets moves where a StandIn's callbacks look for their seat, and only a GIL keeps
# that apart from a running render.
"""The device callbacks: what the device's own thread runs.

miniaudio calls them through their C addresses. They are compiled code from end to end: no GIL, no heap, no lock, no
system call, no Python (a test reads the generated C). They find their work through the device's seat: the structs of
capture.h and playback.h in _native/, which the control threads own through _states.pyx.

Thread: the functions marked "device callback" on the device's; the addresses and StandIn on control threads.
"""

from libc.math cimport lrintf
from libc.stdint cimport int16_t, int32_t, int64_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from wavtools._states cimport (
    MAX_CHANNELS,
    WT_FADE_ARMED,
    WT_FADE_IDLE,
    WT_FADE_KILL,
    WT_FADE_PLAYING,
    Seat,
    wt_capture,
    wt_clock,
    wt_clock_last_ns,
    wt_fade,
    wt_fade_move,
    wt_fade_set,
    wt_fade_state,
    wt_playback,
    wt_playback_commit,
    wt_playback_silent_frames,
    wt_playback_tap,
    wt_seat,
    wt_stamp,
    wt_tap,
)
from wavtools.ring cimport (
    wt_ring_read_pos,
    wt_ring_write,
    wt_ring_write_pos,
)

__all__ = [
    "StandIn",
    "capture_callback_address",
    "duplex_callback_address",
    "notification_callback_address",
    "playback_callback_address",
    "set_offsets",
]


# What only the device's thread may call or touch; _states.pxd declares the rest of these headers.

cdef extern from "clock.h" nogil:
    void wt_clock_tick(wt_clock *clock, uint64_t frames)


cdef extern from "capture.h" nogil:
    void wt_capture_drop(wt_capture *capture, uint64_t frames)


cdef extern from "stamp.h" nogil:
    void wt_stamp_write(wt_stamp *stamp, uint64_t position, uint64_t ns)


cdef extern from "tap.h" nogil:
    void wt_tap_stamp(wt_tap *tap, uint64_t ns)
    void wt_tap_write(wt_tap *tap, const int16_t *frames, uint64_t count)


cdef extern from "playback.h" nogil:
    ctypedef struct wt_cursor:
        uint64_t position, phase, origin

    ctypedef struct wt_renderer:
        wt_cursor queue, fade
        bint holding
    wt_renderer *wt_playback_renderer(wt_playback *playback)
    bint wt_playback_hold(wt_playback *playback)
    void wt_playback_silence(wt_playback *playback, bint goes_on, uint64_t frames)


cdef extern from "render.h" nogil:
    size_t wt_render(
        const wt_playback *playback, const int16_t *flat, uint64_t end, wt_cursor *cursor, int16_t *out, size_t count)
    void wt_render_fill_channels(const wt_playback *playback, int16_t *out, size_t count)
    void wt_render_apply_gain(wt_playback *playback, int16_t *frames, size_t count)


cdef extern from "seat.h" nogil:
    wt_capture *wt_seat_capture(wt_seat *seat)
    wt_playback *wt_seat_playback(wt_seat *seat)
    void wt_seat_notify(wt_seat *seat, uint32_t type)


# Offsets of miniaudio's fields that the callbacks read. The miniaudio package ships no C header, so _device.py passes
# the offsets that cffi knows, before any device starts. 0 suits the StandIn of OfflineDevice.
# pUserData in ma_device; pDevice and type in ma_device_notification:
cdef size_t user_data_offset = 0
cdef size_t notification_device_offset = 0
cdef size_t notification_type_offset = 0


cdef enum:
    # Frames that the duplex callback and the tap put together at a time.
    DUPLEX_BLOCK = 64
    # Largest offset of a field in miniaudio's structs.
    MAX_OFFSET = 4096


# --------------------------------------------------------------------------------------------------- device callback

cdef void capture_callback(void *device, void *output, const void *frames, uint32_t frame_count) noexcept nogil:
    """Move one period from the device into the capture ring; see keep_captured.

    Thread: device callback.
    """
    cdef wt_capture *capture = wt_seat_capture(seat_of(device))
    if capture != NULL:
        wt_clock_tick(&capture.clock, frame_count)
        keep_captured(capture, <const float *> frames, frame_count)
        stamp_captured(capture)


cdef void playback_callback(void *device, void *output, const void *frames, uint32_t frame_count) noexcept nogil:
    """Fill one period with what is queued, and silence after it; see play_period.

    Thread: device callback.
    """
    play_period(seat_of(device), <int16_t *> output, frame_count)


cdef void duplex_callback(void *device, void *output, const void *frames, uint32_t frame_count) noexcept nogil:
    """Play and capture one period of both directions, which share a clock.

    Each captured frame is stored together with the frame played at the same time: the capture ring of a duplex stream
    has one channel more than the microphone, the reference, which holds what was played, silence included: the mean of
    the speaker's channels. So the two stay aligned through ring, resampler and chunks.

    Thread:     device callback.
    Real-time:  as keep_captured and play_period; the scratch memory is on the stack.
    """
    cdef wt_seat *seat = seat_of(device)
    cdef wt_capture *capture = wt_seat_capture(seat)
    cdef const float *microphone = <const float *> frames
    cdef const int16_t *played = <const int16_t *> output
    cdef float block[DUPLEX_BLOCK * (MAX_CHANNELS + 1)]
    cdef uint32_t channels = seat.channels
    cdef uint32_t outputs = seat.outputs
    cdef float scale = <float> (1.0 / 32768.0) / outputs
    cdef int32_t total
    cdef uint32_t i, k, count
    play_period(seat, <int16_t *> output, frame_count)
    if capture == NULL:
        return
    wt_clock_tick(&capture.clock, frame_count)
    while frame_count > 0:
        count = min(frame_count, <uint32_t> DUPLEX_BLOCK)
        for i in range(count):
            for k in range(channels):
                block[i * (channels + 1) + k] = microphone[i * channels + k]
            total = 0
            for k in range(outputs):
                total += played[i * outputs + k]
            block[i * (channels + 1) + channels] = total * scale
        keep_captured(capture, block, count)
        microphone += count * channels
        played += count * outputs
        frame_count -= count
    stamp_captured(capture)


cdef wt_seat *seat_of(const void *device) noexcept nogil:
    return (<wt_seat **> (<const char *> device + user_data_offset))[0]


cdef void keep_captured(wt_capture *capture, const float *frames, uint32_t frame_count) noexcept nogil:
    """Put captured frames into the ring.

    Thread:     device callback; producer end of the ring.
    Real-time:  no GIL, heap, lock or system call; O(frame_count), two memcpy at most.
    Writes:     ring.write_pos (release), frames_dropped (relaxed).
    Full ring:  keeps what fits, the oldest frames, and counts the rest as dropped.
    Units:      float32 frames of `capture.channels` samples; frame_count differs from call to call.
    """
    cdef uint64_t taken = wt_ring_write(&capture.ring, frames, frame_count)
    if taken < frame_count:
        wt_capture_drop(capture, frame_count - taken)


cdef void stamp_captured(wt_capture *capture) noexcept nogil:
    """Note that all frames so far were captured by the beginning of this callback. Thread: device callback."""
    wt_stamp_write(&capture.stamp, wt_ring_write_pos(&capture.ring), wt_clock_last_ns(&capture.clock))


cdef void play_period(wt_seat *seat, int16_t *out, uint32_t frame_count) noexcept nogil:
    """Fill one period with what is queued and silence after it, and let the tap have what the device gets.

    Thread:     device callback.
    Real-time:  as render_period and tap_period. Without a tap, one load and one branch more than render_period.
    """
    cdef wt_playback *playback = wt_seat_playback(seat)
    cdef wt_tap *tap
    if playback == NULL:
        memset(out, 0, frame_count * seat.outputs * sizeof(int16_t))
        return
    render_period(playback, out, frame_count)
    tap = wt_playback_tap(playback)
    if tap != NULL:
        tap_period(tap, wt_clock_last_ns(&playback.clock), out, playback.outputs, frame_count)


cdef void tap_period(
    wt_tap *tap, uint64_t asked_ns, const int16_t *played, uint32_t outputs, uint32_t frame_count
) noexcept nogil:
    """Write the mean of the speaker's channels into the tap's ring, with the time when the period was asked for.

    Thread:     device callback; producer end of the tap's ring.
    Real-time:  no GIL, heap, lock or system call; O(frame_count * outputs); the scratch memory is on the stack.
    Full ring:  keeps what fits, the oldest frames, and counts the rest as dropped.
    Units:      int16 frames of `outputs` channels.
    """
    cdef int16_t block[DUPLEX_BLOCK]
    cdef float scale = <float> 1.0 / outputs
    cdef int32_t total
    cdef uint32_t i, k, count
    wt_tap_stamp(tap, asked_ns)
    if outputs == 1:
        wt_tap_write(tap, played, frame_count)
        return
    while frame_count > 0:
        count = min(frame_count, <uint32_t> DUPLEX_BLOCK)
        for i in range(count):
            total = 0
            for k in range(outputs):
                total += played[i * outputs + k]
            block[i] = <int16_t> lrintf(total * scale)
        wt_tap_write(tap, block, count)
        played += count * outputs
        frame_count -= count


cdef void render_period(wt_playback *playback, int16_t *out, uint32_t frame_count) noexcept nogil:
    """Fill one period with what is queued, silence after it, and commit what was consumed.

    The commit is a compare-and-swap on the queue's read position (see playback.h): if an interrupt moved it first, the
    period is rendered anew from the position that the interrupt left, so what it reported is what was played.

    Thread:     device callback; consumer end of the queue.
    Real-time:  no GIL, heap, lock or system call; O(frame_count * taps), at most three attempts.
    Reads:      ring.write_pos (acquire), fade.state (acquire), gain (relaxed).
    Writes:     ring.read_pos (compare-and-swap), fade.state, clock and silence (relaxed).
    Units:      int16 frames of `playback.outputs` channels at the device rate; frame_count differs from call to call.
    """
    cdef size_t frame_bytes = playback.outputs * sizeof(int16_t)
    cdef wt_renderer *renderer = wt_playback_renderer(playback)
    cdef wt_cursor queue, fade
    cdef uint64_t position
    cdef size_t faded, done = 0
    cdef bint committed = False
    cdef bint holding
    cdef int _attempt
    wt_clock_tick(&playback.clock, frame_count)
    holding = wt_playback_hold(playback)
    for _attempt in range(3):
        position = wt_ring_read_pos(&playback.ring)
        queue = renderer.queue
        if position != queue.position:
            take_fade(playback, position)
            queue.position, queue.phase, queue.origin = position, 0, position
        fade = renderer.fade
        faded = 0
        if wt_fade_state(&playback.fade) == WT_FADE_PLAYING:
            faded = wt_render(playback, playback.fade.frames, playback.fade.length, &fade, out, frame_count)
        done = faded
        if not holding:
            done += wt_render(
                playback, NULL, wt_ring_write_pos(&playback.ring), &queue, out + faded * playback.outputs,
                frame_count - faded,
            )
        committed = (done == faded and queue.position == position) or wt_playback_commit(
            playback, &position, queue.position
        )
        if committed:
            break
    # Three interrupts within one period: play silence, and let the next period start anew.
    if not committed:
        memset(out, 0, frame_count * frame_bytes)
        return
    renderer.queue, renderer.fade = queue, fade
    end_fade(playback)
    wt_render_fill_channels(playback, out, done)
    wt_render_apply_gain(playback, out, done)
    end_period(playback, out, done, frame_count)


cdef void end_fade(wt_playback *playback) noexcept nogil:
    """Free the fade slot if the fade was played to its end or an interrupt asked for that. Thread: device callback."""
    cdef wt_fade *fade = &playback.fade
    cdef int state = wt_fade_state(fade)
    if state == WT_FADE_KILL or (
        state == WT_FADE_PLAYING and wt_playback_renderer(playback).fade.position >= fade.length
    ):
        wt_fade_set(fade, WT_FADE_IDLE)


cdef void end_period(wt_playback *playback, int16_t *out, size_t done, uint32_t frame_count) noexcept nogil:
    """Fill the period with silence after its first *done* frames, and count that silence. Thread: device callback."""
    cdef wt_renderer *renderer = wt_playback_renderer(playback)
    if done == frame_count:
        wt_playback_silence(playback, False, 0)
        return
    memset(out + done * playback.outputs, 0, (frame_count - done) * playback.outputs * sizeof(int16_t))
    # After a silence the filter starts from silence.
    renderer.queue.origin, renderer.queue.phase = renderer.queue.position, 0
    renderer.holding = True
    wt_playback_silence(playback, done == 0, frame_count - done)


cdef void notification_callback(const void *notification) noexcept nogil:
    """Note on the seat that the device was stopped, started or rerouted; a control thread polls for it.

    Thread:     the thread of miniaudio's that notices.
    Real-time:  no GIL, heap, lock or system call.
    """
    cdef const char *device = (<const char **> (<const char *> notification + notification_device_offset))[0]
    cdef uint32_t type = (<const uint32_t *> (<const char *> notification + notification_type_offset))[0]
    wt_seat_notify(seat_of(device), type)


cdef void take_fade(wt_playback *playback, uint64_t position) noexcept nogil:
    """Start the fade that was armed by the interrupt which left read_pos at *position*, if one was.

    Thread: device callback.
    """
    cdef wt_renderer *renderer = wt_playback_renderer(playback)
    cdef wt_fade *fade = &playback.fade
    cdef uint64_t history
    if wt_fade_state(fade) != WT_FADE_ARMED or fade.resume != position:
        return
    # An earlier interrupt stopped playback before this cut: the audio that would be faded was never heard.
    if fade.cut != renderer.queue.position:
        wt_fade_move(fade, WT_FADE_ARMED, WT_FADE_IDLE)
        return
    renderer.fade.position = fade.head
    renderer.fade.phase = renderer.queue.phase
    # The filter goes on across the cut: samples before this stretch's origin count as silence here too.
    history = fade.cut - renderer.queue.origin
    renderer.fade.origin = fade.head - history if history < fade.head else 0
    wt_fade_move(fade, WT_FADE_ARMED, WT_FADE_PLAYING)


# --------------------------------------------------------------------------------------------------- control threads

def set_offsets(size_t user_data, size_t notification_device, size_t notification_type):
    """Tell the callbacks the offsets of miniaudio's fields, before any device starts.

    Parameters
    ----------
    user_data : int
        Bytes from the start of ``ma_device`` to its ``pUserData``.
    notification_device, notification_type : int
        Bytes from the start of ``ma_device_notification`` to its ``pDevice`` and ``type``.

    Raises
    ------
    ValueError
        an offset is above 4096
    """
    global user_data_offset, notification_device_offset, notification_type_offset
    if max(user_data, notification_device, notification_type) > MAX_OFFSET:
        raise ValueError(
            f"miniaudio's fields are at offsets {user_data}, {notification_device} and {notification_type},"
            f" expected at most {MAX_OFFSET}"
        )
    user_data_offset = user_data
    notification_device_offset = notification_device
    notification_type_offset = notification_type


def capture_callback_address():
    """The C address of capture_callback, for miniaudio."""
    return <uintptr_t> capture_callback


def playback_callback_address():
    """The C address of playback_callback, for miniaudio."""
    return <uintptr_t> playback_callback


def duplex_callback_address():
    """The C address of duplex_callback, for miniaudio."""
    return <uintptr_t> duplex_callback


def notification_callback_address():
    """The C address of notification_callback, for miniaudio."""
    return <uintptr_t> notification_callback


cdef class StandIn:
    """Stands in for an ma_device: holds the field that the callbacks read, and calls them as a device would.

    OfflineDevice runs on it.

    Parameters
    ----------
    channels : int, 1 to 8
        Of the microphone.
    outputs : int, 1 to 8
        Of the speaker.

    Attributes
    ----------
    seat : Seat
        The seat that the callbacks find.
    """

    # An ma_device as far as the callbacks read it.
    cdef char *memory
    cdef readonly Seat seat

    def __cinit__(self, uint32_t channels, uint32_t outputs=1):
        self.seat = Seat(channels, outputs, clocked=False)
        self.memory = <char *> calloc(1, MAX_OFFSET + sizeof(void *))
        if self.memory == NULL:
            raise MemoryError("no memory for a stand-in device")

    cdef void place(self):
        """Put the seat where the callbacks look for it at present: loading miniaudio changes the offset."""
        (<wt_seat **> (self.memory + user_data_offset))[0] = self.seat.seat

    def __dealloc__(self):
        free(self.memory)

    def capture(self, const float[:, ::1] frames not None):
        """Call capture_callback with float32 *frames* (frames, channels)."""
        if frames.shape[0]:
            self.place()
            capture_callback(self.memory, NULL, &frames[0, 0], <uint32_t> frames.shape[0])

    def play(self, int16_t[:, ::1] out not None):
        """Call playback_callback for int16 *out* (frames, outputs).

        Returns how many of the frames, the first ones, are sound; the rest is the silence after the queue's end. Without a
        player it is 0.
        """
        cdef wt_playback *playback = wt_seat_playback(self.seat.seat)
        cdef uint64_t silence
        if not out.shape[0]:
            return 0
        self.place()
        self.check_outputs(out)
        playback_callback(self.memory, &out[0, 0], NULL, <uint32_t> out.shape[0])
        if playback == NULL:
            return 0
        silence = wt_playback_silent_frames(playback)
        return max(0, <int64_t> out.shape[0] - <int64_t> silence)

    def duplex(self, const float[:, ::1] frames not None, int16_t[:, ::1] out not None):
        """Call duplex_callback; *frames* and *out* have the same length, else ValueError is raised."""
        if frames.shape[0] != out.shape[0]:
            raise ValueError(
                f"a duplex period has equal lengths, but frames has {frames.shape[0]} and out has {out.shape[0]}"
            )
        if frames.shape[0]:
            self.place()
            self.check_outputs(out)
            duplex_callback(self.memory, &out[0, 0], &frames[0, 0], <uint32_t> out.shape[0])

    cdef int check_outputs(self, int16_t[:, ::1] out) except -1:
        if <uint32_t> out.shape[1] != self.seat.seat.outputs:
            raise ValueError(f"out has {out.shape[1]} channels, the device {self.seat.seat.outputs}")
        return 0
