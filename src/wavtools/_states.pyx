# Not freethreading_compatible: a Seat's list of states is changed by control and supervisor threads.
"""What the control threads see of the device thread's work: the seat, the capture ring, the playback queue.

Each class owns one struct of _native/streams.h, which the callbacks in _callbacks.pyx work on, and its memory. All
that the two sides share are the atomics in those structs: no call here waits for the device thread.

Thread: any control thread, under its owner's lock where two could meet.
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

__all__ = ["CaptureState", "PlaybackState", "Seat", "now_ns"]


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
        self.playback.fade = self.playback.samples = NULL
        self.playback.window = self.playback.block = NULL
        self.bank = NULL

    def touch(self):
        """Have the system give the queue's memory now, before audio arrives.

        It gives memory page by page when that is first written: of a delta of 200 ms that took 4 of 12 µs, on the
        caller's thread. All of it takes some 10 ms, once.
        """
        cdef size_t size = (self.capacity + <uint64_t> PlaybackState.KEEP) * sizeof(int16_t)
        with nogil:
            memset(self.data, 0, size)

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
