# cython: freethreading_compatible=True
# (safe without a GIL: an atomic flag refuses a second thread at a Resampler, banks are shared under a lock and never
# change, and module constants are only read)
"""Sample rate conversion: a streaming polyphase resampler with constant delay and the same result for any chunking.

Every output frame is one dot product of the input around its time with one row of a filter bank (_native/polyphase.h),
so any way of cutting the input into chunks gives the same bits. The filter is symmetric about the output frame: output
is aligned with the input, and the only latency is half the filter, which must arrive before a frame can be computed.

Thread: one at a time per Resampler; the banks never change. GIL: released for more than ``LONG`` frames of input.
"""

from libc.stdint cimport int16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memmove, memset

import operator
import sys
import types

cimport numpy as cnp
from cpython.buffer cimport PyBuffer_Release

from wavtools._buffers cimport FLOAT32, INT16, acquire, new_array
from wavtools._blocks cimport (
    wt_blocks, wt_blocks_frames, wt_blocks_free, wt_blocks_new, wt_blocks_reach, wt_blocks_run, wt_blocks_step,
)
from wavtools._kernels cimport selected_kernels, wt_kernels
from wavtools._polyphase cimport wt_bank_down, wt_bank_free, wt_bank_new, wt_bank_taps, wt_bank_up, wt_polyphase, wt_quality
from wavtools.ring cimport wt_flag_drop, wt_flag_init, wt_flag_take

from wavtools.errors import ConcurrencyError

__all__ = ["Resampler", "resample"]


cdef enum:
    LONG = 4096
    # Seconds of input from which resample() works by FFT.
    WHOLE_SECONDS = 30
    # Input frames converted at a time, so that the working set stays in the first-level cache.
    BLOCK = 6144

MIN_RATE_HZ = 8_000
MAX_RATE_HZ = 192_000
MAX_CHANNELS = 8
QUALITIES = ("fast", "high", "best")


cdef int checked_rate(str name, rate) except -1:
    try:
        rate = operator.index(rate)
    except TypeError:
        raise TypeError(f"{name} must be a whole number of Hz, not {rate!r}") from None
    if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
        raise ValueError(f"{name} is {rate} Hz, expected {MIN_RATE_HZ} to {MAX_RATE_HZ}")
    return rate


cdef const wt_kernels *kernels = selected_kernels()

cnp.import_array()


cdef class Resampler:
    """Convert a signal from one sample rate to another, chunk by chunk.

    Any chunking gives the same bits as one call, and ``process`` plus ``flush`` give exactly
    ``ceil(n * out_rate / in_rate)`` frames for n frames of input.

    Thread: any one thread at a time per object. Allocates: only the returned arrays, after construction.
    Source: polyphase interpolation, Crochiere and Rabiner 1983, chapter 3; the filters are Chebyshev designs.

    Parameters
    ----------
    in_rate, out_rate : int
        Hz, 8000 to 192000, any pair. Equal rates pass samples through bit for bit.
    channels : int
        1 to 8, interleaved.
    quality : {"fast", "high", "best"}
        Frequencies are given as parts of the Nyquist frequency of the lower rate, latency in samples of that rate. The
        gain is exact within 0.0001 dB ("fast" 0.001), except in the last fifth of the passband, where it falls by at
        most:

        =========  ===================  =================  ==============================
        quality    passband             stopband           latency
        =========  ===================  =================  ==============================
        fast       to 0.80, -0.09 dB    -107 dB from 1.0   24 samples: 1.0 ms at 24 kHz
        high       to 0.91, -0.09 dB    -141 dB from 1.0   63 samples: 2.6 ms at 24 kHz
        high, 8k   to 0.91, -0.09 dB    -132 dB from 1.02  51 samples: 6.4 ms at 8 kHz
        best       to 0.915, -0.001 dB  -179 dB from 1.0   108 samples: 4.5 ms at 24 kHz
        =========  ===================  =================  ==============================

        Where the lower rate is below 16 kHz, "high" is the filter "high, 8k". "best" sums in double.

    Raises
    ------
    TypeError
        a rate or ``channels`` is not an integer
    ValueError
        a rate, ``channels`` or ``quality`` is out of range
    """

    def __cinit__(self, in_rate, out_rate, channels=1, quality="high"):
        wt_flag_init(&self.busy)
        self.in_rate = checked_rate("in_rate", in_rate)
        self.out_rate = checked_rate("out_rate", out_rate)
        try:
            count = operator.index(channels)
        except TypeError:
            raise TypeError(f"channels must be a whole number, not {channels!r}") from None
        if not 1 <= count <= MAX_CHANNELS:
            raise ValueError(f"channels is {count}, expected 1 to {MAX_CHANNELS}")
        self.channels = count
        if quality not in QUALITIES:
            raise ValueError(f"quality is {quality!r}, expected one of {', '.join(map(repr, QUALITIES))}")
        self.quality = quality
        self.bank = wt_bank_new(self.in_rate, self.out_rate, <wt_quality> <int> QUALITIES.index(quality))
        if self.bank == NULL:
            raise MemoryError
        self.up = wt_bank_up(self.bank)
        self.down = wt_bank_down(self.bank)
        # Equal rates copy: an output frame depends on its own input frame alone.
        self.reach = 1 if self.up == self.down else wt_bank_taps(self.bank)
        self.behind = 0 if self.up == self.down else self.reach // 2 - 1
        self.row = self.reach + BLOCK
        self.history = <float *> calloc(self.row * self.channels, sizeof(float))
        # Room for the output of one block, and for one frame more from the history.
        self.scratch = <float *> malloc((BLOCK * self.up // self.down + 2) * sizeof(float))
        if self.history == NULL or self.scratch == NULL:
            raise MemoryError
        self.restart()

    def __dealloc__(self):
        wt_bank_free(self.bank)
        free(self.history)
        free(self.scratch)

    @property
    def latency_seconds(self) -> float:
        """Seconds of input that must follow a frame before ``process`` returns it. Constant; 0.0 for equal rates."""
        return (self.reach - 1 - self.behind) / <double> self.in_rate

    def reset(self):
        """Forget the signal so far; the next chunk starts a new one. Raises ConcurrencyError as ``process``."""
        self.enter()
        self.restart()
        wt_flag_drop(&self.busy)

    cdef int enter(self) except -1:
        """Refuse other threads until the flag is dropped: two at once would write past the history."""
        if wt_flag_take(&self.busy):
            raise ConcurrencyError("this Resampler is in use by another thread; use one for each signal")
        return 0

    cdef void restart(self) noexcept nogil:
        """Forget the signal: no kind, and silence as history."""
        memset(self.history, 0, self.row * self.channels * sizeof(float))
        self.held = self.behind
        self.phase = 0
        self.kind = 0
        self.taken = 0
        self.given = 0

    cdef void begin_floats(self) noexcept nogil:
        """Start a new signal of float32."""
        self.restart()
        self.kind = FLOAT32

    cdef void begin_pcm16(self) noexcept nogil:
        """Start a new signal of int16."""
        self.restart()
        self.kind = INT16

    cdef Py_ssize_t writable(self, Py_ssize_t frames) noexcept nogil:
        """Output frames that can be computed after *frames* more input frames."""
        # Where the last full window would start.
        cdef Py_ssize_t last = self.held + frames - self.reach
        if last < 0:
            return 0
        return <Py_ssize_t> ((<uint64_t> (last + 1) * self.up - self.phase - 1) // self.down + 1)

    cdef Py_ssize_t convert(self, const void *frames, Py_ssize_t count, void *out) noexcept nogil:
        """Convert *count* interleaved frames of the signal's kind (NULL: silence); return the frames written."""
        cdef Py_ssize_t written = 0, passed = 0, taken, ready, channel, drop
        cdef Py_ssize_t size = 2 if self.kind == INT16 else 4
        cdef float *line
        cdef uint64_t end
        while count > 0:
            if count > BLOCK and passed >= self.held and self.channels == 1 and self.kind == FLOAT32 and frames != NULL:
                return written + self.convert_in_place(<const float *> frames, count, <float *> out + written)
            taken = min(count, BLOCK)
            ready = self.writable(taken)
            end = self.phase + <uint64_t> ready * self.down
            drop = <Py_ssize_t> (end // self.up)
            for channel in range(self.channels):
                line = self.history + channel * self.row
                self.append(line + self.held, frames, taken, channel)
                self.filter(line, ready, out, written, channel)
                # A window is longer than the step from one to the next, so the next one starts within what is held.
                memmove(line, line + drop, (self.held + taken - drop) * sizeof(float))
            self.held += taken - drop
            self.phase = <uint32_t> (end % self.up)
            written += ready
            self.given += ready
            count -= taken
            passed += taken
            if frames != NULL:
                self.taken += taken
                frames = <const char *> frames + taken * self.channels * size
        return written

    cdef Py_ssize_t convert_in_place(self, const float *frames, Py_ssize_t count, float *out) noexcept nogil:
        """Convert *count* frames of one channel without a copy of them; those held must lie before *frames*, too."""
        cdef Py_ssize_t ready = self.writable(count)
        cdef uint64_t end = wt_polyphase(self.bank, frames - self.held, self.phase, out, ready)
        self.held += count - <Py_ssize_t> (end // self.up)
        memcpy(self.history, frames + count - self.held, self.held * sizeof(float))
        self.phase = <uint32_t> (end % self.up)
        self.taken += count
        self.given += ready
        return ready

    cdef void append(self, float *line, const void *frames, Py_ssize_t count, Py_ssize_t channel) noexcept nogil:
        """Copy one channel of *count* interleaved frames (NULL: silence) to *line*, int16 on its own scale."""
        cdef Py_ssize_t i, channels = self.channels
        cdef const int16_t *pcm
        cdef const float *floats
        if frames == NULL:
            memset(line, 0, count * sizeof(float))
        elif self.kind == INT16:
            pcm = <const int16_t *> frames + channel
            for i in range(count):
                line[i] = pcm[i * channels]
        elif channels == 1:
            memcpy(line, frames, count * sizeof(float))
        else:
            floats = <const float *> frames + channel
            for i in range(count):
                line[i] = floats[i * channels]

    cdef void filter(
        self, const float *line, Py_ssize_t count, void *out, Py_ssize_t first, Py_ssize_t channel
    ) noexcept nogil:
        """Compute *count* output frames of one channel from *line* into *out*, from frame number *first* on."""
        cdef Py_ssize_t i, channels = self.channels, start = first * channels + channel
        if self.kind == INT16:
            wt_polyphase(self.bank, line, self.phase, self.scratch, count)
            kernels.round_to_pcm16(self.scratch, <int16_t *> out + start, count, channels)
        elif channels == 1:
            wt_polyphase(self.bank, line, self.phase, <float *> out + start, count)
        else:
            wt_polyphase(self.bank, line, self.phase, self.scratch, count)
            for i in range(count):
                (<float *> out)[start + i * channels] = self.scratch[i]

    cdef void convert_whole(self, int kind, const void *frames, Py_ssize_t count, void *out) noexcept nogil:
        """Convert a whole signal: *count* frames into ceil(count * up / down)."""
        self.restart()
        self.kind = kind
        cdef Py_ssize_t written = self.convert(frames, count, out)
        cdef char *rest = <char *> out + written * self.channels * (2 if kind == INT16 else 4)
        self.convert(NULL, self.reach - 1 - self.behind, rest)

    def process(self, chunk):
        """Convert the next chunk of the signal.

        Thread: any one thread at a time per object. GIL: released above 4096 frames.

        Parameters
        ----------
        chunk : buffer of int16 or float32, shape (frames,) for one channel, else (frames, channels)
            Or bytes of interleaved little-endian int16. Of any length, or empty.

        Returns
        -------
        numpy.ndarray of the dtype of *chunk*
            Shape (n,) or (n, channels): every output frame whose look-ahead has arrived. int16 is rounded to the nearest
            and clamped.

        Raises
        ------
        TypeError
            *chunk* is neither int16 nor float32
        ValueError
            another number of channels, or another dtype than at the signal's start; nothing is taken
        ConcurrencyError
            another thread is using this object at this moment; nothing is taken
        """
        cdef Py_buffer source
        cdef cnp.ndarray out
        cdef int kind = acquire("chunk", chunk, &source, INT16 | FLOAT32)
        cdef Py_ssize_t frames, ready
        cdef void *to
        try:
            self.enter()
        except ConcurrencyError:
            PyBuffer_Release(&source)
            raise
        try:
            frames = self.frames_of(&source, kind)
            ready = self.writable(frames)
            out = self.new_output(kind, ready)
            to = cnp.PyArray_DATA(out)
            self.kind = kind
            if frames > LONG:
                with nogil:
                    self.convert(source.buf, frames, to)
            else:
                self.convert(source.buf, frames, to)
        finally:
            wt_flag_drop(&self.busy)
            PyBuffer_Release(&source)
        return out

    def flush(self):
        """End the signal: return the remaining frames, with silence as look-ahead. The next chunk starts a new signal.

        Returns
        -------
        numpy.ndarray
            As ``process``; float32 if there was no signal.

        Raises
        ------
        ConcurrencyError
            another thread is using this object at this moment
        """
        cdef cnp.ndarray out
        cdef uint64_t total
        cdef int kind
        self.enter()
        try:
            total = (self.taken * self.up + self.down - 1) // self.down
            kind = self.kind or FLOAT32
            out = self.new_output(kind, <Py_ssize_t> (total - self.given))
            self.kind = kind
            self.convert(NULL, self.reach - 1 - self.behind, cnp.PyArray_DATA(out))
            self.restart()
        finally:
            wt_flag_drop(&self.busy)
        return out

    cdef Py_ssize_t frames_of(self, const Py_buffer *source, int kind) except -1:
        """Frames in a chunk. Raises ValueError if it does not fit this stream."""
        cdef Py_ssize_t samples = source.len // (2 if kind == INT16 else 4)
        if source.itemsize == 1:
            if samples % self.channels:
                raise ValueError(f"chunk holds {samples} samples, not whole frames of {self.channels} channels")
        elif source.ndim != 2 if self.channels > 1 else source.ndim not in (1, 2):
            raise ValueError(f"chunk has {source.ndim} dimensions, expected shape (frames, {self.channels})")
        elif source.ndim == 2 and source.shape[1] != self.channels:
            raise ValueError(f"chunk has {source.shape[1]} channels, expected {self.channels}")
        if self.kind and self.kind != kind:
            names = {INT16: "int16", FLOAT32: "float32"}
            raise ValueError(f"chunk is {names[kind]}, but the signal began as {names[self.kind]}; flush() or reset() first")
        return samples // self.channels

    cdef object new_output(self, int kind, Py_ssize_t frames):
        """An array for *frames* output frames of *kind*."""
        cdef Py_ssize_t[2] shape
        shape[0] = frames
        shape[1] = self.channels
        cdef int dtype = cnp.NPY_INT16 if kind == INT16 else cnp.NPY_FLOAT32
        return new_array(1 if self.channels == 1 else 2, shape, dtype)

    def __repr__(self):
        return (
            f"<Resampler {self.in_rate} -> {self.out_rate} Hz, channels={self.channels}, quality={self.quality!r}, "
            f"latency={self.latency_seconds * 1000:.2f} ms>"
        )


def resample(x, in_rate, out_rate, quality="high"):
    """Convert a whole signal from one sample rate to another. The result is aligned in time with the input.

    Below 30 s of input it has the bits that a Resampler gives. From there on, simple ratios (at most 4 outputs to 1 or 2
    inputs; not "best") are convolved by FFT with the same filters: the result differs by rounding only, below -120 dB.

    Thread: any. GIL: released above 4096 frames.

    Parameters
    ----------
    x : buffer of int16 or float32, shape (frames,) or (frames, channels); or bytes of mono int16
    in_rate, out_rate : int
        Hz, as for Resampler.
    quality : {"fast", "high", "best"}
        As for Resampler.

    Returns
    -------
    numpy.ndarray of the dtype of *x*
        ceil(frames * out_rate / in_rate) frames.

    Raises
    ------
    TypeError, ValueError
        as Resampler and its ``process``
    """
    shape = getattr(x, "shape", None) or (0,)
    if len(shape) == 2 and shape[0] <= MAX_CHANNELS < shape[1]:
        raise ValueError(f"x has shape {shape}, which looks like (channels, frames); pass x.T")
    cdef Resampler stream = Resampler(in_rate, out_rate, shape[1] if len(shape) == 2 else 1, quality)
    cdef Py_buffer source
    cdef cnp.ndarray out
    cdef void *to
    cdef wt_blocks *blocks = NULL
    cdef int kind = acquire("x", x, &source, INT16 | FLOAT32)
    cdef Py_ssize_t frames, wanted
    cdef int done = 1
    try:
        frames = stream.frames_of(&source, kind)
        if frames >= WHOLE_SECONDS * <Py_ssize_t> in_rate:
            blocks = wt_blocks_new(stream.bank)
        wanted = (frames * <Py_ssize_t> stream.up + <Py_ssize_t> stream.down - 1) // <Py_ssize_t> stream.down
        out = stream.new_output(kind, wanted)
        to = cnp.PyArray_DATA(out)
        if blocks != NULL:
            with nogil:
                done = convolve(blocks, source.buf, kind, frames, stream.channels, stream.behind, to, wanted)
        elif frames > LONG:
            with nogil:
                stream.convert_whole(kind, source.buf, frames, to)
        else:
            stream.convert_whole(kind, source.buf, frames, to)
    finally:
        wt_blocks_free(blocks)
        PyBuffer_Release(&source)
    if not done:
        raise MemoryError
    return out


cdef int convolve(
    wt_blocks *blocks, const void *frames, int kind, Py_ssize_t count, Py_ssize_t channels, Py_ssize_t behind,
    void *out, Py_ssize_t wanted,
) noexcept nogil:
    """Convert all *count* interleaved frames into *wanted* ones; return 0 if memory is short."""
    cdef Py_ssize_t reach = wt_blocks_reach(blocks), step = wt_blocks_step(blocks), made = wt_blocks_frames(blocks)
    cdef Py_ssize_t channel, begin, position, ready
    cdef float *x = <float *> malloc(reach * sizeof(float))
    cdef float *y = <float *> malloc(made * sizeof(float))
    if x == NULL or y == NULL:
        free(x)
        free(y)
        return 0
    for channel in range(channels):
        begin = 0
        # Of x[0] in the input.
        position = -behind
        while begin < wanted:
            take_block(x, reach, frames, kind, count, channels, channel, position)
            ready = min(made, wanted - begin)
            if kind == FLOAT32 and channels == 1 and ready == made:
                wt_blocks_run(blocks, x, <float *> out + begin)
            else:
                wt_blocks_run(blocks, x, y)
                put_block(y, ready, out, kind, channels, begin * channels + channel)
            begin += made
            position += step
    free(x)
    free(y)
    return 1


cdef void take_block(
    float *x, Py_ssize_t reach, const void *frames, int kind, Py_ssize_t count, Py_ssize_t channels,
    Py_ssize_t channel, Py_ssize_t position,
) noexcept nogil:
    """Copy one channel of input frames [position, position + reach) to *x*; silence outside [0, count)."""
    cdef Py_ssize_t first = min(max(position, 0), position + reach)
    cdef Py_ssize_t last = max(first, min(position + reach, count))
    cdef Py_ssize_t i
    memset(x, 0, (first - position) * sizeof(float))
    memset(x + last - position, 0, (position + reach - last) * sizeof(float))
    if kind == INT16:
        for i in range(first, last):
            x[i - position] = (<const int16_t *> frames)[i * channels + channel]
    elif channels == 1:
        memcpy(x + first - position, <const float *> frames + first, (last - first) * sizeof(float))
    else:
        for i in range(first, last):
            x[i - position] = (<const float *> frames)[i * channels + channel]


cdef void put_block(
    const float *y, Py_ssize_t count, void *out, int kind, Py_ssize_t channels, Py_ssize_t start
) noexcept nogil:
    """Copy *count* frames of one channel to samples start, start + channels, ... of *out*."""
    cdef Py_ssize_t i
    if kind == INT16:
        kernels.round_to_pcm16(y, <int16_t *> out + start, count, channels)
    else:
        for i in range(count):
            (<float *> out)[start + i * channels] = y[i]

# The module can be called as its function.
sys.modules[__name__].__class__ = type("CallableModule", (types.ModuleType,), {"__call__": staticmethod(resample)})
