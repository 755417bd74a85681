"""Words of --plain for notices that name keys of the screen.

Thread: any.
"""

from __future__ import annotations

import re

__all__ = ["plain_words"]

# What the screen says -> what is true where lines are typed; the first match counts
WORDS = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"hold or tap space and speak(, or type)?", "type a line, or v to speak"),
        (r"speak, or type$", "speak, or type a line"),
        (r" \(a: enter one\)", ""),
        (r"a: (enter|enters) another( key)?", "set OPENAI_API_KEY"),
        (r"space talks", "the microphone is closed; type a line"),
        (r"; x interrupts", "; a line with x interrupts"),
        (r"press v for manual", "a line with v changes to manual"),
        (r"(; | )press c to connect", "; start again to connect"),
        (r"not connected: press c$", "not connected: start again"),
        (r"the replay has ended: .*", "the replay has ended"),
        (r"the key is used until you quit", "the key is used until the program ends"),
        (r"hear it again with p|p plays [^;,]*", "it is played again"),
    )
)


def plain_words(text: str) -> str:
    """Return a notice in words that hold without a screen."""
    for pattern, words in WORDS:
        text = pattern.sub(words, text)
    return text
