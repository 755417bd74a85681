"""Context: a connection to an audio system, made and closed within a deadline, and what to try when there is none.

Thread: control threads. Nothing here may be called from a device callback (miniaudio deadlocks there).
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from wavtools._call_within import call_within
from wavtools._miniaudio import (
    ALSA,
    BACKEND_NAMES,
    JACK,
    check,
    ffi,
    lib,
    quiet_stderr,
)
from wavtools.errors import DeviceError

__all__ = ["Context", "ask_server", "connect_server"]

# A server that works answers within some ms.
CONNECT_SECONDS = 0.9

_Result = TypeVar("_Result")

_OR_NONE = "or use device='null' or an OfflineDevice"
_HELD = "that no other program holds the device"
if sys.platform.startswith("linux"):
    _ADVICE_NO_SERVER = f"start PulseAudio or PipeWire, {_OR_NONE}"
    _ADVICE_OPEN = f"check `pactl info` and {_HELD}"
    _ADVICE_CAPTURE = ""
elif sys.platform == "darwin":
    _ADVICE_NO_SERVER = f"check the sound settings, {_OR_NONE}"
    _ADVICE_OPEN = f"check {_HELD}"
    _ADVICE_CAPTURE = (
        "allow the microphone for this terminal in System Settings > Privacy & Security > Microphone"
    )
elif sys.platform == "win32":
    _ADVICE_NO_SERVER = f"check that the Windows Audio service runs, {_OR_NONE}"
    _ADVICE_OPEN = f"check {_HELD}"
    _ADVICE_CAPTURE = "allow desktop apps to use the microphone in Settings > Privacy & security > Microphone"
else:
    _ADVICE_NO_SERVER = f"check the system's audio service, {_OR_NONE}"
    _ADVICE_OPEN = f"check {_HELD}"
    _ADVICE_CAPTURE = ""

# What to try when an audio system does not answer, and when its device does not open. The platform's own advice holds for
# the others.
_NO_SERVER = {JACK: f"start its server (jackd, or PipeWire with pipewire-jack), {_OR_NONE}"}
_NOT_OPEN = {
    ALSA: f"check `aplay -L` and {_HELD}",
    JACK: "check `jack_lsp` and that its server has ports of that direction",
}


class Context:
    """One miniaudio context: a connection to an audio system, kept alive by its devices."""

    def __init__(self, backends: list[int]) -> None:
        self.pointer = ffi.new("ma_context *")
        config = lib.ma_context_config_init()
        # Granted where the system allows it (rtkit or limits on Linux); otherwise the thread runs with normal priority.
        config.threadPriority = lib.ma_thread_priority_realtime
        self._name = ffi.new("char[]", b"wavtools")
        config.pulse.pApplicationName = self._name
        config.jack.pClientName = self._name
        code = int(lib.MA_NO_BACKEND)
        # One by one: only some of them need their messages kept off the terminal.
        for backend in backends:
            with quiet_stderr(backend):
                code = lib.ma_context_init(
                    ffi.new("ma_backend[]", [backend]), 1, ffi.addressof(config), self.pointer
                )
            if code == lib.MA_SUCCESS:
                break
        names = ", ".join(BACKEND_NAMES[backend] for backend in backends)
        advice = _NO_SERVER.get(backends[0] if backends else -1, _ADVICE_NO_SERVER)
        check(code, "ma_context_init", f"no audio system answers (tried {names}); {advice}")
        self.backend = int(self.pointer.backend)
        self._finalizer = weakref.finalize(self, _close_context, self.pointer)
        # At exit a device may still use it; the process ends anyway.
        self._finalizer.atexit = False

    def close(self) -> None:
        """Close the connection, when no device is open on it. Can be called again."""
        self._finalizer()

    @property
    def name(self) -> str:
        return BACKEND_NAMES.get(self.backend, f"backend {self.backend}")

    def advice(self, *, capture: bool) -> str:
        """What to try when a device of this context does not open; *capture*: it would have recorded."""
        advice = _NOT_OPEN.get(self.backend, _ADVICE_OPEN)
        return f"{_ADVICE_CAPTURE}; {advice}" if capture and _ADVICE_CAPTURE else advice


def _close_context(pointer: Any) -> None:
    """Close the connection of a context."""
    if sys.platform != "win32":
        lib.ma_context_uninit(pointer)
        return
    # miniaudio also leaves COM on the thread that closes. On the caller's thread that would end what a window toolkit there
    # began with COM.
    closing = threading.Thread(target=lib.ma_context_uninit, args=(pointer,), name="wavtools-close")
    try:
        closing.start()
    except RuntimeError:  # CPython starts no thread while it ends
        lib.ma_context_uninit(pointer)
    else:
        closing.join()


def ask_server(work: Callable[[], _Result], discard: Callable[[_Result], object]) -> _Result:
    """Do *work* with an audio server, within CONNECT_SECONDS even if it never answers.

    A frozen server accepts the connection and then says nothing, for ever.
    """
    try:
        return call_within(CONNECT_SECONDS, work, discard)
    except TimeoutError:
        raise DeviceError(
            f"the audio server does not answer within {CONNECT_SECONDS:g} s; it seems to be frozen: restart it",
            operation="connect",
        ) from None


def connect_server(backends: list[int]) -> Context:
    """Connect to the first of *backends* that answers. Raises DeviceError, within CONNECT_SECONDS."""
    return ask_server(lambda: Context(backends), Context.close)
