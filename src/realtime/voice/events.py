"""What a voice session tells the application: the objects of its own events.

Thread: any.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..conversation.items import Item

__all__ = ["CutEvent", "FalseInterruptionEvent", "IdleEvent"]


@dataclass(frozen=True)
class CutEvent:
    """``voice.cut``: playback was stopped.

    Attributes
    ----------
    receipt : wavtools.TrackOffset
        Where it was stopped.
    item : Item or None
        The answer that was stopped.
    """

    receipt: Any
    item: Item | None


@dataclass(frozen=True)
class FalseInterruptionEvent:
    """``interruption.false``: what the server took for speech was none, such as a cough; the answer went on.

    Attributes
    ----------
    item_id : str or None
        The user's item that the server made of the sound. It is deleted, and gets no answer.
    seconds : float
        For how long the answer was quieter.
    """

    item_id: str | None
    seconds: float


@dataclass(frozen=True)
class IdleEvent:
    """``voice.idle``: nobody has spoken for ``idle_timeout`` seconds, and the voice session stops.

    Attributes
    ----------
    seconds : float
        The timeout.
    """

    seconds: float
