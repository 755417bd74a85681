# Not freethreading_compatible: control and supervisor threads change a Seat's list of states.
"""The control threads' side of a device's streams: its seat, the capture ring, the playback queue.

Each class owns one struct of _native/ (seat.h, capture.h, playback.h), which the callbacks in _callbacks.pyx work on,
and its memory. The two sides share only the atomics in those structs: no call here waits for the device thread.

Thread: any control thread, under its owner's lock where two could meet.
"""

from collections import deque

from libc.stdint cimport int16_t, int64_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from wavtools._polyphase cimport (
    WT_HIGH,
    wt_bank_down,
    wt_bank_free,
    wt_bank_new,
    wt_bank_taps,
    wt_bank_up,
)
from wavtools.ring cimport (
    wt_ring_copy_out,
    wt_ring_init,
    wt_ring_read,
    wt_ring_read_pos,
    wt_ring_readable,
    wt_ring_writable,
    wt_ring_write,
    wt_ring_write_pos,
)

__all__ = ["CaptureState", "PlaybackState", "PlayedRing", "Seat", "now_ns"]


def now_ns():
    """The present time in nanoseconds, by the clock of the callbacks' time stamps. Thread: any."""
    return wt_now_ns()


cdef class Seat:
    """A device's link to the states that its callback works on. A device keeps its seat alive as long as it may call.

    The seat keeps alive the states that it refers to and the last ones before them: a callback may still be working on
    a state that a control thread has just replaced.

    Parameters
    ----------
    channels : int, 1 to 8
        Of the microphone.
    outputs : int, 1 to 8
        Of the speaker.
    clocked : bool
        False for a device that runs when a program calls it: the times of its callbacks mean nothing.

    Raises
    ------
    ValueError
        *channels* or *outputs* is out of range
    """

    def __cinit__(self, uint32_t channels=1, uint32_t outputs=1, bint clocked=True):
        for name, count in (("channels", channels), ("outputs", outputs)):
            if not 1 <= count <= MAX_CHANNELS:
                raise ValueError(f"{name} is {count}; a device has 1 to {MAX_CHANNELS}")
        self.seat = <wt_seat *> calloc(1, sizeof(wt_seat))
        if self.seat == NULL:
            raise MemoryError("no memory for a device's seat")
        self.seat.channels = channels
        self.seat.outputs = outputs
        self.clocked = clocked
        self._held = deque(maxlen=9)

    def __dealloc__(self):
        free(self.seat)

    @property
    def outputs(self):
        """Channels of the speaker."""
        return self.seat.outputs

    @property
    def address(self):
        """The user data that the device passes to its callbacks: the address of the C struct."""
        return <uintptr_t> self.seat

    def take_capture(self, CaptureState state):
        """Let the callback write captured frames into *state* from now on, or discard them (None)."""
        self._hold(state)
        wt_seat_set_capture(self.seat, NULL if state is None else state.capture)

    def take_playback(self, PlaybackState state):
        """Let the callback play from *state* from now on, or play silence (None)."""
        self._hold(state)
        wt_seat_set_playback(self.seat, NULL if state is None else state.playback)

    def vacate(self):
        """Let the callback discard what it captures and play silence from now on."""
        self.take_capture(None)
        self.take_playback(None)

    def _hold(self, state):
        self._held.append(state)

    def take_notified(self):
        """The ``ma_device_notification_type`` values that arrived since the last call, as a set."""
        bits = wt_seat_take_notified(self.seat)
        return {kind for kind in range(8) if bits >> kind & 1}


cdef class CaptureState:
    """The capture ring and its counters. Producer: the callback; consumer: the recorder's delivery thread.

    Positions count device frames since creation; ``captured`` of them were written, ``consumed`` were read.

    Parameters
    ----------
    capacity_frames : int
        Device frames that the ring holds.
    channels : int
        Of a frame; in a duplex stream, the reference included.
    sample_rate : int
        Hz, of the device.
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
        """Prepare for another device, of that rate in Hz; no callback may be working on this state."""
        wt_clock_init(&self.capture.clock, sample_rate)

    @property
    def captured(self):
        """Position of the next frame that the device will write: all frames before it have been captured."""
        return wt_ring_write_pos(&self.capture.ring)

    @property
    def consumed(self):
        """Position of the next frame that ``read`` will return."""
        return wt_ring_read_pos(&self.capture.ring)

    @property
    def stamp(self):
        """(position, time by ``now_ns``): all frames before that position were captured by that time."""
        cdef uint64_t position = 0
        cdef uint64_t ns = 0
        wt_stamp_read(&self.capture.stamp, &position, &ns)
        return position, ns

    @property
    def writable(self):
        """Frames that the ring has room for."""
        return wt_ring_writable(&self.capture.ring)

    @property
    def dropped(self):
        """Frames that were lost because the ring was full, since creation."""
        return wt_capture_dropped(self.capture)

    @property
    def callbacks(self):
        """Callbacks since creation."""
        return wt_clock_callbacks(&self.capture.clock)

    @property
    def last_callback_ns(self):
        """When the last callback began, by ``now_ns``; 0 before a device's first."""
        return wt_clock_last_ns(&self.capture.clock)

    @property
    def slips(self):
        """Callbacks that were so late that a device of 30 ms runs dry, since creation."""
        return wt_clock_slips(&self.capture.clock)

    @property
    def worst_lateness_seconds(self):
        """Longest time from the end of one callback's audio to the next callback, since creation."""
        return wt_clock_worst_lateness_ns(&self.capture.clock) * 1e-9

    def lateness(self):
        """Callbacks by lateness: bin 0 less than 1 us, bin i from 2^(i - 1) us on. Any thread."""
        return [wt_clock_lateness(&self.capture.clock, bin) for bin in range(WT_LATENESS_BINS)]

    def read(self, float[:, ::1] out not None):
        """Move up to as many frames as *out* (frames, channels) holds into it; returns how many. Delivery thread only."""
        if out.shape[0] == 0:
            return 0
        if out.shape[1] != self.channels:
            raise ValueError(f"out has {out.shape[1]} channels, the ring has {self.channels}")
        return wt_ring_read(&self.capture.ring, &out[0, 0], out.shape[0])


cdef class PlayedRing:
    """What one playback device was given, gain applied and silence included. Producer: its callback.

    Positions count device frames since creation. A full ring keeps the oldest frames; the later ones are dropped.

    Parameters
    ----------
    capacity_frames : int
        Device frames that the ring holds.
    sample_rate : int
        Hz, of the device.
    """

    def __cinit__(self, uint64_t capacity_frames, uint32_t sample_rate):
        self.sample_rate = sample_rate
        self.tap = <wt_tap *> calloc(1, sizeof(wt_tap))
        self.data = calloc(capacity_frames, sizeof(int16_t))
        if self.tap == NULL or self.data == NULL:
            raise MemoryError(f"no memory for a ring of {capacity_frames} played frames")
        wt_ring_init(&self.tap.ring, self.data, capacity_frames, 0, sizeof(int16_t))

    def __dealloc__(self):
        free(self.tap)
        free(self.data)

    @property
    def stamp(self):
        """(position, time by ``now_ns``): at that time the device asked for the period that begins at that position.

        (0, 0) before the first period.
        """
        cdef uint64_t position = 0
        cdef uint64_t ns = 0
        wt_stamp_read(&self.tap.stamp, &position, &ns)
        return position, ns

    @property
    def readable(self):
        """Frames that ``read`` can return now."""
        return wt_ring_readable(&self.tap.ring)

    @property
    def dropped(self):
        """Frames that were lost because the ring was full, since creation."""
        return wt_tap_dropped(self.tap)

    def read(self, int16_t[::1] out not None):
        """Move up to as many frames as *out* holds into it; returns how many. One thread only."""
        if out.shape[0] == 0:
            return 0
        return wt_ring_read(&self.tap.ring, &out[0], out.shape[0])


cdef class PlaybackState:
    """The playback queue (int16 frames at the session rate), its read position and its counters.

    Positions count queued frames since creation: [0, consumed) was played or dropped, [consumed, queued) waits.
    One control thread at a time may call (the player's lock ensures it); the callback is the other side.

    Parameters
    ----------
    capacity : int
        Frames that can wait in the queue.
    channels : int, 1 to 8
        Samples of a frame.
    session_rate : int
        Hz, of the queued frames.
    fade_capacity : int
        Frames of the longest fade.
    prebuffer : int
        Frames that must be queued before playback starts, and starts again after silence.

    Attributes
    ----------
    KEEP : int
        Frames behind the play position that stay readable: one window of the spectrum.
    """

    KEEP = 32768

    def __cinit__(
        self, uint64_t capacity, uint32_t channels, uint32_t session_rate, uint64_t fade_capacity, uint64_t prebuffer=0
    ):
        cdef uint64_t frames = capacity + PlaybackState.KEEP
        self.capacity = capacity
        self.channels = channels
        self.playback = <wt_playback *> calloc(1, sizeof(wt_playback))
        self.data = calloc(frames, channels * sizeof(int16_t))
        if self.playback == NULL or self.data == NULL:
            raise MemoryError(f"no memory for a playback queue of {capacity} frames")
        wt_ring_init(&self.playback.ring, self.data, frames, PlaybackState.KEEP, channels * sizeof(int16_t))
        wt_playback_init(self.playback, channels, session_rate, prebuffer)
        self.playback.fade.capacity = fade_capacity
        self._taps = deque(maxlen=9)

    def __dealloc__(self):
        if self.playback != NULL:
            self._free_buffers()
        free(self.playback)
        free(self.data)

    def fit_device(self, uint32_t session_rate, uint32_t device_rate, uint32_t outputs=1):
        """Prepare for a device of that rate and number of channels; no callback may be working on this state.

        Where the rates (Hz) differ, the callback resamples with quality "high".
        """
        cdef wt_playback *playback = self.playback
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
            playback.scratch.window = <float *> calloc(window, sizeof(float))
            playback.scratch.block = <float *> calloc(WT_PLAYBACK_BLOCK, sizeof(float))
        elif outputs != self.channels:
            window = WT_PLAYBACK_BLOCK
        playback.scratch.frames = <int16_t *> calloc(window + 1, self.channels * sizeof(int16_t))
        playback.fade.head = head
        playback.fade.frames = <int16_t *> calloc(head + playback.fade.capacity + 1, self.channels * sizeof(int16_t))
        playback.bank = self.bank
        wt_playback_restart(playback, device_rate, outputs)

    cdef void _free_buffers(self):
        free(self.playback.fade.frames)
        free(self.playback.scratch.window)
        free(self.playback.scratch.block)
        free(self.playback.scratch.frames)
        wt_bank_free(self.bank)
        self.playback.fade.frames = self.playback.scratch.frames = NULL
        self.playback.scratch.window = self.playback.scratch.block = NULL
        self.bank = NULL

    def touch(self):
        """Make the system provide the queue's memory now, before audio arrives.

        It provides memory page by page, at the first write: for a delta of 200 ms that took 4 of 12 µs, on the caller's
        thread. The whole queue takes some 10 ms, once.
        """
        cdef size_t size = (self.capacity + <uint64_t> PlaybackState.KEEP) * self.channels * sizeof(int16_t)
        with nogil:
            memset(self.data, 0, size)

    def rewind(self, uint64_t frames):
        """Step the play position back, to play again what a lost device held; no callback may be working on this state.

        Steps over at most KEEP frames, which the producer does not overwrite, and not past the first frame.
        Returns how many.
        """
        cdef uint64_t position = wt_ring_read_pos(&self.playback.ring)
        frames = min(frames, position, <uint64_t> PlaybackState.KEEP)
        wt_playback_commit(self.playback, &position, position - frames)
        return frames

    @property
    def queued(self):
        """Position after the last frame queued."""
        return wt_ring_write_pos(&self.playback.ring)

    @property
    def consumed(self):
        """Position after the last frame handed to the device (or dropped)."""
        return wt_ring_read_pos(&self.playback.ring)

    @property
    def idle(self):
        """True if nothing waits and no fade is running."""
        return self.consumed == self.queued and wt_fade_state(&self.playback.fade) == WT_FADE_IDLE

    @property
    def silence(self):
        """Device frames of silence since the last one of audio; 0 while audio is playing."""
        return wt_playback_silent_frames(self.playback)

    @property
    def callbacks(self):
        """Callbacks since creation."""
        return wt_clock_callbacks(&self.playback.clock)

    @property
    def last_callback_ns(self):
        """When the last callback began, by ``now_ns``; 0 before a device's first."""
        return wt_clock_last_ns(&self.playback.clock)

    @property
    def worst_lateness_seconds(self):
        """Longest time from the end of one callback's audio to the next callback, since creation."""
        return wt_clock_worst_lateness_ns(&self.playback.clock) * 1e-9

    def lateness(self):
        """Callbacks by lateness: bin 0 less than 1 us, bin i from 2^(i - 1) us on. Any thread."""
        return [wt_clock_lateness(&self.playback.clock, bin) for bin in range(WT_LATENESS_BINS)]

    def write(self, const int16_t[::1] samples not None):
        """Queue all of *samples*, interleaved frames, and return True, or none and False if there is no room for all.

        The caller passes whole frames.
        """
        cdef uint64_t frames
        if samples.shape[0] == 0:
            return True
        frames = <uint64_t> samples.shape[0] // self.channels
        if wt_ring_writable(&self.playback.ring) < frames:
            return False
        wt_ring_write(&self.playback.ring, &samples[0], frames)
        return True

    def set_gain(self, float gain):
        """Set the volume, 0 to 1, from the next period on; the callback ramps to it within that period."""
        wt_playback_set_gain(self.playback, gain)

    def set_tap(self, PlayedRing ring):
        """Write what is played into *ring* from the next period on, or nowhere (None)."""
        self._taps.append(ring)
        wt_playback_set_tap(self.playback, NULL if ring is None else ring.tap)

    def interrupt(self, uint64_t fade_frames):
        """Drop all that waits; returns (position of the cut, position after the last frame dropped).

        The first *fade_frames* after the cut are played with a falling ramp. Never waits: the loop repeats only if the
        device consumed a period meanwhile.
        """
        cdef wt_playback *playback = self.playback
        cdef uint64_t end = wt_ring_write_pos(&playback.ring)
        cdef uint64_t cut = wt_ring_read_pos(&playback.ring)
        cdef bint armed
        if not wt_fade_move(&playback.fade, WT_FADE_PLAYING, WT_FADE_KILL):
            wt_fade_move(&playback.fade, WT_FADE_ARMED, WT_FADE_KILL)
        while True:
            armed = fade_frames > 0 and cut < end and self._arm_fade(cut, end, fade_frames)
            if wt_playback_commit(playback, &cut, end):
                return cut, end
            if armed:
                wt_fade_set(&playback.fade, WT_FADE_IDLE)

    cdef bint _arm_fade(self, uint64_t cut, uint64_t end, uint64_t count):
        """Put the filter's history before the cut, and *count* ramped frames after it, into the fade slot."""
        cdef wt_ring *ring = &self.playback.ring
        cdef wt_fade *fade = &self.playback.fade
        cdef uint64_t channels = self.channels
        cdef int16_t *ramped = fade.frames + fade.head * channels
        cdef uint64_t history = min(fade.head, cut)
        cdef uint64_t i, k
        # While an earlier fade still runs, the slot is taken: this cut is a hard one.
        if wt_fade_state(fade) != WT_FADE_IDLE:
            return False
        count = min(count, end - cut, fade.capacity)
        wt_ring_copy_out(ring, cut - history, ramped - history * channels, history)
        wt_ring_copy_out(ring, cut, ramped, count)
        for i in range(count):
            for k in range(i * channels, (i + 1) * channels):
                ramped[k] = <int16_t> (ramped[k] * <int64_t> (count - i) // <int64_t> (count + 1))
        fade.length = fade.head + count
        fade.cut, fade.resume = cut, end
        wt_fade_set(fade, WT_FADE_ARMED)
        return True

    def history(self, int16_t[:, ::1] out not None):
        """Fill *out* (frames, channels) with the last frames before the play position, zeros before the first.

        Returns the play position. Raises ValueError if *out* holds more than KEEP frames, or has other channels.
        """
        cdef uint64_t position = wt_ring_read_pos(&self.playback.ring)
        cdef uint64_t count = out.shape[0]
        cdef uint64_t missing = count - position if count > position else 0
        if count > <uint64_t> PlaybackState.KEEP:
            raise ValueError(f"out holds {count} frames; only the last {PlaybackState.KEEP} are kept")
        if <uint64_t> out.shape[1] != self.channels:
            raise ValueError(f"out has {out.shape[1]} channels, the queue has {self.channels}")
        if missing:
            memset(&out[0, 0], 0, missing * self.channels * sizeof(int16_t))
        if count > missing:
            wt_ring_copy_out(&self.playback.ring, position - (count - missing), &out[missing, 0], count - missing)
        return position
