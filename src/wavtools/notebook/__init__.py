"""What a notebook shows: pictures and a player for each object that holds sound, and a live level meter.

The module can be called: ``wavtools.notebook()`` gives the microphone and the loudspeaker of the browser, see
`wavtools.notebook_device`. Nothing here is imported before a notebook asks for it. The pictures need no drawing library.

Thread: any; see each module.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

from wavtools.notebook.live_meter import LiveMeter, meter
from wavtools.notebook.page import analysis_html, sound_html

__all__ = ["LiveMeter", "analysis_html", "meter", "sound_html"]


def _device(**options: Any) -> Any:
    # By its name, because the device stands above this module, which files and recordings use for their pictures.
    return importlib.import_module("wavtools.notebook_device").notebook_device(**options)


sys.modules[__name__].__class__ = type(
    "CallableModule", (types.ModuleType,), {"__call__": staticmethod(_device)}
)
