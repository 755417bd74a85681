# cython: freethreading_compatible=True
# (safe without a GIL: nothing is shared but the plans, which are published when complete)
"""Spectrograms: the levels of a signal over time and frequency, from short windows.

Thread: any; pure. GIL: released.
"""

from libc.math cimport M_PI, cos
from libc.stdint cimport int16_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

import collections

import numpy as np

cimport numpy as cnp
from cpython.buffer cimport PyBuffer_Release

from wavtools._buffers cimport FLOAT32, INT16, acquire, acquire_new, acquire_out
from wavtools._kernels cimport WT_FFT_WORK, selected_kernels, wt_fft, wt_fft_plan, wt_kernels
from wavtools.spectrum cimport MAX_FFT_SIZE, MIN_FFT_SIZE, checked_size

from wavtools._arguments import integer

__all__ = ["Spectrogram", "spectrogram"]

cdef const wt_kernels *kernels = selected_kernels()

cnp.import_array()


Spectrogram = collections.namedtuple("Spectrogram", ["decibels", "times", "frequencies"], module="wavtools.stft")
Spectrogram.__doc__ = """The levels of a signal over time and frequency, as `spectrogram` returns them.

Attributes
----------
decibels : float32, shape (windows, bins)
    0 dB is a full-scale sine.
times : float64, shape (windows,)
    Seconds from the start of the signal to the middle of each window.
frequencies : float64, shape (bins,)
    Hz, from 0 to sample_rate / 2.
"""


def spectrogram(x, sample_rate, window=1024, hop=None, *, fft_size=None, double floor_db=-120.0, out=None):
    """The levels of a signal over time and frequency.

    Window i begins at sample ``i * hop`` and is weighted as a periodic Hann window. Silence completes the last window, so
    that every sample is in one.

    Thread: any. GIL: released.

    Parameters
    ----------
    x : buffer of int16 or float32, shape (frames,) or (frames, channels); or bytes of mono int16
        int16 is divided by 32768; channels are averaged.
    sample_rate : int
        Hz, 8000 to 192000.
    window : int
        Samples of one window, 2 to 32768.
    hop : int, optional
        Samples from one window to the next, 1 or more; a quarter of *window* when not given.
    fft_size : int, optional
        A power of two from *window* to 32768, for ``fft_size / 2 + 1`` bins; the smallest from 32 on when not given.
    floor_db : float
        Levels below this one are raised to it. With -inf, silence is -inf.
    out : buffer of float32, optional
        Receives the levels. C-contiguous, writable, of the size of the result, not overlapping *x*.

    Returns
    -------
    Spectrogram
        Its ``decibels`` are *out* if that is given. 0 dB is a full-scale sine at the frequency of a bin.

    Raises
    ------
    TypeError
        *x* is neither int16 nor float32; a number that is no integer
    ValueError
        a number out of range; *x* has more than two dimensions or no channel; *out* has another size or overlaps *x*
    """
    rate = integer(sample_rate, "sample_rate", 8_000, 192_000, "8000 to 192000 Hz")
    length = integer(window, "window", 2, MAX_FFT_SIZE, "2 to 32768 samples")
    step = max(1, length // 4) if hop is None else integer(hop, "hop", 1, 2**31 - 1, "1 sample or more")
    size = max(MIN_FFT_SIZE, 1 << (length - 1).bit_length()) if fft_size is None else checked_size(fft_size)
    if size < length:
        raise ValueError(f"fft_size is {size}, expected at least the window of {length} samples")
    out = levels_of(x, length, step, size, floor_db, out)
    rows = memoryview(out).nbytes // 4 // (size // 2 + 1)
    return Spectrogram(out, (np.arange(rows) * step + length / 2) / rate, np.arange(size // 2 + 1) * (rate / size))


cdef object levels_of(x, Py_ssize_t length, Py_ssize_t step, Py_ssize_t size, double floor_db, out):
    """The levels of `spectrogram`, in *out* or a new array."""
    cdef Py_buffer source, target
    cdef Py_ssize_t samples, channels = 1, rows
    cdef int kind = acquire("x", x, &source, INT16 | FLOAT32), done
    try:
        if source.ndim == 2 and source.itemsize > 1:
            channels = source.shape[1]
        elif source.ndim != 1:
            raise ValueError(f"x has {source.ndim} dimensions, expected (frames,) or (frames, channels)")
        if channels < 1:
            raise ValueError("x has no channel, expected shape (frames,) or (frames, channels)")
        samples = source.len // (2 if kind == INT16 else 4) // channels
        rows = 0 if samples == 0 else 1 if samples <= length else (samples - length - 1) // step + 2
        if out is None:
            out = np.empty((rows, size // 2 + 1), np.float32)
            acquire_new(out, &target)
        else:
            acquire_out(out, &target, FLOAT32, rows * (size // 2 + 1), &source)
        done = fill_spectrogram(
            source.buf, kind, samples, channels, length, step, size, floor_db, <float *> target.buf, rows
        )
        PyBuffer_Release(&target)
    finally:
        PyBuffer_Release(&source)
    if not done:
        raise MemoryError
    return out


cdef bint fill_spectrogram(
    const void *source, int kind, Py_ssize_t samples, Py_ssize_t channels, Py_ssize_t length, Py_ssize_t step,
    Py_ssize_t n, double floor_db, float *out, Py_ssize_t rows,
) noexcept:
    """Compute *rows* spectra of n / 2 + 1 levels; false if memory is short."""
    cdef const wt_fft *plan = wt_fft_plan(<uint32_t> n)
    cdef Py_ssize_t bins = n // 2 + 1, line = n // 2 + 32, row, i, first, count
    cdef float lowest = <float> floor_db, gain = <float> (4.0 / length)
    # The window, three rows of bins, work, the samples of a window, and these of all channels.
    cdef size_t floats = 2 * n + 3 * line + WT_FFT_WORK(n) + min(length, samples) * channels
    cdef float *hann = <float *> calloc(floats, sizeof(float))
    cdef float *re = hann + n
    cdef float *im = re + line
    cdef float *magnitudes = im + line
    cdef float *work = magnitudes + line
    cdef float *mono = work + WT_FFT_WORK(n)
    cdef float *frames = mono if channels == 1 else mono + n
    if hann == NULL or plan == NULL:
        free(hann)
        return False
    with nogil:
        for i in range(length):
            # The sum is length / 2.
            hann[i] = <float> (0.5 - 0.5 * cos(2 * M_PI * i / length))
        for row in range(rows):
            first = row * step * channels
            count = min(length, samples - row * step)
            if kind == INT16:
                kernels.pcm16_to_floats(<const int16_t *> source + first, frames, count * channels)
            else:
                memcpy(frames, <const float *> source + first, count * channels * sizeof(float))
            if channels > 1:
                kernels.floats_to_mono(frames, mono, count, channels)
            memset(mono + count, 0, (length - count) * sizeof(float))
            kernels.real_fft(plan, mono, hann, work, re, im)
            memset(magnitudes, 0, bins * sizeof(float))
            kernels.smooth(re, im, magnitudes, bins, 0.0, gain)
            # These two have no mirror image at a negative frequency.
            magnitudes[0] *= 0.5
            magnitudes[bins - 1] *= 0.5
            kernels.decibels(magnitudes, out, bins)
            for i in range(bins):
                out[i] = lowest if out[i] < lowest else out[i]
            out += bins
    free(hann)
    return True
