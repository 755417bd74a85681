"""The deployer's own functions, named ``package.module:function`` in a policy.

Thread: any; once, at the start.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

from ..errors import ConfigurationError

__all__ = ["import_function"]


def import_function(name: str) -> Callable[..., Any]:
    """The function *name* stands for; the current folder is searched too, as ``python -m`` does.

    Raises ConfigurationError if there is none.
    """
    module, _, function = name.partition(":")
    here = os.getcwd()  # noqa: PTH109 - sys.path holds texts
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"cannot import {name}: {error}") from None
    if not callable(found):
        raise ConfigurationError(f"{name} is not a function")
    return found  # type: ignore[no-any-return]
