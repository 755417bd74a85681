"""Spectra: a real FFT, and the Web Audio AnalyserNode on top of it.

Thread: one at a time per Analyser. GIL: held; a spectrum takes some microseconds.
"""

from libc.math cimport M_PI, cos, hypot, log10, sin
from libc.stdint cimport int16_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

import operator

import numpy as np

from cpython.buffer cimport PyBuffer_Release

from wavtools._samples cimport FLOAT32, INT16, acquire
from wavtools.pcm cimport floats_to_mono, pcm16_to_floats

__all__ = ["Analyser", "rfft"]

cdef enum:
    QUANTUM = 128  # frames of a Web Audio render quantum
    BLOCK = 1024

MIN_FFT_SIZE = 32
MAX_FFT_SIZE = 32768


cdef void twiddles(double *table, int n) noexcept nogil:
    cdef int i
    for i in range(n // 2):
        table[i] = cos(2 * M_PI * i / n)
        table[n // 2 + i] = -sin(2 * M_PI * i / n)


cdef void transform(double *work, const double *table, int n) noexcept nogil:
    """Complex FFT of work[0 .. n) + i work[n .. 2n), in place; radix 2."""
    cdef double *re = work
    cdef double *im = work + n
    cdef double a, b
    cdef int i, j = 0, bit, half, start, k, step
    for i in range(1, n):
        bit = n >> 1
        while j & bit:
            j ^= bit
            bit >>= 1
        j |= bit
        if i < j:
            a = re[i]
            re[i] = re[j]
            re[j] = a
            a = im[i]
            im[i] = im[j]
            im[j] = a
    half = 1
    while half < n:
        step = n // (2 * half)
        start = 0
        while start < n:
            for k in range(half):
                i = start + k
                j = i + half
                a = re[j] * table[k * step] - im[j] * table[n // 2 + k * step]
                b = re[j] * table[n // 2 + k * step] + im[j] * table[k * step]
                re[j] = re[i] - a
                im[j] = im[i] - b
                re[i] += a
                im[i] += b
            start += 2 * half
        half *= 2


cdef int checked_size(size) except -1:
    try:
        size = operator.index(size)
    except TypeError:
        raise TypeError(f"fft_size must be a whole number, not {size!r}") from None
    if not MIN_FFT_SIZE <= size <= MAX_FFT_SIZE or size & (size - 1):
        raise ValueError(f"fft_size is {size}, expected a power of two from {MIN_FFT_SIZE} to {MAX_FFT_SIZE}")
    return size


cdef class Analyser:
    """The spectrum of the newest samples, smoothed from call to call, exactly as Chromium's AnalyserNode has it.

    Parameters
    ----------
    fft_size : int
        A power of two, 32 to 32768: the samples that one spectrum sees. There are half as many bins.
    smoothing : float
        0 to 1: the part of the last spectrum that remains in the next one. The state starts at silence.

    Raises
    ------
    TypeError   *fft_size* is not an integer
    ValueError  *fft_size* is no power of two or out of range, *smoothing* not in [0, 1]

    Thread: any one thread at a time per object. Allocates: only the returned arrays.
    Source: Web Audio API 1.8.6, and Chromium's RealtimeAnalyser where it differs: the state advances only when a call
    finds a new render quantum of 128 samples, so calls without new audio all return the same.
    """

    def __cinit__(self, fft_size=8192, smoothing=0.1):
        self.fft_size = checked_size(fft_size)
        self.smoothing = smoothing
        if not 0.0 <= self.smoothing <= 1.0:
            raise ValueError(f"smoothing is {smoothing}, expected 0 to 1")
        cdef int n = self.fft_size
        self.recent = <float *> calloc(n, sizeof(float))
        self.window = <float *> malloc(n * sizeof(float))
        self.cosines = <double *> malloc(n * sizeof(double))
        self.work = <double *> malloc(2 * n * sizeof(double))
        self.state = <float *> calloc(n // 2, sizeof(float))
        if not (self.recent and self.window and self.cosines and self.work and self.state):
            raise MemoryError
        cdef int i
        for i in range(n):  # Blackman, alpha 0.16, periodic
            self.window[i] = <float> (0.42 - 0.5 * cos(2 * M_PI * i / n) + 0.08 * cos(4 * M_PI * i / n))
        twiddles(self.cosines, n)

    def __dealloc__(self):
        free(self.recent)
        free(self.window)
        free(self.cosines)
        free(self.work)
        free(self.state)

    def reset(self):
        """Back to silence, the smoothing too."""
        memset(self.recent, 0, self.fft_size * sizeof(float))
        memset(self.state, 0, self.fft_size // 2 * sizeof(float))
        self.pushed = self.seen = 0

    cdef void push_samples(self, const float *x, size_t count) noexcept nogil:
        """Append mono samples. Real-time safe."""
        cdef size_t n = self.fft_size, at, first
        self.pushed += count
        if count > n:
            x += count - n
            count = n
        at = (self.pushed - count) % n
        first = min(count, n - at)
        memcpy(self.recent + at, x, first * sizeof(float))
        memcpy(self.recent, x + first, (count - first) * sizeof(float))

    cdef void advance(self) noexcept nogil:
        """Take a spectrum of the newest samples into the state."""
        cdef int n = self.fft_size, i
        cdef uint64_t start = self.pushed % n
        cdef double magnitude
        for i in range(n):
            self.work[i] = self.recent[(start + i) % n] * self.window[i]
            self.work[n + i] = 0.0
        transform(self.work, self.cosines, n)
        for i in range(n // 2):
            magnitude = hypot(self.work[i], self.work[n + i]) / n
            self.state[i] = <float> (self.smoothing * self.state[i] + (1.0 - self.smoothing) * magnitude)

    def push(self, x):
        """Append samples: the audio up to now.

        Parameters
        ----------
        x : int16 or float32, shape (frames,) or (frames, channels), C-contiguous; or bytes of mono int16
            int16 is divided by 32768; channels are averaged.

        Raises
        ------
        TypeError   neither int16 nor float32
        ValueError  more than two dimensions, or no channel; nothing is taken
        """
        cdef Py_buffer source
        cdef int kind = acquire("x", x, &source, INT16 | FLOAT32)
        cdef Py_ssize_t frames, channels = 1, done = 0, now
        cdef float mixed[BLOCK]
        cdef float[BLOCK * 2] floats
        try:
            if source.ndim == 2 and source.itemsize > 1:
                channels = source.shape[1]
            elif source.ndim != 1:
                raise ValueError(f"x has {source.ndim} dimensions, expected (frames,) or (frames, channels)")
            if channels < 1 or channels > 2 * BLOCK:
                raise ValueError(f"x has {channels} channels, expected 1 to {2 * BLOCK}")
            frames = source.len // (2 if kind == INT16 else 4) // channels
            if kind == FLOAT32 and channels == 1:
                self.push_samples(<const float *> source.buf, frames)
                return
            while done < frames:
                now = min(frames - done, 2 * BLOCK // channels, BLOCK)
                if kind == INT16:
                    pcm16_to_floats(<const int16_t *> source.buf + done * channels, floats, now * channels)
                else:
                    memcpy(floats, <const float *> source.buf + done * channels, now * channels * sizeof(float))
                floats_to_mono(floats, mixed, now, channels)
                self.push_samples(mixed, now)
                done += now
        finally:
            PyBuffer_Release(&source)

    def float_frequency_data(self):
        """The smoothed spectrum of the newest ``fft_size`` samples; before the start of the signal is silence.

        Returns
        -------
        float32, shape (fft_size / 2,): decibels; 0 dB is the magnitude of a full-scale constant in bin 0 (before the
        window), -inf is silence. Bin i is at i * sample_rate / fft_size Hz.
        """
        cdef uint64_t quanta = (self.pushed + QUANTUM - 1) // QUANTUM
        cdef int i
        if quanta != self.seen:
            self.advance()
            self.seen = quanta
        decibels = np.empty(self.fft_size // 2, np.float32)
        cdef float[::1] view = decibels
        for i in range(self.fft_size // 2):
            view[i] = <float> (20.0 * log10(self.state[i]))
        return decibels


def rfft(x):
    """The discrete Fourier transform of real samples, not scaled.

    Parameters
    ----------
    x : float32, shape (n,), C-contiguous; n a power of two, 32 to 32768

    Returns
    -------
    complex64, shape (n / 2 + 1,): the bins from 0 to the Nyquist frequency, as ``numpy.fft.rfft``.

    Raises
    ------
    TypeError   *x* is not float32
    ValueError  not one dimension, or n no power of two or out of range

    Thread: any.
    """
    cdef Py_buffer source
    acquire("x", x, &source, FLOAT32)
    cdef int n, i
    cdef double *work = NULL
    cdef double *table = NULL
    try:
        if source.ndim != 1:
            raise ValueError(f"x has {source.ndim} dimensions, expected one")
        n = checked_size(source.len // 4)
        work = <double *> calloc(2 * n, sizeof(double))
        table = <double *> malloc(n * sizeof(double))
        if work == NULL or table == NULL:
            raise MemoryError
        for i in range(n):
            work[i] = (<const float *> source.buf)[i]
        twiddles(table, n)
        transform(work, table, n)
        out = np.empty(n // 2 + 1, np.complex64)
        for i in range(n // 2 + 1):
            out[i] = work[i] + 1j * work[n + i]
    finally:
        free(work)
        free(table)
        PyBuffer_Release(&source)
    return out
