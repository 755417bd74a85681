"""Refuses keywords of a response that do not exist, and says which one was meant.

Thread: any; stateless.
"""

from __future__ import annotations

from collections.abc import Iterable

from .session_keywords import nearest

__all__ = ["RESPONSE_KEYWORDS", "refuse_unknown_response"]

# Fields of ``response.create``; servers of the beta dialect have the temperature.
RESPONSE_KEYWORDS = frozenset(
    (
        "audio",
        "conversation",
        "input",
        "instructions",
        "max_output_tokens",
        "metadata",
        "output_modalities",
        "parallel_tool_calls",
        "prompt",
        "reasoning",
        "temperature",
        "tool_choice",
        "tools",
    )
)
# Names of sessions and of other libraries, without underscores, and what they are in a response.
_ALIASES = {
    "maxresponseoutputtokens": "max_output_tokens=",
    "maxtokens": "max_output_tokens=",
    "modalities": "output_modalities=",
    "outputaudioformat": 'audio={"output": {"format": ...}}',
    "system": "instructions=",
    "systemprompt": "instructions=",
    "voice": 'audio={"output": {"voice": ...}}',
}


def refuse_unknown_response(keywords: Iterable[str], where: str, parameters: Iterable[str]) -> None:
    """Raise TypeError for a keyword that is no field of a response; its message holds no value.

    Parameters
    ----------
    keywords : iterable of str
        Names of the given keywords.
    where : str
        The function that was called, for the message.
    parameters : iterable of str
        Its own parameters, which may have been meant.
    """
    for keyword in keywords:
        if keyword in RESPONSE_KEYWORDS:
            continue
        alias = _ALIASES.get(keyword.lower().replace("_", ""))
        near = nearest(keyword, [*parameters, *sorted(RESPONSE_KEYWORDS)])
        meant = alias or (f"{near}=" if near else None)
        advice = f"did you mean {meant}?" if meant else "it is no field of a response;"
        raise TypeError(
            f"{where}() got an unknown keyword {keyword!r}: {advice} "
            "fields that only the server knows go into response={...}"
        )
