"""UserError: a mistake that the user can mend; it is printed as one line, with exit status 2.

Thread: any.
"""

from __future__ import annotations

__all__ = ["UserError"]


class UserError(Exception):
    """A mistake that only the user can mend. The message says what is wrong and what to do."""
