"""The keys of the screen: one table from which the bindings, the footer and the help are made.

Thread: any; pure data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding

__all__ = [
    "AT_ONCE",
    "KEYS",
    "LETTERS",
    "LIST_KEYS",
    "TEXT_KEYS",
    "Key",
    "Part",
    "Typing",
    "bindings",
    "footer",
]


@dataclass(frozen=True)
class Key:
    """A key and what it does.

    Attributes
    ----------
    key : str
        As the user reads it: "space", "v", "ctrl+q".
    action : str
        Name of the app's action.
    does : str
        For the help.
    long, short : str
        For the footer of a wide and of a narrow terminal; None leaves the key out, "" shows the key alone.
    lone : bool
        A printable key: a command while a list has the focus, text elsewhere. Other keys work everywhere.
    at_once : bool
        It does not wait for a second letter, see `console.typed_keys`.
    """

    key: str
    action: str
    does: str
    long: str | None = None
    short: str | None = None
    lone: bool = True
    at_once: bool = False


KEYS = (
    Key(
        "space",
        "talk_key",
        "talk: tap to open the microphone, tap again to send. If your terminal repeats a held key or reports its "
        "release, you can hold it instead. In every terminal you can hold the talk bar with the mouse",
        "talk",
        "talk",
        at_once=True,
    ),
    Key("v", "mode", "manual / vad, at any time", "manual/vad", "vad"),
    Key("c", "connection", "connect / disconnect", "connect", "on"),
    Key("p", "play", "play the selected item again", "play", "play"),
    Key("x", "interrupt", "interrupt the answer, or the replay", "interrupt", "stop", at_once=True),
    Key("d", "delete", "delete the selected item", "delete", "del"),
    Key(
        "e",
        "echo",
        "echo of the speaker: cancel it; half-duplex, where the microphone is closed while the speaker is heard; off, for "
        "headphones",
        "echo",
        "echo",
    ),
    Key(
        "/",
        "filter",
        "filter the events: an event must have all of the words; esc clears the filter",
        "filter",
        "",
        at_once=True,
    ),
    Key("m", "zoom", "map of the world / the region", "map", ""),
    Key(
        "w",
        "waterfall",
        "the times of each turn in the place of the events, or the events again",
        "turns",
        "turn",
    ),
    Key("s", "save", "save the session to a folder", "save", "save"),
    Key("y", "copy", "copy the selected item or event"),
    Key("t", "type", "go to the text field"),
    Key("a", "key", "enter an API key"),
    Key("r", "devices", "list the devices again"),
    *(
        Key(
            str(number),
            f"number({number})",
            f"say what is offered under it, or choose the pane {name}",
            at_once=True,
        )
        for number, name in enumerate(
            ("events", "conversation", "weather", "memory", "devices", "waterfall"), 1
        )
    ),
    Key("k", "move_in_pane(-1)", "up, as the arrow", at_once=True),
    Key("j", "move_in_pane(1)", "down, as the arrow", at_once=True),
    Key("g", "move_in_pane(-1000000)", "first line, as home", at_once=True),
    Key("G", "move_in_pane(1000000)", "last line, as end", at_once=True),
    Key("?", "help", "this help", "help", "", at_once=True),
    Key("f1", "help", "this help", lone=False),
    Key("f2", "session", "the session: read and change instructions, voice and vad", lone=False),
    Key("f3", "raw_event", "write an event yourself and send it", lone=False),
    Key("f4", "messages", "the messages of the session in full", lone=False),
    Key("ctrl+z", "undo", "bring back the item that was deleted last", lone=False),
    Key("ctrl+p", "command_palette", "all commands by name", lone=False),
    Key("ctrl+q", "quit", "quit", "quit", "", lone=False),
)
# A part of the footer: key, action (None: a click cannot replace the key), word
Part = tuple[str, str | None, str]
# Where the keys go: "" to a list, "empty" to the text field before something is typed, "text" to the text field
Typing = Literal["", "empty", "text"]
# Character typed -> action
LETTERS = {" " if one.key == "space" else one.key: one.action for one in KEYS if one.lone}
AT_ONCE = frozenset(" " if one.key == "space" else one.key for one in KEYS if one.at_once)
# Keys that every list understands, for the help
LIST_KEYS = (
    (
        "tab",
        "to the next pane or the text field; the arrows (or j k g G) move inside a pane; 1 to 6 choose one",
    ),
    ("enter", "unfold an event, play an item, change to a device, open the whole message in the status line"),
    ("esc", "discard what you are saying; leave a text field; clear the filter"),
)
# The footer while the text field has the focus: key, action (None: the key belongs to the field), long, short
TEXT_KEYS: tuple[tuple[str, str | None, str, str], ...] = (
    ("enter", None, "send", "send"),
    ("esc", "escape", "back to the list, where letters are commands", "to the list"),
    ("f1", "help", "help", "help"),
    ("f2", "session", "session", "session"),
    ("f3", "raw_event", "event", "event"),
    ("ctrl+p", "command_palette", "commands", "all"),
    ("ctrl+q", "quit", "quit", "quit"),
)


def bindings() -> list[Binding]:
    """Return the bindings of the keys that work everywhere but in dialogs; the app gives letters to `TypedKeys`."""
    return [Binding(one.key, one.action, one.does, show=False, priority=True) for one in KEYS if not one.lone]


def footer(wide: bool, typing: Typing) -> list[Part]:
    """Return key, action and word of each part of the footer.

    Parameters
    ----------
    wide : bool
        There is room for the long words.
    typing : {"", "empty", "text"}
        Where the keys go.

    Returns
    -------
    list of tuple
        The action is None for a key that a click cannot replace.
    """
    if typing:
        text_keys = [(key, action, long if wide else short) for key, action, long, short in TEXT_KEYS]
        return [("space", "talk_key", "talk"), *text_keys[1:]] if typing == "empty" else text_keys
    words = [(one.key, one.action, one.long if wide else one.short) for one in KEYS]
    return [(key, action, word) for key, action, word in words if word is not None]
