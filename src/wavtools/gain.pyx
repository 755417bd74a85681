# cython: freethreading_compatible=True
# (safe without a GIL: an atomic flag refuses a second thread at a Gain; module constants are only read)
"""Gain in decibels for streams of samples, with a look-ahead limiter so that louder samples do not clip.

The limiter computes for each frame the factor that brings its loudest channel to the ceiling, takes the least factor of a
look-ahead window, lets it return to 1 slowly, and averages it over a window of the same length. The average at a frame is
at most the factor that this frame needs, so no sample passes the ceiling; and it changes linearly, without a click.

Thread: one at a time per Gain. GIL: released for more than ``LONG`` frames.
"""

from libc.math cimport exp, fabs, pow, rint
from libc.stdint cimport int16_t, int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

import numpy as np

cimport numpy as cnp
from cpython.buffer cimport PyBuffer_Release

from wavtools._buffers cimport FLOAT32, INT16, acquire, acquire_new, acquire_out, kind_name
from wavtools.ring cimport wt_flag_drop, wt_flag_init, wt_flag_take

from wavtools._arguments import integer, number
from wavtools.errors import ConcurrencyError

cnp.import_array()

__all__ = ["Gain", "apply_gain"]

cdef enum:
    LONG = 4096
    # A factor of 1: sums of them are exact, which sums of floats are not.
    ONE = 1 << 30

# A change of the gain takes that long.
RAMP_SECONDS = 0.02
LOOKAHEAD_MS = 5.0
RELEASE_MS = 80.0
cdef double LOUDEST = 3e38

cdef dict DTYPES = {INT16: np.dtype(np.int16), FLOAT32: np.dtype(np.float32)}


cdef int64_t least_factor(limiter *state, int64_t factor) noexcept nogil:
    """Take the next frame's factor; return the least of the last delay + 1 frames."""
    cdef Py_ssize_t size = state.delay + 1, last
    if state.candidates and state.least_frame[state.first] + size <= state.frame:
        state.first = (state.first + 1) % size
        state.candidates -= 1
    while state.candidates:
        last = (state.first + state.candidates - 1) % size
        if state.least[last] < factor:
            break
        state.candidates -= 1
    last = (state.first + state.candidates) % size
    state.least[last] = factor
    state.least_frame[last] = state.frame
    state.candidates += 1
    return state.least[state.first]


cdef double next_factor(limiter *state, double loudest) noexcept nogil:
    """Take the loudest magnitude of the next frame; return the factor for the frame ``delay`` frames ago."""
    cdef int64_t least = ONE, slow
    if loudest > state.ceiling:
        least = <int64_t> (state.ceiling / loudest * ONE)
    least = least_factor(state, least)
    state.released += (1.0 - state.released) * state.release
    slow = <int64_t> (state.released * ONE + 0.5)
    if least < slow:
        slow = least
        state.released = <double> least / ONE
    state.sum += slow - state.factors[state.place]
    state.factors[state.place] = slow
    state.frame += 1
    return <double> state.sum / (<double> ONE * (state.delay + 1))


cdef inline double limit_frame(limiter *state, Py_ssize_t channels, double gain) noexcept nogil:
    """Apply *gain* to the samples at ``place``; return the factor for the frame after it in the ring, the oldest one."""
    cdef double *frame = state.samples + state.place * channels
    cdef double loudest = 0.0, magnitude
    cdef Py_ssize_t channel
    for channel in range(channels):
        frame[channel] *= gain
        magnitude = fabs(frame[channel])
        if magnitude > LOUDEST:
            # Infinity times 0 would be NaN.
            frame[channel] = LOUDEST if frame[channel] > 0 else -LOUDEST
            magnitude = LOUDEST
        loudest = max(loudest, magnitude)
    cdef double factor = next_factor(state, loudest)
    state.place = state.place + 1 if state.place < state.delay else 0
    return factor


cdef class Gain:
    """Gain in decibels for a stream, chunk by chunk, with a limiter that lets no sample pass a ceiling.

    Any chunking gives the same bits. With the limiter, output is ``delay_frames`` late: the first that many frames are
    silence, and ``flush`` returns the last ones. NaN becomes 0. While nothing is limited, a gain of 0 dB passes samples
    through bit for bit.

    Thread: any one thread at a time per object. Allocates only the returned arrays, after construction.

    Parameters
    ----------
    db : float
        The gain, -120 to 60 dB.
    sample_rate : int
        Hz, 8000 to 192000.
    channels : int
        1 to 8, interleaved; all get the same gain.
    limiter : bool
        False for no delay: int16 is then clamped, and float32 may exceed 1.
    ceiling_db : float
        The greatest magnitude that the limiter lets through, -60 to 0 dBFS.
    lookahead_ms, release_ms : float
        Time in which the limiter lowers the gain before a loud frame, 0.1 to 100 ms, which is also the delay; and time
        constant with which the gain returns, 0 to 10000 ms.

    Raises
    ------
    TypeError, ValueError
        an argument that is no number or out of range
    """

    def __cinit__(
        self, db=0.0, sample_rate=24_000, channels=1, *, limiter=True, ceiling_db=-0.1, lookahead_ms=LOOKAHEAD_MS,
        release_ms=RELEASE_MS,
    ):
        wt_flag_init(&self.busy)
        self.sample_rate = integer(sample_rate, "sample_rate", 8_000, 192_000, "8000 to 192000 Hz")
        self.channels = integer(channels, "channels", 1, 8, "1 to 8")
        self.limits = bool(limiter)
        cdef double ceiling = number(ceiling_db, "ceiling_db", -60, 0, "-60 to 0 dBFS")
        cdef double lookahead = number(lookahead_ms, "lookahead_ms", 0.1, 100, "0.1 to 100 ms")
        cdef double release = number(release_ms, "release_ms", 0, 10_000, "0 to 10000 ms")
        self.ramp = round(RAMP_SECONDS * self.sample_rate)
        self.db = db
        # As float32, so that no sample rounds to more.
        self.state.ceiling = <float> pow(10.0, ceiling / 20.0)
        self.state.release = 1.0 - exp(-1e3 / (release * self.sample_rate)) if release > 0 else 1.0
        self.state.delay = round(lookahead * 1e-3 * self.sample_rate) if self.limits else 0
        cdef Py_ssize_t size = self.state.delay + 1
        self.state.samples = <double *> calloc(size * self.channels, sizeof(double))
        self.state.factors = <int64_t *> calloc(size, sizeof(int64_t))
        self.state.least = <int64_t *> calloc(size, sizeof(int64_t))
        self.state.least_frame = <uint64_t *> calloc(size, sizeof(uint64_t))
        if (
            self.state.samples == NULL or self.state.factors == NULL or self.state.least == NULL
            or self.state.least_frame == NULL
        ):
            raise MemoryError
        self.restart()

    def __dealloc__(self):
        free(self.state.samples)
        free(self.state.factors)
        free(self.state.least)
        free(self.state.least_frame)

    @property
    def db(self) -> float:
        """The gain in dB, -120 to 60. A change begins with the next frame and takes 20 ms, in a straight line."""
        return self.decibels

    @db.setter
    def db(self, value):
        cdef double decibels = number(value, "db", -120, 60, "-120 to 60 dB")
        self.enter()
        self.decibels = decibels
        self.start = self.next_gain()
        self.target = pow(10.0, decibels / 20.0)
        self.ramped = 0 if self.kind else self.ramp
        wt_flag_drop(&self.busy)

    @property
    def delay_frames(self) -> int:
        """Frames by which output is later than input: lookahead_ms at the sample rate; 0 without a limiter."""
        return self.state.delay

    cdef double next_gain(self) noexcept nogil:
        """The gain of the next frame."""
        if self.ramped >= self.ramp:
            return self.target
        return self.start + (self.target - self.start) * (<double> self.ramped / self.ramp)

    cdef int enter(self) except -1:
        """Refuse other threads until the flag is dropped."""
        if wt_flag_take(&self.busy):
            raise ConcurrencyError("this Gain is in use by another thread; use one for each signal")
        return 0

    cdef void restart(self) noexcept nogil:
        """Forget the signal: silence as history, no kind, the gain at its target."""
        cdef Py_ssize_t i
        memset(self.state.samples, 0, (self.state.delay + 1) * self.channels * sizeof(double))
        for i in range(self.state.delay + 1):
            self.state.factors[i] = ONE
        self.state.sum = <int64_t> ONE * (self.state.delay + 1)
        self.state.released = 1.0
        self.state.first = self.state.candidates = self.state.place = 0
        self.state.frame = 0
        self.ramped = self.ramp
        self.kind = 0

    cdef void run_pcm16(self, const int16_t *x, int16_t *out, Py_ssize_t frames) noexcept nogil:
        cdef limiter *state = &self.state
        cdef Py_ssize_t i, channel, channels = self.channels
        cdef double high = 32767.0, low = -32768.0, factor, value
        if self.limits:
            high = min(high, <double> <int> (state.ceiling * 32768.0))
            low = -<double> <int> (state.ceiling * 32768.0)
        for i in range(frames):
            for channel in range(channels):
                state.samples[state.place * channels + channel] = x[i * channels + channel] / 32768.0
            factor = 1.0
            if self.limits:
                factor = limit_frame(state, channels, self.next_gain())
            else:
                factor = self.next_gain()
            self.ramped += self.ramped < self.ramp
            for channel in range(channels):
                value = rint(state.samples[state.place * channels + channel] * factor * 32768.0)
                out[i * channels + channel] = <int16_t> min(max(value, low), high)

    cdef void run_floats(self, const float *x, float *out, Py_ssize_t frames) noexcept nogil:
        cdef limiter *state = &self.state
        cdef Py_ssize_t i, channel, channels = self.channels
        cdef double factor, value
        for i in range(frames):
            for channel in range(channels):
                value = x[i * channels + channel]
                state.samples[state.place * channels + channel] = value if value == value else 0.0
            if self.limits:
                factor = limit_frame(state, channels, self.next_gain())
            else:
                factor = self.next_gain()
            self.ramped += self.ramped < self.ramp
            for channel in range(channels):
                value = state.samples[state.place * channels + channel] * factor
                if self.limits:
                    # Against rounding.
                    value = min(max(value, -state.ceiling), state.ceiling)
                out[i * channels + channel] = <float> value

    cdef void run(self, int kind, const void *x, void *out, Py_ssize_t frames) noexcept nogil:
        self.kind = kind
        if kind == INT16:
            self.run_pcm16(<const int16_t *> x, <int16_t *> out, frames)
        else:
            self.run_floats(<const float *> x, <float *> out, frames)

    cdef Py_ssize_t frames_of(self, const Py_buffer *source, int kind) except -1:
        """Frames in a chunk. Raises ValueError if it does not fit this stream."""
        cdef Py_ssize_t samples = source.len // (2 if kind == INT16 else 4)
        if source.itemsize > 1 and (
            source.ndim not in (1, 2) or source.ndim == 1 and self.channels > 1
            or source.ndim == 2 and source.shape[1] != self.channels
        ):
            shape = tuple([source.shape[i] for i in range(source.ndim)])
            raise ValueError(f"chunk has shape {shape}, expected (frames, {self.channels})")
        if samples % self.channels:
            raise ValueError(f"chunk holds {samples} samples, not whole frames of {self.channels} channels")
        if self.kind and self.kind != kind:
            raise ValueError(
                f"chunk is {kind_name(kind)}, but the signal began as {kind_name(self.kind)}; call flush() between them"
            )
        return samples // self.channels

    def process(self, chunk, out=None):
        """Apply the gain to the next chunk of the signal.

        Thread: any one thread at a time per object. GIL: released above 4096 frames.

        Parameters
        ----------
        chunk : buffer of int16 or float32, shape (frames,) for one channel, else (frames, channels)
            Or bytes of interleaved int16. Of any length.
        out : buffer of the same dtype, optional
            Receives the result. C-contiguous, writable, as many samples as *chunk*, not overlapping it.

        Returns
        -------
        numpy.ndarray
            As many frames as *chunk*, ``delay_frames`` late; *out* if that is given. int16 is rounded to the nearest.

        Raises
        ------
        TypeError
            *chunk* is neither int16 nor float32; *out* is of another dtype
        ValueError
            another shape, another dtype than at the signal's start, or *out* of another size; nothing is taken
        ConcurrencyError
            another thread is using this object at this moment; nothing is taken
        """
        cdef Py_buffer source, target
        cdef int kind = acquire("chunk", chunk, &source, INT16 | FLOAT32)
        cdef Py_ssize_t frames
        try:
            self.enter()
            try:
                frames = self.frames_of(&source, kind)
                if out is None:
                    out = np.empty(frames * self.channels, DTYPES[kind])
                    if self.channels > 1 or source.itemsize > 1 and source.ndim == 2:
                        out = out.reshape(frames, self.channels)
                    acquire_new(out, &target)
                else:
                    acquire_out(out, &target, kind, frames * self.channels, &source)
                if frames > LONG:
                    with nogil:
                        self.run(kind, source.buf, target.buf, frames)
                else:
                    self.run(kind, source.buf, target.buf, frames)
                PyBuffer_Release(&target)
            finally:
                wt_flag_drop(&self.busy)
        finally:
            PyBuffer_Release(&source)
        return out

    def flush(self):
        """End the signal: return its last ``delay_frames`` frames. The next chunk starts a new signal.

        Returns
        -------
        numpy.ndarray
            Shape (delay_frames,), or (delay_frames, channels) with several channels; float32 if there was no signal.

        Raises
        ------
        ConcurrencyError
            another thread is using this object at this moment
        """
        cdef Py_buffer source, target
        self.enter()
        try:
            kind = self.kind or FLOAT32
            silence = np.zeros(self.state.delay * self.channels, DTYPES[kind])
            out = np.empty_like(silence)
            acquire_new(silence, &source)
            acquire_new(out, &target)
            self.run(kind, source.buf, target.buf, self.state.delay)
            PyBuffer_Release(&source)
            PyBuffer_Release(&target)
            self.restart()
        finally:
            wt_flag_drop(&self.busy)
        return out.reshape(-1, self.channels) if self.channels > 1 else out


def apply_gain(x, db, sample_rate=24_000, *, limiter=True, ceiling_db=-0.1):
    """A whole signal with another gain, limited as by `Gain`, and not delayed.

    Thread: any. GIL: released above 4096 frames.

    Parameters
    ----------
    x : buffer of int16 or float32, shape (frames,) or (frames, channels); or bytes of mono int16
    db, sample_rate, limiter, ceiling_db
        As for Gain.

    Returns
    -------
    numpy.ndarray of the dtype of *x*
        The shape of *x*.

    Raises
    ------
    TypeError, ValueError
        as Gain and its ``process``
    """
    shape = getattr(x, "shape", None) or (0,)
    channels = shape[1] if len(shape) == 2 else 1
    gain = Gain(db, sample_rate, channels, limiter=limiter, ceiling_db=ceiling_db)
    made = gain.process(x)
    rest = gain.flush().reshape(-1, *made.shape[1:])
    return np.concatenate([made, rest])[gain.delay_frames:]
