"""DeviceWatch: calls back when devices are plugged in or removed.

It compares device lists once a second, because PulseAudio and ALSA give miniaudio no such event. A list counts when it was
seen twice in a row, because a card that is being plugged in appears piece by piece.

Thread: its own ("wavtools-devices"), on which the callback runs too.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from wavtools.errors import DeviceError

if TYPE_CHECKING:
    from wavtools._device_info import DeviceInfo

__all__ = ["DeviceWatch"]

POLL_SECONDS = 1.0

_log = logging.getLogger("wavtools")


class DeviceWatch:
    """Calls ``callback(devices)`` at once with the present list, and later whenever the set of ids has changed."""

    def __init__(
        self, list_devices: Callable[[], list[DeviceInfo]], callback: Callable[[list[DeviceInfo]], None]
    ) -> None:
        self._list_devices = list_devices
        self._callback = callback
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wavtools-devices", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=2 * POLL_SECONDS)

    def _run(self) -> None:
        reported: set[str] | None = None
        seen: set[str] | None = None
        while True:
            devices = self._devices()
            ids = {device.id for device in devices}
            if ids != reported and (reported is None or ids == seen):
                reported = ids
                try:
                    self._callback(devices)
                except BaseException:
                    _log.exception("the device-change callback raised; watching goes on")
            seen = ids
            if self._stop.wait(POLL_SECONDS):
                return

    def _devices(self) -> list[DeviceInfo]:
        try:
            return self._list_devices()
        except DeviceError:  # no audio server answers now, so there are no devices
            return []
        except BaseException:
            _log.exception("listing the devices failed; watching goes on")
            return []
