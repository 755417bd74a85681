"""Native audio for Python: record, play, convert, resample, look at the spectrum.

The device thread runs compiled code only. Importing this package opens nothing and starts nothing.
"""

from __future__ import annotations

from pathlib import Path

from wavtools import pcm, resample, ring, spectrum
from wavtools._events import DeviceEvent
from wavtools._tracks import TrackOffset
from wavtools._version import __version__
from wavtools.analysis import AudioAnalysis, Frequencies
from wavtools.decode import DecodedAudio
from wavtools.duplex_device import DuplexDevice
from wavtools.errors import (
    ConcurrencyError,
    DecodeError,
    DeviceError,
    QueueFullError,
    StateError,
    WavtoolsError,
)
from wavtools.offline_device import OfflineDevice
from wavtools.oneliners import play, record
from wavtools.pcm import kernel_set
from wavtools.player import PlayerStats, WavStreamPlayer
from wavtools.recorder import AudioChunk, RecordedAudio, RecorderStats, WavRecorder
from wavtools.wav import WavFile, WavPacker, read_wav

__all__ = [
    "AudioAnalysis",
    "AudioChunk",
    "ConcurrencyError",
    "DecodeError",
    "DecodedAudio",
    "DeviceError",
    "DeviceEvent",
    "DuplexDevice",
    "Frequencies",
    "OfflineDevice",
    "PlayerStats",
    "QueueFullError",
    "RecordedAudio",
    "RecorderStats",
    "StateError",
    "TrackOffset",
    "WavFile",
    "WavPacker",
    "WavRecorder",
    "WavStreamPlayer",
    "WavtoolsError",
    "__version__",
    "get_include",
    "kernel_set",
    "pcm",
    "play",
    "read_wav",
    "record",
    "resample",
    "ring",
    "spectrum",
]


def get_include() -> str:
    """Folder of the C headers, for extensions that cimport from wavtools."""
    return str(Path(__file__).parent / "_native")
