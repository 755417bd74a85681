"""Refuses session keywords that do not exist, and says which one was meant.

A misspelt ``apiKey=`` must not travel to the server as a field of the session.

Thread: any; stateless.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from .types import SessionConfig, SessionKeywords

__all__ = ["SESSION_KEYWORDS", "nearest", "refuse_unknown"]

# Fields of a session in either dialect.
SESSION_KEYWORDS = frozenset(SessionKeywords.__annotations__) | frozenset(SessionConfig.__annotations__)
# Names of other libraries, without underscores, and what they are here.
_ALIASES = {
    "baseurl": "url",
    "baseuri": "url",
    "endpoint": "url",
    "websocketurl": "url",
    "key": "api_key",
    "token": "api_key",
    "secret": "api_key",
    "apitoken": "api_key",
    "accesstoken": "api_key",
    "openaiapikey": "api_key",
    "timeout": "connect_timeout",
    "extraheaders": "headers",
    "defaultheaders": "headers",
    "extraquery": "query",
    "defaultquery": "query",
    "system": "instructions",
    "systemprompt": "instructions",
    "systeminstruction": "instructions",
    "vad": "turn_detection",
    "transcription": "input_audio_transcription",
    "noisereduction": "input_audio_noise_reduction",
    "maxtokens": "max_output_tokens",
    "extrabody": "extra_session",
}


def refuse_unknown(keywords: Iterable[str], where: str, client_type: type) -> None:
    """Raise TypeError for a keyword that is no session field; its message holds no value.

    Parameters
    ----------
    keywords : iterable of str
        Names of the given keywords.
    where : str
        The function that was called, for the message.
    client_type : type
        The client, whose parameters may have been meant.
    """
    unknown = [keyword for keyword in keywords if keyword not in SESSION_KEYWORDS]
    if not unknown:
        return
    keyword = unknown[0]
    parameters = [name for name in inspect.signature(client_type).parameters if name != "session"]
    if keyword in parameters:
        raise TypeError(f"{where}() takes no {keyword}=: it is a parameter of {client_type.__name__}()")
    meant = nearest(keyword, [*parameters, *SESSION_KEYWORDS], _ALIASES)
    advice = f"did you mean {meant}=?" if meant else "it is no field of a session;"
    raise TypeError(
        f"{where}() got an unknown keyword {keyword!r}: {advice} "
        "fields that only the server knows go into extra_session={...}"
    )


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def nearest(keyword: str, known: Iterable[str], aliases: Mapping[str, str] | None = None) -> str | None:
    """The name in *known* that *keyword* was meant to be, or its *aliases* (without case and underscores); else None."""
    # Needed for a mistake only; `import realtime` stays as quick as it is.
    import difflib

    name = _plain(keyword)
    plain = {_plain(one): one for one in known}
    near: list[Any] = difflib.get_close_matches(name, plain, 1, 0.75)
    return plain.get(name) or (aliases or {}).get(name) or (plain[near[0]] if near else None)
