"""Names the place where an exception was raised: file and line, in place of a traceback.

Thread: any; stateless.
"""

from __future__ import annotations

import traceback
from pathlib import Path

__all__ = ["place_of"]

# Files of Python itself and of packages are not what the user wrote
OTHERS = ("site-packages", "dist-packages")


def place_of(error: BaseException | None, folder: Path | None = None) -> str:
    """The innermost line of the user's own code, as "NAME:12"; empty if there is none.

    Parameters
    ----------
    error : BaseException or None
        An exception that was raised.
    folder : Path, optional
        Where the user's code is. Default: everywhere but in installed packages, in this one and in Python itself.
    """
    if error is None:
        return ""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}:{error.lineno}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        own = folder in path.parents if folder is not None else _is_own(path)
        if own:
            return f"{path.name}:{frame.lineno}"
    return ""


def _is_own(path: Path) -> bool:
    library = Path(traceback.__file__).parent
    packages = {Path(__file__).parent, Path(__file__).parents[1] / "src"}
    inner = {library, *packages} & set(path.parents)
    return not inner and not any(part in OTHERS for part in path.parts) and path.suffix == ".py"
