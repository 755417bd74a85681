"""Says which attribute was meant by a name in camelCase, such as ``getItems``.

Thread: any; stateless.
"""

from __future__ import annotations

import re

__all__ = ["missing_attribute"]


def missing_attribute(owner: type, name: str) -> AttributeError:
    """The error for an attribute that *owner* does not have: one in camelCase is told its name."""
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    meant = snake if snake != name and hasattr(owner, snake) else None
    advice = f": use {meant}" if meant else ""
    return AttributeError(f"{owner.__name__!r} object has no attribute {name!r}{advice}", name=name)
