"""Voice: joins a client, a microphone and a loudspeaker.

Modules: ``session`` (`VoiceSession`), ``devices`` (what it needs of recorder and player), ``microphone`` (its chunks),
``echo`` and ``tapes`` (what the microphone hears of the loudspeaker), ``interruption``, ``speech`` and ``volume`` (an answer
gets quieter before it is cut), ``detection`` (who takes turns), ``idle``, ``ending``, ``timing``, ``options``,
``handlers``, ``events``.

Thread: importing it starts none.
"""

from .devices import Chunk, Player, Receipt, Recorder
from .echo import EchoEvent
from .events import CutEvent, FalseInterruptionEvent, IdleEvent
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
