# cython: language_level=3, boundscheck=False, wraparound=False
"""Compiled code that uses wavtools' kernels: whole chains of them run without the GIL and without a Python call.

Thread: drain() is the consumer of its ring; the others, any.
"""

from libc.math cimport INFINITY, fabsf, log10
from libc.stdint cimport int16_t

import numpy as np

from wavtools.echo_native cimport NativeEchoCanceller
from wavtools.gain cimport Gain
from wavtools.levels cimport Meter, power_db, power_of_pcm16
from wavtools.loudness cimport LoudnessMeter
from wavtools.pcm cimport floats_to_mono, floats_to_pcm16, pcm16_to_floats
from wavtools.resample cimport Resampler
from wavtools.ring cimport RingBuffer, wt_ring_read, wt_ring_readable
from wavtools.spectrum cimport Analyser
from wavtools.voice_activity cimport VoiceActivity

cdef enum:
    BLOCK = 480


def drain(RingBuffer ring not None, Resampler stream not None, Analyser analyser not None, int16_t[::1] out not None):
    """Move all frames of *ring* (float32, mono) through *stream* into *analyser* and, as PCM16, into *out*.

    The first call begins the signal of *stream*. Returns the samples written; frames that *out* has no room for stay in
    the ring. Raises ValueError unless *ring* and *stream* are mono and the ring holds float32.
    """
    cdef float frames[BLOCK]
    cdef float[::1] converted = np.empty(out.shape[0], np.float32)
    cdef Py_ssize_t taken, made, written = 0
    if ring.dtype != "float32" or ring.channels != 1 or stream.channels != 1:
        raise ValueError(f"drain() moves mono float32, the ring holds {ring.channels} channels of {ring.dtype}")
    if out.shape[0] == 0:
        return 0
    if stream.kind == 0:
        stream.begin_floats()
    with nogil:
        while True:
            taken = min(<Py_ssize_t> wt_ring_readable(ring.ring), BLOCK)
            if taken == 0 or written + stream.writable(taken) > out.shape[0]:
                break
            wt_ring_read(ring.ring, frames, taken)
            made = stream.convert(frames, taken, &converted[0] + written)
            analyser.push_samples(&converted[0] + written, made)
            written += made
        floats_to_pcm16(&converted[0], &out[0], written)
    return written


def to_mono(const float[:, ::1] frames not None, float[::1] out not None):
    """Write the mean of the channels of *frames* (frames, channels) to *out* (frames,).

    Raises ValueError if the lengths differ or are 0.
    """
    if out.shape[0] != frames.shape[0] or out.shape[0] == 0:
        raise ValueError(f"out holds {out.shape[0]} frames, expected {frames.shape[0]}, 1 or more")
    with nogil:
        floats_to_mono(&frames[0, 0], &out[0], frames.shape[0], frames.shape[1])


def peak_dbfs(const int16_t[::1] pcm not None):
    """The loudest sample of *pcm* in dB below full scale; -inf for silence."""
    cdef float block[BLOCK]
    cdef float peak = 0.0
    cdef Py_ssize_t start = 0, count, i
    with nogil:
        while start < pcm.shape[0]:
            count = min(pcm.shape[0] - start, BLOCK)
            pcm16_to_floats(&pcm[start], block, count)
            for i in range(count):
                peak = max(peak, fabsf(block[i]))
            start += count
    return 20.0 * log10(peak) if peak > 0.0 else -INFINITY


def cancel_echo(
    NativeEchoCanceller canceller not None, int16_t[::1] near not None, const int16_t[::1] played not None,
):
    """Take the echo of *played* out of *near*, in place; the result is one frame late.

    Raises ValueError unless both have the same length, 1 or more whole frames of the canceller.
    """
    cdef Py_ssize_t frames = near.shape[0] // canceller.frame
    if frames == 0 or near.shape[0] % canceller.frame or played.shape[0] != near.shape[0]:
        raise ValueError(f"expected two signals of one length, a multiple of {canceller.frame}")
    with nogil:
        canceller.run(&near[0], &played[0], &near[0], frames)


def measure(
    float[::1] x not None, Gain gain not None, Meter meter not None, LoudnessMeter loudness not None,
    VoiceActivity activity not None, int16_t[::1] out not None,
):
    """Apply *gain* to mono *x* in place, push it into the meters, and write it to *out* as PCM16.

    Returns the level of *out* in dBFS, and whether speech began in *x*. Raises ValueError if the lengths differ or are 0.
    """
    cdef Py_ssize_t count = x.shape[0], taken = 0
    cdef bint changed = False, done
    cdef double level
    if count == 0 or out.shape[0] != count:
        raise ValueError(f"out holds {out.shape[0]} frames, expected {count}, 1 or more")
    with nogil:
        gain.run_floats(&x[0], &x[0], count)
        meter.push_floats(&x[0], count)
        done = loudness.push_floats(&x[0], count)
        while taken < count and not changed:
            taken += activity.advance(&x[0] + taken, count - taken, &changed)
        floats_to_pcm16(&x[0], &out[0], count)
        level = power_db(power_of_pcm16(&out[0], count))
    if not done:
        raise MemoryError
    return level, changed
