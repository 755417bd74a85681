"""Devices: finding them, opening them with our compiled callbacks, and closing them whatever state they are in.

Owns miniaudio's contexts and devices. A Device holds everything that the callback can reach (config, state, context)
until it was uninitialised; where the audio server is frozen and the close call does not come back, it holds it for
ever, because freeing memory under a running callback would crash the process.

Thread: control threads. Nothing here may be called from a device callback (miniaudio deadlocks there).
"""

from __future__ import annotations

import atexit
import dataclasses
import os
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any, Literal, Protocol

from wavtools._callbacks import (
    CaptureState,
    PlaybackState,
    Seat,
    capture_callback_address,
    notification_callback_address,
    playback_callback_address,
    set_offsets,
)
from wavtools._miniaudio import (
    BACKEND_NAMES,
    BACKENDS,
    NULL_BACKEND,
    PULSEAUDIO,
    check,
    ffi,
    lib,
    quiet_stderr,
)
from wavtools.errors import DeviceError

__all__ = ["Device", "DeviceInfo", "DeviceSpec", "NativeDevice", "list_devices", "open_capture", "open_playback"]

set_offsets(
    ffi.offsetof("ma_device", "pUserData"),
    ffi.offsetof("ma_device_notification", "pDevice"),
    ffi.offsetof("ma_device_notification", "type"),
)

PERIOD_MS = 10  # asked for; the device may choose another, and does on some systems
PERIODS = 3
CLOSE_SECONDS = 1.0  # a frozen PulseAudio server keeps ma_device_stop waiting for ever
MAX_CHANNELS = 8
NULL_RATE_HZ = 48_000

Kind = Literal["capture", "playback"]


@dataclasses.dataclass(frozen=True)
class DeviceInfo:
    """An audio device as the system lists it.

    ``id`` is stable for as long as the device is present and can be given as ``device=``; so can ``name``, or a part
    of it that no other device's name holds. ``sample_rates`` (Hz) and ``channels`` are the device's own, empty where
    the system does not say.
    """

    id: str
    name: str
    default: bool
    sample_rates: tuple[int, ...]
    channels: tuple[int, ...]


class Device(Protocol):
    """What recorder and player need of an open device."""

    sample_rate: int
    channels: int
    latency_seconds: float
    realtime_priority: bool | None

    def start(self) -> None: ...
    def close(self) -> None: ...


class DeviceSpec(Protocol):
    """A device that opens itself: OfflineDevice."""

    def _open_capture(self, make_state: Callable[[int, int], CaptureState]) -> Device: ...
    def _open_playback(self, state: PlaybackState, session_rate: int) -> Device: ...


class _Context:
    """One miniaudio context (a connection to an audio server), kept alive by its devices."""

    def __init__(self, backends: list[int]) -> None:
        self.pointer = ffi.new("ma_context *")
        config = lib.ma_context_config_init()
        # Granted where the system allows it (rtkit or limits on Linux); otherwise the thread runs as it would have.
        config.threadPriority = lib.ma_thread_priority_realtime
        self._name = ffi.new("char[]", b"wavtools")
        config.pulse.pApplicationName = self._name
        config.jack.pClientName = self._name
        with quiet_stderr():
            code = lib.ma_context_init(
                ffi.new("ma_backend[]", backends), len(backends), ffi.addressof(config), self.pointer
            )
        names = ", ".join(BACKEND_NAMES[backend] for backend in backends)
        check(code, "ma_context_init", f"no audio system answers (tried {names}); {_ADVICE_NO_SERVER}")
        self.backend = int(self.pointer.backend)
        self._finalizer = weakref.finalize(self, lib.ma_context_uninit, self.pointer)
        self._finalizer.atexit = False  # devices may still hold it then; the process is going away

    @property
    def backend_name(self) -> str:
        return BACKEND_NAMES.get(self.backend, f"backend {self.backend}")

    @property
    def advice(self) -> str:
        """What to try when this context's device does not open."""
        if sys.platform.startswith("linux") and self.backend != PULSEAUDIO:
            return f"no PulseAudio or PipeWire server answers: {_ADVICE_NO_SERVER}"
        return _ADVICE_OPEN


if sys.platform.startswith("linux"):
    _ADVICE_NO_SERVER = "start PulseAudio or PipeWire, or use device='null' or an OfflineDevice"
    _ADVICE_OPEN = "check `pactl info` and that no other program holds the device"
elif sys.platform == "darwin":
    _ADVICE_NO_SERVER = "check the sound settings, or use device='null' or an OfflineDevice"
    _ADVICE_OPEN = "allow the microphone for this terminal in System Settings > Privacy & Security > Microphone"
else:
    _ADVICE_NO_SERVER = "check that the Windows Audio service runs, or use device='null' or an OfflineDevice"
    _ADVICE_OPEN = "allow desktop apps to use the microphone in Settings > Privacy & security > Microphone"


def _device_type(kind: Kind) -> int:
    return int(lib.ma_device_type_capture if kind == "capture" else lib.ma_device_type_playback)


def _enumerate(context: _Context, kind: Kind) -> list[tuple[DeviceInfo, Any]]:
    """The context's devices of one kind, default first, each with its native ma_device_info."""
    playback, capture = ffi.new("ma_device_info **"), ffi.new("ma_device_info **")
    playback_count, capture_count = ffi.new("ma_uint32 *"), ffi.new("ma_uint32 *")
    with quiet_stderr():
        code = lib.ma_context_get_devices(context.pointer, playback, playback_count, capture, capture_count)
    check(code, "ma_context_get_devices", f"{context.backend_name} does not list its devices")
    natives, count = (capture, capture_count[0]) if kind == "capture" else (playback, playback_count[0])
    found = []
    for i in range(count):
        native = ffi.new("ma_device_info *", natives[0][i])
        detail = ffi.new("ma_device_info *")
        with quiet_stderr():
            code = lib.ma_context_get_device_info(
                context.pointer, _device_type(kind), ffi.addressof(native, "id"), detail
            )
        formats = detail if code == lib.MA_SUCCESS else native
        native_formats = [formats.nativeDataFormats[j] for j in range(formats.nativeDataFormatCount)]
        info = DeviceInfo(
            id=_id_text(native),
            name=ffi.string(native.name).decode("utf-8", "replace"),
            default=bool(native.isDefault),
            sample_rates=tuple(sorted({int(f.sampleRate) for f in native_formats if f.sampleRate})),
            channels=tuple(sorted({int(f.channels) for f in native_formats if f.channels})),
        )
        found.append((info, native))
    found.sort(key=lambda pair: not pair[0].default)
    return found


def _id_text(native: Any) -> str:
    """The backend's device id as text: itself where it is a string (PulseAudio, ALSA, Core Audio), else in hex."""
    raw = bytes(ffi.buffer(ffi.addressof(native, "id"))).rstrip(b"\0")
    text = raw.decode("utf-8", "replace")
    return text if raw and text.isprintable() else raw.hex() or "0"


def list_devices(kind: Kind) -> list[DeviceInfo]:
    """The system's devices of one kind, the default one first.

    Raises DeviceError when no audio system answers.
    """
    return [info for info, _ in _enumerate(_Context(BACKENDS), kind)]


def _select(context: _Context, kind: Kind, wanted: str | None) -> tuple[str, Any, DeviceInfo | None]:
    """(name for messages, native info or None for the default, what is known of it)."""
    devices = _enumerate(context, kind)
    noun = "input" if kind == "capture" else "output"
    if wanted is None:
        if not devices:
            raise DeviceError(
                f"{context.backend_name} has no {noun} device; plug one in, or use device='null' or an OfflineDevice",
                operation="select",
            )
        known = next((info for info, _ in devices if info.default), devices[0][0])
        return f"the default {noun} device", None, known
    for matches in (
        lambda info: wanted in (info.id, info.name),
        lambda info: wanted.lower() in info.name.lower(),
    ):
        hits = [(info, native) for info, native in devices if matches(info)]
        if len(hits) == 1:
            info, native = hits[0]
            return f"{noun} device {info.name!r}", native, info
        if hits:
            names = ", ".join(repr(info.name) for info, _ in hits)
            raise DeviceError(
                f"{wanted!r} fits {len(hits)} {noun} devices ({names}); name one in full", operation="select"
            )
    names = ", ".join(repr(info.name) for info, _ in devices) or "none"
    raise DeviceError(
        f"no {noun} device is called {wanted!r}; {context.backend_name} has: {names}", operation="select"
    )


class NativeDevice:
    """An initialised miniaudio device, stopped until start(). Owns all that its callback can reach."""

    def __init__(
        self,
        kind: Kind,
        device: str | None,
        callback_address: int,
        channels: int | None,
        null: bool,
    ) -> None:
        self._context = _Context([NULL_BACKEND] if null else BACKENDS)
        self._state: CaptureState | PlaybackState | None = None
        name, native, info = _select(self._context, kind, device)
        self.name = info.name if info else name
        self.channels = channels or min(max(info.channels) if info and info.channels else 1, MAX_CHANNELS)
        self._native_info = native
        config = lib.ma_device_config_init(_device_type(kind))
        config.periodSizeInMilliseconds = PERIOD_MS
        config.periods = PERIODS
        # 0 asks for the device's own rate, so miniaudio never resamples: our own filter does.
        config.sampleRate = NULL_RATE_HZ if null else 0
        half = config.capture if kind == "capture" else config.playback
        half.channels = self.channels
        # Playback in int16: every native format takes it without loss, so int16 arrives bit for bit. Capture in
        # float32: every native format gives it without loss. (miniaudio's own float -> int16 is off by 1/32768.)
        half.format = lib.ma_format_f32 if kind == "capture" else lib.ma_format_s16
        if native is not None:
            half.pDeviceID = ffi.addressof(native, "id")
        self._stream_name = ffi.new("char[]", f"wavtools {kind}".encode())
        config.pulse.pStreamNameCapture = config.pulse.pStreamNamePlayback = self._stream_name
        # A C function of _callbacks.pyx: miniaudio calls it without ever entering Python.
        config.dataCallback = ffi.cast(
            "void(*)(struct ma_device *, void *, void *, unsigned int)", callback_address
        )
        config.notificationCallback = ffi.cast(
            "void(*)(ma_device_notification *)", notification_callback_address()
        )
        # Read back in the callbacks through ma_device.pUserData; this object outlives the device.
        self.seat = Seat()
        config.pUserData = ffi.cast("void *", self.seat.address)
        self._config = config
        self._device = ffi.new("ma_device *")
        threads = _thread_ids()
        with quiet_stderr():
            code = lib.ma_device_init(self._context.pointer, ffi.addressof(config), self._device)
        check(
            code,
            "ma_device_init",
            f"cannot open {name} on {self._context.backend_name}; {self._context.advice}",
        )
        self._worker_ids = _thread_ids() - threads
        self.sample_rate = int(self._device.sampleRate)
        self.latency_seconds = PERIOD_MS * PERIODS / 1000
        self._closed = False
        self._close_lock = threading.Lock()
        _open_devices.add(self)

    @property
    def realtime_priority(self) -> bool | None:
        """Whether the device thread got real-time priority; None where the system does not let us see it."""
        if not self._worker_ids:
            return None
        policies = set()
        for thread_id in self._worker_ids:
            try:
                policies.add(os.sched_getscheduler(thread_id))
            except OSError:  # the thread is gone
                continue
        return bool(policies & {os.SCHED_FIFO, os.SCHED_RR})

    def attach(self, state: CaptureState | PlaybackState) -> None:
        """Give the callback its state, which this device keeps alive until it is closed. Before start()."""
        self._state = state
        self.seat.take(state)

    def start(self) -> None:
        with quiet_stderr():
            code = lib.ma_device_start(self._device)
        check(
            code,
            "ma_device_start",
            f"cannot start {self.name} on {self._context.backend_name}; {self._context.advice}",
        )

    def close(self) -> None:
        """Stop and uninitialise, within CLOSE_SECONDS. Any number of times; never raises.

        Stop comes first: ma_device_uninit alone hangs when the server has died.
        """
        with self._close_lock:
            if self._closed:
                return
            self._closed = True
        _open_devices.discard(self)

        def run() -> None:
            lib.ma_device_stop(self._device)
            lib.ma_device_uninit(self._device)

        # Daemon: a frozen server must not keep the interpreter from ending.
        closing = threading.Thread(target=run, name="wavtools-close", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)
        if closing.is_alive():
            _abandoned.append(self)


_open_devices: weakref.WeakSet[NativeDevice] = weakref.WeakSet()
_abandoned: list[NativeDevice] = []  # their close call never came back: their memory must stay


@atexit.register
def _close_all() -> None:
    """An interpreter that ends under a running device crashes: its callback outlives the memory it works on."""
    for device in list(_open_devices):
        device.close()


def _thread_ids() -> set[int]:
    """Thread ids of this process, where the system shows them (Linux); to find the worker that a device starts."""
    try:
        return {int(name) for name in os.listdir("/proc/self/task")}  # noqa: PTH208
    except OSError:
        return set()


def open_playback(device: str | DeviceSpec | None, state: PlaybackState, session_rate: int) -> Device:
    """Open an output, stopped, with *state* set up for its rate."""
    if device is not None and not isinstance(device, str):
        return device._open_playback(state, session_rate)
    null = device == "null"
    opened = NativeDevice("playback", None if null else device, playback_callback_address(), 1, null)
    try:
        state.set_rates(session_rate, opened.sample_rate)
        opened.attach(state)
    except BaseException:
        opened.close()
        raise
    return opened


def open_capture(
    device: str | DeviceSpec | None, channels: int | None, make_state: Callable[[int, int], CaptureState]
) -> Device:
    """Open an input, stopped, with the state that make_state(sample_rate, channels) makes for it."""
    if device is not None and not isinstance(device, str):
        return device._open_capture(make_state)
    null = device == "null"
    opened = NativeDevice("capture", None if null else device, capture_callback_address(), channels, null)
    try:
        opened.attach(make_state(opened.sample_rate, opened.channels))
    except BaseException:
        opened.close()
        raise
    return opened
