"""DeviceInfo: an audio device as the system lists it, its directions, and the table that a list of them prints.

Thread: any.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from typing import Literal

__all__ = ["DeviceInfo", "DeviceList", "Direction", "Kind"]

Direction = Literal["capture", "playback"]
Kind = Literal["capture", "playback", "duplex"]

# In names and ids of microphones whose echo the system or the hardware cancels: PulseAudio's "... (echo cancelled with
# ...)", PipeWire's "echo-cancel-source", "Echo Cancelling Speakerphone", "USB AEC Microphone", macOS's voice processing unit
_CANCELS = re.compile(
    r"echo[ _.-]?cancel|voice[ _-]?processing|vpauaggregate|(?<![a-z])aec(?![a-z])", re.IGNORECASE
)


@dataclasses.dataclass(frozen=True)
class DeviceInfo:
    """An audio device as the system lists it.

    Attributes
    ----------
    id : str
        Stable for as long as the device is present; can be given as ``device=``.
    name : str
        Can be given as ``device=`` too, and so can a part of it that no other device's name contains.
    default : bool
        True for the system's default device.
    sample_rates : tuple of int
        Hz, the device's own; empty where the system does not say.
    channels : tuple of int
        The device's own numbers of channels; empty where the system does not say.
    backend : str
        The audio system that lists it: "PulseAudio" (PipeWire too), "ALSA", "JACK", "WASAPI", "Core Audio", ...
    """

    id: str
    name: str
    default: bool
    sample_rates: tuple[int, ...]
    channels: tuple[int, ...]
    backend: str

    @property
    def cancels_echo(self) -> bool:
        """True if its name or id says that the system or the hardware cancels the echo of this microphone."""
        if self.id.endswith(".monitor"):
            # What a loudspeaker plays, whose name may tell of its other half.
            return False
        return any(_CANCELS.search(text) is not None for text in (self.name, self.id))


class DeviceList(list[DeviceInfo]):
    """A list of devices; printed, it is a table."""

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("", "name", "channels", "Hz", "id")]
        for index, info in enumerate(self):
            numbers = (" ".join(map(str, known)) or "?" for known in (info.channels, info.sample_rates))
            # Escaped: a control character in a name would command the terminal.
            name, id = map(_printable, (info.name, info.id))
            rows.append((f"{index}{' *' * info.default}", name, *numbers, id))
        widths = [max(map(_columns, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(map(_filled, row, widths)).rstrip() for row in rows)
        return "\n".join([*lines, f"* is the default device of {self[0].backend}" if self else "no devices"])


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _columns(text: str) -> int:
    """Terminal columns of *text*: East Asian characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "FW" else 1 for character in text)


def _filled(text: str, width: int) -> str:
    return text + " " * (width - _columns(text))
