"""Native devices: listing them, opening them with our compiled callbacks, and closing them in whatever state they are.

A NativeDevice holds everything that its callback can reach (config, seat, state,
context) until it is uninitialised. If the audio server is frozen and the close call never returns, it holds that for
ever: freeing memory under a running callback would crash the process. The supervisor (_supervisor.py) keeps a stream
alive when its device is lost.

Thread: control threads. Nothing here may be called from a device callback (miniaudio deadlocks there).
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any, cast

from wavtools._backends import chosen_backends, places
from wavtools._callbacks import (
    capture_callback_address,
    duplex_callback_address,
    notification_callback_address,
    playback_callback_address,
    set_offsets,
)
from wavtools._context import Context, ask_server
from wavtools._device_info import DeviceInfo, DeviceList, Direction, Kind
from wavtools._held_frames import held_seconds
from wavtools._jack import is_in_use, keep_client, old_client
from wavtools._miniaudio import (
    ALSA,
    JACK,
    NULL_BACKEND,
    PULSEAUDIO,
    WASAPI,
    check,
    ffi,
    lib,
    quiet_stderr,
)
from wavtools._states import Seat
from wavtools.errors import DeviceError

__all__ = [
    "DeviceInfo",
    "Direction",
    "Kind",
    "NativeDevice",
    "default_channels",
    "find_device",
    "list_devices",
]

set_offsets(
    ffi.offsetof("ma_device", "pUserData"),
    ffi.offsetof("ma_device_notification", "pDevice"),
    ffi.offsetof("ma_device_notification", "type"),
)

# What we ask for; on some systems the device chooses another period. Shorter playback periods leave gaps on a busy machine
# (at 5 ms two to four times as many as at 10 ms). In capture a late thread loses nothing, because the buffer holds it.
PERIOD_MS = {"playback": 10, "duplex": 10, "capture": 5}
BUFFER_MS = 30
# A frozen PulseAudio server keeps ma_device_stop waiting for ever.
CLOSE_SECONDS = 0.9
MAX_CHANNELS = 8
NULL_RATE_HZ = 48_000


def _device_type(kind: Kind) -> int:
    return {
        "capture": int(lib.ma_device_type_capture),
        "playback": int(lib.ma_device_type_playback),
        "duplex": int(lib.ma_device_type_duplex),
    }[kind]


def _data_callback(kind: Kind) -> Any:
    """The C function that miniaudio calls for each period."""
    address = {
        "capture": capture_callback_address,
        "playback": playback_callback_address,
        "duplex": duplex_callback_address,
    }[kind]()
    return ffi.cast("void(*)(struct ma_device *, void *, void *, unsigned int)", address)


def _enumerate(context: Context, kind: Direction) -> list[tuple[DeviceInfo, Any]]:
    """The context's devices of one kind, default first, each with its native ma_device_info."""
    playback, capture = ffi.new("ma_device_info **"), ffi.new("ma_device_info **")
    playback_count, capture_count = ffi.new("ma_uint32 *"), ffi.new("ma_uint32 *")
    with quiet_stderr(context.backend):
        code = lib.ma_context_get_devices(context.pointer, playback, playback_count, capture, capture_count)
    check(code, "ma_context_get_devices", f"{context.name} does not list its devices")
    natives, count = (capture, capture_count[0]) if kind == "capture" else (playback, playback_count[0])
    found = []
    for i in range(count):
        native = ffi.new("ma_device_info *", natives[0][i])
        detail = ffi.new("ma_device_info *")
        with quiet_stderr(context.backend):
            code = lib.ma_context_get_device_info(
                context.pointer, _device_type(kind), ffi.addressof(native, "id"), detail
            )
        formats = detail if code == lib.MA_SUCCESS else native
        native_formats = [formats.nativeDataFormats[j] for j in range(formats.nativeDataFormatCount)]
        info = DeviceInfo(
            id=_id_text(native, context.backend),
            name=_name_text(native),
            default=bool(native.isDefault),
            sample_rates=tuple(sorted({int(f.sampleRate) for f in native_formats if f.sampleRate})),
            channels=tuple(sorted({int(f.channels) for f in native_formats if f.channels})),
            backend=context.name,
        )
        found.append((info, native))
    found.sort(key=lambda pair: not pair[0].default)
    if context.backend == JACK:
        _jack_devices[kind] = [info for info, _ in found]
    return found


def _id_text(native: Any, backend: int) -> str:
    """The backend's device id as text: itself where it is a string (PulseAudio, ALSA, Core Audio, WASAPI), else in hex."""
    raw = bytes(ffi.buffer(ffi.addressof(native, "id")))
    if backend == WASAPI:
        return raw.decode("utf-16-le", "replace").partition("\0")[0]
    raw = raw.rstrip(b"\0")
    text = raw.decode("utf-8", "replace")
    return text if raw and text.isprintable() else raw.hex() or "0"


def _name_text(native: Any) -> str:
    """The name of a device, whole characters only: miniaudio cuts after 255 bytes."""
    raw = bytes(ffi.string(native.name))
    text = raw.decode("utf-8", "replace")
    return text.rstrip("\ufffd") if len(raw) == 255 else text


# JACK's devices when they were last listed. Listing makes clients, so it is not done while a device is open (_jack.py).
_jack_devices: dict[Direction, list[DeviceInfo]] = {}


def find_device(kind: Direction, wanted: str | None) -> DeviceInfo | None:
    """The system's entry of the device that *wanted* names; the default one for None.

    None if the system does not list it. Raises DeviceError when no audio system answers, or no device fits.
    """
    failures = []
    for backends, names in places({kind: wanted}):

        def find(backends: list[int] = backends, name: str | None = names[kind]) -> DeviceInfo | None:
            in_use = JACK in backends and is_in_use()
            if in_use:
                # Listing makes clients, as in list_devices().
                backends = backends[: backends.index(JACK)]
            try:
                context = Context(backends)
            except DeviceError:
                if in_use:
                    return None
                raise
            try:
                return _select(context, kind, name)[2]
            finally:
                context.close()

        try:
            return ask_server(find, lambda info: None)
        except DeviceError as error:
            failures.append(error)
    raise failures[0]


def list_devices(kind: Direction) -> list[DeviceInfo]:
    """The system's devices of one kind, the default one first. Printed, the list is a table.

    Raises DeviceError when no audio system answers, within CONNECT_SECONDS.
    """

    def enumerate_devices() -> list[DeviceInfo]:
        backends = chosen_backends()
        remembered = _jack_devices.get(kind) if JACK in backends and is_in_use() else None
        if remembered is not None:
            backends = backends[: backends.index(JACK)]
        try:
            context = Context(backends)
        except DeviceError:
            if remembered is None:
                raise
            return DeviceList(remembered)
        try:
            return DeviceList(info for info, _ in _enumerate(context, kind))
        finally:
            context.close()

    return ask_server(enumerate_devices, lambda devices: None)


def _select(context: Context, kind: Direction, wanted: str | None) -> tuple[str, Any, DeviceInfo | None]:
    """Find the wanted device: (name for messages, native info or None for the default, its DeviceInfo if known)."""
    devices = _enumerate(context, kind)
    noun = "input" if kind == "capture" else "output"
    if wanted is None:
        if not devices:
            raise DeviceError(
                f"{context.name} has no {noun} device; plug one in, or use device='null' or an OfflineDevice",
                operation="select",
            )
        return f"the default {noun} device", None, next((info for info, _ in devices if info.default), None)
    exact = [pair for pair in devices if wanted in (pair[0].id, pair[0].name)]
    partial = [pair for pair in devices if wanted.lower() in pair[0].name.lower()]
    for hits in (exact, partial):
        if len(hits) == 1:
            info, native = hits[0]
            return f"{noun} device {info.name!r}", native, info
        if hits:
            ids = ", ".join(f"{info.name!r} with id {info.id!r}" for info, _ in hits)
            raise DeviceError(
                f"{wanted!r} fits {len(hits)} {noun} devices ({ids}); give an id or the full name",
                operation="select",
            )
    raise DeviceError(_not_found(context, kind, wanted, [info for info, _ in devices]), operation="select")


def _not_found(context: Context, kind: Direction, wanted: str, devices: list[DeviceInfo]) -> str:
    """What to do about a device that is not in the list."""
    noun, other = ("input", "output") if kind == "capture" else ("output", "input")
    hint = ""
    opposite = _enumerate(context, "playback" if kind == "capture" else "capture")
    if any(wanted in (info.id, info.name) for info, _ in opposite):
        hint = f" (that is an {other} device)"
    elif wanted.strip().isdecimal():
        hint = f" (for an index, pass the number {wanted.strip()}, not a text)"
    names = ", ".join(f"{info.name!r} (id {info.id!r})" for info in devices) or "none"
    return f"no {noun} device is called {wanted!r}{hint}; {context.name} has: {names}"


def default_channels(offered: tuple[int, ...]) -> int:
    """How many channels to capture of a device that offers these: its own number, or of several at most 2."""
    if len(offered) > 1:
        return max((count for count in offered if count <= 2), default=min(min(offered), MAX_CHANNELS))
    return min(*offered, MAX_CHANNELS) if offered else 1


def _jack_ports(context: Context, direction: Direction, offered: tuple[int, ...]) -> int:
    """How many ports a JACK device has. Raises DeviceError for more than our callbacks take."""
    ports = max(offered)
    if ports > MAX_CHANNELS:
        raise DeviceError(
            f"{context.name} has {ports} {'input' if direction == 'capture' else 'output'} ports and at most "
            f"{MAX_CHANNELS} can be served; start its server with fewer (jackd -d alsa -i 2 -o 2)",
            operation="select",
        )
    return ports


def _init(context: Context) -> Callable[[Any, Any, Any], int]:
    """ma_device_init for that audio system."""
    if context.backend != PULSEAUDIO:
        return cast("Callable[[Any, Any, Any], int]", lib.ma_device_init)
    from wavtools._pulse_init import init_pulse_device

    return init_pulse_device


def _take_any_size(config: Any) -> None:
    """Make miniaudio call back for as many frames as the system wants at the moment, not for whole periods.

    Otherwise miniaudio collects whole periods in a buffer of its own. Our callbacks do not need that, and where PulseAudio
    asks for 2.5 ms at a time, it delays the first sample of an answer by 7 ms on average. pyminiaudio does not declare the
    field, noFixedSizedCallback. It is the last of four one-byte flags after `periods` and a 32-bit enum.
    """
    periods, following = (ffi.offsetof("ma_device_config", name) for name in ("periods", "dataCallback"))
    flags = periods + 8
    if following == -(-(flags + 4) // ffi.alignof("void *")) * ffi.alignof("void *"):
        ffi.buffer(ffi.addressof(config))[flags + 3] = b"\1"


class NativeDevice:
    """An initialised miniaudio device, stopped until start(). Owns everything that its callback can reach.

    Parameters
    ----------
    context : Context
        The audio system to open it on. Once opened, the device owns the context and closes it.
    kind : "capture", "playback" or "duplex"
    wanted : mapping
        For each direction of that kind an id, a name or part of a name; None for the default device.
    channels : int or None
        How many to capture; None for the device's own number (see default_channels).
    outputs : int
        How many to play. Where the device has another number, the system maps them: one to all, two to front left and
        right.

    Raises
    ------
    DeviceError
        the device is not found, or does not open; the context is still open then
    """

    def __init__(
        self,
        context: Context,
        kind: Kind,
        wanted: Mapping[Direction, str | None],
        channels: int | None,
        outputs: int,
    ) -> None:
        self.context = context
        config = lib.ma_device_config_init(_device_type(kind))
        config.periodSizeInMilliseconds = PERIOD_MS[kind]
        config.periods = BUFFER_MS // PERIOD_MS[kind]
        if kind != "duplex":
            _take_any_size(config)
        # 0 asks for the device's own rate, so miniaudio never resamples: our own filter does.
        config.sampleRate = NULL_RATE_HZ if context.backend == NULL_BACKEND else 0
        # What the config points to.
        self._keep: list[Any] = []
        self.channels = self._outputs = 0
        if context.backend == JACK:
            # Both, for the lists that are asked for while this is open.
            for direction in ("capture", "playback"):
                if direction not in wanted:
                    _enumerate(context, direction)
        names = [
            self._ask_channels(config, direction, name, channels if direction == "capture" else outputs)
            for direction, name in wanted.items()
        ]
        self.name = " and ".join(names)
        stream_name = ffi.new("char[]", f"wavtools {kind}".encode())
        config.pulse.pStreamNameCapture = config.pulse.pStreamNamePlayback = stream_name
        self._keep.append(stream_name)
        # C functions of _callbacks.pyx: miniaudio calls them without ever entering Python.
        config.dataCallback = _data_callback(kind)
        config.notificationCallback = ffi.cast(
            "void(*)(ma_device_notification *)", notification_callback_address()
        )
        # Read back in the callbacks through ma_device.pUserData; this object outlives the device.
        self.channels = self.channels or 1
        self.seat = Seat(self.channels, self._outputs or outputs)
        config.pUserData = ffi.cast("void *", self.seat.address)
        self._config = config
        self._device = ffi.new("ma_device *")
        self._started = self._ended = False
        self._closing: threading.Thread | None = None
        self._close_lock = threading.Lock()
        threads = _thread_ids()
        with quiet_stderr(context.backend):
            code = _init(context)(context.pointer, ffi.addressof(config), self._device)
            if context.backend == JACK and code == lib.MA_SUCCESS:
                keep_client(self)
        self._advice = context.advice(capture=kind != "playback")
        check(code, "ma_device_init", f"cannot open {self.name} on {context.name}; {self._advice}")
        self._worker_ids = _thread_ids() - threads
        self.sample_rate = int(self._device.sampleRate)
        self.latency_seconds = BUFFER_MS / 1000
        if context.backend in (ALSA, JACK, WASAPI) and kind != "duplex":
            half = config.capture if kind == "capture" else config.playback
            self.latency_seconds = held_seconds(self._device, int(half.format)) or self.latency_seconds
        _open_devices.add(self)

    def _ask_channels(self, config: Any, direction: Direction, name: str | None, count: int | None) -> str:
        """Fill in one direction of the config: the device called *name* and its channels. Returns what to call it."""
        asked, native, info = _select(self.context, direction, name)
        offered = info.channels if info else ()
        half = config.capture if direction == "capture" else config.playback
        half.channels = channels = default_channels(offered) if count is None else count
        if self.context.backend == JACK and offered:
            # miniaudio maps no channels on JACK, so the device keeps its own number. Our callback spreads what it plays,
            # and the recorder mixes what it gets.
            half.channels = channels = _jack_ports(self.context, direction, offered)
        # Playback in int16: every native format takes it without loss, so int16 arrives bit for bit. Capture in
        # float32: every native format gives it without loss. (miniaudio's own float -> int16 is off by 1/32768.)
        if direction == "capture":
            self.channels, half.format = channels, lib.ma_format_f32
        else:
            self._outputs, half.format = channels, lib.ma_format_s16
        if native is not None:
            half.pDeviceID = ffi.addressof(native, "id")
            self._keep.append(native)
        return info.name if info else asked

    @property
    def realtime_priority(self) -> bool | None:
        """True if the device thread has real-time priority; None where the system does not show it."""
        if not self._worker_ids:
            return None
        policies = set()
        for thread_id in self._worker_ids:
            try:
                policies.add(os.sched_getscheduler(thread_id))
            except OSError:  # the thread is gone
                continue
        return bool(policies & {os.SCHED_FIFO, os.SCHED_RR})

    @property
    def running(self) -> bool:
        """False once it has ended by itself, as with a card that was unplugged; True while it is only suspended."""
        return bool(lib.ma_device_is_started(self._device))

    @property
    def closed(self) -> bool:
        """True once a close has begun."""
        return self._closing is not None

    @property
    def ended(self) -> bool:
        """True once it stopped by itself, also after it was closed."""
        return self._ended or (self._started and not self.closed and not self.running)

    @property
    def idle(self) -> bool:
        """True from its opening until it was started or closed."""
        return not self._started and not self.closed

    def start(self) -> None:
        threads = _thread_ids()
        with quiet_stderr(self.context.backend, makes_client=False):
            code = lib.ma_device_start(self._device)
        # JACK's thread begins here, the others' when the device is made.
        self._worker_ids |= _thread_ids() - threads
        check(code, "ma_device_start", f"cannot start {self.name} on {self.context.name}; {self._advice}")
        self._started = True

    def close(self) -> None:
        """Stop and uninitialise, within CLOSE_SECONDS. Can be called again; never raises.

        Stop comes first, because ma_device_uninit alone hangs when the server has died.
        """

        def run() -> None:
            with old_client() if self.context.backend == JACK else contextlib.nullcontext():
                lib.ma_device_stop(self._device)
                lib.ma_device_uninit(self._device)
            self.context.close()

        with self._close_lock:
            closing, first = self._closing, self._closing is None
            if closing is None:
                self._ended = self.ended
                # Daemon: a frozen server must not keep the interpreter from ending.
                closing = threading.Thread(target=run, name="wavtools-close", daemon=True)
                self._closing = closing
                _open_devices.discard(self)
                try:
                    closing.start()
                except RuntimeError:  # CPython 3.12.0 and 3.12.1 start no thread in an atexit handler
                    run()
                    return
        if closing.ident is not None:
            closing.join(CLOSE_SECONDS)
        if first and closing.is_alive():
            # If it calls back later, its callback finds an empty seat.
            self.seat.vacate()
            _abandoned.append(self)


# Strong references: memory must not be freed under a running callback.
_open_devices: set[NativeDevice] = set()
# Devices whose close call did not return in time: their memory must stay.
_abandoned: list[NativeDevice] = []


@atexit.register
def _close_all() -> None:
    """Close all devices at exit. Otherwise a callback could run after its memory is freed, and crash the process."""
    for device in list(_open_devices):
        device.close()
    for device in _abandoned:
        device.seat.vacate()


def _thread_ids() -> set[int]:
    """Thread ids of this process where the system shows them (Linux), to find the worker thread of a new device."""
    try:
        return {int(name) for name in os.listdir("/proc/self/task")}  # noqa: PTH208
    except OSError:
        return set()
