"""open_stream: opens what was given as ``device=``, for a stream that starts or moves.

Thread: control threads.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, SupportsIndex, TypeAlias, cast

from wavtools._process import claim
from wavtools.errors import DeviceError

if TYPE_CHECKING:
    from wavtools._device_info import DeviceInfo, Direction
    from wavtools._events import DeviceEvent
    from wavtools._stream import AttachableDevice, Device, SessionStream

    # What can be given as ``device=``.
    DeviceSpec: TypeAlias = str | int | DeviceInfo | AttachableDevice | None

__all__ = ["device_info", "device_name", "is_device_object", "open_stream"]


def open_stream(
    spec: DeviceSpec,
    stream: SessionStream,
    on_event: Callable[[DeviceEvent], None] | None,
    old: Device | None = None,
) -> Device:
    """Open the device that *spec* names and start it, with the stream in its seat.

    Parameters
    ----------
    spec : None, str, int, DeviceInfo, OfflineDevice, DuplexDevice or RemoteDevice
    stream : SessionStream
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
    """True for an OfflineDevice, DuplexDevice or RemoteDevice, which a stream can be attached to only once."""
    return hasattr(spec, "attach")


def device_name(spec: object, kind: Direction) -> str | None:
    """The id or name of the system's device that *spec* means; None for the default one.

    Raises
    ------
    TypeError
        an object that means no device
    DeviceError
        an index beyond the list, or an empty text
    """
    if isinstance(spec, str) and not spec.strip():
        raise DeviceError(
            f"device is {spec!r}, which names no device; pass None for the default one", operation="select"
        )
    if spec is None or isinstance(spec, str):
        return spec
    # Loads miniaudio, which an OfflineDevice does without.
    from wavtools._device import DeviceInfo, list_devices

    if isinstance(spec, DeviceInfo):
        return spec.id
    try:
        index = operator.index(cast("SupportsIndex", spec))
    except TypeError:
        index = None
    if index is None or isinstance(spec, bool):
        raise TypeError(
            "device must be None, an id, a name, an entry or an index of list_devices(), an OfflineDevice, a "
            f"DuplexDevice or a RemoteDevice, not {spec!r}"
        )
    devices = list_devices(kind)
    if not 0 <= index < len(devices):
        raise DeviceError(
            f"there is no device {index}; list_devices() has {len(devices)}", operation="select"
        )
    return devices[index].id


def device_info(spec: object, kind: Direction) -> DeviceInfo | None:
    """The system's entry of the device that *spec* means; None for a silent clock and a device without a system.

    Raises as device_name(), and DeviceError if no device fits.
    """
    if is_device_object(spec):
        describe = getattr(spec, "describe", None)
        if describe is not None:
            # A RemoteDevice: its peer tells.
            return cast("DeviceInfo | None", describe(kind))
        # A DuplexDevice says which microphone it opens; an OfflineDevice has none.
        spec = getattr(spec, "input", "null")
    if spec == "null":
        return None
    from wavtools._device import DeviceInfo, find_device

    if isinstance(spec, DeviceInfo):
        return spec
    return find_device(kind, device_name(spec, kind))


def _attach(spec: DeviceSpec, stream: SessionStream, on_event: Callable[[DeviceEvent], None]) -> Device:
    if is_device_object(spec):
        return cast("AttachableDevice", spec).attach(stream, on_event)
    assert stream.kind != "duplex"
    claim()
    name = device_name(spec, stream.kind)
    # Loads miniaudio, which an OfflineDevice does without.
    from wavtools._supervisor import SupervisedDevice

    return SupervisedDevice({stream.kind: name}, stream, on_event)


def _ignore(event: DeviceEvent) -> None:
    return None
