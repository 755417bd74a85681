"""Holds how the servers of other vendors differ: their address, key, model, session fields and audio.

Inside this package everything is GA (see `dialect`). A `Profile` translates GA events to what its server speaks, and
events of that server to GA. `profile_named` and `profile_of_host` choose one, `profile_shown` reads it off the first
event of a server whose address says nothing; for LocalAI see `localai`.

Source: the vendors' documentation.

Thread: any; stateless.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from . import dialect as dialects
from .audio_format import PCM16, AudioFormat
from .dialect import Dialect, SessionKind
from .reading import Wire, branch, dict_of

__all__ = [
    "DIALECTS",
    "PROFILES",
    "Profile",
    "profile_named",
    "profile_of_host",
    "profile_shown",
    "takes_ga",
]

# ElevenLabs' model "max" refuses a smaller limit of an answer's tokens.
ELEVENLABS_MIN_TOKENS = 1024
# Qwen's PCM from the user and to the user, in Hz.
QWEN_RATES = (16_000, 24_000)


def _same(event: Wire) -> Wire:
    return event


@dataclass(frozen=True)
class Profile:
    """What one kind of server needs.

    Attributes
    ----------
    name : str
        As in ``dialect=``.
    base : "ga" or "beta"
        The dialect that the server's is a variant of.
    hosts : tuple of str
        Names of hosts; a host below one of them counts too.
    key_variables : tuple of str
        Environment variables that may hold the key, first choice first.
    key_header : str
        Header of the key; in "Authorization" it stands after "Bearer".
    default_model : str or None
        Used where the application names no model; None leaves the vendor's own default of this package.
    model_in_session : bool
        True if the model goes into the session and not into the address.
    commit_answers : bool
        True if the server answers each commit by itself, and a ``response.create`` after it would cancel that answer.
    pcm_rates : tuple of int, optional
        Sample rates of PCM from the user and to the user, where the server fixes them; by default it takes what
        the session states.
    keep_alive : float, optional
        Seconds without an event to the server after which it wants an empty append; by default it wants none.
    to_server : callable
        Changes a client event that is in the dialect *base* to what the server takes.
    inbound : callable
        Translates a server event to GA: one event, or two where GA has two.
    """

    name: str
    base: Dialect = "ga"
    hosts: tuple[str, ...] = ()
    key_variables: tuple[str, ...] = ("OPENAI_API_KEY",)
    key_header: str = "Authorization"
    default_model: str | None = None
    model_in_session: bool = False
    commit_answers: bool = False
    pcm_rates: tuple[int, int] | None = None
    keep_alive: float | None = None
    to_server: Callable[[Wire], Wire] = _same
    # A field and not a method: it runs for every delta, and most servers need no step of their own.
    inbound: Callable[[Wire], tuple[Wire, ...]] = field(default_factory=lambda: dialects.inbound)

    def outbound(self, event: Wire, session_kind: SessionKind = "realtime") -> Wire:
        """Translate a client event from GA to what the server takes."""
        return self.to_server(dialects.outbound(event, self.base, session_kind))

    def format_in_force(self, side: str, stated: AudioFormat) -> AudioFormat:
        """The format in which audio of "input" or "output" really passes if the session states *stated*."""
        if self.pcm_rates is None or stated.type != PCM16.type:
            return stated
        return replace(stated, sample_rate=self.pcm_rates[side == "output"])


# xAI: voice and turn detection stand at the top of the session; there is no text output.


def _xai_out(event: Wire) -> Wire:
    if event["type"] == "response.create" and isinstance(event.get("response"), dict):
        return {**event, "response": dialects.without(event["response"], "output_modalities")}
    if event["type"] != "session.update":
        return event
    session = dialects.without(event["session"], "output_modalities")
    audio = {side: dict(branch(session, side)) for side in ("input", "output") if branch(session, side)}
    for side, key in (("output", "voice"), ("input", "turn_detection")):
        if key in audio.get(side, {}):
            session[key] = audio[side].pop(key)
    session.pop("audio", None)
    audio = {side: fields for side, fields in audio.items() if fields}
    return {**event, "session": {**session, "audio": audio} if audio else session}


# ElevenLabs: one kind of turn detection, transcription by language only, an output format without a rate.


def _elevenlabs_out(event: Wire) -> Wire:
    if event["type"] != "session.update":
        return event
    session = dict(event["session"])
    heard, said = dict(branch(session, "input")), dict(branch(session, "output"))
    detection = heard.get("turn_detection")
    if isinstance(detection, dict) and detection.get("type") != "semantic_vad":
        kept = ("create_response", "interrupt_response")
        heard["turn_detection"] = {
            "type": "semantic_vad",
            **{key: detection[key] for key in kept if key in detection},
        }
    elif detection is None:
        # Manual mode does not exist there, and a null would make it refuse the whole update.
        heard.pop("turn_detection", None)
    if isinstance(heard.get("transcription"), dict):
        language = heard["transcription"].get("language")
        heard["transcription"] = {"language": language} if language is not None else {}
    if isinstance(said.get("format"), dict):
        said["format"] = dialects.without(said["format"], "rate")
    session.pop("audio", None)
    audio = {side: fields for side, fields in (("input", heard), ("output", said)) if fields}
    if audio:
        session["audio"] = audio
    limit = session.get("max_output_tokens")
    if str(session.get("model", "")).endswith("_max") and isinstance(limit, int):
        session["max_output_tokens"] = max(limit, ELEVENLABS_MIN_TOKENS)
    return {**event, "session": session}


# Qwen-Omni: beta's flat session; "pcm" is 16 kHz from the user and 24 kHz to the user; tools are nested.


def _qwen_out(event: Wire) -> Wire:
    if event["type"] != "session.update":
        return event
    session = dict(event["session"])
    for key in ("input_audio_format", "output_audio_format"):
        if session.get(key) in ("pcm16", "audio/pcm") or isinstance(session.get(key), dict):
            session[key] = "pcm"
    if isinstance(session.get("tools"), list):
        session["tools"] = [_nested_tool(tool) for tool in session["tools"]]
    return {**event, "session": session}


def _nested_tool(tool: Any) -> Any:
    if not isinstance(tool, dict) or "function" in tool or tool.get("type", "function") != "function":
        return tool
    return {"type": "function", "function": dialects.without(tool, "type")}


def _qwen_in(event: Wire) -> tuple[Wire, ...]:
    if event.get("type") not in ("session.created", "session.updated"):
        return dialects.inbound(event)
    session = dict(dict_of(event.get("session")))
    for side, rate in zip(("input", "output"), QWEN_RATES, strict=True):
        key = f"{side}_audio_format"
        if session.get(key, "pcm") in ("pcm", "pcm16", "pcm24"):
            session[key] = {"type": "audio/pcm", "rate": rate}
    if isinstance(session.get("tools"), list):
        session["tools"] = [_flat_tool(tool) for tool in session["tools"]]
    return dialects.inbound({**event, "session": session})


def _flat_tool(tool: Any) -> Any:
    inner = dict_of(tool).get("function")
    return {"type": "function", **inner} if isinstance(inner, dict) else tool


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("ga"),
        Profile("beta", base="beta"),
        Profile("localai", commit_answers=True),
        Profile(
            "xai",
            hosts=("x.ai",),
            key_variables=("XAI_API_KEY", "OPENAI_API_KEY"),
            default_model="grok-voice-latest",
            to_server=_xai_out,
        ),
        Profile(
            "elevenlabs",
            hosts=("elevenlabs.io",),
            key_variables=("ELEVENLABS_API_KEY", "XI_API_KEY", "OPENAI_API_KEY"),
            key_header="xi-api-key",
            default_model="eleven_realtime_v1_mini",
            model_in_session=True,
            keep_alive=10.0,
            to_server=_elevenlabs_out,
        ),
        Profile(
            "qwen",
            base="beta",
            hosts=("dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com", "maas.aliyuncs.com"),
            key_variables=("DASHSCOPE_API_KEY", "OPENAI_API_KEY"),
            default_model="qwen3-omni-flash-realtime",
            pcm_rates=QWEN_RATES,
            to_server=_qwen_out,
            inbound=_qwen_in,
        ),
    )
}
# What ``dialect=`` accepts.
DIALECTS = ("auto", *PROFILES)


def profile_named(dialect: str) -> Profile | None:
    """The profile of this name; None for "auto".

    Raises
    ------
    ValueError
        a dialect that does not exist
    """
    if dialect not in DIALECTS:
        names = ", ".join(repr(name) for name in DIALECTS)
        raise ValueError(f"dialect must be one of {names}, not {dialect!r}")
    return PROFILES.get(dialect)


def profile_of_host(host: str) -> Profile | None:
    """The profile of the vendor whose host this is; None for any other host."""
    host = host.rstrip(".").lower()
    for profile in PROFILES.values():
        if any(host == known or host.endswith(f".{known}") for known in profile.hosts):
            return profile
    return None


def takes_ga(dialect: str, url: str | None) -> bool:
    """True if a server of this ``dialect=`` and address takes a GA session, as far as the two tell.

    Raises ValueError for a dialect that does not exist.
    """
    profile = profile_named(dialect)
    if profile is None and isinstance(url, str):
        profile = profile_of_host(urlsplit(url).hostname or "")
    return profile is None or profile.name == "ga"


def profile_shown(created: Wire) -> Profile | None:
    """The profile that a server's ``session.created`` shows; None if it does not tell."""
    found = dialects.detect(created.get("session"))
    return PROFILES[found] if found is not None else None
