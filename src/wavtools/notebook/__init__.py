"""What a notebook shows: pictures and a player for each object that holds sound, and a live level meter.

Nothing here is imported before a notebook asks for it. The pictures need no drawing library.

Thread: any; see each module.
"""

from wavtools.notebook.live_meter import LiveMeter, meter
from wavtools.notebook.page import analysis_html, sound_html

__all__ = ["LiveMeter", "analysis_html", "meter", "sound_html"]
