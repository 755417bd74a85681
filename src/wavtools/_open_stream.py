"""open_stream: opens what was given as ``device=``, for a stream that starts or moves.

Thread: control threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from wavtools._process import claim

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
        the device already serves a stream of that kind
    """
    device = _attach(spec, stream, on_event or _ignore)
    try:
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
    claim()
    # Loads miniaudio, which an OfflineDevice does without.
    from wavtools._supervisor import SupervisedDevice

    return SupervisedDevice({stream.kind: spec}, stream, on_event)


def _ignore(event: DeviceEvent) -> None:
    return None
