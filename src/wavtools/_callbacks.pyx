# cython: cdivision=True
# (a division that checks for zero takes the GIL to raise; tests/test_rt_lint.py would tell)
# Not freethreading_compatible: set_offsets moves where a StandIn's callbacks look for their seat, which only a GIL keeps
# apart from a render that is under way, and a Seat's list of states is changed by control and supervisor threads.
"""The two device callbacks, and the states that they share with the control threads.

miniaudio calls capture_callback and playback_callback on its own thread, through their C addresses. They are compiled
code from end to end: no GIL, no heap, no lock, no system call, no Python (a test reads the generated C). Everything
else in this module runs on control threads.

Thread: the functions marked "callback thread" on the device's; the classes on any control thread, under their owner's
lock where two could meet.
"""

from collections import deque

from libc.stdint cimport int16_t, int64_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from wavtools.ring cimport (
    wt_ring_copy_out,
    wt_ring_init,
    wt_ring_read,
    wt_ring_read_pos,
    wt_ring_writable,
    wt_ring_write,
    wt_ring_write_pos,
)

__all__ = [
    "CaptureState",
    "PlaybackState",
    "Seat",
    "StandIn",
    "capture_callback_address",
    "duplex_callback_address",
    "notification_callback_address",
    "now_ns",
    "playback_callback_address",
    "set_offsets",
]

# Where the fields lie that the callbacks read: the package ships no C header, so _device.py passes the offsets that
# cffi knows, before any device starts. 0 suits the stand-in that OfflineDevice hands over.
cdef size_t user_data_offset = 0            # pUserData in ma_device
cdef size_t notification_device_offset = 0  # pDevice in ma_device_notification
cdef size_t notification_type_offset = 0    # type in ma_device_notification


cdef enum:
    MAX_CHANNELS = 8
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


def now_ns():
    """The clock of the callbacks' time stamps."""
    return wt_now_ns()


cdef class Seat:
    """A device's link to the states its callback works on; a device keeps its seat alive as long as it may call.

    The seat holds the states that it refers to, and the last it referred to before: a callback may be working on one
    while a control thread takes it away.
    """

    def __cinit__(self, uint32_t channels=1):
        if not 1 <= channels <= MAX_CHANNELS:
            raise ValueError(f"channels is {channels}; a device has 1 to {MAX_CHANNELS}")
        self.seat = <wt_seat *> calloc(1, sizeof(wt_seat))
        if self.seat == NULL:
            raise MemoryError("no memory for a device's seat")
        self.seat.channels = channels
        self._held = deque(maxlen=9)

    def __dealloc__(self):
        free(self.seat)

    @property
    def address(self):
        """What the device passes to the callback as its user data."""
        return <uintptr_t> self.seat

    def take_capture(self, CaptureState state):
        """Let the callback write into *state* from now on, or nowhere (None)."""
        self._hold(state)
        wt_seat_take_capture(self.seat, NULL if state is None else state.capture)

    def take_playback(self, PlaybackState state):
        """Let the callback play from *state* from now on, or silence (None)."""
        self._hold(state)
        wt_seat_take_playback(self.seat, NULL if state is None else state.playback)

    def vacate(self):
        """Let the callback do nothing from now on."""
        self.take_capture(None)
        self.take_playback(None)

    def _hold(self, state):
        self._held.append(state)

    def take_notified(self):
        """The notification types since the last call, as a set."""
        bits = wt_seat_take_notified(self.seat)
        return {kind for kind in range(8) if bits >> kind & 1}


cdef class CaptureState:
    """The capture ring and its counters. Producer: the callback; consumer: the recorder's delivery thread.

    Positions count device frames since creation; ``captured`` of them were written, ``consumed`` were read.
    """

    def __cinit__(self, uint64_t capacity_frames, int channels, uint32_t sample_rate):
        self.channels = channels
        self.capture = <wt_capture *> calloc(1, sizeof(wt_capture))
        self.data = calloc(capacity_frames, channels * sizeof(float))
        if self.capture == NULL or self.data == NULL:
            raise MemoryError(f"no memory for a capture ring of {capacity_frames} frames")
        wt_ring_init(&self.capture.ring, self.data, capacity_frames, 0, channels * sizeof(float))
        wt_clock_init(&self.capture.clock, sample_rate)
        self.capture.channels = channels

    def __dealloc__(self):
        free(self.capture)
        free(self.data)

    def set_rate(self, uint32_t sample_rate):
        """Note the rate of another device; no callback may be working on this state."""
        wt_clock_init(&self.capture.clock, sample_rate)

    @property
    def captured(self):
        """Position of the next frame that the device will write: all before it were captured by now."""
        return wt_ring_write_pos(&self.capture.ring)

    @property
    def consumed(self):
        return wt_ring_read_pos(&self.capture.ring)

    @property
    def stamp(self):
        """(position, now_ns of it): all frames before that position were captured by then."""
        cdef uint64_t position = 0
        cdef uint64_t ns = 0
        wt_capture_read_stamp(self.capture, &position, &ns)
        return position, ns

    @property
    def writable(self):
        return wt_ring_writable(&self.capture.ring)

    @property
    def dropped(self):
        return wt_capture_dropped(self.capture)

    @property
    def callbacks(self):
        return wt_clock_callbacks(&self.capture.clock)

    @property
    def last_callback_ns(self):
        """When the last callback began, by now_ns(); 0 before the first."""
        return wt_clock_last_ns(&self.capture.clock)

    @property
    def worst_lateness_seconds(self):
        return wt_clock_worst_lateness_ns(&self.capture.clock) * 1e-9

    def read(self, float[:, ::1] out not None):
        """Take as many frames as *out* (frames, channels) holds; returns how many there were. Consumer only."""
        if out.shape[0] == 0:
            return 0
        if out.shape[1] != self.channels:
            raise ValueError(f"out has {out.shape[1]} channels, the ring has {self.channels}")
        return wt_ring_read(&self.capture.ring, &out[0, 0], out.shape[0])


cdef class PlaybackState:
    """The playback queue (int16 mono at the session rate), its commit word and its counters.

    Positions count queued samples since creation: [0, consumed) was played or dropped, [consumed, queued) waits.
    One control thread at a time may call (the player's lock sees to it); the callback is the other side.
    """

    # Samples behind the play position that stay readable: one window of the spectrum.
    KEEP = 32768

    def __cinit__(self, uint64_t capacity, uint32_t session_rate, uint64_t fade_capacity, uint64_t prebuffer=0):
        self.capacity = capacity
        self.playback = <wt_playback *> calloc(1, sizeof(wt_playback))
        self.data = calloc(capacity + PlaybackState.KEEP, sizeof(int16_t))
        if self.playback == NULL or self.data == NULL:
            raise MemoryError(f"no memory for a playback queue of {capacity} samples")
        wt_ring_init(&self.playback.ring, self.data, capacity + PlaybackState.KEEP, PlaybackState.KEEP, sizeof(int16_t))
        wt_clock_init(&self.playback.clock, session_rate)
        self.playback.fade_capacity = fade_capacity
        self.playback.session_rate = session_rate
        self.playback.prebuffer = prebuffer
        self.playback.holding = True
        self.playback.gain_now = 1.0
        wt_playback_set_gain(self.playback, 1.0)

    def __dealloc__(self):
        if self.playback != NULL:
            self._free_buffers()
        free(self.playback)
        free(self.data)

    def set_rates(self, uint32_t session_rate, uint32_t device_rate):
        """Prepare for a device of that rate; no callback may be working on this state. Resampling quality is "high"."""
        cdef uint64_t window = 0
        cdef uint64_t head = 0
        self._free_buffers()
        if session_rate != device_rate:
            self.bank = wt_bank_new(session_rate, device_rate, WT_HIGH)
            if self.bank == NULL:
                raise MemoryError(f"no memory for a filter from {session_rate} to {device_rate} Hz")
            head = wt_bank_taps(self.bank) // 2 - 1
            window = wt_bank_taps(self.bank) + 2
            window += <uint64_t> WT_PLAYBACK_BLOCK * wt_bank_down(self.bank) // wt_bank_up(self.bank)
            self.playback.window = <float *> calloc(window, sizeof(float))
            self.playback.samples = <int16_t *> calloc(window, sizeof(int16_t))
            self.playback.block = <float *> calloc(WT_PLAYBACK_BLOCK, sizeof(float))
        self.playback.fade_head = head
        self.playback.fade = <int16_t *> calloc(head + self.playback.fade_capacity + 1, sizeof(int16_t))
        self.playback.bank = self.bank
        self.playback.expected = <uint64_t> -1  # no position: the next callback starts its filter anew
        wt_fade_set(self.playback, WT_FADE_IDLE)
        wt_clock_init(&self.playback.clock, device_rate)

    cdef void _free_buffers(self):
        free(self.playback.fade)
        free(self.playback.window)
        free(self.playback.block)
        free(self.playback.samples)
        wt_bank_free(self.bank)
        self.bank = NULL

    def rewind(self, uint64_t samples):
        """Step the play position back, to play again what a lost device held; no callback may be working here.

        At most KEEP samples, which the producer leaves alone, and not past the first. Returns how many it was.
        """
        cdef uint64_t position = wt_ring_read_pos(&self.playback.ring)
        samples = min(samples, position, <uint64_t> PlaybackState.KEEP)
        wt_playback_commit(self.playback, &position, position - samples)
        return samples

    @property
    def queued(self):
        """Position after the last sample queued."""
        return wt_ring_write_pos(&self.playback.ring)

    @property
    def consumed(self):
        """Position after the last sample handed to the device (or dropped)."""
        return wt_ring_read_pos(&self.playback.ring)

    @property
    def idle(self):
        """Nothing waits and no fade is running."""
        return self.consumed == self.queued and wt_fade_state(self.playback) == WT_FADE_IDLE

    @property
    def silence(self):
        """Device frames of silence since the last one of audio; 0 while audio is playing."""
        return wt_playback_silent_frames(self.playback)

    @property
    def callbacks(self):
        return wt_clock_callbacks(&self.playback.clock)

    @property
    def last_callback_ns(self):
        """When the last callback began, by now_ns(); 0 before the first."""
        return wt_clock_last_ns(&self.playback.clock)

    @property
    def worst_lateness_seconds(self):
        return wt_clock_worst_lateness_ns(&self.playback.clock) * 1e-9

    def write(self, const int16_t[::1] samples not None):
        """Queue all of *samples* or nothing; returns whether there was room."""
        if samples.shape[0] == 0:
            return True
        if wt_ring_writable(&self.playback.ring) < <uint64_t> samples.shape[0]:
            return False
        wt_ring_write(&self.playback.ring, &samples[0], samples.shape[0])
        return True

    def set_gain(self, float gain):
        """The volume from the next period on; the callback glides to it."""
        wt_playback_set_gain(self.playback, gain)

    def interrupt(self, uint64_t fade_samples):
        """Drop all that waits; returns (position of the cut, position after the last sample dropped).

        Never waits: each turn of the loop means that the device consumed a period meanwhile.
        """
        cdef wt_playback *playback = self.playback
        cdef uint64_t end = wt_ring_write_pos(&playback.ring)
        cdef uint64_t cut = wt_ring_read_pos(&playback.ring)
        cdef bint armed
        if not wt_fade_move(playback, WT_FADE_PLAYING, WT_FADE_KILL):
            wt_fade_move(playback, WT_FADE_ARMED, WT_FADE_KILL)
        while True:
            armed = fade_samples > 0 and cut < end and self._arm_fade(cut, end, fade_samples)
            if wt_playback_commit(playback, &cut, end):
                return cut, end
            if armed:
                wt_fade_set(playback, WT_FADE_IDLE)

    cdef bint _arm_fade(self, uint64_t cut, uint64_t end, uint64_t count):
        """Put the ramped samples after the cut, and the filter's history before it, into the fade slot."""
        cdef wt_playback *playback = self.playback
        cdef uint64_t head = playback.fade_head
        cdef uint64_t history = head if cut > head else cut
        cdef uint64_t i
        if wt_fade_state(playback) != WT_FADE_IDLE:  # an earlier fade still runs: this cut is a hard one
            return False
        count = min(count, end - cut, playback.fade_capacity)
        wt_ring_copy_out(&playback.ring, cut - history, playback.fade + head - history, history)
        wt_ring_copy_out(&playback.ring, cut, playback.fade + head, count)
        for i in range(count):
            playback.fade[head + i] = <int16_t> (
                playback.fade[head + i] * <int64_t> (count - i) // <int64_t> (count + 1))
        playback.fade_length = head + count
        playback.fade_cut, playback.fade_to = cut, end
        wt_fade_set(playback, WT_FADE_ARMED)
        return True

    def history(self, int16_t[::1] out not None):
        """Copy the samples that end at the play position into *out* (at most KEEP, zeros before the first).

        Returns the position that they end at.
        """
        cdef uint64_t position = wt_ring_read_pos(&self.playback.ring)
        cdef uint64_t count = out.shape[0]
        if count > <uint64_t> PlaybackState.KEEP:
            raise ValueError(f"{count} samples asked for, {PlaybackState.KEEP} are kept")
        if count == 0:
            return position
        if count > position:
            memset(&out[0], 0, (count - position) * sizeof(int16_t))
            wt_ring_copy_out(&self.playback.ring, 0, &out[count - position], position)
        else:
            wt_ring_copy_out(&self.playback.ring, position - count, &out[0], count)
        return position


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
