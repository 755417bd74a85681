"""UserError and ProgramError: each is printed as one line; the exit status tells them apart.

Thread: any.
"""

from __future__ import annotations

__all__ = ["ProgramError", "UserError"]


class UserError(Exception):
    """A mistake that only the user can mend, with exit status 2. The message says what is wrong and what to do."""


class ProgramError(Exception):
    """The program cannot go on, with exit status 1. The message says what has happened."""
