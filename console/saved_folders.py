"""Where sessions are saved: the default place, a new folder's name, and how many old ones stay.

Thread: any.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path

__all__ = ["MARK", "default_folder", "make_folder", "prune"]

# In a folder that may be deleted when there are too many; copies do not have it
MARK = ".automatic"

MAX_SESSIONS = 50
MAX_BYTES = 4_000_000_000
# Another console may still write to a folder that changed so recently
BUSY_SECONDS = 600.0


def default_folder() -> Path:
    """Return the folder of saved sessions, by the rules of the operating system."""
    from platformdirs import user_state_dir

    return Path(user_state_dir("realtime-console", appauthor=False)) / "sessions"


def make_folder(parent: Path) -> Path:
    """Make a folder in *parent* that is named after the time, for this user only. Raises OSError."""
    name = time.strftime("%Y-%m-%d-%H%M%S")
    parent.mkdir(parents=True, exist_ok=True)
    for count in range(1, 100):
        folder = parent / (name if count == 1 else f"{name}-{count}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            (folder / MARK).touch()
            return folder
    raise FileExistsError(17, "too many sessions begin in this second", str(parent / name))


def prune(parent: Path, keep: int = MAX_SESSIONS, most_bytes: int = MAX_BYTES) -> list[Path]:
    """Delete the oldest saved sessions in *parent* beyond the limits; return them.

    Only folders in which a console has saved by itself are deleted, and none that changed in the last ten minutes.
    """
    found = []
    with contextlib.suppress(OSError):
        for folder in parent.iterdir():
            # A file that vanishes meanwhile: another console prunes too
            with contextlib.suppress(OSError):
                if folder.is_symlink() or not (folder / MARK).is_file():
                    continue
                states = [path.stat() for path in folder.iterdir() if path.name != MARK]
                found.append(
                    (
                        max((one.st_mtime for one in states), default=0.0),
                        sum(one.st_size for one in states),
                        folder,
                    )
                )
    gone, size = [], 0
    for number, (changed, bytes_, folder) in enumerate(sorted(found, reverse=True)):
        size += bytes_
        if (number >= keep or size > most_bytes) and time.time() - changed > BUSY_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
            gone.append(folder)
    return gone
