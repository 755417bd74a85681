"""The part of RealtimeClient that configures it: session fields and tools.

Thread: the event loop's only.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ..connection.link import Link, State
from ..errors import StateError
from ..events import Event, McpApprovalEvent, ToolProgressEvent
from ..protocol.dialect import merge_session, session_from_keywords
from ..protocol.outgoing import check, check_event
from ..protocol.reading import text_of
from ..protocol.session_keywords import refuse_unknown
from ..tools import describe_function
from .emitter import EventEmitter
from .home_loop import any_thread
from .mcp import approval_response
from .session import Session

if TYPE_CHECKING:
    from .asides import Asides

__all__ = ["ConfigurableClient"]

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


class ConfigurableClient(EventEmitter):
    """Session fields and tools of a client; `RealtimeClient` makes its session and its link.

    Attributes
    ----------
    model : str or None
        Goes into the query of the address; None leaves it out.
    call_id : str or None
        The call that the client joins.
    """

    _session: Session
    _link: Link
    model: str | None
    call_id: str | None
    # Made by the first `say`.
    _asides: Asides | None = None

    @property
    def state(self) -> State:
        """ "disconnected", "connecting", "connected" or "reconnecting"."""
        return self._link.state

    def is_connected(self) -> bool:
        """True while a session is open."""
        return self._link.state == "connected"

    def _need_connection(self) -> None:
        if self._link.state not in ("connected", "reconnecting"):
            raise StateError("the client is not connected: call connect() first")

    # Session

    @property
    def session_config(self) -> dict[str, Any]:
        """What the application set, as a GA session object; a copy."""
        return copy.deepcopy(self._session.configuration.everything())

    @property
    def session(self) -> Event:
        """The session as the server last stated it, in GA names; a copy."""
        return Event(copy.deepcopy(self._session.settings.server_session))

    @any_thread
    def update_session(self, *, extra_session: Mapping[str, Any] | None = None, **keywords: Any) -> bool:
        """Set session fields, now and for every session to come.

        Takes GA's fields and the flat ones of beta: ``voice``, ``modalities``, ``input_audio_format``,
        ``turn_detection`` ("server_vad", "semantic_vad", None or an object), ``input_audio_transcription``, ...
        Only the given fields are sent. None is sent as null and switches a feature off. A server refuses an update as
        a whole: then the update is taken back, what it replaced counts again, and ``error`` says why.

        Parameters
        ----------
        extra_session : mapping, optional
            Fields that this package does not know, in the server's names; sent unchanged.
        **keywords
            The fields.

        Returns
        -------
        bool
            True.

        Raises
        ------
        TypeError
            a keyword that does not exist, a value that JSON cannot hold, such as a path or a class
        ValueError
            a value that no server would take, a tool name that `add_tool` has taken
        StateError
            ``model`` while connected
        """
        refuse_unknown(keywords, "update_session", type(self))
        if extra_session is not None and not isinstance(extra_session, Mapping):
            raise TypeError(f"extra_session must be a mapping, not {type(extra_session).__name__}")
        model = keywords.pop("model", None)
        if model is not None and not isinstance(model, str):
            raise TypeError(f"model is a text, not {type(model).__name__}")
        keywords = check_event({"type": "session.update", "session": keywords})["session"]
        if model is not None and self.state != "disconnected":
            raise StateError("the model is fixed while connected: call disconnect() first")
        extra = check_event({"type": "session.update", "session": dict(extra_session or {})})["session"]
        fields = session_from_keywords(keywords)
        self._session.configuration.update(merge_session(fields, extra))
        if model is not None:
            self.model = model
        return True

    def get_turn_detection(self) -> dict[str, Any] | None:
        """The turn detection in force as a session object holds it, None in manual mode; a copy."""
        detection = self._session.settings.turn_detection()
        return copy.deepcopy(detection) if isinstance(detection, dict) else None

    def get_turn_detection_type(self) -> str | None:
        """ "server_vad", "semantic_vad", or None in manual mode."""
        detection = self._session.settings.turn_detection()
        return text_of(detection.get("type")) if isinstance(detection, dict) else None

    def server_interrupts(self) -> bool:
        """True if the server itself cancels an answer when it hears the user."""
        return self._session.settings.server_interrupts()

    def server_answers(self) -> bool:
        """True if the server itself answers when the user's turn is over."""
        return self._session.settings.server_answers()

    @property
    def input_sample_rate(self) -> int:
        """Sample rate of `append_input_audio` in Hz: 24000, or 8000 if G.711 was negotiated."""
        return self._session.settings.audio_format("input").sample_rate

    @property
    def output_sample_rate(self) -> int:
        """Sample rate of the answers' audio in Hz."""
        return self._session.settings.audio_format("output").sample_rate

    # Tools

    @any_thread
    def _add_tool(
        self,
        definition: dict[str, Any],
        handler: Callable[..., Any],
        check: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> Any:
        return self._session.configuration.add_tool(definition, handler, check)

    def add_tool(self, definition: Mapping[str, Any], handler: Callable[..., Any]) -> Any:
        """Give the model a tool.

        Parameters
        ----------
        definition : mapping
            ``name``, ``description`` and ``parameters`` (JSON schema).
        handler : function or coroutine function
            Gets the call's arguments as keywords and returns a string, or anything that can be written as JSON:
            dataclasses, Enums, dates, paths, arrays and their like included. Whatever it raises is told to the model
            and reported through ``error``. A coroutine function runs in the event loop, a plain function in a daemon
            thread of its own, from which it may call the client, see `RealtimeClient`.

        Returns
        -------
        Tool
            The registered tool.

        Raises
        ------
        TypeError
            a definition that JSON cannot hold, a handler that is not callable
        ValueError
            a name that is missing or taken, or that no server takes
        TypeError
            a handler that cannot be called, or is a generator function
        """
        return self._add_tool(check(dict(definition), "the definition"), handler)

    @any_thread
    def remove_tool(self, name: str) -> bool:
        """Remove a tool. Raises ValueError for one that was not added."""
        self._session.configuration.remove_tool(name)
        return True

    @overload
    def tool(self, function: FunctionT) -> FunctionT: ...
    @overload
    def tool(self, function: None = None, **definition: Any) -> Callable[[FunctionT], FunctionT]: ...
    def tool(self, function: Any = None, **definition: Any) -> Any:
        """Decorator: `add_tool` with the name, docstring and annotations of the function.

        ``@client.tool`` or ``@client.tool(description=..., parameters=...)``. Arguments are checked and converted to
        the annotated types before the function is called, with pydantic where it is installed; the model is told
        what is wrong with them. See `realtime.tools.definition_of` for the types.
        """

        def add(function: FunctionT) -> FunctionT:
            found, check = describe_function(function)
            # Parameters of the application's own are not those of the annotations.
            given = "parameters" in definition
            self._add_tool({**found, **definition}, function, None if given else check)
            return function

        return add if function is None else add(function)

    @property
    def tools(self) -> dict[str, Any]:
        """Added tools by name; a copy."""
        return dict(self._session.turns.toolbox.tools)

    @any_thread
    def say(self, text: str) -> None:
        """Let the model say *text* now, beside the conversation; see `ToolContext.say`. Does not wait.

        Raises StateError if not connected, TypeError and ValueError for what is no text, or empty.
        """
        from .asides import Asides

        self._need_connection()
        if self._asides is None:
            self._asides = Asides(self._session)
        self._asides.say(text)

    @any_thread
    def report_tool_progress(self, name: str, call_id: str, text: str) -> None:
        """Emit ``tool.progress``; for `ToolContext.progress`. Raises TypeError for what is no text."""
        if not isinstance(text, str):
            raise TypeError(f"progress() takes a text, not {type(text).__name__}")
        self.emit("tool.progress", ToolProgressEvent(text, name, call_id))

    @any_thread
    def approve(
        self, request: McpApprovalEvent | str, approve: bool = True, *, reason: str | None = None
    ) -> str:
        """Approve or refuse a call that an MCP server's tool waits for; the server goes on by itself.

        Parameters
        ----------
        request : McpApprovalEvent or str
            What ``mcp.approval`` brought, or its ``request_id``.
        approve : bool
            True lets the call run.
        reason : str, optional
            Told to the model.

        Returns
        -------
        str
            Id of the item that answers the request.

        Raises
        ------
        StateError
            not connected, or answered already
        TypeError, ValueError
            something else than a request, than True or False, or than a text
        """
        self._need_connection()
        item = check_event(
            {"type": "conversation.item.create", "item": approval_response(request, approve, reason)}
        )["item"]
        self._session.mcp.note_answer(item)
        return self._session.create_item(item)
