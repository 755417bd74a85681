"""EchoDetector: finds out whether a microphone hears the loudspeaker, and after which delay.

It correlates the played with the recorded samples, whitened (GCC-PHAT, Knapp and Carter 1976), so that loudness and
colour of the room do not matter. The highest lag of unrelated speech reaches 4 to 10 standard deviations, where two onsets
meet. So a second measure decides: with that lag taken out, does the phase between both signals stay the same from one
64 ms piece to the next, in each frequency band? One onset does not make it so, an echo does. One look at 3 s of audio
takes about 5 ms.

Thread: any, one at a time for each detector.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wavtools._arguments import integer
from wavtools.resample import Resampler

__all__ = ["EchoDetector"]

# What a look compares at most: two seconds of sound, and the greatest delay
WINDOW_SECONDS = 3.0
# With less there is nothing to compare.
SHORTEST_SECONDS = 0.5
# Delay by device buffers and air. A negative one comes from tapes that were not read at the same moment.
MAX_LAG_SECONDS = 1.0
MIN_LAG_SECONDS = -0.2
# Of the highest lag, in standard deviations, and against the next highest that is no part of the same reverberation
THRESHOLD = 7.0
DISTINCT = 1.25
REVERBERATION_SECONDS = 0.05
# Of the agreement of phases; unrelated speech stays below 0.65, that of an echo is 0.8 to 3.
AGREEMENT = 0.8
PIECE = 512
HOP = 128
# So many looks in a row must find the echo, and at the same delay
CONFIRM = 2
SAME_DELAY_SECONDS = 0.02
# Below this level, of 32768, there is nothing to correlate
QUIET = 100
# Speech has little below and above of this band, in Hz, and whitening would amplify noise there.
BAND = 200.0, 3400.0
# Hz: enough for the band, and a third of the work
RATE = 8000

Int16Array = NDArray[np.int16]
Float32Array = NDArray[np.float32]


class EchoDetector:
    """Tells whether recorded audio holds an echo of what was played.

    A user of headphones who speaks while something plays is no echo: it looks for the played sound itself.

    Parameters
    ----------
    sample_rate : int
        Hz, of both signals; 8000 to 192000.

    Attributes
    ----------
    agreement : float
        What the last look found: how steady the phase between both signals is. Unrelated signals have about 0.5, an echo
        has 0.8 to 3; 0 if either signal was silent, shorter than half a second, or had no distinct lag.
    delay_seconds : float or None
        By how much the recorded signal follows the played one, as the last look that found an echo measured it; None
        before.

    Raises
    ------
    TypeError
        sample_rate is no integer
    ValueError
        sample_rate out of range

    Examples
    --------
    ::

        import numpy as np
        from wavtools import EchoDetector

        played = np.random.default_rng(0).normal(0, 3000, 48_000).astype(np.int16)
        recorded = np.roll(played, 2_400) // 10
        detector = EchoDetector(24_000)
        assert not detector.look(played, recorded)  # one look alone is not enough
        assert detector.look(played, recorded)
        assert round(detector.delay_seconds, 3) == 0.1
    """

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = integer(
            sample_rate, "sample_rate", 8_000, 192_000, "the detector takes 8000 to 192000 Hz"
        )
        self.agreement = 0.0
        self.delay_seconds: float | None = None
        self._hits = 0

    def look(self, played: Int16Array, recorded: Int16Array) -> bool:
        """Compare the newest samples, a few times a second while something plays.

        Parameters
        ----------
        played, recorded : int16, shape (frames,)
            Mono, both up to the same moment; the last 3 s of them are compared.

        Returns
        -------
        bool
            True once the echo is certain: two looks in a row found it, at the same delay.
        """
        self.agreement, delay = self._compare(played, recorded)
        if not self.hit:
            self._hits = 0
            return False
        known = self.delay_seconds
        same = self._hits > 0 and known is not None and abs(delay - known) <= SAME_DELAY_SECONDS
        self._hits = self._hits + 1 if same else 1
        self.delay_seconds = delay
        return self._hits >= CONFIRM

    @property
    def hit(self) -> bool:
        """True if the last look alone found an echo. `look` waits for a second one."""
        return self.agreement >= AGREEMENT

    def reset(self) -> None:
        """Forget what was found: another device, or another room."""
        self.agreement, self.delay_seconds, self._hits = 0.0, None, 0

    def _compare(self, played: Int16Array, recorded: Int16Array) -> tuple[float, float]:
        """The agreement of phases, and the lag in seconds; (0, 0) without a distinct lag."""
        rate = self.sample_rate
        length = min(len(played), len(recorded), int(WINDOW_SECONDS * rate))
        if length < SHORTEST_SECONDS * rate:
            return 0.0, 0.0
        played, recorded = played[-length:], recorded[-length:]
        # The silence before an answer says nothing, and would count as disagreement.
        first = int(np.argmax((played > QUIET) | (played < -QUIET)))
        first = min(first, length - int(SHORTEST_SECONDS * rate))
        played, recorded = played[first:], recorded[first:]
        if min(_magnitude(played), _magnitude(recorded)) < QUIET:
            return 0.0, 0.0
        a, b = self._slow(played), self._slow(recorded)
        lag = _distinct_lag(a, b)
        if lag is None:
            return 0.0, 0.0
        return _agreement(a[: len(a) - lag], b[lag:]) if lag >= 0 else _agreement(
            a[-lag:], b[:lag]
        ), lag / RATE

    def _slow(self, samples: Int16Array) -> NDArray[np.float32]:
        """*samples* at RATE, faded in and out: hard ends of a hum in both signals would look like an echo."""
        x = samples.astype(np.float32)
        if self.sample_rate != RATE:
            resampler = Resampler(self.sample_rate, RATE, 1, "fast")
            x = np.concatenate((resampler.process(x), resampler.flush()))
        fade = min(RATE // 20, len(x) // 4)
        ramp = np.sin(np.linspace(0, np.pi / 2, fade, dtype=np.float32)) ** 2
        x[:fade] *= ramp
        x[-fade:] *= ramp[::-1]
        return x


def _distinct_lag(a: Float32Array, b: Float32Array) -> int | None:
    """The lag of *b* behind *a*, in samples, that stands out of all others; None if there is none."""
    size = 1 << (2 * len(a) - 1).bit_length()
    cross = np.conj(np.fft.rfft(a, size)) * np.fft.rfft(b, size)
    hz = np.arange(len(cross)) * (RATE / size)
    magnitude = np.abs(cross)
    band = (hz > BAND[0]) & (hz < BAND[1]) & (magnitude > 0)
    white = np.zeros_like(cross)
    white[band] = cross[band] / magnitude[band]
    correlation = np.fft.irfft(white, size)
    # Lags at which at least a third of both signals overlaps: beyond that the correlation only fades.
    most = min(int(MAX_LAG_SECONDS * RATE), len(a) * 2 // 3)
    least = int(MIN_LAG_SECONDS * RATE)
    heights = np.abs(np.concatenate((correlation[least:], correlation[:most])))
    best = int(heights.argmax())
    highest = float(heights[best])
    spread = float(np.sqrt(np.mean(heights**2)))
    near = int(REVERBERATION_SECONDS * RATE)
    heights[max(0, best - near) : best + near] = 0
    if highest <= THRESHOLD * spread or highest < DISTINCT * float(heights.max()):
        return None
    return best + least


def _agreement(a: Float32Array, b: Float32Array) -> float:
    """How steady the phase between two aligned signals is, over all pieces of 64 ms: the median of the frequencies."""
    count = (len(a) - PIECE) // HOP + 1
    if count < 1:
        return 0.0
    low, high = (round(hz * PIECE / RATE) for hz in BAND)
    window = np.hanning(PIECE).astype(np.float32)

    def spectra(x: Float32Array) -> NDArray[np.complexfloating]:
        pieces = np.lib.stride_tricks.sliding_window_view(x, PIECE)[::HOP]
        return np.fft.rfft(pieces * window, axis=1)[:, low:high]

    phases = np.conj(spectra(a)) * spectra(b)
    phases /= np.abs(phases) + np.float32(1e-9)
    # The mean of n random phases has a magnitude of 0.89 / sqrt(n). Four pieces overlap: they count as one.
    return float(np.median(np.abs(phases.mean(axis=0)))) * float(np.sqrt(count * HOP / PIECE))


def _magnitude(samples: Int16Array) -> int:
    """The greatest magnitude; -32768 has none in int16."""
    return max(int(samples.max()), -int(samples.min()))
