"""The one module that imports miniaudio: its result codes, backends and file decoders.

It uses the package's compiled part (``_miniaudio``) directly. The package's Python part imports an HTTP client and feeds
devices from generators under the GIL; we want neither.

Thread: any control thread; never a device callback (miniaudio deadlocks there).
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from _miniaudio import ffi, lib
from numpy.typing import NDArray

from wavtools.errors import DecodeError, DeviceError

__all__ = [
    "BACKENDS",
    "BACKEND_NAMES",
    "NULL_BACKEND",
    "PULSEAUDIO",
    "check",
    "decode_audio",
    "ffi",
    "lib",
    "quiet_stderr",
    "result_name",
]

lib.init_miniaudio()

# miniaudio's ma_backend values. We always name the backends to try: without a list and without an audio server, miniaudio
# would use its silent null backend and report no error.
_WASAPI, _DSOUND, _WINMM, _COREAUDIO, _SNDIO, _AUDIO4, _OSS, PULSEAUDIO, _ALSA, _JACK = range(10)
NULL_BACKEND = int(lib.ma_backend_null)
BACKEND_NAMES = {
    _WASAPI: "WASAPI",
    _DSOUND: "DirectSound",
    _WINMM: "WinMM",
    _COREAUDIO: "Core Audio",
    _SNDIO: "sndio",
    _AUDIO4: "audio(4)",
    _OSS: "OSS",
    PULSEAUDIO: "PulseAudio",
    _ALSA: "ALSA",
    _JACK: "JACK",
    NULL_BACKEND: "null",
}

if sys.platform == "win32":
    BACKENDS = [_WASAPI, _DSOUND, _WINMM]
elif sys.platform == "darwin":
    BACKENDS = [_COREAUDIO]
elif sys.platform.startswith("linux"):
    # Without a sound card ALSA lists only its own plugins, which do not open.
    BACKENDS = [PULSEAUDIO, *([_ALSA] if os.path.exists("/dev/snd") else []), _JACK]  # noqa: PTH110
else:
    BACKENDS = [_SNDIO, _AUDIO4, _OSS, PULSEAUDIO]

_RESULT_NAMES: dict[int, str] = {
    getattr(lib, name): name
    for name in dir(lib)
    if name.startswith("MA_") and isinstance(getattr(lib, name), int) and getattr(lib, name) < 0
}


def result_name(code: int) -> str:
    """miniaudio's name of a result code."""
    return _RESULT_NAMES.get(code, f"result {code}")


def check(code: int, operation: str, message: str) -> None:
    """Raise DeviceError with *message* and the code's name unless *code* is MA_SUCCESS."""
    if code != lib.MA_SUCCESS:
        name = result_name(code)
        raise DeviceError(f"{message} ({name})", operation=operation, code=code, code_name=name)


_stderr_lock = threading.Lock()


@contextlib.contextmanager
def quiet_stderr(backend: int) -> Iterator[None]:
    """Keep the C libraries below miniaudio from writing to the terminal.

    ALSA and JACK print many lines to file descriptor 2 when they find no device, which would spoil a terminal screen. The
    other backends print nothing, and calls to them may hang, so they run without this. What other Python threads write
    meanwhile is lost too, so use this around single calls.
    """
    if backend not in (_ALSA, _JACK):
        yield
        return
    with _stderr_lock:
        try:
            saved = os.dup(2)
        except OSError:  # the program has closed its stderr, so nothing can be printed
            yield
            return
        try:
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, 2)
            os.close(sink)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def decode_audio(data: bytes) -> tuple[NDArray[np.float32], int]:
    """Decode a whole MP3, FLAC, Ogg Vorbis or WAV file.

    Returns
    -------
    samples : float32, shape (frames, channels)
        With the file's channels.
    sample_rate : int
        Hz, of the file.

    Raises
    ------
    DecodeError
        no decoder knows the bytes
    """
    # The one format that ma_decoder does not read; stb_vorbis does.
    if data[:4] == b"OggS":
        return _decode_vorbis(data)
    config = lib.ma_decoder_config_init(lib.ma_format_f32, 0, 0)
    frames = ffi.new("ma_uint64 *")
    memory = ffi.new("void **")
    code = lib.ma_decode_memory(data, len(data), ffi.addressof(config), frames, memory)
    if code != lib.MA_SUCCESS:
        raise DecodeError(
            f"these {len(data)} bytes are no WAV, MP3, FLAC or Ogg Vorbis file ({result_name(code)})"
        )
    try:
        channels = int(config.channels)
        count = int(frames[0]) * channels
        samples = np.frombuffer(ffi.buffer(memory[0], count * 4), np.float32).copy()
    finally:
        lib.ma_free(memory[0], ffi.NULL)
    return samples.reshape(-1, channels), int(config.sampleRate)


def _decode_vorbis(data: bytes) -> tuple[NDArray[np.float32], int]:
    channels = ffi.new("int *")
    rate = ffi.new("int *")
    memory = ffi.new("short **")
    frames: Any = lib.stb_vorbis_decode_memory(data, len(data), channels, rate, memory)
    if frames < 0:
        raise DecodeError(f"these {len(data)} bytes begin like an Ogg file but hold no Vorbis audio")
    try:
        pcm = np.frombuffer(ffi.buffer(memory[0], frames * channels[0] * 2), np.int16)
        samples = pcm.astype(np.float32) / np.float32(32768)
    finally:
        lib.free(memory[0])
    return samples.reshape(-1, channels[0]), int(rate[0])
