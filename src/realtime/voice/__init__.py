"""Voice: joins a client, a microphone and a loudspeaker.

Modules: ``session`` (`VoiceSession`), ``devices`` (what it needs of recorder and player), ``microphone`` (its chunks),
``echo`` and ``tapes`` (what the microphone hears of the loudspeaker), ``interruption``, ``speech`` and ``volume`` (an answer
gets quieter before it is cut), ``detection`` (who takes turns), ``idle``, ``ending``, ``timing``, ``options``,
``handlers``.

Thread: importing it starts none.
"""

from ..voice_events import CutEvent, EchoEvent, FalseInterruptionEvent, IdleEvent
from .devices import Chunk, Player, Receipt, Recorder
from .session import VoiceSession

__all__ = [
    "Chunk",
    "CutEvent",
    "EchoEvent",
    "FalseInterruptionEvent",
    "IdleEvent",
    "Player",
    "Receipt",
    "Recorder",
    "VoiceSession",
]
