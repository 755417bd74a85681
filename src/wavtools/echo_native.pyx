# cython: freethreading_compatible=True
# (safe without a GIL: an atomic flag refuses a second thread at a canceller; what others read is atomic)
"""The echo canceller of wavtools itself, in C: no dependency, no GIL, no allocation, one frame of delay.

A filter of Kalman's kind learns the way from loudspeaker to microphone in each bin, and a suppressor takes out what the
filter leaves. It has no detector of double talk that could decide wrongly, so it lets through who speaks while the
loudspeaker plays. It follows clocks that differ by up to 500 ppm, and echoes that jump by up to 20 ms because a device
lost or repeated samples. Each processor gives the same bits. The module `wavtools.echo` has figures.

Thread: one at a time per NativeEchoCanceller. GIL: released.
"""

from libc.stdint cimport int16_t

cimport numpy as cnp
from cpython.buffer cimport PyBuffer_Release

from wavtools._buffers cimport INT16, acquire, new_array
from wavtools._kernels cimport selected_kernels, wt_kernels
from wavtools.ring cimport wt_flag_drop, wt_flag_init, wt_flag_take

from wavtools._arguments import integer, number
from wavtools.errors import ConcurrencyError

cnp.import_array()

__all__ = ["NativeEchoCanceller"]

cdef const wt_kernels *kernels = selected_kernels()


cdef class NativeEchoCanceller:
    """An `EchoCanceller` for any rate from 8 to 48 kHz; the module says how it works.

    Thread: any one thread at a time per object. Allocates only the returned arrays, after construction.

    Parameters
    ----------
    sample_rate : int
        Hz of both signals, 8000 to 48000.
    tail_seconds : float
        How much later than what was played its last echo may come, 0.1 to 1 s. Time and memory grow with it.

    Raises
    ------
    TypeError, ValueError
        an argument that is no number or out of range
    """

    def __cinit__(self, sample_rate=24_000, *, tail_seconds=0.5):
        wt_flag_init(&self.busy)
        self.sample_rate = integer(sample_rate, "sample_rate", 8_000, 48_000, "8000 to 48000 Hz")
        self.tail_seconds = number(tail_seconds, "tail_seconds", 0.1, 1.0, "0.1 to 1 second")
        self.frame = self.sample_rate // 100
        self.state = wt_echo_new(kernels, self.sample_rate, self.tail_seconds)
        if self.state == NULL:
            raise MemoryError

    def __dealloc__(self):
        wt_echo_free(self.state)

    cdef int enter(self) except -1:
        """Refuse other threads until the flag is dropped."""
        if wt_flag_take(&self.busy):
            raise ConcurrencyError("this echo canceller is in use by another thread; use one for each microphone")
        return 0

    cdef void run(self, const int16_t *near_in, const int16_t *played, int16_t *out, Py_ssize_t frames) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(frames):
            wt_echo_process(self.state, near_in + i * self.frame, played + i * self.frame, out + i * self.frame)

    @property
    def name(self) -> str:
        """``"native"``"""
        return "native"

    @property
    def delay_frames(self) -> int:
        """Samples by which the output lags behind the input: one ``frame``."""
        return self.frame

    @property
    def erle_db(self) -> float:
        """How far the echo falls at present, in dB, smoothed; 0.0 while nothing was played. Any thread."""
        return wt_echo_erle_db(self.state)

    @property
    def path_delay_seconds(self) -> float | None:
        """Seconds from a played sample to its echo; None before an echo was lowered by 8 dB. Any thread."""
        cdef int32_t delay = wt_echo_path_delay(self.state)
        return None if delay < 0 else delay / <double> self.sample_rate

    @property
    def slips(self) -> int:
        """How many jumps of the echo were followed since the last reset. Any thread."""
        return wt_echo_slips(self.state)

    def reset(self):
        """Forget the room and both signals: afterwards the canceller is as new.

        Raises
        ------
        ConcurrencyError
            another thread is using this object at this moment
        """
        self.enter()
        wt_echo_reset(self.state)
        wt_flag_drop(&self.busy)

    def process(self, near, played):
        """Take the echo of *played* out of *near*.

        Thread: any one thread at a time per object. GIL: released.

        Parameters
        ----------
        near : buffer of int16, shape (n,); or bytes of int16
            What the microphone captured; n is a multiple of ``frame``.
        played : buffer of int16, shape (n,); or bytes of int16
            What the loudspeaker was given at that time, zeros for silence.

        Returns
        -------
        numpy.ndarray of int16, shape (n,)
            *near* without echo, one frame late.

        Raises
        ------
        TypeError
            *near* or *played* is not int16
        ValueError
            unequal lengths, no multiple of ``frame``, or more than one channel; nothing is taken
        ConcurrencyError
            another thread is using this object at this moment; nothing is taken
        """
        cdef Py_buffer captured, output
        cdef Py_ssize_t samples, others
        cdef cnp.ndarray made
        acquire("near", near, &captured, INT16)
        try:
            acquire("played", played, &output, INT16)
            try:
                if captured.ndim > 1 or output.ndim > 1:
                    raise ValueError("near and played must have one channel, shape (n,); mix others to mono first")
                samples, others = captured.len // 2, output.len // 2
                if samples != others or samples % self.frame:
                    raise ValueError(
                        f"near has {samples} samples and played {others}; pass equally many, a multiple of {self.frame}"
                    )
                made = new_array(1, &samples, cnp.NPY_INT16)
                self.enter()
                with nogil:
                    self.run(
                        <const int16_t *> captured.buf, <const int16_t *> output.buf, <int16_t *> cnp.PyArray_DATA(made),
                        samples // self.frame,
                    )
                wt_flag_drop(&self.busy)
            finally:
                PyBuffer_Release(&output)
        finally:
            PyBuffer_Release(&captured)
        return made
