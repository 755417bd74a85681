"""Native audio for Python: record, play, convert and resample audio, and compute its spectrum.

The device thread runs compiled code only. Importing this package opens no device, starts no thread and loads no module: a
name is imported from its module when it is first used, so that a program which only converts samples does not load the
rest.

Thread: any.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from wavtools._version import __version__

if type(getattr(__spec__, "loader", None)).__name__ == "zipimporter":
    raise ImportError(
        "wavtools cannot be imported from a zip archive, because Python loads compiled modules from files only; "
        "install it beside the archive (pip install wavtools), or use a tool that unpacks the archive (shiv, pex)"
    )

if TYPE_CHECKING:
    import wavtools.resample as _resample
    from wavtools import gain, levels, loudness, notebook, pcm, remote, ring, spectrum, stft, voice_activity
    from wavtools._both_sides import BothSides
    from wavtools._echo_stage import EchoState
    from wavtools._events import DeviceEvent
    from wavtools._tracks import TrackOffset
    from wavtools.analysis import AudioAnalysis, Frequencies
    from wavtools.decode import DecodedAudio
    from wavtools.duplex_device import DuplexDevice
    from wavtools.echo import EchoCanceller, echo_canceller
    from wavtools.echo_detector import EchoDetector
    from wavtools.echo_native import NativeEchoCanceller
    from wavtools.errors import (
        ConcurrencyError,
        DecodeError,
        DeviceError,
        QueueFullError,
        StateError,
        WavtoolsError,
    )
    from wavtools.files.blocks import Blocks, blocks
    from wavtools.files.load import AudioInfo, info, load, save
    from wavtools.files.sound import Sound
    from wavtools.files.wav_reader import WavReader
    from wavtools.files.wav_writer import WavWriter
    from wavtools.gain import Gain, apply_gain
    from wavtools.levels import Meter
    from wavtools.loudness import LoudnessMeter
    from wavtools.notebook_device import NotebookDevice
    from wavtools.offline_device import OfflineDevice
    from wavtools.oneliners import play, record, start
    from wavtools.pcm import kernel_set
    from wavtools.playback import Playback
    from wavtools.player import PlayerStats, WavStreamPlayer
    from wavtools.recorder import AudioChunk, RecordedAudio, RecorderStats, WavRecorder
    from wavtools.remote_device import RemoteDevice, RemotePeer, RemoteStats
    from wavtools.scripting import script
    from wavtools.stft import spectrogram
    from wavtools.voice_activity import VoiceActivity
    from wavtools.wav import WavFile, WavPacker, read_wav

    # The module can be called, which no stub of a module can say.
    resample: _resample.ResampleModule

__all__ = [
    "AudioAnalysis",
    "AudioChunk",
    "AudioInfo",
    "Blocks",
    "BothSides",
    "ConcurrencyError",
    "DecodeError",
    "DecodedAudio",
    "DeviceError",
    "DeviceEvent",
    "DuplexDevice",
    "EchoCanceller",
    "EchoDetector",
    "EchoState",
    "Frequencies",
    "Gain",
    "LoudnessMeter",
    "Meter",
    "NativeEchoCanceller",
    "NotebookDevice",
    "OfflineDevice",
    "Playback",
    "PlayerStats",
    "QueueFullError",
    "RecordedAudio",
    "RecorderStats",
    "RemoteDevice",
    "RemotePeer",
    "RemoteStats",
    "Sound",
    "StateError",
    "TrackOffset",
    "VoiceActivity",
    "WavFile",
    "WavPacker",
    "WavReader",
    "WavRecorder",
    "WavStreamPlayer",
    "WavWriter",
    "WavtoolsError",
    "__version__",
    "apply_gain",
    "blocks",
    "echo_canceller",
    "gain",
    "get_include",
    "info",
    "kernel_set",
    "levels",
    "load",
    "loudness",
    "notebook",
    "pcm",
    "play",
    "read_wav",
    "record",
    "remote",
    "resample",
    "ring",
    "save",
    "script",
    "spectrogram",
    "spectrum",
    "start",
    "stft",
    "voice_activity",
]


# The module of each name; the imports above tell type checkers the same.
_HOMES = {
    "analysis": ["AudioAnalysis", "Frequencies"],
    "_both_sides": ["BothSides"],
    "decode": ["DecodedAudio"],
    "duplex_device": ["DuplexDevice"],
    "_echo_stage": ["EchoState"],
    "echo": ["EchoCanceller", "echo_canceller"],
    "echo_native": ["NativeEchoCanceller"],
    "echo_detector": ["EchoDetector"],
    "errors": [
        "ConcurrencyError",
        "DecodeError",
        "DeviceError",
        "QueueFullError",
        "StateError",
        "WavtoolsError",
    ],
    "_events": ["DeviceEvent"],
    "files.blocks": ["Blocks", "blocks"],
    "files.load": ["AudioInfo", "info", "load", "save"],
    "files.sound": ["Sound"],
    "files.wav_reader": ["WavReader"],
    "files.wav_writer": ["WavWriter"],
    "gain": ["Gain", "apply_gain"],
    "levels": ["Meter"],
    "loudness": ["LoudnessMeter"],
    "notebook_device": ["NotebookDevice"],
    "offline_device": ["OfflineDevice"],
    "oneliners": ["play", "record", "start"],
    "pcm": ["kernel_set"],
    "playback": ["Playback"],
    "player": ["PlayerStats", "WavStreamPlayer"],
    "remote_device": ["RemoteDevice", "RemotePeer", "RemoteStats"],
    "recorder": ["AudioChunk", "RecordedAudio", "RecorderStats", "WavRecorder"],
    "scripting": ["script"],
    "stft": ["spectrogram"],
    "_tracks": ["TrackOffset"],
    "voice_activity": ["VoiceActivity"],
    "wav": ["WavFile", "WavPacker", "read_wav"],
}
_MODULES = [
    "gain",
    "levels",
    "loudness",
    "notebook",
    "pcm",
    "remote",
    "resample",
    "ring",
    "spectrum",
    "stft",
    "voice_activity",
]
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"wavtools.{name}")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'wavtools' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"wavtools.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def get_include() -> str:
    """Folder of the C headers, for extensions that cimport from wavtools."""
    from pathlib import Path

    return str(Path(__file__).parent / "_native")
