"""The echo canceller of the WebRTC project (AEC3), through pywebrtc-audio.

Thread: one at a time per canceller; pywebrtc-audio releases the GIL while it computes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavtools._echo_measure import EchoMeasure

__all__ = ["WebrtcEchoCanceller"]

_INSTALL = 'pip install "wavtools[aec]" (it brings pywebrtc-audio), or use the canceller "native"'
# Frames of noise that show the processor's own delay when it is made.
_PROBE_FRAMES = 40


class WebrtcEchoCanceller:
    """AEC3, with noise suppression and automatic gain where wanted; an `EchoCanceller`.

    Raises ImportError where pywebrtc-audio is not installed.
    """

    name = "webrtc"

    def __init__(
        self, sample_rate: int, noise_suppression: bool = False, automatic_gain: bool = False
    ) -> None:
        try:
            from pywebrtc_audio import AudioProcessor
        except ImportError as error:
            raise ImportError(f"the webrtc echo canceller is not installed: {_INSTALL}") from error
        self.sample_rate = sample_rate
        self.frame = sample_rate // 100
        self._processor: Any = AudioProcessor(
            sample_rate=sample_rate,
            echo_cancellation=True,
            noise_suppression=noise_suppression,
            auto_gain_control=automatic_gain,
        )
        self.delay_frames = self._measure_delay()
        self._measure = EchoMeasure(sample_rate)

    def _measure_delay(self) -> int:
        """The delay between input and output, which depends on rate and options. The processor is as new afterwards."""
        noise = np.random.default_rng(1).integers(-3_000, 3_000, _PROBE_FRAMES * self.frame, np.int16)
        out = self._run(noise, np.zeros_like(noise))
        size = 2 * len(noise)
        spectrum = np.fft.rfft(out, size) * np.conj(np.fft.rfft(noise, size))
        self._processor.reset()
        return int(np.argmax(np.fft.irfft(spectrum)[: 4 * self.frame]))

    def _run(self, near: NDArray[np.int16], played: NDArray[np.int16]) -> NDArray[np.int16]:
        # It would pad a call of another length to whole frames, so it gets one frame at a time.
        out = np.empty_like(near)
        for first in range(0, len(near), self.frame):
            end = first + self.frame
            out[first:end] = self._processor.process(near[first:end], played[first:end])
        return out

    def process(self, near: NDArray[np.int16], played: NDArray[np.int16]) -> NDArray[np.int16]:
        """*near* without the echo of *played*; see `EchoCanceller.process`."""
        near, played = np.ascontiguousarray(near), np.ascontiguousarray(played)
        for name, samples in (("near", near), ("played", played)):
            if samples.dtype != np.int16 or samples.ndim != 1:
                raise TypeError(
                    f"{name} must be int16 of shape (n,), not {samples.dtype} of shape {samples.shape}"
                )
        if len(near) != len(played) or len(near) % self.frame:
            raise ValueError(
                f"near has {len(near)} samples and played {len(played)}; "
                f"pass equally many, a multiple of {self.frame}"
            )
        clean = self._run(near, played)
        self._measure.push(near, played, clean)
        return clean

    def reset(self) -> None:
        """Forget the room."""
        self._processor.reset()
        self._measure.reset()

    @property
    def erle_db(self) -> float:
        """How far the echo falls at present, in dB; 0.0 while nothing was played."""
        return self._measure.erle_db

    @property
    def path_delay_seconds(self) -> float | None:
        """Seconds from a played sample to its echo; None while it is unknown."""
        return self._measure.path_delay_seconds
