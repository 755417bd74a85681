# cython: freethreading_compatible=True
# (safe without a GIL: an atomic flag refuses a second thread at a VoiceActivity; module constants are only read)
"""Voice activity by energy: where speech begins and ends, by the level in the speech band above an adaptive noise floor.

This is no neural network and knows no words: any sound in the band that rises above the noise counts as speech, such as
music, a cough or a door. It suits push-to-talk, trimming and recording until silence; the offline server uses Silero.

Each step of 10 ms is band-passed from 200 to 3800 Hz and measured. The floor falls to a quieter step within 50 ms and rises
by 5 dB per second, during speech by 2. Speech begins after ``attack_ms`` of steps louder than the floor by ``on_db``, and
ends after ``hangover_ms`` without a step that is louder by ``off_db``.

Measured on 11 synthesised sentences in white and pink noise: of the time that is speech without noise, it finds 99 % at a
signal-to-noise ratio of 30 dB, 97 % at 20, 94 % at 10, 88 % at 5 and 70 % at 0 dB, and no speech in 5 s of noise around it.
Sudden louder noise counts as speech until the floor has risen.

Thread: one at a time per VoiceActivity. GIL: released while samples are measured, for more than ``LONG`` frames.
"""

from libc.math cimport INFINITY, M_PI, fabs, log10, tan
from libc.stdint cimport int16_t, uint64_t
from libc.string cimport memset

import collections

cimport numpy as cnp
from cpython.buffer cimport PyBuffer_Release

from wavtools._buffers cimport FLOAT32, INT16, acquire
from wavtools._kernels cimport selected_kernels, wt_kernels
from wavtools.ring cimport wt_flag_drop, wt_flag_init, wt_flag_take

from wavtools._arguments import integer, number
from wavtools.errors import ConcurrencyError

cnp.import_array()

__all__ = ["VoiceActivity", "VoiceEvent", "speech_segments"]

cdef enum:
    LONG = 4096
    # Samples that are converted at a time.
    BLOCK = 1024
    STEPS_PER_SECOND = 100

# Corner frequencies of the speech band, Hz.
cdef double LOW_HZ = 200.0, HIGH_HZ = 3800.0
# dBFS: the noise floor is at least the first one, and at most the second when the signal begins.
cdef double QUIETEST = -75.0, FIRST_FLOOR = -20.0
# Part of the way down, and dB up, in each step.
cdef double FALL = 0.2, RISE = 5.0 / STEPS_PER_SECOND, RISE_IN_SPEECH = 2.0 / STEPS_PER_SECOND
cdef double BUTTERWORTH = 1.4142135623730951

cdef const wt_kernels *kernels = selected_kernels()

VoiceEvent = collections.namedtuple("VoiceEvent", ["speaking", "frame"], module="wavtools.voice_activity")
VoiceEvent.__doc__ = """A moment at which speech begins or ends.

Attributes
----------
speaking : bool
    True where speech begins, False where it ends.
frame : int
    The first frame of the speech, or the first one after it, counted from the start of the signal.
"""


cdef void design(double *made, double hz, double rate, bint high) noexcept nogil:
    """A Butterworth filter of second order: high-pass or low-pass."""
    cdef double corner = tan(M_PI * hz / rate)
    cdef double scale = 1.0 + BUTTERWORTH * corner + corner * corner
    made[0] = (1.0 if high else corner * corner) / scale
    made[1] = (-2.0 if high else 2.0) * made[0]
    made[2] = made[0]
    made[3] = 2.0 * (corner * corner - 1.0) / scale
    made[4] = (1.0 - BUTTERWORTH * corner + corner * corner) / scale


cdef class VoiceActivity:
    """Detector of speech by energy above an adaptive noise floor; the module says how, and what it cannot do.

    Any chunking of a signal gives the same events. NaN and infinity count as silence.

    Thread: any one thread at a time per object. Allocates only the returned tuples.

    Parameters
    ----------
    sample_rate : int
        Hz, 8000 to 192000.
    on_db, off_db : float
        Decibels above the noise floor at which speech begins, and below which it may end, 1 to 60; *off_db* is at most
        *on_db*.
    attack_ms : float
        How long a sound must last to count as speech, 10 to 1000 ms. Its start is reported that much later, and exactly.
    hangover_ms : float
        Longest pause within speech, 10 to 60000 ms. Its end is reported that much later, and exactly.
    minimum_db : float
        Quieter steps are never speech, -90 to 0 dBFS.

    Raises
    ------
    TypeError, ValueError
        an argument that is no number or out of range
    """

    def __cinit__(
        self, sample_rate, *, on_db=9.0, off_db=6.0, attack_ms=40.0, hangover_ms=300.0, minimum_db=-55.0
    ):
        wt_flag_init(&self.busy)
        self.sample_rate = integer(sample_rate, "sample_rate", 8_000, 192_000, "8000 to 192000 Hz")
        self.on_db = number(on_db, "on_db", 1, 60, "1 to 60 dB")
        self.off_db = number(off_db, "off_db", 1, self.on_db, "1 dB to on_db")
        self.minimum_db = number(minimum_db, "minimum_db", -90, 0, "-90 to 0 dBFS")
        cdef double attack = number(attack_ms, "attack_ms", 10, 1_000, "10 to 1000 ms")
        cdef double hangover = number(hangover_ms, "hangover_ms", 10, 60_000, "10 to 60000 ms")
        # Whole steps, rounded up; a nanosecond of rounding error does not make one more.
        self.attack = <Py_ssize_t> (attack * STEPS_PER_SECOND / 1e3 + 1 - 1e-6)
        self.hangover = <Py_ssize_t> (hangover * STEPS_PER_SECOND / 1e3 + 1 - 1e-6)
        design(self.filters[0], LOW_HZ, self.sample_rate, True)
        design(self.filters[1], HIGH_HZ, self.sample_rate, False)
        self.restart()

    cdef int enter(self) except -1:
        """Refuse other threads until the flag is dropped."""
        if wt_flag_take(&self.busy):
            raise ConcurrencyError("this VoiceActivity is in use by another thread; use one for each signal")
        return 0

    cdef void restart(self) noexcept nogil:
        """Forget the signal."""
        memset(self.delays, 0, sizeof(self.delays))
        self.sum = 0.0
        self.frames = self.steps = 0
        self.level = -INFINITY
        self.floor = FIRST_FLOOR
        self.speaking = False
        self.begin = self.end = 0
        self.run = 0

    @property
    def is_speaking(self) -> bool:
        """True between the events that begin and end speech."""
        return self.speaking

    @property
    def level_db(self) -> float:
        """The level of the speech band in the last whole step of 10 ms, dBFS; -inf before the first one."""
        return self.level

    @property
    def floor_db(self) -> float:
        """The noise floor in the speech band, dBFS; -75 or more."""
        return self.floor

    def push(self, x):
        """Take the next samples.

        Parameters
        ----------
        x : buffer of int16 or float32, shape (frames,) or (frames, channels); or bytes of mono int16
            Of any length. Channels are averaged.

        Returns
        -------
        tuple of VoiceEvent
            What became certain with these samples: beginnings and ends in turn, often none.

        Raises
        ------
        TypeError
            *x* is neither int16 nor float32
        ValueError
            more than two dimensions, or not 1 to 1024 channels; nothing is taken
        ConcurrencyError
            another thread is using this object at this moment; nothing is taken
        """
        cdef Py_buffer source
        cdef int kind = acquire("x", x, &source, INT16 | FLOAT32)
        cdef Py_ssize_t channels = source.shape[1] if source.ndim == 2 and source.itemsize > 1 else 1
        cdef list events = []
        try:
            if source.ndim > 2 or not 1 <= channels <= BLOCK:
                raise ValueError(
                    f"x has {source.ndim} dimensions and {channels} channels, expected (frames,) or (frames, channels)"
                )
            self.enter()
            try:
                self.take(&source, kind, source.len // (2 if kind == INT16 else 4) // channels, channels, events)
            finally:
                wt_flag_drop(&self.busy)
        finally:
            PyBuffer_Release(&source)
        return tuple(events)

    def flush(self):
        """End the signal; the next push starts a new one.

        Returns
        -------
        tuple of VoiceEvent
            The end of the speech that went on, if any.

        Raises
        ------
        ConcurrencyError
            another thread is using this object at this moment
        """
        self.enter()
        events = (VoiceEvent(False, self.end),) if self.speaking else ()
        self.restart()
        wt_flag_drop(&self.busy)
        return events

    cdef int take(self, const Py_buffer *source, int kind, Py_ssize_t frames, Py_ssize_t channels, list events) except -1:
        """Append the events of *frames* frames to *events*."""
        cdef float[BLOCK] floats
        cdef float[BLOCK] mixed
        cdef float *mono
        cdef Py_ssize_t at = 0, count, done
        cdef bint changed
        while at < frames:
            count = min(frames - at, BLOCK // channels)
            if kind == INT16:
                kernels.pcm16_to_floats(<const int16_t *> source.buf + at * channels, floats, count * channels)
                mono = floats
            else:
                mono = <float *> source.buf + at * channels
            if channels > 1:
                kernels.floats_to_mono(mono, mixed, count, channels)
                mono = mixed
            done = 0
            while done < count:
                changed = False
                if frames > LONG:
                    with nogil:
                        done += self.advance(mono + done, count - done, &changed)
                else:
                    done += self.advance(mono + done, count - done, &changed)
                if changed:
                    events.append(VoiceEvent(bool(self.speaking), self.begin if self.speaking else self.end))
            at += count
        return 0

    cdef uint64_t end_of(self, uint64_t step) noexcept nogil:
        """The frame at which a step ends."""
        return (step + 1) * <uint64_t> self.sample_rate // STEPS_PER_SECOND

    cdef Py_ssize_t advance(self, const float *x, Py_ssize_t count, bint *changed) noexcept nogil:
        cdef Py_ssize_t at = 0, taken
        changed[0] = False
        while at < count and not changed[0]:
            taken = <Py_ssize_t> min(<uint64_t> (count - at), self.end_of(self.steps) - self.frames)
            self.filter(x + at, taken)
            at += taken
            self.frames += taken
            if self.frames == self.end_of(self.steps):
                changed[0] = self.end_step()
        return at

    cdef void filter(self, const float *x, Py_ssize_t count) noexcept nogil:
        """Add the squares of the band-passed samples to the sum."""
        cdef double a0 = self.filters[0][0], a1 = self.filters[0][3], a2 = self.filters[0][4]
        cdef double b0 = self.filters[1][0], b1 = self.filters[1][3], b2 = self.filters[1][4]
        cdef double d0 = self.delays[0], d1 = self.delays[1], d2 = self.delays[2], d3 = self.delays[3]
        cdef double total = self.sum, value, middle, out
        cdef Py_ssize_t i
        for i in range(count):
            value = a0 * x[i] if fabs(x[i]) < INFINITY else 0.0
            middle = value + d0
            d0 = d1 - 2.0 * value - a1 * middle
            d1 = value - a2 * middle
            value = b0 * middle
            out = value + d2
            d2 = 2.0 * value - b1 * out + d3
            d3 = value - b2 * out
            total += out * out
        self.delays[0], self.delays[1], self.delays[2], self.delays[3] = d0, d1, d2, d3
        self.sum = total

    cdef bint end_step(self) noexcept nogil:
        """Decide about the step that is full now; true if speech begins or ends."""
        cdef uint64_t first = 0 if self.steps == 0 else self.end_of(self.steps - 1)
        cdef double power = self.sum / (self.frames - first)
        cdef double margin
        cdef int i
        self.level = 10.0 * log10(power) if power > 0.0 else -INFINITY
        self.sum = 0.0
        for i in range(4):
            # What fades out would become denormal, which is slow.
            if fabs(self.delays[i]) < 1e-30:
                self.delays[i] = 0.0
        if self.steps == 0:
            self.floor = min(max(self.level, QUIETEST), FIRST_FLOOR)
        self.steps += 1
        margin = self.off_db if self.speaking else self.on_db
        cdef bint loud = self.level >= max(self.floor + margin, self.minimum_db)
        self.follow_noise()
        if self.speaking:
            self.run = 0 if loud else self.run + 1
            if loud:
                self.end = self.frames
            if self.run < self.hangover:
                return False
            self.speaking = False
        else:
            if loud and self.run == 0:
                self.begin = first
            self.run = self.run + 1 if loud else 0
            if self.run < self.attack:
                return False
            self.speaking = True
            self.end = self.frames
        self.run = 0
        return True

    cdef void follow_noise(self) noexcept nogil:
        """Move the floor towards the level of the step."""
        cdef double level = max(self.level, QUIETEST)
        if level < self.floor:
            self.floor += FALL * (level - self.floor)
        else:
            self.floor += min(level - self.floor, RISE_IN_SPEECH if self.speaking else RISE)


def speech_segments(x, sample_rate, **options):
    """Where there is speech in a whole signal.

    Thread: any. GIL: released above 4096 frames.

    Parameters
    ----------
    x : buffer of int16 or float32, shape (frames,) or (frames, channels); or bytes of mono int16
    sample_rate : int
        Hz, 8000 to 192000.
    **options
        As for VoiceActivity.

    Returns
    -------
    list of tuple of int
        The first frame of each stretch of speech, and the first one after it.

    Raises
    ------
    TypeError, ValueError
        as VoiceActivity and its ``push``
    """
    activity = VoiceActivity(sample_rate, **options)
    frames = [event.frame for event in activity.push(x) + activity.flush()]
    return list(zip(frames[::2], frames[1::2]))
