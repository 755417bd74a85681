"""Measures a room: after how long and how loud the microphone hears the speaker, and how much of it the canceller removes.

It plays a second of noise. What it finds says what a conversation by voice detection will do in this room.

Thread: any; it blocks for about two seconds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["RoomMeasure", "measure_room"]

RATE_HZ = 24_000
NOISE_SECONDS = 1.0
NOISE_DB = -20.0
FADE_SECONDS = 0.05
# The devices start and the room is quiet, before and after the noise.
QUIET_SECONDS = 0.6
# The end of the noise, in which the canceller has learned the room.
LEARNED_SECONDS = 0.4
# A canceller that removes less leaves half-duplex.
ENOUGH_DB = 10.0


@dataclass(frozen=True)
class RoomMeasure:
    """What a second of noise has shown.

    Attributes
    ----------
    canceller : str
        "native" or "webrtc".
    system : str
        Name of the microphone if the system cancels its echo already, else empty.
    delay_seconds : float or None
        From speaker to microphone, both devices included; None if the microphone does not hear the speaker.
    quiet_db, echo_db : float
        dBFS that the microphone delivered before the noise, and during it.
    erle_db : float
        By how much the canceller lowered the echo at the end of the noise.
    """

    canceller: str
    system: str
    delay_seconds: float | None
    quiet_db: float
    echo_db: float
    erle_db: float

    @property
    def choice(self) -> str:
        """What a conversation will do in this room."""
        if self.system:
            return "off"
        if self.delay_seconds is None:
            return "bypass"
        return "cancel" if self.erle_db >= ENOUGH_DB else "half-duplex"

    def __str__(self) -> str:
        if self.system:
            return f"the system cancels the echo of this microphone ({self.system}), so the console does not (off)"
        if self.delay_seconds is None:
            return (
                f"no echo of the speaker (headphones, or a muted device); the room is at {self.quiet_db:.0f} dBFS; the "
                "microphone passes unchanged (bypass)"
            )
        found = (
            f"the microphone hears the speaker after {self.delay_seconds * 1000:.0f} ms at {self.echo_db:.0f} dBFS (the "
            f"room is at {self.quiet_db:.0f}); the {self.canceller} canceller removes {self.erle_db:.0f} dB"
        )
        if self.choice == "cancel":
            return f"{found}: you can interrupt by speaking (cancel)"
        return f"{found}, which is not enough: half-duplex, or use headphones"


def noise() -> np.ndarray:
    """Return a second of white noise at NOISE_DB, faded in and out."""
    count, fade = int(NOISE_SECONDS * RATE_HZ), int(FADE_SECONDS * RATE_HZ)
    samples = np.random.default_rng(0).normal(size=count) * 32767 * 10 ** (NOISE_DB / 20)
    ramp = np.linspace(0, 1, fade)
    samples[:fade] *= ramp
    samples[-fade:] *= ramp[::-1]
    return np.clip(samples, -32768, 32767).astype(np.int16)


def measure_room(microphone: Any, speaker: Any) -> RoomMeasure:
    """Play a second of noise and return what the microphone heard.

    Parameters
    ----------
    microphone, speaker : as ``device=`` of WavRecorder and WavStreamPlayer
        Id or part of the name; None for the default device.

    Returns
    -------
    RoomMeasure

    Raises
    ------
    DeviceError
        A device does not open.
    """
    from wavtools import DeviceError, WavRecorder, WavStreamPlayer

    player = WavStreamPlayer(RATE_HZ, device=speaker)
    recorder = WavRecorder(
        RATE_HZ, device=microphone, keep_seconds=0, echo_canceller="auto", reference=player
    )
    chunks: list[Any] = []
    try:
        player.connect()
        recorder.begin()
        recorder.record(chunks.append, RATE_HZ // 50)
        time.sleep(QUIET_SECONDS)
        player.add_16bit_pcm(noise(), "noise")
        player.wait_until_idle(2 * NOISE_SECONDS)
        time.sleep(QUIET_SECONDS)
        echo = recorder.echo
        try:
            device = recorder.get_device_info()
        except DeviceError:
            # It has opened, so its name alone is missing.
            device = None
        recorder.end()
    finally:
        recorder.quit()
        player.disconnect()
    system = device.name if device is not None and device.cancels_echo else ""
    return judge(chunks, (echo.canceller if echo is not None else None) or "", system)


def judge(chunks: list[Any], canceller: str, system: str) -> RoomMeasure:
    """Return what *chunks* show, which hold a second of noise and silence around it."""
    from wavtools import EchoDetector

    empty = np.zeros(0, np.int16)
    played = np.concatenate([empty, *(chunk.played for chunk in chunks)])
    raw = np.concatenate([empty, *(chunk.raw if chunk.raw.ndim == 1 else chunk.mono for chunk in chunks)])
    clean = np.concatenate([empty, *(chunk.mono for chunk in chunks)])
    sounding = np.flatnonzero(np.abs(played.astype(np.int32)) > 100)
    if not len(sounding):
        return RoomMeasure(canceller, system, None, level_db(raw), level_db(raw), 0.0)
    begins, ends = int(sounding[0]), int(sounding[-1])
    detector = EchoDetector(RATE_HZ)
    # It ends with the noise and what follows of the room
    until = ends + RATE_HZ // 2
    detector.look(played[:until], raw[:until])
    delay = detector.delay_seconds if detector.look(played[:until], raw[:until]) else None
    shift = int(max(0.0, delay or 0.0) * RATE_HZ)
    heard = slice(begins + shift, ends + shift)
    learned = slice(ends + shift - int(LEARNED_SECONDS * RATE_HZ), ends + shift)
    return RoomMeasure(
        canceller,
        system,
        delay,
        level_db(raw[:begins]),
        level_db(raw[heard]),
        level_db(raw[learned]) - level_db(clean[learned]),
    )


def level_db(samples: np.ndarray) -> float:
    """Return the level in dBFS; -96 for silence."""
    if not len(samples):
        return -96.0
    power = float(np.mean((samples.astype(np.float64) / 32768) ** 2))
    return max(-96.0, 10 * float(np.log10(power + 1e-12)))
