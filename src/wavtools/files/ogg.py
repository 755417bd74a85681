"""Ogg: the links of a chain, and what each of them holds.

A chain is Ogg files one after the other, such as a recording of a radio station. Each of them is a link, and begins with the
first pages of its streams.

Thread: any; pure.
"""

from __future__ import annotations

import re

__all__ = ["is_plain_vorbis", "links"]

# The first page of a stream: bit 1 of the flags.
_FIRST_PAGE = re.compile(rb"OggS\0[\2\3\6\7]")


def links(data: bytes) -> list[memoryview]:
    """The parts of *data* that are Ogg files of their own."""
    starts, end = [0], 0
    for match in _FIRST_PAGE.finditer(data):
        # Several streams of one link begin with one page each.
        if match.start() not in (0, end):
            starts.append(match.start())
        end = _page_end(data, match.start())
    view = memoryview(data)
    return [view[start:stop] for start, stop in zip(starts, [*starts[1:], len(data)], strict=True)]


def _page_end(data: bytes, at: int) -> int:
    segments = data[at + 26] if at + 26 < len(data) else 0
    return at + 27 + segments + sum(data[at + 27 : at + 27 + segments])


def is_plain_vorbis(link: memoryview) -> bool:
    """True for one stream whose first packet is Vorbis's of one or two channels."""
    head = bytes(link[:512])
    start = head.find(b"\x01vorbis")
    several = len(_FIRST_PAGE.findall(head)) > 1
    return not several and start > 0 and head[start + 11 : start + 12] in (b"\x01", b"\x02")
