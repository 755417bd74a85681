"""UserError: a mistake that the user can mend, printed as one line, exit status 2. Pure; any thread."""

from __future__ import annotations

__all__ = ["UserError"]


class UserError(Exception):
    """Something only the user can mend. The message says what, and what to do about it."""
