"""What a voice session tells the application: the objects of its own events.

Thread: any.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from .conversation.items import Item

__all__ = ["CutEvent", "EchoAction", "EchoEvent", "FalseInterruptionEvent", "IdleEvent"]

EchoAction = Literal["cancel", "bypass", "half-duplex", "off"]


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


@dataclass(frozen=True)
class EchoEvent:
    """``voice.echo``: what is known of the echo, or what is done about it, has changed.

    Attributes
    ----------
    heard : bool
        True if the microphone hears the loudspeaker.
    delay_ms : float or None
        Milliseconds from the loudspeaker's device to the microphone's; None while unknown.
    erle_db : float or None
        Echo return loss enhancement: by how many dB the canceller lowers the echo now; None without a canceller.
    action : "cancel", "bypass", "half-duplex" or "off"
        What the session does: cancel the echo, let the microphone pass because no echo is heard, send silence while the
        loudspeaker is heard, or nothing.
    reason : str
        Why, for the user.
    """

    heard: bool
    delay_ms: float | None
    erle_db: float | None
    action: EchoAction
    reason: str = ""
