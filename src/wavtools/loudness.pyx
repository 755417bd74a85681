# cython: freethreading_compatible=True
# (safe without a GIL: an atomic flag refuses a second thread at a LoudnessMeter; module constants are only read)
"""Loudness in LUFS: ITU-R BS.1770-4 and EBU R 128, of a whole signal or while it arrives.

The K-weighting is the standard's analogue filter, brought to each sample rate by the bilinear transform with its corner
frequencies kept; at 48 kHz these are the standard's coefficients.

Thread: one at a time per LoudnessMeter. GIL: released for more than ``LONG`` frames, and while results are computed.
"""

from libc.math cimport INFINITY, M_PI, fabs, pow, tan
from libc.stdint cimport int16_t, uint64_t
from libc.stdlib cimport free, malloc, qsort, realloc
from libc.string cimport memset

import numpy as np

cimport numpy as cnp
from cpython.buffer cimport PyBuffer_Release

from wavtools._buffers cimport FLOAT32, INT16, acquire
from wavtools._kernels cimport selected_kernels, wt_kernels
from wavtools.levels cimport power_db
from wavtools.resample cimport Resampler
from wavtools.ring cimport wt_flag_drop, wt_flag_init, wt_flag_take

from wavtools._arguments import integer, number
from wavtools.errors import ConcurrencyError

cnp.import_array()

__all__ = ["LoudnessMeter", "integrated", "k_weighting", "true_peak_db"]

cdef enum:
    LONG = 4096
    # Samples that are converted and oversampled at a time.
    BLOCK = 1024
    # Steps of 100 ms in a momentary and in a short-term block.
    MOMENTARY = 4
    SHORT_TERM = 30
    OVERSAMPLING = 4
    # More than the look-ahead of the oversampler.
    TAIL = 128

# The absolute gate in LUFS, and how far below the ungated loudness the relative gates are.
cdef double SILENCE = -70.0, GATE = 10.0, RANGE_GATE = 20.0
# LUFS of a power of 1.
cdef double OFFSET = -0.691
cdef double SURROUND = 1.41

# Of the channels in the order of WAV files: 5.1 is left, right, centre, LFE, and the surrounds.
cdef dict WEIGHTS = {
    1: (1,),
    2: (1, 1),
    3: (1, 1, 1),
    4: (1, 1, SURROUND, SURROUND),
    5: (1, 1, 1, SURROUND, SURROUND),
    6: (1, 1, 1, 0, SURROUND, SURROUND),
    7: (1, 1, 1, 0, 1, SURROUND, SURROUND),
    8: (1, 1, 1, 0, 1, 1, SURROUND, SURROUND),
}

cdef const wt_kernels *kernels = selected_kernels()


cdef k_filter design(double rate) noexcept nogil:
    """The K-weighting at a sample rate."""
    # Corner frequencies, quality and gain of the analogue filters behind the standard's coefficients for 48 kHz.
    cdef double corner = tan(M_PI * 1681.974450955533 / rate), q = 0.7071752369554196
    cdef double high = pow(10.0, 3.999843853973347 / 20.0), middle = pow(high, 0.4996667741545416)
    cdef double scale = 1.0 + corner / q + corner * corner
    cdef k_filter made
    made.shelf[0] = (high + middle * corner / q + corner * corner) / scale
    made.shelf[1] = 2.0 * (corner * corner - high) / scale
    made.shelf[2] = (high - middle * corner / q + corner * corner) / scale
    made.shelf[3] = 2.0 * (corner * corner - 1.0) / scale
    made.shelf[4] = (1.0 - corner / q + corner * corner) / scale
    q = 0.5003270373238773
    corner = tan(M_PI * 38.13547087602444 / 48_000.0)
    # The standard's gain at high frequencies, at every rate.
    cdef double gain = 1.0 + corner / q + corner * corner
    corner = tan(M_PI * 38.13547087602444 / rate)
    scale = 1.0 + corner / q + corner * corner
    made.highpass[0] = gain / scale
    made.highpass[1] = -2.0 * gain / scale
    made.highpass[2] = gain / scale
    made.highpass[3] = 2.0 * (corner * corner - 1.0) / scale
    made.highpass[4] = (1.0 - corner / q + corner * corner) / scale
    return made


def k_weighting(sample_rate):
    """The K-weighting filter of BS.1770-4 at a sample rate.

    Thread: any.

    Parameters
    ----------
    sample_rate : int
        Hz, 8000 to 192000.

    Returns
    -------
    numpy.ndarray of float64
        Shape (2, 6): two filters of second order, each b0, b1, b2, a0, a1, a2, as `scipy.signal.sosfilt` takes them.

    Raises
    ------
    TypeError, ValueError
        a rate that is no integer or out of range
    """
    cdef k_filter made = design(integer(sample_rate, "sample_rate", 8_000, 192_000, "8000 to 192000 Hz"))
    shelf, highpass = [made.shelf[i] for i in range(5)], [made.highpass[i] for i in range(5)]
    return np.array([[*shelf[:3], 1.0, *shelf[3:]], [*highpass[:3], 1.0, *highpass[3:]]])


cdef inline double lufs(double power) noexcept nogil:
    return OFFSET + power_db(power)


cdef int ascending(const void *a, const void *b) noexcept nogil:
    cdef double x = (<const double *> a)[0], y = (<const double *> b)[0]
    return (x > y) - (x < y)


cdef double filtered_square_sum(
    const k_filter *weighting, double *delays, const float *x, Py_ssize_t frames, Py_ssize_t channels, double total
) noexcept nogil:
    """Weight every *channels*-th sample of *x*; return *total* and the squares."""
    cdef double a1 = weighting.shelf[3], a2 = weighting.shelf[4], value, middle, out
    cdef double b0 = weighting.shelf[0], b1 = weighting.shelf[1], b2 = weighting.shelf[2]
    cdef double c1 = weighting.highpass[3], c2 = weighting.highpass[4], gain = weighting.highpass[0]
    cdef double d0 = delays[0], d1 = delays[1], d2 = delays[2], d3 = delays[3]
    cdef Py_ssize_t i
    for i in range(frames):
        value = x[i * channels]
        # NaN and infinity would stay in the filter for ever.
        value = value if fabs(value) < INFINITY else 0.0
        middle = b0 * value + d0
        d0 = b1 * value - a1 * middle + d1
        d1 = b2 * value - a2 * middle
        value = gain * middle
        out = value + d2
        d2 = d3 - 2.0 * value - c1 * out
        d3 = value - c2 * out
        total += out * out
    delays[0], delays[1], delays[2], delays[3] = d0, d1, d2, d3
    return total


cdef class LoudnessMeter:
    """A loudness meter for a signal that arrives in chunks: momentary, short-term, integrated, range and true peak.

    Results move on every 100 ms of the signal and do not depend on how it was cut into chunks. NaN and infinity count as
    silence.

    Thread: any one thread at a time per object. Memory: 0.3 MB per hour of signal.
    Source: ITU-R BS.1770-4 and annex 2, EBU Tech 3341 and 3342.

    Parameters
    ----------
    sample_rate : int
        Hz, 8000 to 192000.
    channels : int
        1 to 8, in the order of WAV files: 4 are left, right and two surrounds, 5 have a centre before the surrounds,
        6 (5.1) an LFE before them, and 8 (7.1) two back channels and two side channels.
    weights : sequence of float, optional
        The weight of each channel's power, 0 to 10. When not given: 1.41 for side and surround channels, 0 for the LFE,
        and 1 for all others.
    true_peak : bool
        False to leave out the true peak, which takes most of the time.

    Raises
    ------
    TypeError, ValueError
        an argument out of range
    """

    def __cinit__(self, sample_rate, channels=1, *, weights=None, true_peak=True):
        wt_flag_init(&self.busy)
        self.sample_rate = integer(sample_rate, "sample_rate", 8_000, 192_000, "8000 to 192000 Hz")
        self.channels = integer(channels, "channels", 1, 8, "1 to 8")
        given = WEIGHTS[self.channels] if weights is None else tuple(weights)
        if len(given) != self.channels:
            raise ValueError(f"weights has {len(given)} values, expected one for each of {self.channels} channels")
        for i, weight in enumerate(given):
            self.gains[i] = number(weight, "a weight", 0, 10, "0 to 10")
        self.weighting = design(self.sample_rate)
        if true_peak:
            # The filters depend on the ratio alone.
            self.oversampler = Resampler(48_000, 48_000 * OVERSAMPLING, self.channels)
            self.oversampled = <float *> malloc((BLOCK + 2 * self.channels) * OVERSAMPLING * sizeof(float))
            if self.oversampled == NULL:
                raise MemoryError
        self.reset()

    def __dealloc__(self):
        free(self.steps)
        free(self.oversampled)

    cdef int enter(self) except -1:
        """Refuse other threads until the flag is dropped."""
        if wt_flag_take(&self.busy):
            raise ConcurrencyError("this LoudnessMeter is in use by another thread; use one for each signal")
        return 0

    def reset(self):
        """Start again: no signal. Raises ConcurrencyError if another thread is using this object."""
        self.enter()
        memset(self.delays, 0, sizeof(self.delays))
        memset(self.sums, 0, sizeof(self.sums))
        self.frames = 0
        self.count = 0
        self.peak = 0.0
        if self.oversampler is not None:
            self.oversampler.begin_floats()
        wt_flag_drop(&self.busy)

    def push(self, x):
        """Take the next samples.

        GIL: released above 4096 frames.

        Parameters
        ----------
        x : buffer of int16 or float32, shape (frames,) for one channel, else (frames, channels)
            Or bytes of interleaved int16. Of any length.

        Raises
        ------
        TypeError
            *x* is neither int16 nor float32
        ValueError
            another number of channels; nothing is taken
        ConcurrencyError
            another thread is using this object at this moment; nothing is taken
        """
        cdef Py_buffer source
        cdef int kind = acquire("x", x, &source, INT16 | FLOAT32)
        cdef Py_ssize_t samples = source.len // (2 if kind == INT16 else 4), frames = samples // self.channels
        cdef Py_ssize_t columns = source.shape[1] if source.ndim == 2 else 1
        cdef bint done
        try:
            if source.itemsize > 1 and (source.ndim > 2 or columns != self.channels):
                raise ValueError(f"x has {columns} channels and {source.ndim} dimensions, expected {self.channels} channels")
            if samples % self.channels:
                raise ValueError(f"x holds {samples} samples, not whole frames of {self.channels} channels")
            self.enter()
            if frames > LONG:
                with nogil:
                    done = self.push_any(source.buf, kind, frames)
            else:
                done = self.push_any(source.buf, kind, frames)
            wt_flag_drop(&self.busy)
        finally:
            PyBuffer_Release(&source)
        if not done:
            raise MemoryError

    cdef bint push_any(self, const void *x, int kind, Py_ssize_t frames) noexcept nogil:
        cdef float[BLOCK] floats
        cdef Py_ssize_t taken
        if kind == FLOAT32:
            return self.push_floats(<const float *> x, frames)
        if not self.reserve(frames):
            return False
        while frames > 0:
            taken = min(frames, BLOCK // self.channels)
            kernels.pcm16_to_floats(<const int16_t *> x, floats, taken * self.channels)
            self.take(floats, taken)
            x = <const int16_t *> x + taken * self.channels
            frames -= taken
        return True

    cdef bint push_floats(self, const float *x, Py_ssize_t frames) noexcept nogil:
        if not self.reserve(frames):
            return False
        self.take(x, frames)
        return True

    cdef uint64_t end_of(self, Py_ssize_t step) noexcept nogil:
        """The frame at which a step of 100 ms ends."""
        return (<uint64_t> step + 1) * <uint64_t> self.sample_rate // 10

    cdef bint reserve(self, Py_ssize_t frames) noexcept nogil:
        """Make room for the steps that end within the next *frames*."""
        cdef Py_ssize_t needed = self.count + frames * 10 // self.sample_rate + 2, room
        cdef double *steps
        if needed > self.room:
            room = needed + needed // 2 + 64
            steps = <double *> realloc(self.steps, room * sizeof(double))
            if steps == NULL:
                return False
            self.steps, self.room = steps, room
        return True

    cdef void take(self, const float *x, Py_ssize_t frames) noexcept nogil:
        cdef Py_ssize_t taken, channel
        if self.oversampled != NULL:
            self.take_peak(x, frames)
        while frames > 0:
            taken = <Py_ssize_t> min(<uint64_t> frames, self.end_of(self.count) - self.frames)
            for channel in range(self.channels):
                # Added sample by sample to what was before, so that no chunking changes the sum.
                if self.gains[channel] > 0.0:
                    self.sums[channel] = filtered_square_sum(
                        &self.weighting, self.delays[channel], x + channel, taken, self.channels, self.sums[channel]
                    )
            self.frames += taken
            if self.frames == self.end_of(self.count):
                self.end_step()
            x += taken * self.channels
            frames -= taken

    cdef void end_step(self) noexcept nogil:
        cdef Py_ssize_t channel, i
        cdef double total = 0.0
        for channel in range(self.channels):
            total += self.gains[channel] * self.sums[channel]
            self.sums[channel] = 0.0
            for i in range(4):
                # What fades out would become denormal, which is slow.
                if fabs(self.delays[channel][i]) < 1e-30:
                    self.delays[channel][i] = 0.0
        self.steps[self.count] = total
        self.count += 1

    cdef void take_peak(self, const float *x, Py_ssize_t frames) noexcept nogil:
        cdef Py_ssize_t taken, made, i
        cdef double sum
        cdef float peak
        cdef float[BLOCK] finite
        while frames > 0:
            taken = min(frames, BLOCK // self.channels)
            for i in range(taken * self.channels):
                finite[i] = x[i] if fabs(x[i]) < INFINITY else 0.0
            # The filter lowers a click that lasts one sample.
            kernels.measure_floats(finite, taken * self.channels, &sum, &peak)
            self.peak = max(self.peak, <double> peak)
            made = self.oversampler.convert(finite, taken, self.oversampled)
            kernels.measure_floats(self.oversampled, made * self.channels, &sum, &peak)
            self.peak = max(self.peak, <double> peak)
            x += taken * self.channels
            frames -= taken

    cdef void push_silence(self, Py_ssize_t frames) noexcept nogil:
        """Compute the true peak of the frames that wait for what follows them; the signal has ended."""
        cdef float[8 * TAIL] silence
        memset(silence, 0, sizeof(silence))
        self.take_peak(silence, frames)

    cdef double power(self, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
        """The weighted mean square of the steps [first, last); those before the signal are silent."""
        cdef double total = 0.0
        cdef Py_ssize_t i
        for i in range(max(first, 0), last):
            total += self.steps[i]
        return total / ((last - first) * (self.sample_rate / 10.0))

    @property
    def momentary(self) -> float:
        """LUFS of the last 400 ms, up to the last whole 100 ms; -inf for silence."""
        return lufs(self.power(self.count - MOMENTARY, self.count))

    @property
    def short_term(self) -> float:
        """LUFS of the last 3 s, up to the last whole 100 ms; -inf for silence."""
        return lufs(self.power(self.count - SHORT_TERM, self.count))

    @property
    def integrated(self) -> float:
        """LUFS of the whole signal, gated; -inf if no block of 400 ms is louder than -70 LUFS."""
        cdef double value
        self.enter()
        with nogil:
            value = self.gated()
        wt_flag_drop(&self.busy)
        return value

    cdef double gated(self) noexcept nogil:
        cdef Py_ssize_t i, passed = 0, _
        cdef double total = 0.0, gate = SILENCE, power
        for _ in range(2):
            total, passed = 0.0, 0
            for i in range(self.count - MOMENTARY + 1):
                power = self.power(i, i + MOMENTARY)
                if lufs(power) > gate:
                    total += power
                    passed += 1
            if passed == 0:
                return -INFINITY
            gate = max(SILENCE, lufs(total / passed) - GATE)
        return lufs(total / passed)

    @property
    def loudness_range(self) -> float:
        """LU between the quiet (10 %) and the loud (95 %) parts of 3 s; 0.0 for less than 3 s or silence."""
        cdef double value
        self.enter()
        cdef double *powers = <double *> malloc((self.count + 1) * sizeof(double))
        if powers != NULL:
            with nogil:
                value = self.spread(powers)
            free(powers)
        wt_flag_drop(&self.busy)
        if powers == NULL:
            raise MemoryError
        return value

    cdef double spread(self, double *powers) noexcept nogil:
        cdef Py_ssize_t i, passed = 0, low = 0
        cdef double total = 0.0, power, gate
        for i in range(self.count - SHORT_TERM + 1):
            power = self.power(i, i + SHORT_TERM)
            if lufs(power) > SILENCE:
                powers[passed] = power
                total += power
                passed += 1
        if passed == 0:
            return 0.0
        qsort(powers, passed, sizeof(double), ascending)
        gate = lufs(total / passed) - RANGE_GATE
        while lufs(powers[low]) < gate:
            low += 1
        passed -= low
        return lufs(powers[low + <Py_ssize_t> ((passed - 1) * 0.95 + 0.5)]) - lufs(
            powers[low + <Py_ssize_t> ((passed - 1) * 0.1 + 0.5)]
        )

    @property
    def true_peak_db(self) -> float:
        """dBTP of the loudest channel so far, at four times the rate. It looks between samples once 63 more have followed.

        -inf for silence; NaN with ``true_peak=False``.
        """
        return power_db(self.peak * self.peak) if self.oversampler is not None else float("nan")


cdef LoudnessMeter measured(x, sample_rate, weights, bint true_peak):
    """A meter that has taken all of *x*."""
    shape = getattr(x, "shape", None) or (0,)
    channels = shape[1] if len(shape) == 2 else 1
    cdef LoudnessMeter meter = LoudnessMeter(sample_rate, channels, weights=weights, true_peak=true_peak)
    meter.push(x)
    return meter


def integrated(x, sample_rate, *, weights=None):
    """The loudness of a whole signal in LUFS, gated as in BS.1770-4.

    Thread: any. GIL: released above 4096 frames.

    Parameters
    ----------
    x : buffer of int16 or float32, shape (frames,) or (frames, channels); or bytes of mono int16
    sample_rate, weights
        As for LoudnessMeter.

    Returns
    -------
    float
        -inf if no block of 400 ms is louder than -70 LUFS, as of a signal that is shorter.

    Raises
    ------
    TypeError, ValueError
        as LoudnessMeter and its ``push``
    """
    return measured(x, sample_rate, weights, False).integrated


def true_peak_db(x, sample_rate):
    """The true peak of a whole signal in dBTP: the greatest magnitude at four times the sample rate.

    Thread: any. GIL: released above 4096 frames.

    Parameters
    ----------
    x : buffer of int16 or float32, shape (frames,) or (frames, channels); or bytes of mono int16
    sample_rate : int
        Hz, 8000 to 192000.

    Returns
    -------
    float
        That of the loudest channel; -inf for silence.

    Raises
    ------
    TypeError, ValueError
        as LoudnessMeter and its ``push``
    """
    cdef LoudnessMeter meter = measured(x, sample_rate, None, True)
    meter.push_silence(TAIL)
    return meter.true_peak_db
