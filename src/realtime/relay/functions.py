"""Imports the deployer's own functions, which a policy names as ``package.module:function``.

Thread: any; called once, at the start.
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
    """The function called *name*. The current folder is searched too, as ``python -m`` does.

    Raises ConfigurationError if the function cannot be imported.
    """
    module, _, function = name.partition(":")
    here = os.getcwd()  # noqa: PTH109 - sys.path holds strings
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module), function)
    except Exception as error:
        # The module is the deployer's, and may raise anything.
        raise ConfigurationError(f"cannot import {name}: {type(error).__name__}: {error}") from None
    if not callable(found):
        raise ConfigurationError(f"{name} is not a function")
    return found  # type: ignore[no-any-return]
