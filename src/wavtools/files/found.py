"""Finds the sound in a file of any known format: samples that can be read as they are, or data for a decoder.

Thread: any.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO

from wavtools.files.containers import Layout, UnknownCodecError, read_layout
from wavtools.files.formats import FileFormat, identify
from wavtools.files.sources import from_position

__all__ = ["Found", "find_sound"]


@dataclass(frozen=True)
class Found:
    """A file whose format is known.

    Attributes
    ----------
    file : binary file object
        Layouts count from its beginning.
    kind : FileFormat
        "wav" exactly if there is a layout.
    layout : Layout or None
        Where uncompressed samples are.
    start : int
        Bytes before what a decoder reads.
    reason : str
        Why a file of the WAV family needs a decoder; else empty.
    """

    file: BinaryIO
    kind: FileFormat
    layout: Layout | None
    start: int = 0
    reason: str = ""

    def compressed(self) -> bytes:
        """The bytes for a decoder."""
        self.file.seek(self.start)
        return self.file.read()

    def head(self, size: int) -> bytes:
        """The first *size* of them."""
        self.file.seek(self.start)
        return self.file.read(size)

    def tail(self, size: int) -> bytes:
        """The last *size* bytes of the file."""
        end = self.file.seek(0, os.SEEK_END)
        self.file.seek(max(self.start, end - size))
        return self.file.read(size)


def find_sound(file: BinaryIO, name: str) -> Found:
    """Recognise *file* and find its sound. Raises DecodeError for what is no audio file or contradicts itself."""
    kind, start = identify(file, name)
    if kind != "wav":
        return Found(file, kind, None, start)
    behind = from_position(file, start) if start else file
    try:
        return Found(behind, kind, read_layout(behind, name))
    except UnknownCodecError as error:
        return Found(file, "other", None, 0, error.reason)
