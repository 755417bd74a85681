"""Tools: what the model may call. Describes functions to it, runs its calls, and writes their results.

Modules: ``schema`` (a function's definition and the check of its arguments), ``plain_types`` (the same without
pydantic), ``annotations`` and ``docstrings`` (what it is made from), ``context`` (what a tool may ask for), ``results``
(what goes back), ``call`` and ``toolbox`` (the calls).

Thread: importing it starts none.
"""

from .call import Call, current_call
from .context import ToolContext
from .results import ToolResult
from .schema import definition_of, describe_function
from .toolbox import Tool, Toolbox

__all__ = [
    "Call",
    "Tool",
    "ToolContext",
    "ToolResult",
    "Toolbox",
    "current_call",
    "definition_of",
    "describe_function",
]
