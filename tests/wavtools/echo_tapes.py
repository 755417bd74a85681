"""Tapes for the echo cancellers: a voice, a room and a microphone, all synthetic, and how they are scored.

Thread: any; pure.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 24_000
Floats = NDArray[np.float64]


def voice(seconds: float, pitch: float = 110.0, seed: int = 1, rate: int = RATE) -> Floats:
    """Syllables of voiced sound and hiss with moving formants and pauses; -20 dBFS while there is sound."""
    random = np.random.default_rng(seed)
    out = np.zeros(int(seconds * rate))
    at = 0
    while at < len(out):
        length = int(random.uniform(0.12, 0.3) * rate)
        time = np.arange(length) / rate
        tone = (
            pitch
            * random.uniform(0.85, 1.2)
            * (1 + 0.1 * np.sin(2 * np.pi * 3 * time + random.uniform(0, 6)))
        )
        phase = 2 * np.pi * np.cumsum(tone) / rate
        formants = random.uniform((300, 900, 2_200), (900, 2_200, 3_500))
        sound = 0.02 * random.standard_normal(length)
        for harmonic in range(1, int(0.45 * rate / (1.4 * pitch))):
            hz = harmonic * pitch
            level = sum(1 / (1 + ((hz - formant) / 150) ** 2) for formant in formants) + 0.02
            sound += level * np.sin(harmonic * phase)
        sound *= np.sin(np.pi * np.arange(length) / length) ** 0.5
        sound = sound[: len(out) - at]
        out[at : at + len(sound)] = sound
        at += length + (int(random.uniform(0.2, 0.5) * rate) if random.random() < 0.2 else 0)
    return out * 0.1 / np.sqrt(np.mean(out[np.abs(out) > 1e-3] ** 2))


def room(reverberation: float, delay: float, gain_db: float, rate: int = RATE) -> Floats:
    """The response from loudspeaker to microphone: a direct path, and noise that falls by 60 dB in *reverberation* s."""
    length = int(1.2 * reverberation * rate)
    tail = np.random.default_rng(3).standard_normal(length) * 10 ** (
        -3 * np.arange(length) / rate / reverberation
    )
    tail *= 0.5 / np.sqrt(np.sum(tail**2))
    tail[0] += 0.75
    return np.concatenate(
        [np.zeros(int(delay * rate)), tail / np.sqrt(np.sum(tail**2)) * 10 ** (gain_db / 20)]
    )


def drifted(signal: Floats, ppm: float) -> Floats:
    """*signal* on a clock that is slower by *ppm*, by cubic interpolation."""
    time = np.arange(len(signal)) * (1 - ppm * 1e-6)
    i = np.clip(time.astype(int), 1, len(signal) - 3)
    f = time - i
    a, b, c, d = signal[i - 1], signal[i], signal[i + 1], signal[i + 2]
    return b + 0.5 * f * (c - a + f * (2 * a - 5 * b + 4 * c - d + f * (3 * (b - c) + d - a)))


def pcm(signal: Floats) -> NDArray[np.int16]:
    return np.clip(np.rint(signal * 32_768), -32_768, 32_767).astype(np.int16)


def microphone(echo: Floats, near: Floats | float = 0.0) -> NDArray[np.int16]:
    """Echo and near voice, with the noise of a room at -60 dBFS."""
    return pcm(echo + near + 1e-3 * np.random.default_rng(9).standard_normal(len(echo)))


def decibels(x: NDArray[np.int16] | Floats) -> float:
    """Level in dBFS."""
    return float(10 * np.log10(np.mean((np.asarray(x, np.float64) / 32_768) ** 2) + 1e-12))


def falls(mic: NDArray[np.int16], clean: NDArray[np.int16], delay: int, rate: int = RATE) -> list[float]:
    """By how many dB the echo falls, in each half second that has one."""
    half, found = rate // 2, []
    for first in range(0, len(mic) - half - delay + 1, half):
        before = decibels(mic[first : first + half])
        if before > -35:
            found.append(before - decibels(clean[first + delay : first + delay + half]))
    return found
