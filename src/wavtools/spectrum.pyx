# cython: freethreading_compatible=True
# (safe without a GIL: each method locks its object; the plans that all objects share are published when complete)
"""Spectra: a real FFT, and the Web Audio AnalyserNode on top of it.

Thread: one at a time per object. GIL: held, as a spectrum takes some microseconds.
"""

from libc.math cimport M_PI, cos
from libc.stdint cimport int16_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

import operator

import numpy as np

cimport cython
cimport numpy as cnp
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer

from wavtools._buffers cimport FLOAT32, INT16, acquire, acquire_new, new_array
from wavtools._kernels cimport WT_FFT_PAD, WT_FFT_WORK, selected_kernels, wt_fft, wt_fft_plan, wt_kernels

__all__ = ["Analyser", "RealFFT", "rfft", "scaled_bands"]

cdef enum:
    # Frames of a Web Audio render quantum.
    QUANTUM = 128
    # Frames that push mixes at a time.
    BLOCK = 1024
    # Largest transform whose work space is on the stack: 10 KiB.
    NEAR = 1024
    NEAR_WORK = 2 * NEAR + 5 * WT_FFT_PAD


cdef const wt_kernels *kernels = selected_kernels()

cnp.import_array()


cdef size_t checked_size(size) except 0:
    """*size* as an FFT size. Raises TypeError and ValueError."""
    try:
        size = operator.index(size)
    except TypeError:
        raise TypeError(f"fft_size must be a whole number, not {size!r}") from None
    if not MIN_FFT_SIZE <= size <= MAX_FFT_SIZE or size & (size - 1):
        raise ValueError(f"fft_size is {size}, expected a power of two from 32 to 32768")
    return size


cdef class Analyser:
    """The spectrum of the newest samples, smoothed from call to call, exactly as by Chromium's AnalyserNode.

    Thread: any one thread at a time per object. Allocates only the returned arrays.
    Source: Web Audio API 1.8.6, and Chromium's RealtimeAnalyser where it differs: the state advances only when a call
    finds a new render quantum of 128 samples, so calls without new audio all return the same.

    Parameters
    ----------
    fft_size : int
        Samples of one spectrum: a power of two, 32 to 32768. There are half as many bins.
    smoothing : float
        The part of the last spectrum that remains in the next one, 0 to 1. The first spectrum follows silence.

    Raises
    ------
    TypeError
        *fft_size* is not an integer
    ValueError
        *fft_size* is no power of two or out of range, or *smoothing* is not in [0, 1]
    """

    def __cinit__(self, fft_size=8192, smoothing=0.1):
        self.fft_size = <int> checked_size(fft_size)
        self.smoothing = smoothing
        if not 0.0 <= self.smoothing <= 1.0:
            raise ValueError(f"smoothing is {smoothing}, expected 0 to 1")
        cdef size_t n = self.fft_size, work = WT_FFT_WORK(n), i
        self.plan = wt_fft_plan(self.fft_size)
        # For recent, window, frame, re and im (a few more than n / 2 each), state, work.
        self.memory = <float *> calloc(5 * n + 64 + work, sizeof(float))
        if self.plan == NULL or self.memory == NULL:
            raise MemoryError
        self.recent = self.memory
        self.window = self.recent + n
        self.frame = self.window + n
        self.re = self.frame + n
        self.im = self.re + n // 2 + 32
        self.state = self.im + n // 2 + 32
        self.work = self.state + n // 2
        # Blackman, alpha 0.16, periodic.
        for i in range(n):
            self.window[i] = <float> (0.42 - 0.5 * cos(2 * M_PI * i / n) + 0.08 * cos(4 * M_PI * i / n))

    def __dealloc__(self):
        free(self.memory)

    @cython.critical_section
    def reset(self):
        """Start again from silence, in samples and smoothing."""
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
        """Add a spectrum of the newest samples to the smoothed state. Real-time safe."""
        cdef size_t n = self.fft_size, start = self.pushed % n
        memcpy(self.frame, self.recent + start, (n - start) * sizeof(float))
        memcpy(self.frame + n - start, self.recent, start * sizeof(float))
        kernels.real_fft(self.plan, self.frame, self.window, self.work, self.re, self.im)
        kernels.smooth(
            self.re, self.im, self.state, n // 2, <float> self.smoothing, <float> ((1.0 - self.smoothing) / n)
        )

    @cython.critical_section
    def push(self, x):
        """Append the next samples of the signal.

        Parameters
        ----------
        x : buffer of int16 or float32, shape (frames,) or (frames, channels); or bytes of mono int16
            int16 is divided by 32768; channels are averaged.

        Raises
        ------
        TypeError
            *x* is neither int16 nor float32
        ValueError
            more than two dimensions, or no channel; nothing is taken
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
                    kernels.pcm16_to_floats(<const int16_t *> source.buf + done * channels, floats, now * channels)
                else:
                    memcpy(floats, <const float *> source.buf + done * channels, now * channels * sizeof(float))
                kernels.floats_to_mono(floats, mixed, now, channels)
                self.push_samples(mixed, now)
                done += now
        finally:
            PyBuffer_Release(&source)

    def float_frequency_data(self):
        """The smoothed spectrum of the newest ``fft_size`` samples; the signal is silent before its start.

        Returns
        -------
        numpy.ndarray of float32
            Shape (fft_size / 2,), decibels: 0 dB is the magnitude of a full-scale constant in bin 0 (before the window),
            -inf is silence. Bin i is at i * sample_rate / fft_size Hz.
        """
        cdef uint64_t quanta
        cdef Py_ssize_t bins = self.fft_size // 2
        cdef cnp.ndarray decibels = new_array(1, &bins, cnp.NPY_FLOAT32)
        with cython.critical_section(self):
            quanta = (self.pushed + QUANTUM - 1) // QUANTUM
            if quanta != self.seen:
                self.advance()
                self.seen = quanta
            kernels.decibels(self.state, <float *> cnp.PyArray_DATA(decibels), bins)
        return decibels

    def float_time_domain_data(self):
        """The newest ``fft_size`` samples, the newest last; the signal is silent before its start.

        Returns
        -------
        numpy.ndarray of float32
            Shape (fft_size,), full scale 1.0.
        """
        cdef size_t n = self.fft_size, start
        cdef Py_buffer target
        samples = np.empty(self.fft_size, np.float32)
        acquire_new(samples, &target)
        with cython.critical_section(self):
            start = self.pushed % n
            memcpy(target.buf, self.recent + start, (n - start) * sizeof(float))
            memcpy(<float *> target.buf + n - start, self.recent, start * sizeof(float))
        PyBuffer_Release(&target)
        return samples


def scaled_bands(const float[::1] db not None, const Py_ssize_t[::1] first_bins, double low, double high):
    """Scale decibels to 0 at *low* and 1 at *high*, clamped, band by band.

    Thread: any.

    Parameters
    ----------
    db : array of float32, shape (bins,)
        Decibels.
    first_bins : array of intp, shape (bands + 1,), or None
        Ascending, at most ``bins``. Band n is the loudest of bins [first_bins[n], first_bins[n + 1]), at least *low*.
        With None each bin is a band.
    low, high : float
        Decibels. Equal limits give 0, 1, or NaN at the limit itself, as division by zero does.

    Returns
    -------
    numpy.ndarray of float32
        Shape (bands,); NaN where a bin was NaN.

    Raises
    ------
    ValueError
        *first_bins* reaches beyond *db*
    """
    cdef Py_ssize_t count = db.shape[0] if first_bins is None else first_bins.shape[0] - 1
    cdef Py_ssize_t band
    cdef double span = high - low, value, loudest
    if first_bins is not None and count >= 0 and (first_bins[0] < 0 or first_bins[count] > db.shape[0]):
        raise ValueError(f"first_bins reaches to bin {first_bins[count]}, but there are {db.shape[0]}")
    cdef cnp.ndarray values = new_array(1, &count, cnp.NPY_FLOAT32)
    cdef float *out = <float *> cnp.PyArray_DATA(values)
    for band in range(count):
        if first_bins is None:
            value = db[band]
        else:
            value = low
            if first_bins[band] < first_bins[band + 1]:
                loudest = kernels.loudest(&db[first_bins[band]], first_bins[band + 1] - first_bins[band])
                # Also true for NaN, which stays.
                if not loudest <= low:
                    value = loudest
        value = (value - low) / span
        if value < 0.0:
            value = 0.0
        elif value > 1.0:
            value = 1.0
        out[band] = <float> value
    return values


cdef class RealFFT:
    """The unscaled discrete Fourier transform of real samples, from one array of its own to another.

    For loops that transform often and must not allocate; :func:`rfft` is simpler.

    Thread: any one thread at a time per object.

    Parameters
    ----------
    fft_size : int
        Samples that are transformed: a power of two, 32 to 32768.

    Attributes
    ----------
    samples : numpy.ndarray of float32, shape (fft_size,)
        The input: write here. ``execute`` does not change it.
    bins : numpy.ndarray of complex64, shape (fft_size / 2 + 1,)
        The output of the last ``execute``: the bins from 0 to the Nyquist frequency, as ``numpy.fft.rfft``; zeros at
        first.

    Raises
    ------
    TypeError
        *fft_size* is not an integer
    ValueError
        *fft_size* is no power of two or out of range
    """

    def __cinit__(self, fft_size):
        cdef size_t n = checked_size(fft_size)
        # Views: an array that does not own its memory cannot be resized.
        self.samples = np.zeros(n, np.float32)[:]
        self.bins = np.zeros(n // 2 + 1, np.complex64)[:]
        self.plan = wt_fft_plan(n)
        self.work = <float *> malloc(WT_FFT_WORK(n) * sizeof(float))
        if self.plan == NULL or self.work == NULL:
            raise MemoryError
        PyObject_GetBuffer(self.samples, &self.source, PyBUF_WRITABLE)
        PyObject_GetBuffer(self.bins, &self.target, PyBUF_WRITABLE)

    def __dealloc__(self):
        PyBuffer_Release(&self.source)
        PyBuffer_Release(&self.target)
        free(self.work)

    @cython.critical_section
    def execute(self):
        """Transform ``samples`` into ``bins`` and return ``bins``. Allocates nothing."""
        kernels.real_fft(
            self.plan, <const float *> self.source.buf, NULL, self.work, <float *> self.target.buf, NULL
        )
        return self.bins


def rfft(x):
    """The unscaled discrete Fourier transform of real samples. :class:`RealFFT` computes it without allocating.

    Thread: any.

    Parameters
    ----------
    x : buffer of float32, shape (n,)
        n is a power of two, 32 to 32768.

    Returns
    -------
    numpy.ndarray of complex64
        Shape (n / 2 + 1,): the bins from 0 to the Nyquist frequency, as ``numpy.fft.rfft``.

    Raises
    ------
    TypeError
        *x* is not float32
    ValueError
        more or less than one dimension, or n is no power of two or out of range
    """
    cdef Py_buffer source
    cdef Py_ssize_t n, bins
    cdef cnp.ndarray out
    acquire("x", x, &source, FLOAT32)
    try:
        if source.ndim != 1:
            raise ValueError(f"x has {source.ndim} dimensions, expected one")
        n = source.len // 4
        if n < MIN_FFT_SIZE or n > MAX_FFT_SIZE or n & (n - 1):
            checked_size(n)
        bins = n // 2 + 1
        out = new_array(1, &bins, cnp.NPY_COMPLEX64)
        transform(<const float *> source.buf, n, <float *> cnp.PyArray_DATA(out))
    finally:
        PyBuffer_Release(&source)
    return out


cdef int transform(const float *x, size_t n, float *out) except -1:
    """Transform *n* samples into n / 2 + 1 bins, each a real part and then an imaginary part."""
    cdef float[NEAR_WORK] near
    cdef float *far = NULL
    cdef float *work = near
    cdef const wt_fft *plan = wt_fft_plan(n)
    if n > NEAR:
        far = work = <float *> malloc(WT_FFT_WORK(n) * sizeof(float))
    if plan == NULL or work == NULL:
        free(far)
        raise MemoryError
    kernels.real_fft(plan, x, NULL, work, out, NULL)
    free(far)
    return 0
