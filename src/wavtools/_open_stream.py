"""open_stream: opens what was given as ``device=``, for a stream that starts or moves.

Thread: control threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from wavtools.errors import StateError

if TYPE_CHECKING:
    from wavtools._events import DeviceEvent
    from wavtools._stream import AttachableDevice, Device, Stream

__all__ = ["is_device_object", "open_stream"]


def open_stream(
    spec: str | AttachableDevice | None,
    stream: Stream,
    on_event: Callable[[DeviceEvent], None] | None,
    old: Device | None = None,
) -> Device:
    """Open the device that *spec* names and start it, with the stream in its seat.

    Parameters
    ----------
    spec : str, OfflineDevice, DuplexDevice or None
    stream : Stream
    on_event : callable or None
    old : Device, optional
        The device that the stream moves from; closed once the new one runs. If this call fails, it goes on undisturbed.

    Returns
    -------
    Device

    Raises
    ------
    DeviceError
        the device does not open or start
    StateError
        the device already serves a stream of that kind, or captures frames of another shape than *old*
    """
    device = _attach(spec, stream, on_event or _ignore)
    try:
        if old is not None and stream.kind == "capture":
            _require_same_frames(device, old)
        device.start(old)
    except BaseException:
        device.close()
        raise
    return device


def is_device_object(spec: object) -> bool:
    """True for an OfflineDevice or DuplexDevice, which a stream can be attached to only once."""
    return spec is not None and not isinstance(spec, str)


def _attach(
    spec: str | AttachableDevice | None, stream: Stream, on_event: Callable[[DeviceEvent], None]
) -> Device:
    if spec is not None and not isinstance(spec, str):
        return spec.attach(stream, on_event)
    assert stream.kind != "duplex"
    # Loads miniaudio, which an OfflineDevice does without.
    from wavtools._supervisor import SupervisedDevice

    return SupervisedDevice({stream.kind: spec}, stream, on_event)


def _require_same_frames(device: Device, old: Device) -> None:
    """The capture ring and what was recorded have a fixed number of channels."""
    if device.channels != old.channels:
        raise StateError(
            f"this session records {old.channels} channels, the new device has {device.channels}; "
            "call .end(), then .begin() with it"
        )
    if device.duplex != old.duplex:
        raise StateError(
            "a session cannot move between a duplex device and another one; call .end(), then .begin() with it"
        )


def _ignore(event: DeviceEvent) -> None:
    return None
