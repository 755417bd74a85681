"""Cuts a text where listening ended: at the end of a word, or of a character in scripts that write no spaces.

Thread: any; stateless.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["cut_text", "join_text", "without_lone_surrogates"]

# Longest word that is kept whole. A longer run without a space is cut within.
MAX_WORD = 32

# Scripts that write no spaces between words: Thai, Lao, Tibetan, Burmese, Khmer; CJK with its punctuation and its
# wide forms; and symbols such as emoji. Compiled at the first use, because it takes longer than most modules.
_UNSPACED = (
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u19e0-\u19ff\u2190-\u2bff\u2e80-\ua4cf\uf900-\ufaff\uff00-\uffef"
    "\U0001f000-\U0001faff\U00020000-\U0003ffff]"
)
_SURROGATE = "[\ud800-\udfff]"
_JOINER = "\u200d"


def cut_text(text: str, position: int) -> str:
    """The part of *text* before *position*, shortened to the end of a word and without trailing spaces.

    Where words are not separated by spaces, or no space is in reach, the text is cut between two characters as
    readers see them: never within a surrogate pair or an emoji sequence, and never before a combining mark.
    """
    if position >= len(text):
        return text.rstrip()
    cut = _word_start(text, position)
    if cut is None:
        cut = position
        while cut > 0 and _continues(text, cut):
            cut -= 1
    return text[:cut].rstrip()


def _word_start(text: str, position: int) -> int | None:
    """Where the word at *position* begins; None to cut between characters."""
    if not any(map(str.isspace, text)):
        return None
    for start in range(position, max(position - MAX_WORD, -1), -1):
        if start == 0:
            # The first word stays whole in alphabets with capitals; other scripts keep the characters heard.
            return start if text[:position].lower() != text[:position].upper() else None
        if text[start].isspace() or text[start - 1].isspace():
            return start
        if re.match(_UNSPACED, text[start - 1]):
            return None if _continues(text, start) else start
    return None


def _continues(text: str, index: int) -> bool:
    """True if the character at *index* belongs to what stands before it, so that no cut is allowed there."""
    before, code = text[index - 1], text[index]
    if before == _JOINER or code == _JOINER or code in "\u0e33\u0eb3":
        return True
    if "\udc00" <= code <= "\udfff":
        return "\ud800" <= before <= "\udbff"
    # Combining marks and variation selectors; vowels and finals of a decomposed Korean syllable.
    if unicodedata.category(code)[0] == "M" or "\u1160" <= code <= "\u11ff":
        return True
    # Skin tones and tag characters.
    if "\U0001f3fb" <= code <= "\U0001f3ff" or "\U000e0020" <= code <= "\U000e007f":
        return True
    return _is_regional(code) and _regionals_before(text, index) % 2 == 1


def _is_regional(code: str) -> bool:
    return "\U0001f1e6" <= code <= "\U0001f1ff"


def _regionals_before(text: str, index: int) -> int:
    """How many regional indicators stand right before *index*; two of them make a flag."""
    start = index
    while start > 0 and _is_regional(text[start - 1]):
        start -= 1
    return index - start


def join_text(text: str, piece: str) -> str:
    """*text* followed by *piece*; a surrogate pair that was cut between them becomes one character."""
    # The first comparison alone decides for almost every piece.
    if piece >= "\udc00" and text and "\ud800" <= text[-1] <= "\udbff" and piece[0] <= "\udfff":
        pair = (text[-1] + piece[0]).encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        return text[:-1] + pair + piece[1:]
    return text + piece


def without_lone_surrogates(text: str) -> str:
    """*text* as UTF-8 can hold it: half of a surrogate pair becomes U+FFFD."""
    return re.sub(_SURROGATE, "\ufffd", text)
