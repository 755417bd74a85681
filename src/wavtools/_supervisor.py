"""The supervisor: opens a native device for a stream, and opens another one when that is lost.

miniaudio does not report that an audio server died: its callbacks just stop. So a thread watches the time of the last
callback. When callbacks stop, a probe asks the server. If it is dead, or alive without calling back, the device is
closed and opened again, context included. If it is frozen, the supervisor waits, because the device goes on by itself
later. Queue and positions live in the stream's state, not in the device, so they stay.

Thread: its own ("wavtools-supervisor") for each open device; opening, starting and closing on control threads.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from wavtools._backends import Place, places
from wavtools._call_within import call_within
from wavtools._context import connect_server
from wavtools._device import NativeDevice
from wavtools._device_info import Direction
from wavtools._events import DeviceEvent, EventKind
from wavtools._miniaudio import JACK, lib
from wavtools._probe import Probe
from wavtools._states import now_ns
from wavtools._stream import Device, Stream
from wavtools.errors import DeviceError

__all__ = ["SupervisedDevice"]

# A Bluetooth headset may take seconds to wake up; only a frozen server takes longer.
OPEN_SECONDS = 5.0
POLL_SECONDS = 0.02
# While callbacks come: a stall is still seen within a tenth of a second or so.
CALM_SECONDS = 0.04
# Eight periods without a callback.
STALL_SECONDS = 0.08
# For a server that answers while the device does not call: a null sink's first callback takes some time.
PATIENCE_SECONDS = 1.0
# For a server that was frozen and answers again: the next callback comes at once.
GO_ON_SECONDS = 0.3
# A restarted server is back within a second or so: retry often at first, then less often.
RETRY_SECONDS = 0.05
EAGER_SECONDS = 10.0
LAZY_RETRY_SECONDS = 0.5
# Each open that fails costs the server a connection, so these come less and less often.
OPEN_RETRY_SECONDS = 0.1
LONGEST_OPEN_RETRY_SECONDS = 0.8
# Operations of a DeviceError that say that no server answers, and that a device does not open.
_NO_SERVER = ("connect", "ma_context_init", "ma_context_get_devices")
_NOT_OPENED = ("open", "ma_device_init", "ma_device_start")

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
        self._stream = stream
        self._on_event = on_event
        # Guards _device, the stream's seat and _closing: a device that was closed is never seated again.
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._last, (self._backends, self._wanted) = self._open_first(places(wanted))
        self._device: NativeDevice | None = self._last
        # Since when callbacks are due.
        self._since_ns = now_ns()
        self._probe: Probe | None = None
        self._suspended = False
        # True while the device calls as it should.
        self._calm = False
        # Suspended because the server did not answer, not because the system said so.
        self._unanswered = False
        self._suspended_ns = 0
        # Of a duplex stream, as told.
        self._slips = 0
        self._lost_at = 0.0
        self._retries = _Retries()
        self._thread = threading.Thread(target=self._run, name="wavtools-supervisor", daemon=True)

    # ---- control threads

    @property
    def sample_rate(self) -> int:
        """Hz, of the present device, or of the last one while it is lost; so are the other properties."""
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

    def start(self, old: Device | None = None) -> None:
        """Seat the stream and start; with *old*, start first, close *old*, and then seat the stream."""
        device = self._last
        if old is None:
            self._seat(device, None)
            device.start()
        else:
            device.start()
            lost_seconds = old.latency_seconds
            old.close()
            self._seat(device, lost_seconds)
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
            # It may hang in a call to a frozen server; it closes what it opens by itself.
            self._thread.join(POLL_SECONDS * 5)

    def _open_first(self, where: list[Place]) -> tuple[NativeDevice, Place]:
        """Open a device at the first place that has it, and return that place too."""
        failures = []
        for backends, wanted in where:
            try:
                return self._open(backends, wanted), (backends, wanted)
            except DeviceError as error:
                failures.append(error)
        # The likeliest place's, which the caller meant.
        raise failures[0]

    def _open(self, backends: list[int], wanted: Mapping[Direction, str | None]) -> NativeDevice:
        """A stopped device with an empty seat. Also runs on the supervisor thread."""
        context = connect_server(backends)
        stream = self._stream

        def open_device() -> NativeDevice:
            try:
                return NativeDevice(context, stream.kind, wanted, stream.channels, stream.outputs)
            except BaseException:
                context.close()
                raise

        try:
            return call_within(OPEN_SECONDS, open_device, NativeDevice.close)
        except TimeoutError:
            raise DeviceError(
                f"the device does not open within {OPEN_SECONDS:g} s", operation="open"
            ) from None

    def _seat(self, device: NativeDevice, lost_seconds: float | None) -> bool:
        """Put the stream's state into the device's seat; False if this was closed. Also runs on the supervisor thread.

        From then on close() closes that device: nothing else may touch the state after a close().
        """
        duplex = self._stream.kind == "duplex"
        with self._lock:
            if self._closing.is_set():
                return False
            self._stream.fit(device.seat, device.sample_rate, device.channels, lost_seconds, duplex)
            self._device = self._last = device
            self._since_ns = now_ns()
            return True

    # ---- supervisor thread

    def _run(self) -> None:
        while not self._closing.wait(CALM_SECONDS if self._calm else POLL_SECONDS):
            try:
                device, self._calm = self._device, False
                if device is None:
                    if self._closing.is_set():  # closed, not lost
                        return
                    self._restore()
                else:
                    self._watch(device)
            except BaseException:
                # Whatever it is: a device that nobody watches would be lost unnoticed.
                _log.exception("watching the audio device failed; trying again")

    def _watch(self, device: NativeDevice) -> None:
        notified = device.seat.take_notified()
        if _REROUTED in notified:
            self._tell("rerouted", "the system moved the stream")
        if self._stream.kind == "duplex":
            self._tell_slips()
        if not device.running:
            # It does not come back by itself, whatever the server answers.
            self._lose(device, "the device ended")
            return
        if _STOPPED in notified and _STARTED not in notified and not self._suspended:
            self._suspend("the system stopped the device")
        stalled = (now_ns() - max(self._stream.last_callback_ns, self._since_ns)) * 1e-9
        if stalled < STALL_SECONDS:
            self._probe = None
            self._calm = not self._suspended
            # A callback that was running when the device stopped does not count.
            if self._suspended and self._stream.last_callback_ns > self._suspended_ns + STALL_SECONDS * 1e9:
                self._suspended = self._unanswered = False
                self._tell("resumed", "the device calls again")
            return
        # Never a second client beside one of a JACK server that may be dead (see _jack.py). A death ends the device there.
        if self._probe is None and device.context.backend != JACK:
            self._probe = Probe(device.context.backend)
        answer = self._probe.answer if self._probe else None
        if answer is False:
            self._lose(device, "the audio server is gone")
        elif answer is True and stalled > PATIENCE_SECONDS and self._owes_callbacks:
            self._lose(device, "the device no longer calls")
        elif answer is None and stalled > PATIENCE_SECONDS and not self._suspended:
            self._suspend("the audio server does not answer; waiting for it", unanswered=True)
        elif self._probe and answer is True and self._probe.answer_age > PATIENCE_SECONDS:
            # Ask again: a suspended device's server may die too.
            self._probe = None

    def _tell_slips(self) -> None:
        before, self._slips = self._slips, self._stream.slips
        if self._slips > before:
            self._tell("slipped", "a late callback moved the microphone against the speaker")

    @property
    def _owes_callbacks(self) -> bool:
        """True if an answering server's device must call: it was not suspended, or only as long as nobody answered."""
        if self._unanswered and self._probe:
            return self._probe.answer_age > GO_ON_SECONDS
        return not self._suspended

    def _suspend(self, reason: str, *, unanswered: bool = False) -> None:
        self._suspended, self._suspended_ns = True, now_ns()
        self._unanswered = unanswered
        self._tell("suspended", reason)

    def _lose(self, device: NativeDevice, reason: str) -> None:
        with self._lock:
            if self._device is not device:  # closed meanwhile
                return
            self._device = None
            device.seat.vacate()
        self._probe, self._suspended, self._unanswered = None, False, False
        self._lost_at = time.monotonic()
        self._retries = _Retries()
        self._tell("lost", reason)
        device.close()
        self._restore()

    def _restore(self) -> None:
        if not self._retries.due or self._closing.is_set():
            return
        eager = time.monotonic() - self._lost_at < EAGER_SECONDS
        try:
            # At first only where it was: ALSA would take over while a PulseAudio server restarts.
            device, note = self._open_wanted_or_default(
                [self._last.context.backend] if eager else self._backends
            )
        except DeviceError as error:
            self._retries.failed(error, eager)
            return
        seated = False
        try:
            # With an empty seat, so that a device which does not start has not touched the stream.
            device.start()
            seated = self._seat(device, self._last.latency_seconds)
        except DeviceError as error:
            self._retries.failed(error, eager)
        finally:
            if not seated:
                device.close()
        if seated:
            self._tell("restored", f"after {time.monotonic() - self._lost_at:.3f} s{note}")

    def _open_wanted_or_default(self, backends: list[int]) -> tuple[NativeDevice, str]:
        """The wanted device, or the default one after a while; and what the event says of that."""
        try:
            return self._open(backends, self._wanted), ""
        except DeviceError as error:
            patient = time.monotonic() - self._lost_at <= PATIENCE_SECONDS
            if not any(self._wanted.values()) or patient or error.operation in _NO_SERVER:
                raise
            # The chosen device does not come back, or does not open: another one is better than silence.
            device = self._open(backends, dict.fromkeys(self._wanted))
            return device, f", on the default device, because the chosen one failed: {error}"

    def _tell(self, kind: EventKind, reason: str) -> None:
        if self._closing.is_set():
            return
        try:
            self._on_event(DeviceEvent(kind, self._last.name, reason))
        except BaseException:
            # SystemExit too: on this thread it would end the watching, not the program.
            _log.exception("the on_event callback raised; watching goes on")


class _Retries:
    """When to try again to open a lost device."""

    def __init__(self) -> None:
        self._at = 0.0
        self._opens_failed = 0

    @property
    def due(self) -> bool:
        return time.monotonic() >= self._at

    def failed(self, error: DeviceError, eager: bool) -> None:
        """Wait, and longer each time, if the server answers and its device does not open."""
        if error.operation in _NOT_OPENED:
            wait = min(OPEN_RETRY_SECONDS * 2**self._opens_failed, LONGEST_OPEN_RETRY_SECONDS)
            self._opens_failed = min(self._opens_failed + 1, 10)
        else:
            wait = RETRY_SECONDS if eager else LAZY_RETRY_SECONDS
            self._opens_failed = 0
        self._at = time.monotonic() + wait
