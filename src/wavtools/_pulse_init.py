"""Opens a device on PulseAudio through miniaudio, and mends two faults of miniaudio's on the way.

miniaudio calls libpulse through a table of functions in its context. While a device opens, five entries of that table
are ours:

- A device whose sample format miniaudio does not know (24 bits in 32, big-endian, G.711) could not be opened: miniaudio
  asks for float32, and with the flag "fix format" it lets the server answer with the device's own format. Without that
  flag the server converts, as it does for its own programs.
- When a device does not open, miniaudio never closes the connection that it made for it. A server has some dozens.

Thread: control threads; the functions in the table run on the thread that opens the device.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

from wavtools._miniaudio import ffi, lib

__all__ = ["init_pulse_device"]

_FIX_FORMAT = 0x40
_NAMES = ("libpulse.so", "libpulse.so.0")
_POINTER = ctypes.c_void_p
_CONNECT = (ctypes.c_int, _POINTER, _POINTER, _POINTER, ctypes.c_uint)
_PROTOTYPES: dict[str, Any] = {
    "pa_stream_connect_playback": ctypes.CFUNCTYPE(*_CONNECT, _POINTER, _POINTER),
    "pa_stream_connect_record": ctypes.CFUNCTYPE(*_CONNECT),
    "pa_mainloop_new": ctypes.CFUNCTYPE(_POINTER),
    "pa_mainloop_free": ctypes.CFUNCTYPE(None, _POINTER),
    "pa_context_new": ctypes.CFUNCTYPE(_POINTER, _POINTER, _POINTER),
    "pa_context_disconnect": ctypes.CFUNCTYPE(None, _POINTER),
    "pa_context_unref": ctypes.CFUNCTYPE(None, _POINTER),
}


def init_pulse_device(context: Any, config: Any, device: Any) -> int:
    """Call ma_device_init, with the table changed meanwhile.

    Parameters
    ----------
    context : ma_context *
        Of PulseAudio; nobody else uses it meanwhile.
    config : ma_device_config *
    device : ma_device *

    Returns
    -------
    int
        The result code.
    """
    table = ffi.buffer(context)
    connection = _Connection()
    entries = _entries(table, connection)
    for place, ours, _ in entries:
        table[place : place + len(ours)] = ours
    code = int(lib.ma_device_init(context, config, device))
    for place, _, theirs in entries:
        table[place : place + len(theirs)] = theirs
    if code != lib.MA_SUCCESS:
        connection.close()
    return code


class _Connection:
    """The connection to the server that miniaudio makes while a device opens, and its functions in the table."""

    def __init__(self) -> None:
        self._pulse = _libpulse()
        self._mainloop: int | None = None
        self._context: int | None = None
        replacements = {
            "pa_stream_connect_playback": self._connect_playback,
            "pa_stream_connect_record": self._connect_record,
            "pa_mainloop_new": self._new_mainloop,
            "pa_mainloop_free": self._free_mainloop,
            "pa_context_new": self._new_context,
        }
        self.functions = {
            name: _PROTOTYPES[name](function) for name, function in replacements.items() if self._pulse
        }

    def close(self) -> None:
        """Close what miniaudio left open."""
        if self._mainloop is not None and self._context is not None:
            self._pulse["pa_context_disconnect"](self._context)
            self._pulse["pa_context_unref"](self._context)
            self._pulse["pa_mainloop_free"](self._mainloop)
            self._mainloop = self._context = None

    def _connect_playback(
        self, stream: int, device: int, buffer: int, flags: int, volume: int, group: int
    ) -> Any:
        return self._pulse["pa_stream_connect_playback"](
            stream, device, buffer, flags & ~_FIX_FORMAT, volume, group
        )

    def _connect_record(self, stream: int, device: int, buffer: int, flags: int) -> Any:
        return self._pulse["pa_stream_connect_record"](stream, device, buffer, flags & ~_FIX_FORMAT)

    def _new_mainloop(self) -> int | None:
        self._mainloop = self._pulse["pa_mainloop_new"]()
        return self._mainloop

    def _free_mainloop(self, mainloop: int) -> None:
        if mainloop == self._mainloop:
            self._mainloop = self._context = None
        self._pulse["pa_mainloop_free"](mainloop)

    def _new_context(self, api: int, name: int) -> int | None:
        self._context = self._pulse["pa_context_new"](api, name)
        return self._context


@functools.cache
def _libpulse() -> dict[str, Any]:
    """libpulse's functions by name; empty where it is not found."""
    for name in _NAMES:
        try:
            library = ctypes.CDLL(name)
            return {name: prototype((name, library)) for name, prototype in _PROTOTYPES.items()}
        except (OSError, AttributeError):
            continue
    return {}


def _entries(table: Any, connection: _Connection) -> list[tuple[int, bytes, bytes]]:
    """Place, our address and libpulse's of each entry; none unless each is found in exactly one place."""
    entries = []
    pulse = _libpulse()
    memory = bytes(table)
    for name, function in connection.functions.items():
        ours, theirs = _address(function), _address(pulse[name])
        if memory.count(theirs) != 1:
            return []
        entries.append((memory.index(theirs), ours, theirs))
    return entries


def _address(function: Any) -> bytes:
    """A C function's address as it stands in memory."""
    return bytes(_POINTER(ctypes.cast(function, _POINTER).value))
