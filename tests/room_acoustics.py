"""RoomSettings and Acoustics: how a simulated room turns what a loudspeaker plays into what a microphone hears.

A loudspeaker that saturates, a delay that may drift, and a response with a direct path and a decaying tail. The
convolution is uniformly partitioned: each block costs the same, whatever the length of the response.

Thread: one; the room's process, or a test that checks the sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCKS_PER_SECOND", "Acoustics", "RoomSettings", "response"]

BLOCKS_PER_SECOND = 100
RESPONSE_SECONDS = 0.3
# Amplitude of the direct path, and of the tail as the root of its energy, before both are scaled to the gain
DIRECT, TAIL = 0.75, 0.5
# Longest delay, with room for a drift of minutes
MAX_DELAY_SECONDS = 1.2
# The interpolation reads one sample ahead of its position.
LEAST_DELAY_FRAMES = 2

Float32Array = NDArray[np.float32]


@dataclass(frozen=True)
class RoomSettings:
    """One room.

    Attributes
    ----------
    rate : int
        Hz, of both sinks and of the room's arithmetic; a multiple of 100.
    speakers : int
        1, or 2 for a stereo pair: each has a response of its own, and the microphone hears their sum.
    gain_db : float
        Level of the echo at the microphone, relative to what was played.
    delay_ms : float
        Flight time of the direct path. What the sound system and the rig add is the same in every room.
    rt60 : float
        Seconds in which the tail falls by 60 dB.
    drive : float
        Saturation of the loudspeaker: it plays tanh(drive * x) / drive; 0 is a linear one.
    drift_ppm : float
        By how much the microphone's clock runs away from the loudspeaker's: the delay grows by that many microseconds
        each second.
    noise_db : float
        dBFS of the white noise at the microphone.
    seed : int
        Chooses the tail and the noise.
    """

    rate: int = 48_000
    speakers: int = 1
    gain_db: float = -3.0
    delay_ms: float = 40.0
    rt60: float = 0.3
    drive: float = 0.0
    drift_ppm: float = 0.0
    noise_db: float = -60.0
    seed: int = 1

    @property
    def block(self) -> int:
        """Frames of a block of 10 ms."""
        return self.rate // BLOCKS_PER_SECOND


def response(settings: RoomSettings, speaker: int = 0) -> Float32Array:
    """Impulse response from one loudspeaker, float32 (frames,), without the delay; its energy is the gain's."""
    rng = np.random.default_rng((settings.seed, speaker))
    count = int(RESPONSE_SECONDS * settings.rate)
    seconds = np.arange(count) / settings.rate
    tail = rng.standard_normal(count) * 10 ** (-3 * seconds / settings.rt60)
    tail[0] = 0
    impulse = tail * (TAIL / np.sqrt(np.sum(tail**2)))
    # The second loudspeaker of a pair stands a little farther away.
    impulse[speaker * settings.rate // 1000] += DIRECT
    impulse *= 10 ** (settings.gain_db / 20) / np.sqrt(np.sum(impulse**2))
    return (impulse / np.sqrt(settings.speakers)).astype(np.float32)


class _Convolution:
    """Convolves blocks with a response, partition by partition."""

    def __init__(self, impulse: Float32Array, block: int) -> None:
        count = -(-len(impulse) // block)
        parts = np.zeros((count, 2 * block), np.float32)
        parts[:, :block] = np.pad(impulse, (0, count * block - len(impulse))).reshape(count, block)
        self._filter = np.fft.rfft(parts).astype(np.complex64)
        # Spectra of the newest blocks, the newest at _at.
        self._spectra = np.zeros_like(self._filter)
        self._order = np.arange(count)
        self._at = 0
        self._before = np.zeros(block, np.float32)

    def process(self, samples: Float32Array) -> Float32Array:
        """The next block of the convolution."""
        count = len(self._order)
        self._at = (self._at - 1) % count
        self._spectra[self._at] = np.fft.rfft(np.concatenate((self._before, samples)))
        self._before = samples
        spectrum = np.einsum("pk,pk->k", self._filter, self._spectra[(self._order + self._at) % count])
        return np.fft.irfft(spectrum)[len(samples) :].astype(np.float32)


class _DelayLine:
    """Delays blocks by a time that may grow: sample counts stay equal, so that nothing under- or overruns."""

    def __init__(self, settings: RoomSettings) -> None:
        self._settings = settings
        self._line = np.zeros(int(MAX_DELAY_SECONDS * settings.rate), np.float32)
        self._count = 0

    def process(self, samples: Float32Array, delay_ms: float) -> Float32Array:
        settings, size = self._settings, len(samples)
        line = self._line
        line[:-size] = line[size:].copy()
        line[-size:] = samples
        delay = max(LEAST_DELAY_FRAMES, delay_ms * settings.rate / 1000)
        first = len(line) - size
        if not settings.drift_ppm:
            first -= round(delay)
            return line[first : first + size].copy()
        drift = settings.drift_ppm * 1e-6
        at = first + np.arange(size) - delay - drift * (self._count + np.arange(size))
        self._count += size
        whole = np.floor(at).astype(np.int64)
        part = (at - whole).astype(np.float32)
        a, b, c, d = (line[whole + step] for step in (-1, 0, 1, 2))
        # Cubic interpolation (Lagrange) between b and c
        p, q, r = part + 1, part - 1, part - 2
        return -a * part * q * r / 6 + b * p * q * r / 2 - c * p * part * r / 2 + d * p * part * q / 6


class Acoustics:
    """The way from the loudspeakers to the microphone, block by block.

    Attributes
    ----------
    delay_ms : float
        As in the settings; may be set between two blocks, which makes the path jump.
    """

    def __init__(self, settings: RoomSettings) -> None:
        self._settings = settings
        self.delay_ms = settings.delay_ms
        self._lines = [_DelayLine(settings) for _ in range(settings.speakers)]
        self.move(settings.seed)

    def move(self, seed: int) -> None:
        """Put the loudspeakers elsewhere: other tails, the same levels."""
        settings = RoomSettings(**{**vars(self._settings), "seed": seed})
        self._paths = [
            _Convolution(response(settings, speaker), settings.block) for speaker in range(settings.speakers)
        ]

    def echo(self, played: Float32Array) -> Float32Array:
        """What the microphone hears of a block *played*, float32 (block, speakers), full scale 1.0."""
        drive = self._settings.drive
        if drive:
            played = np.tanh(drive * played) / np.float32(drive)
        heard = np.zeros(len(played), np.float32)
        for speaker, (line, path) in enumerate(zip(self._lines, self._paths, strict=True)):
            heard += path.process(line.process(played[:, speaker], self.delay_ms))
        return heard
