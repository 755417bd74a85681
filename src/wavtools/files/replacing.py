"""Files that are replaced: what a path held stays until the new content can take its place.

Thread: any.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["WholeFile", "replaced"]


class WholeFile(io.FileIO):
    """A file of a path that keeps what it held: made if it does not exist. A write writes all or raises.

    It has no buffer: after an error nothing waits to be written, and a forked child would write a copy at its end.

    Parameters
    ----------
    path : str

    Attributes
    ----------
    made : bool
        True if it did not exist.

    Raises
    ------
    OSError
        the file cannot be opened for reading and writing
    """

    def __init__(self, path: str) -> None:
        self.made = False
        try:
            super().__init__(path, "r+")
        except FileNotFoundError:
            super().__init__(path, "x+")
            self.made = True

    def write(self, data: Buffer, /) -> int:
        """Write all of *data*: at the end of a disk, the system writes a part of it first."""
        view = memoryview(data)
        # A view of nothing cannot be cast.
        rest = view.cast("B") if view.nbytes else view
        while len(rest):
            rest = rest[super().write(rest) or 0 :]
        return view.nbytes

    def close_unused(self) -> None:
        """Close it, and take it away if it was made here."""
        self.close()
        if self.made:
            Path(str(self.name)).unlink(missing_ok=True)


@contextlib.contextmanager
def replaced(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of *path* at the end of the block; after an error *path* is as it was.

    It is written beside *path* and renamed: readers see the old file or the new one, whole. A link stays a link, and the
    permissions stay. What cannot be replaced so, such as a device or a file in a folder that takes no new ones, is
    written in place.

    Parameters
    ----------
    path : str or os.PathLike

    Yields
    ------
    binary file object
        Open for writing; it can seek.

    Raises
    ------
    OSError
        no such folder, or no permission; on Windows also: another program has the file open
    """
    place = Path(os.path.realpath(path))
    beside = _beside(place)
    if beside is None:
        with Path(path).open("wb") as file:
            yield file
        return
    new, temporary = beside
    try:
        with new:
            yield new
        with contextlib.suppress(FileNotFoundError):
            shutil.copymode(place, temporary)
        temporary.replace(place)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _beside(place: Path) -> tuple[BinaryIO, Path] | None:
    """A new file in the folder of *place* and its path; None where *place* itself must be opened."""
    # A file that may not be written would be replaced without asking.
    if os.path.lexists(place) and not (place.is_file() and os.access(place, os.W_OK)):
        return None
    # File systems take names of 255 bytes; a character has at most 4.
    temporary = place.with_name(f".{place.name[:40]}.{secrets.token_hex(4)}.part")
    try:
        return temporary.open("xb"), temporary
    except OSError:
        return None
