"""Renders the spoken clips of the offline server: ``python tools/render_clips.py [FOLDER]``.

Writes them into the package, or into FOLDER. The same machine gives the same samples. Needs wavtools[offline].
"""

from __future__ import annotations

import sys
import wave
from pathlib import Path

from realtime.offline.models import clips
from realtime.offline.models.hibari import HibariSpeech
from realtime.offline.models.interfaces import SPEECH_RATE_HZ


def render(folder: Path) -> None:
    """Write every clip of TEXTS into *folder*."""
    speech = HibariSpeech()
    for name, text in clips.TEXTS.items():
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SPEECH_RATE_HZ)
            file.writeframes(speech.synthesise(text, "", 1.0).astype("<i2").tobytes())


if __name__ == "__main__":
    render(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(clips.__file__).parent)
