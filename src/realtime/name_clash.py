"""Tells that another distribution, Supabase's ``realtime``, was installed into the same folder.

Whichever was installed last owns ``realtime/__init__.py``, and the other one is broken.

Thread: any.
"""

from __future__ import annotations

import sys
import warnings

__all__ = ["check_ours", "warn_of_other"]

REMEDY = (
    "give each an environment of its own. To keep wavtools in this one: "
    "pip uninstall --yes realtime && pip install --force-reinstall --no-deps wavtools"
)


def warn_of_other() -> None:
    """Warn that the other distribution is installed in our folder, and broken."""
    warnings.warn(
        "the package 'realtime' of Supabase is installed in the same folder as wavtools' realtime, and does not work now; "
        + REMEDY,
        RuntimeWarning,
        stacklevel=3,
    )


def check_ours() -> None:
    """Raise ImportError if the package that encloses this module is the other distribution's."""
    package = sys.modules[__name__.rpartition(".")[0]]
    if not hasattr(package, "RealtimeClient"):
        raise ImportError(
            f"the package 'realtime' of Supabase has replaced wavtools' realtime; {REMEDY}", name="realtime"
        )
