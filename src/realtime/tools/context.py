"""ToolContext: what a tool gets if its first parameter is annotated so; and finds out if it is.

Thread: any; `ToolContext` may be used from a plain tool's thread.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..errors import StateError
from .annotations import evaluated
from .call import Call

__all__ = ["ToolContext", "takes_context"]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class ToolContext:
    """The call on whose behalf a tool runs. The model does not see this parameter.

    Attributes
    ----------
    client : RealtimeClient
        The client whose model called; None in a tool of the relay.
    name : str
        Of the tool.
    call_id : str

    Examples
    --------
    >>> @client.tool                                                    # doctest: +SKIP
    ... async def search(context: ToolContext, words: str) -> str:
    ...     '''Search the archive.'''
    ...     context.say("One moment.")
    ...     return await archive.find(words)
    """

    def __init__(self, call: Call) -> None:
        self.client: Any = call.owner
        self.name = call.name
        self.call_id = call.call_id
        self._key = call.key

    def __repr__(self) -> str:
        return f"ToolContext(name={self.name!r}, call_id={self.call_id!r})"

    @property
    def item(self) -> Any:
        """The item that holds the call, an `Item`; None in a tool of the relay, or if it was deleted."""
        return None if self.client is None else self.client.conversation.get_item(self._key)

    def say(self, text: str) -> None:
        """Let the model say *text* now, while the tool runs; does not wait.

        An answer outside the conversation, which the model forgets. Its audio comes as ``conversation.updated``, so
        that a `VoiceSession` plays it; the answer to the tool's output comes after it.

        Raises
        ------
        StateError
            not connected, or in a tool of the relay
        TypeError, ValueError
            *text* is no text, or is empty
        """
        self._client().say(text)

    def progress(self, text: str) -> None:
        """Emit ``tool.progress`` with *text*, for the screen; the model is not told. Raises as `say` does."""
        self._client().report_tool_progress(self.name, self.call_id, text)

    def _client(self) -> Any:
        if self.client is None:
            raise StateError(f"tool {self.name!r} runs in the relay, which has no client")
        return self.client


def takes_context(function: Callable[..., Any]) -> bool:
    """True if the first parameter of *function* is annotated as `ToolContext`."""
    try:
        first = next(iter(inspect.signature(function).parameters.values()), None)
    except (TypeError, ValueError):
        return False
    if first is None or first.kind not in _POSITIONAL:
        return False
    annotation = first.annotation
    if isinstance(annotation, str):
        if not annotation.strip("\"' ").endswith("ToolContext"):
            return False
        try:
            annotation = evaluated(first, function, "")
        except TypeError:
            # Imported for type checkers only.
            return True
    return annotation is ToolContext
