"""Which audio systems a device is looked for on: the platform's, those of WAVTOOLS_BACKENDS, or the one a name begins with.

Thread: any control thread.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from wavtools._miniaudio import BACKEND_NAMES, BACKENDS, NULL_BACKEND
from wavtools.errors import DeviceError

if TYPE_CHECKING:
    from wavtools._device_info import Direction

__all__ = ["VARIABLE", "Place", "chosen_backends", "places"]

VARIABLE = "WAVTOOLS_BACKENDS"

# Audio systems to try, in this order, and for each direction a device there: an id or a name, None for the default one.
Place = tuple[list[int], dict["Direction", str | None]]


def _short(name: str) -> str:
    return name.casefold().replace(" ", "")


_BY_NAME = {_short(name): backend for backend, name in BACKEND_NAMES.items()} | {
    "pulse": next(backend for backend, name in BACKEND_NAMES.items() if name == "PulseAudio")
}


def chosen_backends() -> list[int]:
    """The audio systems of WAVTOOLS_BACKENDS in that order; without it the platform's.

    Raises
    ------
    DeviceError
        the variable holds a name that is no audio system's
    """
    names = [name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]
    unknown = [name for name in names if _short(name) not in _BY_NAME]
    if unknown:
        known = ", ".join(BACKEND_NAMES.values())
        raise DeviceError(
            f"{VARIABLE} names {unknown[0]!r}, which is no audio system; it takes one or several of {known}",
            operation="select",
        )
    return [_BY_NAME[_short(name)] for name in names] or BACKENDS


def places(wanted: Mapping[Direction, str | None]) -> list[Place]:
    """Where to look for the wanted devices, the likeliest place first.

    "jack:system" means the device "system" on JACK, and "jack:" the default one there. Where that is not found, the whole
    text may be the name of a device.

    Parameters
    ----------
    wanted : mapping
        For each direction an id, a name or part of one, with the name of an audio system and ":" before it or not.

    Returns
    -------
    list of (list of int, dict)
        Backends, and what is wanted there.

    Raises
    ------
    DeviceError
        two directions on different audio systems, which no device spans; or WAVTOOLS_BACKENDS is wrong
    """
    if "null" in wanted.values():
        return [([NULL_BACKEND], dict.fromkeys(wanted))]
    plain: Place = (chosen_backends(), dict(wanted))
    split = {direction: _split(name) for direction, name in wanted.items()}
    named = {backend for backend, _ in split.values() if backend is not None}
    if not named:
        return [plain]
    if len(named) > 1:
        names = " and ".join(sorted(BACKEND_NAMES[backend] for backend in named))
        raise DeviceError(
            f"input and output are on {names}, but one device is on one audio system; name the same for both",
            operation="select",
        )
    return [(list(named), {direction: name for direction, (_, name) in split.items()}), plain]


def _split(name: str | None) -> tuple[int | None, str | None]:
    """The audio system that *name* begins with, if it does, and the rest; None for the default device."""
    prefix, colon, rest = (name or "").partition(":")
    backend = _BY_NAME.get(_short(prefix)) if colon else None
    return (None, name) if backend is None else (backend, rest.strip() or None)
