"""The supervisor: opens a device for a stream, and opens another one when that is lost.

miniaudio says nothing when an audio server dies: its callbacks just stop. So a thread watches the time of the last
callback. When it stalls, a probe asks the server: one that is dead, or alive without calling back, costs the device
(stop, uninit, rebuild, context included); one that is frozen is waited for, because it goes on by itself. The stream's
queue and positions live in its state, not in the device, and are kept all the while.

Thread: its own ("wavtools-supervisor") for each open device; open and close on control threads.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from wavtools._device import CONNECT_SECONDS, Context, Direction, NativeDevice, connect_server
from wavtools._events import DeviceEvent, EventKind
from wavtools._miniaudio import BACKENDS, NULL_BACKEND, lib
from wavtools._states import now_ns
from wavtools._stream import Stream
from wavtools.errors import DeviceError

__all__ = ["SupervisedDevice"]

OPEN_SECONDS = 5.0  # a Bluetooth headset may take seconds to wake up; only a frozen server takes longer
POLL_SECONDS = 0.02
STALL_SECONDS = 0.08  # eight periods without a callback
PATIENCE_SECONDS = (
    1.0  # for a server that answers while the device does not call: a null sink's first callback
)
RETRY_SECONDS = 0.05  # a restarted server is back within a second or so
EAGER_SECONDS = 10.0  # after that, retry at
LAZY_RETRY_SECONDS = 0.5

_STARTED = int(lib.ma_device_notification_type_started)
_STOPPED = int(lib.ma_device_notification_type_stopped)
_REROUTED = int(lib.ma_device_notification_type_rerouted)

_log = logging.getLogger("wavtools")


class SupervisedDevice:
    """A native device, replaced by another one when it is lost."""

    def __init__(
        self,
        wanted: Mapping[Direction, str | None],
        stream: Stream,
        on_event: Callable[[DeviceEvent], None],
    ) -> None:
        null = "null" in wanted.values()
        self._wanted = dict.fromkeys(wanted) if null else dict(wanted)
        self._backends = [NULL_BACKEND] if null else BACKENDS
        self._stream = stream
        self._on_event = on_event
        self._lock = threading.Lock()  # guards _device and _closing against each other
        self._closing = threading.Event()
        self._device: NativeDevice | None = self._open(self._backends, self._wanted, lost_seconds=None)
        self._last = self._device
        self._since_ns = now_ns()  # since when callbacks are due
        self._probe: _Probe | None = None
        self._suspended = False
        self._suspended_ns = 0
        self._lost_at = self._retry_at = 0.0
        self._thread = threading.Thread(target=self._run, name="wavtools-supervisor", daemon=True)

    # ---- control threads

    @property
    def sample_rate(self) -> int:
        return self._last.sample_rate

    @property
    def channels(self) -> int:
        return self._last.channels

    @property
    def latency_seconds(self) -> float:
        return self._last.latency_seconds

    @property
    def realtime_priority(self) -> bool | None:
        return self._last.realtime_priority

    def start(self) -> None:
        if self._device is not None:
            self._device.start()
        self._since_ns = now_ns()
        self._thread.start()

    def close(self) -> None:
        """Within about a second, whatever state the audio server is in; never raises."""
        self._closing.set()
        with self._lock:
            device, self._device = self._device, None
        if device is not None:
            device.close()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(
                POLL_SECONDS * 5
            )  # it may hang in a call to a frozen server; it closes up by itself

    # ---- supervisor thread

    def _open(
        self, backends: list[int], wanted: Mapping[Direction, str | None], lost_seconds: float | None
    ) -> NativeDevice:
        context = connect_server(backends, lambda context: context, CONNECT_SECONDS)
        stream = self._stream
        try:
            device = _within(
                OPEN_SECONDS, lambda: NativeDevice(context, stream.kind, wanted, stream.channels)
            )
        except BaseException:
            context.close()
            raise
        try:
            duplex = stream.kind == "duplex"
            stream.fit(device.seat, device.sample_rate, device.channels, lost_seconds, duplex)
        except BaseException:
            device.close()
            raise
        return device

    def _run(self) -> None:
        while not self._closing.wait(POLL_SECONDS):
            try:
                device = self._device
                if device is None:
                    if self._closing.is_set():  # closed, not lost
                        return
                    self._restore()
                else:
                    self._watch(device)
            except Exception:
                _log.exception("watching the audio device failed; trying again")

    def _watch(self, device: NativeDevice) -> None:
        notified = device.seat.take_notified()
        if _REROUTED in notified:
            self._tell("rerouted", "the system moved the stream")
        if _STOPPED in notified and _STARTED not in notified and not self._suspended:
            self._suspend("the system stopped the device")
        stalled = (now_ns() - max(self._stream.last_callback_ns, self._since_ns)) * 1e-9
        if stalled < STALL_SECONDS:
            self._probe = None
            # A callback that was under way when the device stopped does not count.
            if self._suspended and self._stream.last_callback_ns > self._suspended_ns + STALL_SECONDS * 1e9:
                self._suspended = False
                self._tell("resumed", "the device calls again")
            return
        if self._probe is None:
            self._probe = _Probe(device.context.backend)
        answer = self._probe.answer
        if answer is False:
            self._lose(device, "the audio server is gone")
        elif answer is True and not self._suspended and stalled > PATIENCE_SECONDS:
            self._lose(device, "the device no longer calls")
        elif answer is None and stalled > PATIENCE_SECONDS and not self._suspended:
            self._suspend("the audio server does not answer; waiting for it")
        elif answer is True and self._probe.age > PATIENCE_SECONDS:
            self._probe = None  # ask again: a suspended device's server may die too

    def _suspend(self, reason: str) -> None:
        self._suspended, self._suspended_ns = True, now_ns()
        self._tell("suspended", reason)

    def _lose(self, device: NativeDevice, reason: str) -> None:
        with self._lock:
            if self._device is not device:  # closed meanwhile
                return
            self._device = None
        device.seat.vacate()
        self._probe, self._suspended = None, False
        self._lost_at = time.monotonic()
        self._retry_at = 0.0
        self._tell("lost", reason)
        device.close()
        self._restore()

    def _restore(self) -> None:
        now = time.monotonic()
        if now < self._retry_at:
            return
        eager = now - self._lost_at < EAGER_SECONDS
        try:
            # At first only where it was: ALSA would take over while a PulseAudio server restarts.
            device = self._open_wanted_or_default([self._last.context.backend] if eager else self._backends)
            device.start()
        except DeviceError:
            self._retry_at = time.monotonic() + (RETRY_SECONDS if eager else LAZY_RETRY_SECONDS)
            return
        with self._lock:
            if not self._closing.is_set():
                self._device = self._last = device
                self._since_ns = now_ns()
        if self._device is not device:
            device.close()
            return
        self._tell("restored", f"after {time.monotonic() - self._lost_at:.3f} s")

    def _open_wanted_or_default(self, backends: list[int]) -> NativeDevice:
        lost = self._last.latency_seconds
        try:
            return self._open(backends, self._wanted, lost)
        except DeviceError as error:
            gone = error.operation == "select" and time.monotonic() - self._lost_at > PATIENCE_SECONDS
            if not any(self._wanted.values()) or not gone:
                raise
            # The chosen device does not come back: better another one than silence.
            return self._open(backends, dict.fromkeys(self._wanted), lost)

    def _tell(self, kind: EventKind, reason: str) -> None:
        try:
            self._on_event(DeviceEvent(kind, self._last.name, reason))
        except Exception:
            _log.exception("the on_event callback raised; watching goes on")


class _Probe:
    """Asks an audio system whether it is there, without waiting for it. ``answer``: None until it is known."""

    def __init__(self, backend: int) -> None:
        self.answer: bool | None = None
        self._asked_at = time.monotonic()
        threading.Thread(target=self._ask, args=(backend,), name="wavtools-probe", daemon=True).start()

    @property
    def age(self) -> float:
        return time.monotonic() - self._asked_at

    def _ask(self, backend: int) -> None:
        try:
            context = Context([backend])
        except DeviceError:
            self.answer = False
        else:
            self.answer = True
            context.close()


def _within(seconds: float, open_device: Callable[[], NativeDevice]) -> NativeDevice:
    """Open a device, or give up after *seconds*; one that opens later is closed at once."""
    outcome: list[NativeDevice] = []
    failure: list[BaseException] = []
    given_up = threading.Event()

    def run() -> None:
        try:
            device = open_device()
        except BaseException as error:
            failure.append(error)
            return
        outcome.append(device)
        if given_up.is_set():
            device.close()

    thread = threading.Thread(target=run, name="wavtools-open", daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        raise failure.pop()
    if not outcome:
        given_up.set()
        raise DeviceError(f"the device does not open within {seconds:g} s", operation="open")
    return outcome[0]
