"""The old name of `realtime.offline.models.interfaces`, kept for one release.

Thread: any.
"""

from .models.choice import choose_voice as choose_voice
from .models.interfaces import *  # noqa: F403
