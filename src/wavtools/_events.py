"""What can happen to a device while it is open. Pure data; any thread."""

from __future__ import annotations

import dataclasses
from typing import Literal

__all__ = ["DeviceEvent", "EventKind"]

EventKind = Literal["lost", "restored", "rerouted", "suspended", "resumed"]


@dataclasses.dataclass(frozen=True)
class DeviceEvent:
    """Something that happened to a device while it was open.

    ``kind``: "lost" (the device or its server is gone; the stream waits), "restored" (it goes on, perhaps on another
    device), "rerouted" (the system moved it), "suspended" and "resumed" (the system stopped and started it, or the
    server froze and came back). ``device`` is the name of the device it runs on now.
    """

    kind: EventKind
    device: str
    reason: str
