"""The one module that imports miniaudio: its result codes and backends.

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

from _miniaudio import ffi, lib

from wavtools._jack import new_client, old_client
from wavtools.errors import DeviceError

__all__ = [
    "ALSA",
    "BACKENDS",
    "BACKEND_NAMES",
    "JACK",
    "NULL_BACKEND",
    "PULSEAUDIO",
    "WASAPI",
    "check",
    "ffi",
    "lib",
    "quiet_stderr",
    "result_name",
]

lib.init_miniaudio()

if sys.platform == "win32":
    import ctypes

    # miniaudio joins COM on the thread that makes a context, and opens devices on others. As long as the process lives in
    # COM's multithreaded apartment, each thread of ours belongs to it. Callers' own threads keep the apartment they chose.
    ctypes.WinDLL("ole32").CoIncrementMTAUsage(ctypes.byref(ctypes.c_void_p()))

# miniaudio's ma_backend values. We always name the backends to try: without a list and without an audio server, miniaudio
# would use its silent null backend and report no error.
WASAPI, _DSOUND, _WINMM, _COREAUDIO, _SNDIO, _AUDIO4, _OSS, PULSEAUDIO, ALSA, JACK = range(10)
NULL_BACKEND = int(lib.ma_backend_null)
BACKEND_NAMES = {
    WASAPI: "WASAPI",
    _DSOUND: "DirectSound",
    _WINMM: "WinMM",
    _COREAUDIO: "Core Audio",
    _SNDIO: "sndio",
    _AUDIO4: "audio(4)",
    _OSS: "OSS",
    PULSEAUDIO: "PulseAudio",
    ALSA: "ALSA",
    JACK: "JACK",
    NULL_BACKEND: "null",
}

if sys.platform == "win32":
    BACKENDS = [WASAPI, _DSOUND, _WINMM]
elif sys.platform == "darwin":
    BACKENDS = [_COREAUDIO]
elif sys.platform.startswith("linux"):
    # Without a sound card ALSA lists only its own plugins, which do not open.
    BACKENDS = [PULSEAUDIO, *([ALSA] if os.path.exists("/dev/snd") else []), JACK]  # noqa: PTH110
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
def quiet_stderr(backend: int, *, makes_client: bool = True) -> Iterator[None]:
    """Keep the C libraries below miniaudio from writing to the terminal.

    ALSA and JACK print many lines to file descriptor 2 when they find no device, which would spoil a terminal screen. The
    other backends print nothing, and calls to them may hang, so they run without this. What other Python threads write
    meanwhile is lost too, so use this around single calls.

    On JACK only one such call runs at a time. If it *makes_client*, the clients of a dead server are closed before.
    """
    if backend == JACK:
        with new_client() if makes_client else old_client(), _to_nowhere():
            yield
    elif backend == ALSA:
        with _to_nowhere():
            yield
    else:
        yield


@contextlib.contextmanager
def _to_nowhere() -> Iterator[None]:
    """Discard what is written to file descriptor 2."""
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
