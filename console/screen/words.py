"""The texts of the small parts of the screen: head, gauge, talk bar, status, tabs, keys.

Its functions depend only on the model and the time.

Thread: any.
"""

from __future__ import annotations

from rich.text import Text

from ..session import SessionModel
from .keymap import Part, Typing
from .replay_keys import clock

__all__ = ["echo", "gauge", "head", "keys", "mode", "status", "status_height", "tabs", "talk"]

# Warnings and errors stay until a newer notice comes
INFO_SECONDS = 10.0
# A longer message is read in its dialog
STATUS_LINES = 3
STATE_MARKS = {
    "connected": "●",
    "connecting": "◌",
    "reconnecting": "◌",
    "disconnected": "○",
    "replay": "▶",
    "tap": "⇄",
}


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
    line.append(f"  {model.server.endpoint}")
    # The offline server names the model that it was asked for; another one answers
    if model.server.local_models:
        line.append(f": {model.server.local_models}")
    elif model.server.model:
        line.append(f"  {model.server.model} · {model.server.voice}")
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


def talk(model: SessionModel, now: float, hint: str, wide: bool, typing: Typing = "") -> str:
    """Return the text of the talk bar: is the microphone open, and how is it opened or closed (*hint*)?"""
    if model.talk.active:
        return f"● REC {now - model.talk.since:.1f} s  {hint}{' · esc cancels' if wide else ''}"
    if model.state == "disconnected":
        return {"": "press c to connect", "empty": "tap space to connect"}.get(
            typing, "enter connects and sends"
        )
    if model.state != "connected":
        if model.state == "replay":
            return clock(model)
        return model.state if model.state == "tap" else f"{model.state} …"
    if model.talk.mode == "vad":
        if model.talk.half_duplex and model.talk.speaker_heard:
            return "microphone closed while the speaker is heard" if wide else "mic closed: speaker is heard"
        return "no microphone: type" if model.microphone.problem else "● listening: just speak"
    if model.microphone.problem:
        return "no microphone: type"
    if typing == "text":
        return "enter sends; hold here to talk" if wide else "hold here to talk"
    return "tap space, or hold here, to talk" if wide else "tap space or hold here"


def status(model: SessionModel, now: float) -> Text:
    """Return the newest notice; one that is no information wraps."""
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
    return Text(mark + notice.text, style=style, no_wrap=notice.level == "info", overflow="ellipsis")


def status_height(text: Text, width: int) -> int:
    """Return how many lines of *width* cells the status needs, at most STATUS_LINES."""
    return min(-(-text.cell_len // max(width, 1)), STATUS_LINES) if text.plain and not text.no_wrap else 1


def tabs(panes: tuple[str, ...], active: str) -> str:
    """Return the names of the panes as markup that can be clicked."""
    return "  ".join(
        f"[@click=app.pane('{pane}')]{'[b]▌' if pane == active else ' '}{n} {pane}{'[/b]' if pane == active else ''}[/]"
        for n, pane in enumerate(panes, 1)
    )


def keys(parts: list[Part], wide: bool) -> str:
    """Return the line of keys as markup that can be clicked; see `keymap.footer`."""
    shown = []
    for key, action, word in parts:
        part = f"[b]{key}[/b] {word}".rstrip()
        shown.append(f"[@click=app.{action}]{part}[/]" if action else part)
    return ("  " if wide else " ").join(shown)
