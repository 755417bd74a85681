"""Tools: what the model may call. Describes functions to it, runs its calls, and writes their results.

Modules: ``schema`` (a function's definition and the check of its arguments), ``plain_types`` (the same without
pydantic), ``docstrings`` (the texts), ``results`` (what goes back), ``toolbox`` (the calls).

Thread: importing it starts none.
"""

from .schema import definition_of, describe_function
from .toolbox import Call, Tool, Toolbox, current_call

__all__ = ["Call", "Tool", "Toolbox", "current_call", "definition_of", "describe_function"]
