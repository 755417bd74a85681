"""DeviceEvent: what can happen to a device while it is open.

Thread: any; pure data.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

__all__ = ["DeviceEvent", "EventKind"]

EventKind = Literal[
    "lost", "restored", "rerouted", "suspended", "resumed", "slipped", "file_failed", "file_resumed"
]


@dataclasses.dataclass(frozen=True)
class DeviceEvent:
    """Something that happened to a device while it was open.

    Attributes
    ----------
    kind : str
        "lost": the device or its server is gone, and the stream waits. "restored": the stream goes on, perhaps on another
        device. "rerouted": the system moved the stream. "suspended" and "resumed": the system stopped and started the
        device, or the server froze and came back. "slipped": a late callback of a DuplexDevice moved its microphone
        against its speaker by some milliseconds, for as long as it stays open. "file_failed": the file of ``record_to=``
        cannot be written now; a write is tried again every second. "file_resumed": it is written again.
    device : str
        Name of the device that the stream runs on now; for an event of a file, the file's name.
    reason : str
        For people.
    """

    kind: EventKind
    device: str
    reason: str
