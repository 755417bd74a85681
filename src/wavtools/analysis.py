"""AudioAnalysis: spectra as values between 0 and 1 for drawing, by FFT bin, musical note or note of the voice.

Thread: any; an AudioAnalysis never changes once made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from wavtools import bands
from wavtools._arguments import integer
from wavtools._samples import check_shape
from wavtools.pcm import mix_to_mono, pcm16_to_float32
from wavtools.spectrum import Analyser, scaled_bands

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["AnalysisType", "AudioAnalysis", "Frequencies"]

AnalysisType = Literal["frequency", "music", "voice"]

# Frames of a Web Audio render quantum: spectra are taken at its multiples.
_QUANTUM = 128
_SPECTRA_PER_SECOND = 60
# A rate that is far too low would make a recording of hours, and spectra without end.
_LOWEST_HZ, _HIGHEST_HZ = 1_000, 1_536_000


@dataclass(frozen=True)
class Frequencies:
    """One spectrum in bands.

    Attributes
    ----------
    values : float32, shape (bands,)
        0 at ``min_decibels``, 1 at ``max_decibels``; NaN where the spectrum was NaN.
    frequencies : float64, shape (bands,)
        Hz, of each bin or note.
    labels : tuple of str
        For each bin ``"440.63 Hz"``, for each note its name, as in ``"A4"``.
    """

    values: NDArray[np.float32]
    frequencies: NDArray[np.float64]
    labels: tuple[str, ...]


_NOTES = np.array(bands.NOTE_FREQUENCIES)
_VOICE_NOTES = np.array(bands.VOICE_FREQUENCIES)
_NOTES.flags.writeable = _VOICE_NOTES.flags.writeable = False


class AudioAnalysis:
    """The spectra of a whole recording, 60 a second, to show them while it plays.

    Each spectrum takes 16 KB, a second of audio 1 MB. Notebooks show waveform, notes and a player.

    Source: wavtools' ``AudioAnalysis`` with an audio buffer. One AnalyserNode takes spectrum i at i / 60 s, rounded up to
    a multiple of 128 frames, so each is smoothed with the one before.

    Parameters
    ----------
    pcm : bytes, or int16 or float32 array
        Shape (frames,) or (frames, channels); bytes are mono int16. Channels are averaged.
    sample_rate : int
        Hz, 1000 to 1536000.

    Attributes
    ----------
    sample_rate : int
        Hz.
    duration : float
        Seconds.

    Raises
    ------
    TypeError, ValueError
        samples of another type or shape, a rate that is no integer or out of range
    """

    def __init__(self, pcm: Buffer | NDArray[Any], sample_rate: int) -> None:
        samples = pcm if isinstance(pcm, np.ndarray) and pcm.dtype == np.float32 else pcm16_to_float32(pcm)
        check_shape(samples.shape, "pcm")
        mono = mix_to_mono(samples)
        advice = f"it must be {_LOWEST_HZ} to {_HIGHEST_HZ} Hz"
        self.sample_rate = sample_rate = integer(sample_rate, "sample_rate", _LOWEST_HZ, _HIGHEST_HZ, advice)
        self.duration = len(mono) / sample_rate
        # For notebooks.
        self._mono = mono
        analyser = Analyser()
        spectra: list[NDArray[np.float32]] = []
        position = 0
        while (len(spectra) + 1) / _SPECTRA_PER_SECOND < self.duration:
            frame = (len(spectra) + 1) * sample_rate / _SPECTRA_PER_SECOND
            end = -(-frame // _QUANTUM) * _QUANTUM
            chunk = mono[position : int(end)]
            analyser.push(chunk)
            # The last quantum may reach past the end.
            if position + len(chunk) < end:
                analyser.push(np.zeros(int(end) - position - len(chunk), np.float32))
            position = int(end)
            spectra.append(analyser.float_frequency_data())
        self._spectra = np.array(spectra, np.float32).reshape(len(spectra), analyser.fft_size // 2)

    def __repr__(self) -> str:
        return f"<AudioAnalysis {self.duration:.3f} s, {self.sample_rate} Hz, {len(self._spectra)} spectra>"

    def _repr_html_(self) -> str:
        from wavtools.notebook.page import analysis_html
        from wavtools.notebook.waveform import COLUMNS

        # Of a long recording, evenly distributed spectra.
        columns = min(COLUMNS, len(self._spectra))
        chosen = self._spectra[np.arange(columns) * len(self._spectra) // max(columns, 1)]
        shown = [self.get_frequencies(spectrum, self.sample_rate, "music").values for spectrum in chosen]
        return analysis_html(shown, bands.NOTE_LABELS, self._mono, self.sample_rate)

    def get_frequencies_at(
        self,
        seconds: float,
        analysis_type: AnalysisType = "frequency",
        min_decibels: float = -100,
        max_decibels: float = -30,
    ) -> Frequencies:
        """The spectrum at *seconds* from the start; the first one before the start, the last one past the end.

        The other parameters are those of get_frequencies().
        """
        count = len(self._spectra)
        if count == 0:  # shorter than 1/60 s: silence, as an AnalyserNode reports it
            spectrum = np.full(self._spectra.shape[1], -np.inf, np.float32)
        else:
            spectrum = self._spectra[max(0, min(int(seconds / self.duration * count), count - 1))]
        return self.get_frequencies(spectrum, self.sample_rate, analysis_type, min_decibels, max_decibels)

    @staticmethod
    def get_frequencies(
        db: NDArray[np.float32],
        sample_rate: float,
        analysis_type: AnalysisType = "frequency",
        min_decibels: float = -100,
        max_decibels: float = -30,
    ) -> Frequencies:
        """Bands of a spectrum in decibels.

        Source: wavtools' ``AudioAnalysis.getFrequencies``, with the same values and labels.

        Parameters
        ----------
        db : float32, shape (bins,)
            As ``Analyser.float_frequency_data`` returns it: bin i is at i * sample_rate / 2 / bins Hz.
        sample_rate : float
            Hz.
        analysis_type : "frequency", "music" or "voice"
            One value for each bin, or the loudest bin of each of 96 notes (C1 to B8) or 72 notes (C1 to B6). Any other
            value means "frequency".
        min_decibels, max_decibels : float
            The levels that become 0 and 1; values beyond are clamped. Equal limits give 0, 1, or NaN at the limit itself.

        Returns
        -------
        Frequencies

        Raises
        ------
        ValueError
            *db* does not have one dimension
        """
        db = np.asarray(db, np.float32)
        if db.ndim != 1:
            raise ValueError(f"db has {db.ndim} dimensions, expected one")
        bounds: NDArray[np.intp] | None = None
        if analysis_type == "music":
            bounds = bands.first_bins(len(db), sample_rate, "music")
            frequencies, labels = _NOTES, bands.NOTE_LABELS
        elif analysis_type == "voice":
            bounds = bands.first_bins(len(db), sample_rate, "voice")
            frequencies, labels = _VOICE_NOTES, bands.VOICE_LABELS
        else:
            frequencies = bands.bin_frequencies(len(db), sample_rate)
            labels = bands.bin_labels(len(db), sample_rate)
        values = scaled_bands(np.ascontiguousarray(db), bounds, min_decibels, max_decibels)
        return Frequencies(values, frequencies, labels)
