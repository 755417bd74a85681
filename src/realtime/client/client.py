"""RealtimeClient: the face of this package. What it does is in `Session`, `Link` and `Conversation`.

Thread: the event loop's, except `RealtimeClient.append_input_audio`, which any thread may call.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, TypeVar, overload

import numpy as np

from ..connection.link import Link, LinkOptions, State
from ..connection.outbox import Outbox
from ..conversation.history import RESUME_NOTE
from ..conversation.interruption import interrupt
from ..conversation.items import Item
from ..conversation.reducer import Conversation
from ..errors import ConfigurationError, RealtimeError, StateError
from ..events import ClientStats, ErrorEvent, Event
from ..protocol import codec
from ..protocol.audio_format import as_int16
from ..protocol.dialect import merge_session, session_from_keywords
from ..protocol.endpoint import DEFAULT_MODEL, Endpoint
from ..protocol.ids import generate_id
from ..tools import definition_of
from .emitter import EventEmitter
from .session import Session

__all__ = ["RealtimeClient"]

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])
MAX_APPEND_SAMPLES = (
    240_000  # of one append event; the vendor takes 15 MiB, the rest of the queue wants its turn
)


class RealtimeClient(EventEmitter):
    """A client of the Realtime API, and of servers that speak it.

    Parameters
    ----------
    api_key : str, optional
        Default: the environment variable OPENAI_API_KEY. An empty string sends none.
    url : str, optional
        Default: OPENAI_BASE_URL, else ``wss://api.openai.com/v1/realtime``. Azure, relays and self-hosted
        servers go here; a query is kept.
    model : str or None
        Goes into the query; None leaves it out.
    dialect : "auto", "ga" or "beta"
        "auto" speaks GA unless the server's first event shows that it speaks beta; "beta" also asks for it.
    headers, query, subprotocols
        Added to the request.
    connect_timeout : float
        Seconds until ``session.created`` must have arrived.
    reconnect : bool
        Whether lost connections are restored and expiring sessions renewed.
    link : LinkOptions, optional
        Backoff and renewal in detail; replaces the two options before.
    tool_timeout : float or None
        Seconds that one tool call may take.
    resume_note : str or None
        Told to the model behind the history that a new connection restores, as a system message that does not
        appear among the items; None leaves it out.
    input_queue_seconds : float
        Live audio that may wait for a slow socket; the oldest beyond that is dropped and counted.
    max_items, keep_audio_seconds, keep_input_seconds
        What the conversation keeps, see `Conversation`; 0 keeps none, ``math.inf`` all. With the defaults an
        hour stays below 200 MB.
    **session
        Initial session keywords, as for `update_session`.

    Events
    ------
    ``conversation.updated``, ``conversation.item.appended``, ``.completed``, ``.incomplete``, ``.ended``
    (either of the two),
    ``.deleted``, ``conversation.interrupted``, ``response.failed``, ``error``, ``error.benign``, ``close``,
    ``connection.changed``, ``usage``, ``rate_limits``, ``timings``, ``realtime.event``; those of the wire in
    GA names as ``server.<type>`` and ``client.<type>``. Handlers get one object, see `realtime.events`.

    Raises
    ------
    ValueError  a dialect or a session keyword that does not exist, a limit below 0

    Examples
    --------
    >>> client = RealtimeClient(instructions="You are a great, upbeat friend.")      # doctest: +SKIP
    """

    def __init__(
        self,
        api_key: str | None = None,
        url: str | None = None,
        model: str | None = DEFAULT_MODEL,
        dialect: str = "auto",
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        subprotocols: Iterable[str] = (),
        connect_timeout: float = 15.0,
        reconnect: bool = True,
        link: LinkOptions | None = None,
        tool_timeout: float | None = 60.0,
        resume_note: str | None = RESUME_NOTE,
        input_queue_seconds: float = 2.0,
        max_items: int = 2000,
        keep_audio_seconds: float = 1200.0,
        keep_input_seconds: float = 300.0,
        **session: Any,
    ) -> None:
        if dialect not in ("auto", "ga", "beta"):
            raise ValueError(f"dialect must be 'auto', 'ga' or 'beta', not {dialect!r}")
        super().__init__(lambda error, name, handler: self._session.reports.handler_failed(error, name))
        self.model = model
        subprotocols = tuple(subprotocols)

        def endpoint() -> Endpoint:
            return Endpoint(
                url, api_key, self.model, dialect, headers=headers, query=query, subprotocols=subprotocols
            )

        self._outbox = Outbox(input_queue_seconds)
        self._session = Session(
            self,
            endpoint,
            dialect,
            Conversation(
                max_items=max_items,
                keep_audio_seconds=keep_audio_seconds,
                keep_input_seconds=keep_input_seconds,
            ),
            self._outbox,
            tool_timeout,
            resume_note,
        )
        self._link = Link(
            self._session, link or LinkOptions(connect_timeout=connect_timeout, reconnect=reconnect)
        )
        self._session.at_rest = self._link.hand_over
        self._unheard = 0  # samples given while there was no connection
        if session:
            self.update_session(**session)

    def __repr__(self) -> str:
        return f"<RealtimeClient {self.state}, model {self.model!r}, {len(self.conversation)} items>"

    # Connection

    async def connect(self) -> bool:
        """Open a session: returns when ``session.created`` has arrived.

        The conversation begins empty. What `update_session` and `add_tool` were told goes to the server
        before anything else.

        Raises
        ------
        ConnectError        with code, reason, status and the server's message
        ConfigurationError  no key for the vendor, or a key that would go over an open network
        StateError          connected already

        Cancel-safe: the socket is closed.
        """
        if self.state != "disconnected":
            raise StateError(f"the client is {self.state}: call disconnect() first")
        self._outbox.open()
        self._outbox.clear()
        self.conversation.clear()
        self._session.created = asyncio.Event()
        try:
            await self._link.connect()
        except RealtimeError as error:
            self._session.created = None
            # The caller is told; a log line on top would say it twice.
            if not isinstance(error, (StateError, ConfigurationError)) and self.wants("error"):
                self.emit("error", ErrorEvent(str(error), "connection", exception=error))
            raise
        return True

    async def disconnect(self) -> None:
        """Close the connection; ``close`` is emitted. Items stay readable. Idempotent.

        Takes at most about a second, whatever the server does.
        """
        await self._link.disconnect()

    async def __aenter__(self) -> RealtimeClient:
        if not self.is_connected():
            await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.disconnect()

    @property
    def state(self) -> State:
        """ "disconnected", "connecting", "connected" or "reconnecting"."""
        return self._link.state

    def is_connected(self) -> bool:
        """Whether a session is open now."""
        return self._link.state == "connected"

    def reset(self) -> None:
        """Disconnect and forget everything: items, handlers, tools and session keywords."""
        self._link.abandon()
        session = self._session
        self.clear_event_handlers()
        session.toolbox.tools.clear()
        session.given_tools.clear()
        session.config = {}
        session.server_session = {}
        self.conversation.clear()

    async def wait_for_session_created(self) -> bool:
        """Wait until the session is open.

        Raises StateError without `connect`, ConnectionLostError if the connection ends first.
        """
        created = self._session.created
        if created is None:
            raise StateError("there is no connection: call connect() first")
        if not created.is_set():
            await self.wait_for_next("server.session.created")
        return True

    # Session

    @property
    def session_config(self) -> dict[str, Any]:
        """What the application set, as a GA session object; a copy."""
        config = copy.deepcopy(self._session.config)
        tools = self._session.tools_in_session()
        return {**config, "tools": copy.deepcopy(tools)} if tools else config

    @property
    def session(self) -> Event:
        """The session as the server last stated it, in GA names; a copy."""
        return Event(copy.deepcopy(self._session.server_session))

    def update_session(self, **keywords: Any) -> bool:
        """Set session fields, now and for every session to come.

        Takes GA's fields and the flat ones of beta: ``voice``, ``modalities``, ``input_audio_format``,
        ``turn_detection``
        ("server_vad", "semantic_vad", None or an object), ``input_audio_transcription``, ... Only what was
        given is sent. None is sent as null and switches things off. Unknown keywords go through as they are.

        Raises
        ------
        ValueError  a value that no server would take, a tool name that `add_tool` has taken
        StateError  ``model`` while connected
        """
        model = keywords.pop("model", None)
        if model is not None and self.state != "disconnected":
            raise StateError("the model is fixed while connected: call disconnect() first")
        changes = session_from_keywords(keywords)
        session = self._session
        if "tools" in changes:
            tools = [dict(tool) for tool in changes.pop("tools") or ()]
            for tool in tools:
                if tool.get("name") in session.toolbox.tools:
                    raise ValueError(
                        f"tool {tool['name']!r} was added with add_tool(); remove_tool() it first"
                    )
            session.given_tools = tools
            session.tools_changed()
        session.config = merge_session(session.config, changes)
        if model is not None:
            self.model = model
        if changes and self.is_connected():
            if session._tools_changed:
                session._tools_changed = False
                changes = {**changes, "tools": session.tools_in_session()}
            session.send({"type": "session.update", "session": changes})
        return True

    def get_turn_detection_type(self) -> str | None:
        """ "server_vad", "semantic_vad", or None in manual mode."""
        detection = self._session.turn_detection()
        kind = detection.get("type") if isinstance(detection, dict) else None
        return kind if isinstance(kind, str) else None

    @property
    def input_sample_rate(self) -> int:
        """Of `append_input_audio`, in Hz: 24000, or 8000 where G.711 was negotiated."""
        return self._session.audio_format("input").sample_rate

    @property
    def output_sample_rate(self) -> int:
        """Of the answers' audio, in Hz."""
        return self._session.audio_format("output").sample_rate

    # Conversation

    @property
    def conversation(self) -> Conversation:
        return self._session.conversation

    def send_user_message_content(self, content: str | Iterable[Mapping[str, Any]]) -> str | None:
        """Send a user message and ask for an answer; returns the id of the new item.

        Parameters
        ----------
        content : str or iterable of parts
            ``{"type": "input_text", "text": ...}`` ("text" means the same), ``{"type": "input_audio",
            "audio": int16
            samples or base64}``, ``{"type": "input_image", "image_url": ...}``. Without parts only an answer
            is asked for.

        Raises
        ------
        StateError  not connected
        TypeError, ValueError  audio that is not int16
        """
        self._need_connection()
        item_id = generate_id("item_")
        parts = []
        if isinstance(content, str):
            content = [{"type": "input_text", "text": content}]
        for given in content:
            part = dict(given)
            if part.get("type") == "text":
                part["type"] = "input_text"
            if part.get("type") == "input_audio" and not isinstance(part.get("audio"), str):
                samples = as_int16(part.get("audio")).copy()
                part["audio"] = self.conversation.input_format.encode(samples)
                self.conversation.stash_audio(item_id, samples)
            parts.append(part)
        if parts:
            self._session.create_item({"id": item_id, "type": "message", "role": "user", "content": parts})
        self.create_response()
        return item_id if parts else None

    def create_item(self, item: Mapping[str, Any], previous_item_id: str | None = None) -> str:
        """Put any item into the conversation, without asking for an answer; returns its id."""
        self._need_connection()
        return self._session.create_item(dict(item), previous_item_id)

    def append_input_audio(self, pcm: Any) -> bool:
        """Stream microphone audio to the server.

        Never blocks, and costs the same however long the conversation is. Thread: any.

        Parameters
        ----------
        pcm : int16, shape (frames,), C-contiguous, or bytes of it
            Mono at `input_sample_rate`. Copied.

        Returns
        -------
        bool : False without a connection; the samples are then counted in ``stats.input_samples_dropped``.

        Raises
        ------
        TypeError   other samples than int16
        ValueError  an odd number of bytes, or more than one dimension
        """
        samples = as_int16(pcm)
        if self._link.state not in ("connected", "reconnecting"):
            self._unheard += len(samples)
            return False
        if len(samples):
            samples = np.array(samples)
            for start in range(0, len(samples), MAX_APPEND_SAMPLES):
                self._outbox.put_audio(samples[start : start + MAX_APPEND_SAMPLES])
        return True

    def create_response(self, response: Mapping[str, Any] | None = None, **parameters: Any) -> bool:
        """Ask for an answer.

        In manual mode the audio sent so far is committed first, unless it is shorter than 100 ms. While a
        response is being made the request waits for its end; several that wait become one. Parameters are
        those of ``response.create``; ``conversation="none"`` asks for one outside the conversation, at once.
        """
        self._need_connection()
        parameters = {**(response or {}), **parameters}
        outside = parameters.get("conversation") == "none"
        if self._session.turn_detection() is None and not outside:
            self._session.commit()
        self._session.request_response(parameters)
        return True

    def commit_input_audio(self) -> None:
        """Make an item of the audio sent so far, without asking for an answer."""
        self._need_connection()
        self._session.commit()

    def clear_input_audio(self) -> None:
        """Drop the audio that was sent and not committed."""
        self._need_connection()
        self._session.send({"type": "input_audio_buffer.clear"})

    def cancel_response(self, item_id: str | None = None, sample_count: int = 0) -> Item | None:
        """Stop the answer, and tell the server how much of *item_id* was heard.

        Pass the receipt of ``player.interrupt()``: its track and its offset. What arrives of the item
        afterwards
        is dropped. Nothing is sent where nothing is to be stopped: a finished answer that was heard to its
        end stays whole, and under VAD the server cancels by itself. Without *item_id* whatever is being
        made is cancelled, under VAD too.

        Parameters
        ----------
        item_id : str, optional
            The answer that was audible.
        sample_count : int
            Samples of it that were heard, at `output_sample_rate`; more than arrived counts as all.

        Returns
        -------
        The item, None without or for an unknown id.

        Raises
        ------
        StateError  not connected
        ValueError  an item that is no message of the assistant
        """
        self._need_connection()
        session = self._session
        if not item_id:
            session.send_all(session.sequencer.cancel())
            return None
        item = self.conversation.get_item(item_id)
        if item is not None and (item.type != "message" or item.role not in ("assistant", None)):
            raise ValueError(f"item {item_id!r} is not an answer: it is a {item.type} of role {item.role!r}")
        if not session.server_interrupts():
            session.send_all(session.sequencer.cancel())
        if item is None:
            return None
        changes, events = interrupt(self.conversation, item, sample_count)
        session.announce(changes)
        session.send_all(events)
        return item

    def delete_item(self, item_id: str) -> bool:
        """Remove an item from the conversation; it goes here when the server confirms."""
        self._need_connection()
        self._session.send({"type": "conversation.item.delete", "item_id": item_id})
        return True

    def send(self, type: str, data: Mapping[str, Any] | None = None, **fields: Any) -> str:
        """Send any client event, written in GA; returns its event_id. Raises StateError if not connected."""
        self._need_connection()
        event = {**(data or {}), **fields, "type": type}
        if type == "conversation.item.create":
            event["item"] = {"id": generate_id("item_"), **event.get("item", {})}
        elif type == "response.create":
            self._session.request_response(event.get("response") or {})
            return ""
        codec.dumps(event)  # raises TypeError here, not in the task that writes
        return self._session.send(event)

    # Tools

    def add_tool(self, definition: Mapping[str, Any], handler: Callable[..., Any]) -> Any:
        """Give the model a tool.

        Parameters
        ----------
        definition : mapping
            ``name``, ``description`` and ``parameters`` (JSON schema).
        handler : function or coroutine function
            Gets the call's arguments as keywords and returns a string or anything JSON can hold. What it
            raises is told to the model and reported through ``error``. A plain function runs in a thread.

        Raises ValueError for a name that is missing or taken.
        """
        if any(tool.get("name") == definition.get("name") for tool in self._session.given_tools):
            raise ValueError(f"tool {definition.get('name')!r} is already in the session's tools")
        tool = self._session.toolbox.add(dict(definition), handler)
        self._session.tools_changed()
        return tool

    def remove_tool(self, name: str) -> bool:
        """Take a tool away. Raises ValueError for one that was not added."""
        self._session.toolbox.remove(name)
        self._session.tools_changed()
        return True

    @overload
    def tool(self, function: FunctionT) -> FunctionT: ...
    @overload
    def tool(self, function: None = None, **definition: Any) -> Callable[[FunctionT], FunctionT]: ...
    def tool(self, function: Any = None, **definition: Any) -> Any:
        """Decorator: `add_tool` with the name, docstring and annotations of the function.

        ``@client.tool`` or ``@client.tool(description=..., parameters=...)``.
        """

        def add(function: FunctionT) -> FunctionT:
            self.add_tool({**definition_of(function), **definition}, function)
            return function

        return add if function is None else add(function)

    @property
    def tools(self) -> dict[str, Any]:
        """Added tools by name; a copy."""
        return dict(self._session.toolbox.tools)

    # Waiting

    async def wait_for_next_item(self, timeout: float | None = None) -> Item:
        """The next item that is appended."""
        item: Item = (await self.wait_for_next("conversation.item.appended", timeout)).item
        return item

    async def wait_for_next_completed_item(self, timeout: float | None = None) -> Item:
        """The next item that gets its final status: "completed", or "incomplete" when it was cancelled."""
        item: Item = (await self.wait_for_next("conversation.item.ended", timeout)).item
        return item

    # Counters

    @property
    def stats(self) -> ClientStats:
        conversation = self.conversation
        return ClientStats(
            input_samples_dropped=self._outbox.dropped_samples + self._unheard,
            input_samples_queued=self._outbox.audio_samples,
            renewals=self._link.renewals,
            reconnections=self._link.reconnections,
            malformed=conversation.malformed,
            ignored=conversation.ignored,
            evicted_items=conversation.items.evicted_items,
            evicted_seconds=conversation.items.evicted_seconds,
        )

    @property
    def usage(self) -> dict[str, int]:
        """Tokens of all responses so far; nested counts under dotted names."""
        return dict(self._session.meter.total)

    @property
    def rate_limits(self) -> dict[str, Event]:
        """What the server last said, by name."""
        return dict(self._session.reports.rate_limits)

    def _need_connection(self) -> None:
        if self._link.state not in ("connected", "reconnecting"):
            raise StateError("the client is not connected: call connect() first")
