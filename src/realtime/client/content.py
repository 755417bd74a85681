"""Parts of a user message, from what the application gives to what goes into an item.

Thread: any; stateless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from wavtools.pcm import as_int16

from ..protocol.audio_format import Int16Array
from ..protocol.reading import Wire

__all__ = ["message_parts"]


def message_parts(
    content: str | Iterable[Mapping[str, Any]], encode: Callable[[Int16Array], str]
) -> tuple[list[Wire], Int16Array | None]:
    """The parts of a message, and the samples of its last part with samples.

    Parameters
    ----------
    content : str or iterable of mappings
        As `RealtimeClient.send_user_message_content` takes it; not changed.
    encode : callable
        Base64 of int16 samples in the format in force.

    Returns
    -------
    tuple
        The parts as dictionaries, and a copy of the samples (int16) or None.

    Raises
    ------
    TypeError, ValueError
        audio that is neither base64 text nor int16 samples
    """
    if isinstance(content, str):
        content = [{"type": "input_text", "text": content}]
    parts: list[Wire] = []
    samples: Int16Array | None = None
    for given in content:
        part = dict(given)
        if part.get("type") == "text":
            part["type"] = "input_text"
        audio: Any = part.get("audio")
        if part.get("type") == "input_audio" and not isinstance(audio, str):
            samples = as_int16(audio, "audio").copy()
            part["audio"] = encode(samples)
        parts.append(part)
    return parts, samples
