# cython: cdivision=True
# (a division that checks for zero takes the GIL to raise; tests/test_rt_lint.py would tell)
# Not freethreading_compatible: set_offsets moves where a StandIn's callbacks look for their seat, which only a GIL keeps
# apart from a render that is under way.
"""The device callbacks: what the device's own thread runs.

miniaudio calls them through their C addresses. They are compiled code from end to end: no GIL, no heap, no lock, no
system call, no Python (a test reads the generated C). They find their work through the device's seat: the structs of
_native/streams.h, which the control threads own through _states.pyx.

Thread: the functions marked "callback thread" on the device's; the addresses and StandIn on control threads.
"""

from libc.stdint cimport int16_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from wavtools._states cimport (
    MAX_CHANNELS,
    WT_FADE_ARMED,
    WT_FADE_IDLE,
    WT_FADE_KILL,
    WT_FADE_PLAYING,
    WT_PLAYBACK_BLOCK,
    Seat,
    wt_bank,
    wt_bank_down,
    wt_bank_taps,
    wt_bank_up,
    wt_capture,
    wt_capture_drop,
    wt_capture_stamp,
    wt_clock_last_ns,
    wt_clock_tick,
    wt_fade_move,
    wt_fade_set,
    wt_fade_state,
    wt_floats_to_int16,
    wt_playback,
    wt_playback_apply_gain,
    wt_playback_commit,
    wt_playback_hold,
    wt_playback_silence,
    wt_polyphase,
    wt_seat,
    wt_seat_capture,
    wt_seat_notify,
    wt_seat_playback,
)
from wavtools.ring cimport (
    wt_ring_copy_out,
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

# Where the fields lie that the callbacks read: the package ships no C header, so _device.py passes the offsets that
# cffi knows, before any device starts. 0 suits the stand-in that OfflineDevice hands over.
cdef size_t user_data_offset = 0            # pUserData in ma_device
cdef size_t notification_device_offset = 0  # pDevice in ma_device_notification
cdef size_t notification_type_offset = 0    # type in ma_device_notification


cdef enum:
    DUPLEX_BLOCK = 64  # frames put together at a time
    MAX_OFFSET = 4096  # of a field within miniaudio's structs


# --------------------------------------------------------------------------------------------------- callback thread

cdef void capture_callback(void *device, void *output, const void *frames, uint32_t frame_count) noexcept nogil:
    """Move one period from the device into the capture ring; see capture_period.

    Thread: callback thread.
    """
    cdef wt_capture *capture = wt_seat_capture(seat_of(device))
    if capture != NULL:
        wt_clock_tick(&capture.clock, frame_count)
        keep_captured(capture, <const float *> frames, frame_count)
        stamp_captured(capture)


cdef void playback_callback(void *device, void *output, const void *frames, uint32_t frame_count) noexcept nogil:
    """Fill one period with what is queued, and silence after it; see play_period.

    Thread: callback thread.
    """
    play_period(wt_seat_playback(seat_of(device)), <int16_t *> output, frame_count)


cdef void duplex_callback(void *device, void *output, const void *frames, uint32_t frame_count) noexcept nogil:
    """Both directions of one clock. Each captured frame is kept together with the frame played at its side.

    The capture ring of a duplex stream has one channel more than the microphone: what was played, silence included.
    So the two stay aligned through ring, resampler and chunks, whatever happens.

    Thread: callback thread. Real-time: as below; the scratch memory is on the stack.
    """
    cdef wt_seat *seat = seat_of(device)
    cdef wt_capture *capture = wt_seat_capture(seat)
    cdef const float *microphone = <const float *> frames
    cdef const int16_t *played = <const int16_t *> output
    cdef float block[DUPLEX_BLOCK * (MAX_CHANNELS + 1)]
    cdef uint32_t channels = seat.channels
    cdef uint32_t i, k, count
    play_period(wt_seat_playback(seat), <int16_t *> output, frame_count)
    if capture == NULL:
        return
    wt_clock_tick(&capture.clock, frame_count)
    while frame_count > 0:
        count = min(frame_count, <uint32_t> DUPLEX_BLOCK)
        for i in range(count):
            for k in range(channels):
                block[i * (channels + 1) + k] = microphone[i * channels + k]
            block[i * (channels + 1) + channels] = played[i] * <float> (1.0 / 32768.0)
        keep_captured(capture, block, count)
        microphone += count * channels
        played += count
        frame_count -= count
    stamp_captured(capture)


cdef wt_seat *seat_of(const void *device) noexcept nogil:
    return (<wt_seat **> (<const char *> device + user_data_offset))[0]


cdef void keep_captured(wt_capture *capture, const float *frames, uint32_t frame_count) noexcept nogil:
    """Put captured frames into the ring.

    Thread:     callback thread; producer end of the ring.
    Real-time:  no GIL, heap, lock or system call; O(frame_count), two memcpy at most.
    Writes:     ring.write_pos (release), frames_dropped (relaxed).
    Short ring: keeps the oldest frames and counts the rest as dropped.
    Units:      float32 frames of `capture.channels` samples; frame_count differs from call to call.
    """
    cdef uint64_t taken = wt_ring_write(&capture.ring, frames, frame_count)
    if taken < frame_count:
        wt_capture_drop(capture, frame_count - taken)


cdef void stamp_captured(wt_capture *capture) noexcept nogil:
    """Note when the frames captured so far were: at the beginning of this callback. Callback thread."""
    wt_capture_stamp(capture, wt_ring_write_pos(&capture.ring), wt_clock_last_ns(&capture.clock))


cdef void play_period(wt_playback *playback, int16_t *out, uint32_t frame_count) noexcept nogil:
    """Fill one period with what is queued, silence after it, and commit what was consumed.

    The commit is a compare-and-swap on the queue's read position (see streams.h): when an interrupt got there first,
    the period is rendered anew from the position that the interrupt left, so what it reported is what was played.

    Thread:     callback thread; consumer end of the queue.
    Real-time:  no GIL, heap, lock or system call; O(frame_count * taps), at most three attempts.
    Reads:      ring.write_pos (acquire), fade_state (acquire), gain (relaxed).
    Writes:     ring.read_pos (compare-and-swap), fade_state, clock and silence (relaxed).
    Units:      int16 mono frames at the device rate; frame_count differs from call to call.
    """
    cdef uint64_t position, end, origin, phase, consumed, fade_pos, fade_phase
    cdef size_t faded, done = 0
    cdef bint committed = False
    cdef bint holding
    cdef int _attempt, fade
    if playback == NULL:
        memset(out, 0, frame_count * sizeof(int16_t))
        return
    wt_clock_tick(&playback.clock, frame_count)
    holding = wt_playback_hold(playback)
    for _attempt in range(3):
        position = wt_ring_read_pos(&playback.ring)
        origin, phase = playback.origin, playback.phase
        if position != playback.expected:
            take_fade(playback, position)
            origin, phase = position, 0
        faded = 0
        fade_pos, fade_phase = playback.fade_pos, playback.fade_phase
        if wt_fade_state(playback) == WT_FADE_PLAYING:
            faded = render(playback, playback.fade, playback.fade_origin, playback.fade_length,
                           &fade_pos, &fade_phase, out, frame_count)
        end = position if holding else wt_ring_write_pos(&playback.ring)
        consumed = position
        done = faded + render(playback, NULL, origin, end, &consumed, &phase, out + faded, frame_count - faded)
        committed = (done == faded and consumed == position) or wt_playback_commit(playback, &position, consumed)
        if committed:
            break
    if not committed:  # three interrupts within one period: the next one starts clean
        memset(out, 0, frame_count * sizeof(int16_t))
        return
    playback.fade_pos, playback.fade_phase = fade_pos, fade_phase
    fade = wt_fade_state(playback)
    if fade == WT_FADE_KILL or fade == WT_FADE_PLAYING and fade_pos >= playback.fade_length:
        wt_fade_set(playback, WT_FADE_IDLE)
    wt_playback_apply_gain(playback, out, done)
    if done < frame_count:
        memset(out + done, 0, (frame_count - done) * sizeof(int16_t))
        origin, phase = consumed, 0  # after a silence the filter starts from silence
        playback.holding = True
        wt_playback_silence(playback, done == 0, frame_count - done)
    else:
        wt_playback_silence(playback, False, 0)
    playback.expected, playback.origin, playback.phase = consumed, origin, phase


cdef void notification_callback(const void *notification) noexcept nogil:
    """Note that the device was stopped, started or rerouted; a control thread looks at the seat now and then.

    Thread: whichever of miniaudio's threads notices. Real-time: as above.
    """
    cdef const char *device = (<const char **> (<const char *> notification + notification_device_offset))[0]
    cdef uint32_t type = (<const uint32_t *> (<const char *> notification + notification_type_offset))[0]
    wt_seat_notify(seat_of(device), type)


cdef void take_fade(wt_playback *playback, uint64_t position) noexcept nogil:
    """Start the fade that the interrupt which left read_pos at *position* has armed, if it armed one."""
    cdef uint64_t history
    if wt_fade_state(playback) != WT_FADE_ARMED or playback.fade_to != position:
        return
    if playback.fade_cut != playback.expected:  # an earlier interrupt stopped us: the faded audio was never heard
        wt_fade_move(playback, WT_FADE_ARMED, WT_FADE_IDLE)
        return
    playback.fade_pos = playback.fade_head
    playback.fade_phase = playback.phase
    # The filter goes on across the cut: samples before this stretch's origin count as silence here too.
    history = playback.fade_cut - playback.origin
    playback.fade_origin = playback.fade_head - history if history < playback.fade_head else 0
    wt_fade_move(playback, WT_FADE_ARMED, WT_FADE_PLAYING)


cdef size_t render(
    wt_playback *playback, const int16_t *flat, uint64_t origin, uint64_t end,
    uint64_t *position, uint64_t *phase, int16_t *out, size_t count,
) noexcept nogil:
    """Render up to *count* device frames of the samples [position, end) and move position and phase past them.

    The samples lie in *flat*, or in the queue's ring where that is NULL. Outside [origin, end) is silence. Returns
    the frames rendered: fewer than *count* only when `end` was reached.
    """
    cdef const wt_bank *bank = playback.bank
    cdef uint64_t up, down, taps, left, pos, ph, frames, first, last, available
    cdef size_t done = 0
    if bank == NULL:
        available = end - position[0]
        done = count if count < available else available
        if flat != NULL:
            copy_flat(flat + position[0], out, done)
        else:
            wt_ring_copy_out(&playback.ring, position[0], out, done)
        position[0] += done
        return done
    up, down, taps = wt_bank_up(bank), wt_bank_down(bank), wt_bank_taps(bank)
    left = taps // 2 - 1
    pos, ph = position[0] + phase[0] // up, phase[0] % up
    while done < count and pos < end:
        # Frames whose instant lies before `end`: the smallest n with pos + (ph + n * down) / up >= end.
        frames = ((end - pos) * up - ph + down - 1) // down
        if frames > count - done:
            frames = count - done
        if frames > WT_PLAYBACK_BLOCK:
            frames = WT_PLAYBACK_BLOCK
        first = pos
        last = pos + (ph + (frames - 1) * down) // up + taps // 2
        fill_window(playback, flat, origin, end, first, left, last)
        ph = wt_polyphase(bank, playback.window, <uint32_t> ph, playback.block, frames)
        wt_floats_to_int16(playback.block, out + done, frames)
        pos += ph // up
        ph %= up
        done += frames
    if pos > end:  # the next frame's instant lies past the end: remember by how much
        ph += (pos - end) * up
        pos = end
    position[0], phase[0] = pos, ph
    return done


cdef void copy_flat(const int16_t *source, int16_t *out, size_t count) noexcept nogil:
    cdef size_t i
    for i in range(count):
        out[i] = source[i]


cdef void fill_window(
    wt_playback *playback, const int16_t *flat, uint64_t origin, uint64_t end,
    uint64_t first, uint64_t left, uint64_t last,
) noexcept nogil:
    """Put samples first - left .. last as float32 into the window; silence outside [origin, end)."""
    cdef float *window = playback.window
    cdef uint64_t start = first - left if first > origin + left else origin
    cdef uint64_t stop = last + 1 if last + 1 < end else end
    cdef size_t lead = start + left - first  # samples of silence before `start`
    cdef size_t total = left + (last - first) + 1
    cdef size_t i, count = stop - start
    cdef int16_t *samples = playback.samples
    memset(window, 0, lead * sizeof(float))
    if flat != NULL:
        copy_flat(flat + start, samples, count)
    else:
        wt_ring_copy_out(&playback.ring, start, samples, count)
    for i in range(count):
        window[lead + i] = samples[i] * <float> (1.0 / 32768.0)
    memset(window + lead + count, 0, (total - lead - count) * sizeof(float))


# --------------------------------------------------------------------------------------------------- control threads

def set_offsets(size_t user_data, size_t notification_device, size_t notification_type):
    """Tell the callbacks where miniaudio's fields lie; before any device starts."""
    global user_data_offset, notification_device_offset, notification_type_offset
    if max(user_data, notification_device, notification_type) > MAX_OFFSET:
        raise ValueError(f"a field of miniaudio's lies {user_data} bytes into its struct; {MAX_OFFSET} are expected")
    user_data_offset = user_data
    notification_device_offset = notification_device
    notification_type_offset = notification_type


def capture_callback_address():
    return <uintptr_t> capture_callback


def playback_callback_address():
    return <uintptr_t> playback_callback


def duplex_callback_address():
    return <uintptr_t> duplex_callback


def notification_callback_address():
    return <uintptr_t> notification_callback


cdef class StandIn:
    """As much of an ma_device as the callbacks look at, and calls them as a device would. OfflineDevice runs on it."""

    cdef char *memory
    cdef readonly Seat seat

    def __cinit__(self, uint32_t channels):
        self.seat = Seat(channels)
        self.memory = <char *> calloc(1, MAX_OFFSET + sizeof(void *))
        if self.memory == NULL:
            raise MemoryError("no memory for a stand-in device")

    cdef void place(self):
        """Put the seat where the callbacks look for it now: loading miniaudio moves that."""
        (<wt_seat **> (self.memory + user_data_offset))[0] = self.seat.seat

    def __dealloc__(self):
        free(self.memory)

    def capture(self, const float[:, ::1] frames not None):
        """Call capture_callback with float32 *frames* (frames, channels)."""
        if frames.shape[0]:
            self.place()
            capture_callback(self.memory, NULL, &frames[0, 0], <uint32_t> frames.shape[0])

    def play(self, int16_t[::1] out not None):
        """Call playback_callback for int16 mono *out*."""
        if out.shape[0]:
            self.place()
            playback_callback(self.memory, &out[0], NULL, <uint32_t> out.shape[0])

    def duplex(self, const float[:, ::1] frames not None, int16_t[::1] out not None):
        """Call duplex_callback for as many frames in as out."""
        if frames.shape[0] != out.shape[0]:
            raise ValueError(f"{frames.shape[0]} frames in, {out.shape[0]} out; a duplex period has as many of both")
        if frames.shape[0]:
            self.place()
            duplex_callback(self.memory, &out[0], &frames[0, 0], <uint32_t> out.shape[0])
