"""UserError: a mistake that the user of the command can mend, told in one line.

Thread: any.
"""

__all__ = ["UserError"]


class UserError(Exception):
    """Its text says what to do. The exit status is 2."""
