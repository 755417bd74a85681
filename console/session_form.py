"""The session as a form: what can be read and changed of it, as text, and what is sent for a change.

Thread: the event loop's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from .text import clean, one_line
from .untrusted import mapping, sequence

__all__ = ["MANUAL", "SessionForm", "apply", "changes", "edited", "form_of"]

MANUAL = "manual"
MAX_TOOLS = 64


@dataclass(frozen=True)
class SessionForm:
    """The fields of the session panel.

    Attributes
    ----------
    instructions : str
        What the model is told.
    voice : str
        Name of the voice, or a JSON object for a custom one.
    vad : str
        "manual", or the kind of turn detection and its settings: ``server_vad threshold=0.5 silence_duration_ms=500``.
    tools : tuple of str
        One line for each tool; only shown.
    """

    instructions: str = ""
    voice: str = ""
    vad: str = MANUAL
    tools: tuple[str, ...] = ()


def form_of(session: Any) -> SessionForm:
    """Return the form of a session as the server states it, in GA names."""
    session = mapping(session)
    audio = mapping(session.get("audio"))
    instructions, voice = session.get("instructions"), mapping(audio.get("output")).get("voice")
    return SessionForm(
        clean(instructions) if isinstance(instructions, str) else "",
        clean(voice) if isinstance(voice, str) else json.dumps(voice, ensure_ascii=False) if voice else "",
        _vad_text(mapping(audio.get("input")).get("turn_detection")),
        tuple(_tool(tool) for tool in sequence(session.get("tools"))[:MAX_TOOLS]),
    )


def _vad_text(detection: Any) -> str:
    if not isinstance(detection, dict):
        return MANUAL
    settings = (
        f"{key}={value if isinstance(value, str) else json.dumps(value)}"
        for key, value in detection.items()
        if key != "type" and value is not None
    )
    return one_line(" ".join([str(detection.get("type", "")), *settings]))


def _tool(tool: Any) -> str:
    tool = mapping(tool)
    parameters = mapping(mapping(tool.get("parameters")).get("properties"))
    name = one_line(tool.get("name") or tool.get("server_label") or tool.get("type") or "?", 60)
    about = one_line(tool.get("description") or "", 200)
    listed = ", ".join(one_line(parameter, 30) for parameter in list(parameters)[:12])
    return f"{name}({listed})" + (f"  {about}" if about else "")


def changes(before: SessionForm, after: SessionForm) -> dict[str, Any]:
    """Return the keywords of `RealtimeClient.update_session` that make *after* of *before*.

    Raises
    ------
    ValueError
        A field that cannot be read; the message says how it is written.
    """
    changed: dict[str, Any] = {}
    if after.instructions != before.instructions:
        changed["instructions"] = after.instructions
    if after.voice.strip() != before.voice:
        changed["voice"] = _voice(after.voice.strip())
    if after.vad.split() != before.vad.split():
        changed["turn_detection"] = _detection(after.vad)
    return changed


def _voice(text: str) -> Any:
    if not text:
        raise ValueError("voice: write the name of a voice, such as marin")
    if not text.startswith("{"):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f'voice: {error}; write a name, or an object such as {{"id": "voice_1"}}') from None


def _detection(text: str) -> dict[str, Any] | None:
    kind, *settings = text.replace(",", " ").split() or [MANUAL]
    if kind in (MANUAL, "off", "none"):
        if settings:
            raise ValueError(f"vad: {MANUAL} takes no settings, but {settings[0]} follows it")
        return None
    detection: dict[str, Any] = {"type": kind}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not (name and equals and value):
            raise ValueError(
                f"vad: {setting!r} is no setting; write name=value without spaces: threshold=0.5"
            )
        try:
            detection[name] = json.loads(value)
        except (ValueError, RecursionError):
            # A word: eagerness=low
            detection[name] = value
    return detection


async def apply(call: Any, before: SessionForm, after: SessionForm) -> str:
    """Send what has changed in the form.

    Parameters
    ----------
    call : Call
        A connected call.
    before, after : SessionForm
        The form as it was opened, and as it is now.

    Returns
    -------
    str
        Why nothing was sent, for the user; "" if it was sent, or if nothing has changed.
    """
    try:
        changed = changes(before, after)
        if not changed:
            return ""
        if call.client is None:
            return "not connected any more: connect, and open the panel again"
        call.client.update_session(**changed)
    # The session's own checks; or the connection has just closed
    except (TypeError, ValueError, RuntimeError) as error:
        return clean(error)
    if "turn_detection" in changed:
        await _follow_mode(call, changed["turn_detection"])
    call.model.notice("info", f"sent: {', '.join(changed)}")
    return ""


async def _follow_mode(call: Any, detection: dict[str, Any] | None) -> None:
    """Let the microphone follow a change between manual and vad."""
    mode = MANUAL if detection is None else "vad"
    if call.model.talk.mode == mode:
        return
    await call.set_mode(mode)
    if detection is not None and call.client is not None:
        # The change of the mode has sent the settings that were in force before
        call.client.update_session(turn_detection=detection)


def edited(form: SessionForm, instructions: str, voice: str, vad: str) -> SessionForm:
    """Return *form* with the fields that the user can change."""
    return replace(form, instructions=instructions, voice=voice, vad=vad)
