"""Recognizes audio events as clients usually send them, without parsing: they are nearly all of a client's traffic.

Thread: any; stateless.
"""

from __future__ import annotations

import re

__all__ = ["is_plain_append"]

_ID = rb'"event_id": ?"[\w.:-]{0,64}"'
_HEAD = re.compile(
    rb'\{(?:%(id)s, ?%(type)s|%(type)s(?:, ?%(id)s)?), ?"audio": ?"'
    % {b"id": _ID, b"type": rb'"type": ?"input_audio_buffer\.append"'}
).match
_TAIL = re.compile(rb'", ?%s\}' % _ID).fullmatch
_USUAL_HEAD = b'{"type":"input_audio_buffer.append","audio":"'
_HEADS_WITH_ID = (
    (b'{"event_id":"', b'","type":"input_audio_buffer.append","audio":"'),
    (b'{"type":"input_audio_buffer.append","event_id":"', b'","audio":"'),
)
# Numbers, not bytes: `in` and `==` are several times faster with them.
_BACKSLASH, _BRACE = ord("\\"), ord("}")


def is_plain_append(payload: bytes) -> bool:
    """True if *payload* is an append event and nothing else, to any parser.

    Head and tail are matched. Between them stands one string without quote and backslash, so every parser finds its
    end at the same place. (The server refuses a control character in it.) This is several times faster than parsing,
    and than a pattern over the base64.
    """
    start, has_id = _audio_start(payload)
    if not start or _BACKSLASH in payload or not payload.isascii():
        return False
    end = payload.find(b'"', start)
    if end == len(payload) - 2 and payload[-1] == _BRACE:
        return True
    return not has_id and _TAIL(payload[end:]) is not None


def _audio_start(payload: bytes) -> tuple[int, bool]:
    """Where the audio of an append event begins (0: it is none), and True if an event id stands before it.

    The heads that compact writers send are found by comparison, in a third of the pattern's time.
    """
    if payload.startswith(_USUAL_HEAD):
        return len(_USUAL_HEAD), False
    for head, follows in _HEADS_WITH_ID:
        if payload.startswith(head):
            first = len(head)
            end = payload.find(b'"', first)
            if (
                0 <= end - first <= 64
                and payload.startswith(follows, end)
                and payload[first:end].replace(b"_", b"").isalnum()
            ):
                return end + len(follows), True
    found = _HEAD(payload)
    return (found.end(), b"event_id" in found[0]) if found is not None else (0, False)
