"""The former home of the model interfaces; import them from `realtime.offline.models.interfaces`."""

from .models.choice import choose_voice as choose_voice
from .models.interfaces import *  # noqa: F403
