"""The texts of the small parts of the screen: head, gauge, talk bar, status, tabs, keys.

Its functions depend only on the model and the time.

Thread: any.
"""

from __future__ import annotations

from rich.text import Text

from ..session import SessionModel
from .replay_keys import KEYS as REPLAY_KEYS
from .replay_keys import clock

__all__ = ["ACTIONS", "echo", "gauge", "head", "keys", "mode", "status", "tabs", "talk"]

# Warnings and errors stay until a newer notice comes
INFO_SECONDS = 10.0
STATE_MARKS = {"connected": "●", "connecting": "◌", "reconnecting": "◌", "disconnected": "○", "replay": "▶"}
# The keys line: key, action, what it does, and a shorter word for 80 columns
KEYS = (
    ("space", "talk_key", "talk", "talk"),
    ("v", "mode", "manual/vad", "vad"),
    ("c", "connection", "connect", "on"),
    ("p", "play", "play", "play"),
    ("x", "interrupt", "interrupt", "cut"),
    ("d", "delete", "delete", "del"),
    ("e", "echo", "echo", "echo"),
    ("/", "filter", "filter", ""),
    ("m", "zoom", "map zoom", "map"),
    ("w", "waterfall", "turns", "turn"),
    ("s", "save", "save", "save"),
    # The mark says it where there is no room
    ("?", "help", "help", ""),
    ("q", "quit", "quit", "quit"),
)
ACTIONS = {key: action for key, action, _, _ in KEYS}


def head(model: SessionModel, now: float, wide: bool) -> Text:
    """Return the first line: state, time, latency, model, endpoint, key, tokens, cost. A narrow screen cuts it."""
    line = Text(no_wrap=True, overflow="ellipsis")
    if wide:
        line.append("realtime console  ", style="bold")
    line.append(
        f"{STATE_MARKS[model.state]} {model.state}",
        style="bold green" if model.state == "connected" else "bold",
    )
    if model.connected_at is not None:
        minutes, seconds = divmod(int(now - model.connected_at), 60)
        line.append(f" {minutes:02}:{seconds:02}")
    if model.latency is not None:
        line.append(f"  latency {model.latency * 1000:.0f} ms", style="bold")
    if model.server.model:
        line.append(f"  {model.server.model} · {model.server.voice}")
    line.append(f"  {model.server.endpoint}")
    if model.server.key_source not in ("", "none"):
        line.append(f"  key: {model.server.key_source}")
    tokens = model.tokens
    if tokens:
        line.append(f"  tokens {tokens.get('input_tokens', 0)} in {tokens.get('output_tokens', 0)} out")
    if model.dollars:
        line.append(f"  ${model.dollars:.4f}")
    return line


def gauge(model: SessionModel) -> str:
    """Return three lines: microphone, speaker, and unusual states with the tokens by kind, whose prices differ."""
    parts = [word for word, holds in (("answering", model.answering),) if holds]
    tokens = model.tokens
    if tokens:
        kinds = " ".join(
            f"{kind} {tokens.get(f'input_token_details.{kind}_tokens', 0)}/"
            f"{tokens.get(f'output_token_details.{kind}_tokens', 0)}"
            for kind in ("text", "audio")
        )
        parts.append(f"tokens in/out: {kinds} cached {tokens.get('input_token_details.cached_tokens', 0)}")
    return f"mic {model.microphone.name}\nout {model.speaker.name}\n" + " · ".join(parts)


def echo(model: SessionModel) -> str:
    """Return what is done about the echo of the speaker, with what the canceller measures; empty while disconnected."""
    talk = model.talk
    if model.state not in ("connected", "reconnecting"):
        return ""
    if talk.action == "cancel":
        parts = [
            "echo: cancel",
            f"{talk.erle_db} dB" if talk.erle_db and talk.echo_heard else "",
            f"{talk.delay_ms} ms" if talk.delay_ms is not None and talk.echo_heard else "",
        ]
        return " ".join(part for part in parts if part)
    if talk.action == "bypass":
        return "echo: none heard"
    if talk.action == "half-duplex":
        return "half-duplex"
    return "ECHO: speakers are heard" if talk.echo_heard else "echo: off"


def mode(model: SessionModel) -> str:
    """Return both modes, with brackets around the present one."""
    return "[manual]  vad" if model.talk.mode == "manual" else " manual  [vad]"


def talk(model: SessionModel, now: float, hint: str, wide: bool) -> str:
    """Return the text of the talk bar: is the microphone open, and how is it opened or closed (*hint*)?"""
    if model.talk.active:
        return f"● REC {now - model.talk.since:.1f} s  {hint}{' · esc cancels' if wide else ''}"
    if model.state == "disconnected":
        return "press c to connect"
    if model.state != "connected":
        return clock(model) if model.state == "replay" else f"{model.state} …"
    if model.talk.mode == "vad":
        if model.talk.half_duplex and model.talk.speaker_heard:
            return "microphone closed while the speaker is heard" if wide else "mic closed: speaker is heard"
        return "no microphone: type" if model.microphone.problem else "● listening: just speak"
    if model.microphone.problem:
        return "no microphone: type"
    return "tap space, or hold here, to talk" if wide else "tap space or hold here"


def status(model: SessionModel, now: float) -> Text:
    """Return the newest notice."""
    if not model.notices:
        return Text("")
    notice = model.notices[-1]
    if notice.level == "info" and now - notice.time > INFO_SECONDS:
        return Text("")
    mark, style = {
        "info": ("", "dim"),
        "warning": ("warning: ", "bold yellow"),
        "error": ("error! ", "bold red"),
    }[notice.level]
    return Text(mark + notice.text, style=style, no_wrap=True, overflow="ellipsis")


def tabs(panes: tuple[str, ...], active: str) -> str:
    """Return the names of the panes as markup that can be clicked."""
    return "  ".join(
        f"[@click=app.pane('{pane}')]{'[b]▌' if pane == active else ' '}{n} {pane}{'[/b]' if pane == active else ''}[/]"
        for n, pane in enumerate(panes, 1)
    )


def keys(wide: bool, replay: bool = False) -> str:
    """Return the keys, those of a replay with *replay*, as markup that can be clicked."""
    parts = (
        f"[@click=app.{action}]{f'[b]{key}[/b] {long if wide else short}'.rstrip()}[/]"
        for key, action, long, short in (REPLAY_KEYS if replay else KEYS)
    )
    return ("  " if wide else " ").join(parts)
