# cython: freethreading_compatible=True
# (safe without a GIL: an atomic flag refuses a second thread at a Meter; the functions have no state)
"""Levels in dBFS: of an array, and over time as a meter shows them.

0 dBFS is the level of a full-scale square wave, so that a full-scale sine has the level -3.01 dBFS and the peak 0 dBFS:
``level = 20 log10(rms)``, ``peak = 20 log10(max |x|)`` with int16 divided by 32768. Silence is -inf.

Thread: any for the functions, one at a time per Meter. GIL: released for more than ``LONG`` samples.
"""

from libc.math cimport INFINITY, exp, log10, pow
from libc.stdint cimport int16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

cimport numpy as cnp
from cpython.buffer cimport PyBuffer_Release

from wavtools._buffers cimport FLOAT32, INT16, acquire
from wavtools._kernels cimport selected_kernels, wt_kernels
from wavtools.ring cimport wt_flag_drop, wt_flag_init, wt_flag_take

from wavtools._arguments import integer, number
from wavtools.errors import ConcurrencyError

cnp.import_array()

__all__ = ["Meter", "peak_db", "rms_db"]

cdef enum:
    LONG = 16384

cdef const wt_kernels *kernels = selected_kernels()


cdef double power_of_pcm16(const int16_t *x, size_t count) noexcept nogil:
    cdef uint64_t total
    cdef uint32_t peak
    kernels.measure_pcm16(x, count, &total, &peak)
    return <double> total / (32768.0 * 32768.0) / count if count else 0.0


cdef double power_of_floats(const float *x, size_t count) noexcept nogil:
    cdef double total
    cdef float peak
    kernels.measure_floats(x, count, &total, &peak)
    return total / count if count else 0.0


cdef double power_db(double power) noexcept nogil:
    return -INFINITY if power == 0.0 else 10.0 * log10(power)


cdef double peak_of(const void *x, int kind, size_t count) noexcept nogil:
    """The greatest magnitude, on the scale of +-1."""
    cdef uint64_t total
    cdef uint32_t most
    cdef double sum
    cdef float peak
    if kind == INT16:
        kernels.measure_pcm16(<const int16_t *> x, count, &total, &most)
        return most / 32768.0
    kernels.measure_floats(<const float *> x, count, &sum, &peak)
    return peak


cdef double power_of(const void *x, int kind, size_t count) noexcept nogil:
    return power_of_pcm16(<const int16_t *> x, count) if kind == INT16 else power_of_floats(<const float *> x, count)


cdef double measured(x, bint peak) except? 1.0:
    """The power, or the peak, of *x*."""
    cdef Py_buffer source
    cdef int kind = acquire("x", x, &source, INT16 | FLOAT32)
    cdef size_t count = source.len // (2 if kind == INT16 else 4)
    cdef double value
    if count > LONG:
        with nogil:
            value = peak_of(source.buf, kind, count) if peak else power_of(source.buf, kind, count)
    else:
        value = peak_of(source.buf, kind, count) if peak else power_of(source.buf, kind, count)
    PyBuffer_Release(&source)
    return value


def rms_db(x):
    """The level of *x* in dBFS: ``20 log10`` of the root of the mean square. A full-scale square wave has 0 dBFS.

    Thread: any. GIL: released above 16384 samples.

    Parameters
    ----------
    x : buffer of int16 or float32, any shape; or bytes of int16
        All samples count alike, whatever channel they belong to. Float32 may exceed 1.

    Returns
    -------
    float
        -inf for silence and for no samples; NaN if a sample is NaN.

    Raises
    ------
    TypeError
        *x* is neither int16 nor float32
    ValueError
        an odd number of bytes
    """
    return power_db(measured(x, False))


def peak_db(x):
    """The greatest magnitude of *x* in dBFS: ``20 log10 max |x|``.

    Thread: any. GIL: released above 16384 samples.

    Parameters
    ----------
    x : buffer of int16 or float32, any shape; or bytes of int16

    Returns
    -------
    float
        -inf for silence and for no samples; NaN if a sample is NaN.

    Raises
    ------
    TypeError
        *x* is neither int16 nor float32
    ValueError
        an odd number of bytes
    """
    cdef double peak = measured(x, True)
    return power_db(peak * peak)


cdef class Meter:
    """A level meter: a level that rises and falls smoothly, and a peak that is held.

    Works in blocks of one millisecond, so any chunking of a signal gives the same readings. A block that holds NaN or
    infinity is left out.

    Thread: any one thread at a time per object. Allocates nothing after construction.

    Parameters
    ----------
    sample_rate : int
        Hz, 8000 to 192000.
    channels : int
        1 to 8, interleaved: the level is that of all channels together, the peak that of the loudest.
    attack_seconds, release_seconds : float
        Time constants with which the power follows a louder and a quieter signal, 0 to 60: 63 % of a step takes that long.
    hold_seconds : float
        How long a peak is held before it falls, 0 to 3600.
    fall_db : float
        Decibels per second by which the peak falls then, 0 to 10000.

    Raises
    ------
    TypeError, ValueError
        an argument that is no number or out of range
    """

    def __cinit__(
        self, sample_rate, channels=1, *, attack_seconds=0.01, release_seconds=0.3, hold_seconds=1.5, fall_db=20.0
    ):
        wt_flag_init(&self.busy)
        self.sample_rate = integer(sample_rate, "sample_rate", 8_000, 192_000, "8000 to 192000 Hz")
        self.channels = integer(channels, "channels", 1, 8, "1 to 8")
        cdef double attack = number(attack_seconds, "attack_seconds", 0, 60, "0 to 60")
        cdef double release = number(release_seconds, "release_seconds", 0, 60, "0 to 60")
        cdef double hold = number(hold_seconds, "hold_seconds", 0, 3_600, "0 to 3600")
        cdef double steepness = number(fall_db, "fall_db", 0, 10_000, "0 to 10000 dB per second")
        cdef Py_ssize_t frames = (self.sample_rate + 500) // 1000
        cdef double seconds = <double> frames / self.sample_rate
        self.block = frames * self.channels
        self.rise = 1.0 - exp(-seconds / attack) if attack > 0 else 1.0
        self.fall = 1.0 - exp(-seconds / release) if release > 0 else 1.0
        self.peak_fall = pow(10.0, -steepness * seconds / 20.0)
        self.hold_blocks = <long long> (hold / seconds + 0.5)
        self.pending = <float *> malloc(self.block * sizeof(float))
        if self.pending == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.pending)

    cdef int enter(self) except -1:
        """Refuse other threads until the flag is dropped."""
        if wt_flag_take(&self.busy):
            raise ConcurrencyError("this Meter is in use by another thread; use one for each signal")
        return 0

    def reset(self):
        """Start again from silence. Raises ConcurrencyError if another thread is using this object."""
        self.enter()
        self.filled = 0
        self.power = self.peak = 0.0
        self.held_blocks = 0
        wt_flag_drop(&self.busy)

    @property
    def level_db(self) -> float:
        """The level in dBFS now: 0 is a full-scale square wave, -inf silence from the start."""
        return power_db(self.power)

    @property
    def peak_db(self) -> float:
        """The held peak in dBFS now; -inf for silence."""
        return power_db(self.peak * self.peak)

    def push(self, x):
        """Take the next samples.

        GIL: released above 16384 samples.

        Parameters
        ----------
        x : buffer of int16 or float32, any shape; or bytes of int16
            Whole frames of ``channels`` interleaved samples.

        Raises
        ------
        TypeError
            *x* is neither int16 nor float32
        ValueError
            not whole frames; nothing is taken
        ConcurrencyError
            another thread is using this object at this moment; nothing is taken
        """
        cdef Py_buffer source
        cdef int kind = acquire("x", x, &source, INT16 | FLOAT32)
        cdef Py_ssize_t count = source.len // (2 if kind == INT16 else 4)
        try:
            if count % self.channels:
                raise ValueError(f"x holds {count} samples, not whole frames of {self.channels} channels")
            self.enter()
            if count > LONG:
                with nogil:
                    self.push_any(source.buf, kind, count)
            else:
                self.push_any(source.buf, kind, count)
            wt_flag_drop(&self.busy)
        finally:
            PyBuffer_Release(&source)

    cdef void push_any(self, const void *x, int kind, Py_ssize_t count) noexcept nogil:
        if kind == INT16:
            self.push_pcm16(<const int16_t *> x, count)
        else:
            self.push_floats(<const float *> x, count)

    cdef void push_floats(self, const float *x, Py_ssize_t count) noexcept nogil:
        cdef Py_ssize_t taken
        while count > 0:
            if self.filled == 0 and count >= self.block:
                taken = self.block
                self.take_block(x)
            else:
                taken = min(count, self.block - self.filled)
                memcpy(self.pending + self.filled, x, taken * sizeof(float))
                self.filled += taken
                if self.filled == self.block:
                    self.filled = 0
                    self.take_block(self.pending)
            x += taken
            count -= taken

    cdef void push_pcm16(self, const int16_t *x, Py_ssize_t count) noexcept nogil:
        cdef Py_ssize_t taken
        while count > 0:
            taken = min(count, self.block - self.filled)
            kernels.pcm16_to_floats(x, self.pending + self.filled, taken)
            self.filled += taken
            if self.filled == self.block:
                self.filled = 0
                self.take_block(self.pending)
            x += taken
            count -= taken

    cdef void take_block(self, const float *x) noexcept nogil:
        """Move level and peak on by one block."""
        cdef double power
        cdef float peak
        kernels.measure_floats(x, self.block, &power, &peak)
        # False for NaN, too.
        if not power < INFINITY:
            return
        power /= self.block
        self.power += (self.rise if power > self.power else self.fall) * (power - self.power)
        # Decibels far below any sound, and denormal numbers are slow.
        if self.power < 1e-30:
            self.power = 0.0
        if peak >= self.peak:
            self.peak = peak
            self.held_blocks = self.hold_blocks
        elif self.held_blocks > 0:
            self.held_blocks -= 1
        else:
            self.peak = max(<double> peak, self.peak * self.peak_fall)
            if self.peak < 1e-15:
                self.peak = 0.0
