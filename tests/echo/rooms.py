"""The rooms in which echo cancellation must work, by name.

Thread: any; constants.
"""

from __future__ import annotations

from tests.room import RoomSettings

__all__ = ["HEADPHONES", "ROOMS", "USUAL"]

USUAL = RoomSettings(gain_db=-3.0, delay_ms=40.0, rt60=0.3)
ROOMS = {
    "-3 dB, 40 ms": USUAL,
    "0 dB, 120 ms, RT60 0.5 s": RoomSettings(gain_db=0.0, delay_ms=120.0, rt60=0.5),
    "saturated": RoomSettings(gain_db=0.0, delay_ms=20.0, rt60=0.3, drive=4.0),
    "two clocks, 100 ppm": RoomSettings(gain_db=-3.0, delay_ms=60.0, rt60=0.3, drift_ppm=100.0),
}
# The microphone hears the person alone.
HEADPHONES = RoomSettings(gain_db=-100.0)
