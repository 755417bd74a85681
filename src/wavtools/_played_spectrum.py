"""PlayedSpectrum: the spectrum of what a player plays, the silence between included.

Thread: the player's control threads, under its lock.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wavtools._states import PlaybackState
from wavtools.pcm import mix_to_mono
from wavtools.spectrum import Analyser

__all__ = ["MAX_HELD", "PlayedSpectrum"]

FFT_SIZE = 8192
MAX_HELD = PlaybackState.KEEP - FFT_SIZE
SMOOTHING = 0.1


class PlayedSpectrum:
    """Spectrum of the mean of the channels, smoothed from call to call."""

    def __init__(self, state: PlaybackState) -> None:
        self._state = state
        self._analyser = Analyser(FFT_SIZE, SMOOTHING)
        # The moment that `_spectrum` shows.
        self._analysed = -1
        self._spectrum: NDArray[np.float32] | None = None

    def now(self, silence: int, silent_until: int, held: int = 0) -> NDArray[np.float32]:
        """The spectrum now, dB, float32, one value for each FFT bin.

        Parameters
        ----------
        silence : int
            Frames of silence since the last one of audio, at the session rate.
        silent_until : int
            Queue position before which nothing is shown.
        held : int
            The newest frames that the device got and has not played; at most MAX_HELD.
        """
        window, moment = self._recent(silence, silent_until, held)
        if self._spectrum is None or self._analysed != moment:
            self._analysed = moment
            self._analyser.push(window)
            self._spectrum = self._analyser.float_frequency_data()
        return self._spectrum

    def waveform(self, silence: int, silent_until: int, held: int = 0) -> NDArray[np.float32]:
        """The newest FFT_SIZE frames as float32, mixed to one channel; parameters as for now()."""
        newest: NDArray[np.float32] = self._recent(silence, silent_until, held)[0] / np.float32(32768)
        return newest

    def _recent(self, silence: int, silent_until: int, held: int) -> tuple[NDArray[np.int16], int]:
        """The last FFT_SIZE frames that the device got, mixed to one channel, and a number that changes with them."""
        recent = np.zeros((FFT_SIZE + held, self._state.channels), np.int16)
        shown = max(0, FFT_SIZE - silence)
        position = self._state.history(recent[: shown + held]) - held
        recent = recent[:FFT_SIZE]
        recent[shown:] = 0
        cut_away = shown - min(shown, max(0, position - silent_until))
        recent[:cut_away] = 0
        return (recent[:, 0] if self._state.channels == 1 else mix_to_mono(recent)), position + silence
