"""The flags of the command line: which verb takes which, and what each does.

A flag may stand before or after its verb. One that a verb does not take is refused: no flag is silently ignored.

Thread: main.
"""

from __future__ import annotations

import argparse
from typing import Any

from .errors import UserError

__all__ = ["add_flags", "refuse_unused"]

# SUPPRESS: otherwise the verb's default would overwrite a flag that stands before the verb
FLAGS: dict[str, dict[str, Any]] = {
    "offline": {
        "action": "store_true",
        "help": "use the offline server: no key, no network (default without a key)",
    },
    "url": {"help": "use another server: ws://... or wss://..."},
    "model": {"help": "the model to ask the server for"},
    "llm": {
        "choices": ("auto",),
        "help": "let a chat model on this machine answer: Ollama, llama.cpp or LM Studio",
    },
    "llm_url": {
        "metavar": "URL",
        "help": "let the chat model at this address answer: http://127.0.0.1:11434/v1",
    },
    "llm_model": {
        "metavar": "NAME",
        "help": "the chat model's name (default: the first one that its server lists)",
    },
    "voice": {"help": "the voice to ask the server for"},
    "mode": {
        "choices": ("manual", "vad"),
        "help": "who ends your turn: you do (manual), or the server hears that you have finished (vad)",
    },
    "interrupt": {
        "choices": ("cut", "duck"),
        "help": "what speech over an answer does in vad mode: stop it, or lower it until the speech lasts (duck)",
    },
    "input": {"metavar": "NAME", "help": "microphone: an id or a part of its name"},
    "output": {"metavar": "NAME", "help": "speaker: an id or a part of its name"},
    "theme": {"help": "auto (default: as the terminal), dark, light, or the name of a Textual theme"},
    "sessions": {"metavar": "FOLDER", "help": "folder of the key s (default: sessions)"},
    "save_to": {
        "metavar": "FOLDER",
        "help": "folder in which every session is saved while it happens (default: in the user's folder for the state "
        "of programs)",
    },
    "save": {
        "flag": "--no-save",
        "action": "store_const",
        "const": "no",
        "help": "save no session, except with the key s",
    },
    "plain": {"action": "store_true", "help": "print lines of text, show no screen"},
    "json": {"action": "store_true", "help": "print lines of JSON, show no screen"},
}
SERVER = ("offline", "url", "model")
CHAT = ("llm", "llm_url", "llm_model")
SPEECH = ("voice", "mode", "interrupt", "input", "output")
SAVING = ("sessions", "save_to", "save")
VIEW = ("theme", "plain", "json")
# What each verb takes; None is the console without a verb. Verbs that are not here check their own arguments.
TAKES: dict[str | None, tuple[str, ...]] = {
    None: tuple(FLAGS),
    "talk": (*SERVER, *CHAT, "voice"),
    "captions": (*SERVER, "input"),
    "devices": (),
    "doctor": (*SERVER, "input", "output"),
    "replay": (*VIEW, "output"),
    "report": (),
    "demo": (*VIEW, "input", "output"),
    "tap": (*VIEW, "output", "sessions"),
    "agent": (*SERVER, *CHAT, *SPEECH, *SAVING, *VIEW),
    "web": (*SERVER, *CHAT, *SPEECH, *SAVING),
}


def flag_of(name: str) -> str:
    """Return the flag of a setting, as the user writes it."""
    return str(FLAGS[name].get("flag", f"--{name.replace('_', '-')}"))


def add_flags(parser: argparse.ArgumentParser, verb: str | None) -> None:
    """Add the flags of *verb* to its parser."""
    for name in TAKES[verb]:
        options = {key: value for key, value in FLAGS[name].items() if key != "flag"}
        parser.add_argument(flag_of(name), dest=name, default=argparse.SUPPRESS, **options)


def refuse_unused(arguments: argparse.Namespace) -> None:
    """Raise UserError if a flag was given that the verb does not take."""
    given = vars(arguments)
    takes = TAKES.get(arguments.verb)
    if takes is None:
        return
    for name in FLAGS:
        if name in given and name not in takes:
            offers = ", ".join(map(flag_of, takes)) or "no flags"
            raise UserError(f"{arguments.verb} takes no {flag_of(name)}; it takes {offers}")
    if given.get("plain") and given.get("json"):
        raise UserError("--plain and --json exclude each other; give one of them")
    if "url" in given and any(name in given for name in ("offline", *CHAT)):
        raise UserError("--url names a server; --offline and --llm start one here: give one of them")
    if "llm" in given and "llm_url" in given:
        raise UserError("--llm auto looks for a chat model, --llm-url names it; give one of them")
    if "llm_model" in given and not ("llm" in given or "llm_url" in given):
        raise UserError("--llm-model needs --llm-url: the address of the chat model")
