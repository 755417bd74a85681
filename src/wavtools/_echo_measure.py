"""Measures a canceller from outside: by how much the echo falls, and how late it is.

Thread: the canceller's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["EchoMeasure"]

# A frame is played, not silence, above this mean square of int16 samples (-66 dBFS).
_PLAYED_POWER = 270.0
# Time constants of the powers whose quotient is the ERLE; echo goes on for some time after playback.
_SMOOTH_SECONDS = 0.5
# Delays up to the greater one of half a window are found, by one correlation per window.
_WINDOW_SECONDS = 1.3
_LOWEST_HZ, _HIGHEST_HZ = 200.0, 7_000.0
# By how much the peak of a correlation exceeds its root mean square if there is an echo.
_CLEAR_PEAK = 9.0


class EchoMeasure:
    """Compares what a canceller was given with what it returned.

    Attributes
    ----------
    path_delay_seconds : float or None
        From a played sample to its echo, by generalised cross-correlation of the last window that had sound.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._window = 1 << int(_WINDOW_SECONDS * sample_rate).bit_length() - 1
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.path_delay_seconds: float | None = None
        self._near_power = self._clean_power = 0.0
        # The last window of both signals, filled up to _held.
        self._near = np.zeros(self._window, np.float32)
        self._played = np.zeros(self._window, np.float32)
        self._held = 0

    @property
    def erle_db(self) -> float:
        """By how many dB the canceller made the microphone's signal quieter while there was sound; 0.0 before that."""
        if self._near_power == 0.0:
            return 0.0
        return float(max(0.0, 10 * np.log10(self._near_power / max(self._clean_power, 1.0))))

    def push(self, near: NDArray[np.int16], played: NDArray[np.int16], clean: NDArray[np.int16]) -> None:
        """Take what the canceller was given and what it returned, equally many samples of each."""
        if len(near) == 0:
            return
        sound = played.astype(np.float32)
        if sound @ sound > _PLAYED_POWER * len(sound):
            keep = float(np.exp(-len(near) / self._rate / _SMOOTH_SECONDS))
            before, after = near.astype(np.float32), clean.astype(np.float32)
            self._near_power = keep * self._near_power + (1 - keep) * float(before @ before) / len(near)
            self._clean_power = keep * self._clean_power + (1 - keep) * float(after @ after) / len(near)
        for first in range(0, len(near), self._window):
            self._fill(near[first : first + self._window], sound[first : first + self._window])

    def _fill(self, near: NDArray[np.int16], played: NDArray[np.float32]) -> None:
        """Add to the window at most as much as it holds; look for the delay each time it is full."""
        taken = min(len(near), self._window - self._held)
        self._near[self._held : self._held + taken] = near[:taken]
        self._played[self._held : self._held + taken] = played[:taken]
        self._held += taken
        if self._held == self._window:
            self._held = 0
            self._find_delay()
            self._fill(near[taken:], played[taken:])

    def _find_delay(self) -> None:
        if self._played @ self._played < _PLAYED_POWER * self._window:
            return
        size = 2 * self._window
        cross = np.fft.rfft(self._near, size) * np.conj(np.fft.rfft(self._played, size))
        bin_hz = self._rate / size
        cross /= np.abs(cross) + 1e-9
        cross[: int(_LOWEST_HZ / bin_hz)] = 0
        cross[int(_HIGHEST_HZ / bin_hz) :] = 0
        found = np.abs(np.fft.irfft(cross)[: self._window // 2])
        peak = int(np.argmax(found))
        if found[peak] > _CLEAR_PEAK * float(np.sqrt(np.mean(found**2))):
            self.path_delay_seconds = peak / self._rate
