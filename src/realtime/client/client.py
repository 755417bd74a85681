"""RealtimeClient: what applications call; the work is done by `Session`, `Link` and `Conversation`.

Thread: the event loop's; plain methods may be called from any thread, see `RealtimeClient`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..connection.link import Link
from ..connection.options import LinkOptions
from ..connection.outbox import Outbox
from ..conversation.history import RESUME_NOTE
from ..conversation.interruption import interrupt
from ..conversation.items import Item
from ..conversation.reducer import Conversation
from ..errors import ConfigurationError, RealtimeError, StateError
from ..events import ErrorEvent
from ..protocol.endpoint import DEFAULT_MODEL, Endpoint
from ..protocol.ids import generate_id
from ..protocol.numbers import not_negative, whole_number
from ..protocol.outgoing import check_event
from ..protocol.profiles import takes_ga
from ..protocol.response_keywords import refuse_unknown_response
from ..protocol.session_keywords import refuse_unknown
from .api_key import ApiKey, ask_for_key
from .content import message_parts
from .event_names import check_event_name
from .home_loop import any_thread
from .raw_events import RawEvents
from .session import Session
from .user_input import InputClient

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..protocol.types import SessionKeywords
    from .answer import Answer
    from .answers import Answers
    from .farewell import After, HangUp, Playback

__all__ = ["RealtimeClient"]


class RealtimeClient(InputClient):
    """A client of the Realtime API, and of servers that speak it.

    Events: ``conversation.updated``, ``conversation.item.appended``, ``.completed``, ``.incomplete``, ``.ended``
    (completed or incomplete), ``.deleted``, ``conversation.interrupted``, ``user.transcript``,
    ``user.transcript.failed``, ``response.failed``, ``response.ended``, ``error``, ``error.benign``, ``close``,
    ``connection.changed``, ``usage``, ``budget.reached``, ``rate_limits``, ``timings``, ``mcp.approval``,
    ``tool.progress``, ``realtime.event``; and those of the protocol, in GA names, as ``server.<type>`` and
    ``client.<type>``. Names that begin with ``app.`` are the application's own, for `emit`. A handler gets one object,
    see `realtime.events`.

    Thread: plain methods may be called from any thread, such as a plain tool's: the event loop runs the call, and the
    thread waits for it. `append_input_audio` does not wait. What is awaited (`connect`, `disconnect`, the ``wait_for_...``
    methods) and `emit` belong to the event loop; a plain tool may return ``client.disconnect()`` to have it awaited.

    Parameters
    ----------
    api_key : str or callable, optional
        Default: the environment variable of the server's vendor, else OPENAI_API_KEY. An empty string sends none.
        A function without arguments, plain or async, is asked before each handshake: for keys that end.
    url : str, optional
        Default: OPENAI_BASE_URL, else ``wss://api.openai.com/v1/realtime``. Azure, relays and self-hosted
        servers go here; a query is kept.
    model : str or None
        Goes into the query, or where the server wants it; None leaves it out.
    dialect : "auto", "ga", "beta", "xai", "elevenlabs", "qwen" or "localai"
        "auto" goes by the host, else by the server's first event, else it is GA; "beta" also asks for it.
    call_id : str, optional
        Joins a call that is under way (a sideband connection): tools and settings work, no audio is sent, the
        history is not sent again after a reconnection, and the connection ends with the call.
    headers, query, subprotocols : optional
        Added to the request.
    connect_timeout : float
        Seconds until ``session.created`` must have arrived.
    reconnect : bool
        True restores lost connections and renews expiring sessions.
    link : LinkOptions, optional
        Backoff and renewal in detail; replaces the two options before.
    tool_timeout : float or None
        Seconds that one tool call may take; None sets no limit.
    resume_note : str or None
        A system message to the model after the history that a new connection restores. It does not appear
        among the items; None leaves it out.
    input_queue_seconds : float
        Live audio that may wait for a slow socket; older audio is dropped and counted.
    max_items, keep_audio_seconds, keep_input_seconds : optional
        What the conversation keeps, see `Conversation`; 0 keeps none, ``math.inf`` all. With the defaults an
        hour stays below 200 MB.
    budget : float, optional
        US dollars that the client may cost: then `ask`, `create_response` and the like raise BudgetError, no tool's
        output is answered, ``budget.reached`` is emitted, and what is being made ends. Can be set later.
    prune_tool_items : bool
        True deletes tool calls and their outputs from the conversation once an answer has used them.
    extra_session : mapping, optional
        Session fields that this package does not know, in the server's names; sent unchanged.
    **session
        Initial session keywords, as for `update_session`.

    Raises
    ------
    TypeError
        a parameter or a session keyword that does not exist
    ValueError
        a dialect that does not exist, a value that no server would take, a limit or a time below 0 or that is no number

    Examples
    --------
    >>> client = RealtimeClient(instructions="You are a great, upbeat friend.")      # doctest: +SKIP
    """

    # Made by the first `ask`.
    _answers: Answers | None = None

    def __init__(
        self,
        api_key: ApiKey = None,
        url: str | None = None,
        model: str | None = DEFAULT_MODEL,
        dialect: str = "auto",
        *,
        call_id: str | None = None,
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
        budget: float | None = None,
        prune_tool_items: bool = False,
        extra_session: Mapping[str, Any] | None = None,
        **session: Unpack[SessionKeywords],
    ) -> None:
        refuse_unknown(session, "RealtimeClient", RealtimeClient)
        self._speaks_ga = takes_ga(dialect, url)
        super().__init__(
            lambda error, name, handler: self._session.reports.handler_failed(error, name), check_event_name
        )
        self.model = model
        self.call_id = call_id
        request: dict[str, Any] = {"headers": headers, "query": query, "subprotocols": _names(subprotocols)}

        async def endpoint() -> Endpoint:
            key = await ask_for_key(api_key)
            return Endpoint(url, key, self.model, dialect, call_id=call_id, **request)

        self._outbox = Outbox(input_queue_seconds)
        kept = {"keep_audio_seconds": keep_audio_seconds, "keep_input_seconds": keep_input_seconds}
        self._session = Session(
            self,
            endpoint,
            Conversation(max_items=max_items, **kept),
            self._outbox,
            None if tool_timeout is None else not_negative(tool_timeout, "tool_timeout"),
            resume_note,
            lambda: self._link.hand_over(),
        )
        self._raw_events = RawEvents(self._session)
        options = link or LinkOptions(connect_timeout=connect_timeout, reconnect=reconnect)
        self._link = Link(self._session, replace(options, call=True) if call_id is not None else options)
        # Tools may end the session without knowing the client, see hang_up().
        self._session.turns.toolbox.owner = self
        self.playback: Playback | None = None
        self._limit(budget, prune_tool_items)
        if session or extra_session is not None:
            self.update_session(extra_session=extra_session, **session)

    def _limit(self, budget: float | None, prune_tool_items: bool) -> None:
        if budget is not None:
            self.budget = budget
        if prune_tool_items:
            from .pruning import Pruner

            Pruner(self._session)

    def __repr__(self) -> str:
        return f"<RealtimeClient {self.state}, model {self.model!r}, {len(self.conversation)} items>"

    # Connection

    async def connect(self) -> bool:
        """Open a session: returns when ``session.created`` has arrived.

        The conversation begins empty. The settings of `update_session` and the tools of `add_tool` are sent
        before anything else. Cancel-safe: the socket is closed.

        Returns
        -------
        bool
            True.

        Raises
        ------
        ConnectError
            with code, reason, status and the server's message
        ConfigurationError
            no key for the vendor, or a key that would go over an open network
        StateError
            connected already
        """
        if self.state != "disconnected":
            raise StateError(f"the client is {self.state}: call disconnect() first")
        self.home.settle()
        self._outbox.open()
        self._outbox.clear()
        self.conversation.clear()
        self._session.meter.forget()
        self._session.created = asyncio.Event()
        try:
            await self._link.connect()
        except RealtimeError as error:
            self._session.created = None
            # Not logged if nothing handles it: the caller gets the exception.
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

    @any_thread
    def hang_up(self, *, after: After = "farewell", timeout: float = 30.0) -> HangUp:
        """Disconnect when the farewell was heard; does not wait. See `realtime.hang_up`."""
        from .farewell import HangUp

        return HangUp(self, self._session, after, timeout)

    @any_thread
    def reset(self) -> None:
        """Disconnect, and forget items, handlers, tools and session keywords. Does not wait."""
        self._link.abandon()
        self.clear_event_handlers()
        self._session.reset()

    # Conversation

    @any_thread
    def send_user_message_content(self, content: str | Iterable[Mapping[str, Any]]) -> str | None:
        """Send a user message and request an answer.

        Parameters
        ----------
        content : str or iterable of parts
            ``{"type": "input_text", "text": ...}`` ("text" means the same), ``{"type": "input_audio",
            "audio": int16 samples or base64}``, ``{"type": "input_image", "image_url": ...}``. Without parts
            only an answer is requested.

        Returns
        -------
        str or None
            Id of the new item; None without parts.

        Raises
        ------
        StateError
            not connected
        TypeError, ValueError
            audio that is not int16, a part that JSON cannot hold or no server takes (`outgoing.check_event`)
        """
        self._need_connection()
        self._session.turns.need_leave()
        item_id = generate_id("item_")
        parts, samples = message_parts(content, self.conversation.input_format.encode)
        item = {"id": item_id, "type": "message", "role": "user", "content": parts}
        event = check_event({"type": "conversation.item.create", "item": item})
        if samples is not None:
            self.conversation.stash_audio(item_id, samples)
        if parts:
            self._session.create_item(event["item"])
        self.create_response()
        return item_id if parts else None

    def ask(
        self,
        question: Any = None,
        *,
        timeout: float | None = None,
        response: Mapping[str, Any] | None = None,
        **parameters: Any,
    ) -> Answer:
        """Ask the model, and get its answer: ``await client.ask("...")``, or ``async for piece in client.ask("...")``.

        Returns at once; what was asked before is answered first. Thread: the event loop's; see `realtime.talk` for
        scripts.

        Parameters
        ----------
        question : str, samples, recording, os.PathLike or parts of a message, optional
            Text; int16 samples, shape (frames,), mono at `input_sample_rate`; a `wavtools.Sound`, `WavFile` or
            `RecordedAudio`, or the path of a file, which are resampled; parts as for `send_user_message_content`.
            Without one, the answer is to what was said: in manual mode the audio sent so far is committed.
        timeout : float, optional
            Seconds until the answer must have ended; then it is cancelled, and awaiting it raises TimeoutError.
        response : mapping, optional
            Fields of ``response.create`` that this package does not know; sent unchanged.
        **parameters
            Of ``response.create``: ``instructions``, ``output_modalities``, ``tool_choice``, ...

        Returns
        -------
        Answer
            Awaiting it raises AnswerError if the answer failed, was cut off, was refused or lost.

        Raises
        ------
        StateError
            not connected
        BudgetError
            the client's budget is spent
        TypeError, ValueError
            a question of another kind, a parameter that does not exist, a value that no server takes; nothing is sent then
        """
        from .answers import Answers

        refuse_unknown_response(parameters, "ask", ("question", "timeout", "response"))
        self._need_connection()
        self._session.turns.need_leave()
        if self._answers is None:
            self._answers = Answers(self._session)
        return self._answers.ask(question, timeout, {**(response or {}), **parameters})

    @any_thread
    def create_item(self, item: Mapping[str, Any], previous_item_id: str | None = None) -> str:
        """Add any item to the conversation without requesting an answer; returns its id.

        Raises StateError if not connected, TypeError and ValueError for what JSON cannot hold.
        """
        self._need_connection()
        if previous_item_id is not None and not isinstance(previous_item_id, str):
            raise TypeError(f"previous_item_id is a text, not {type(previous_item_id).__name__}")
        event = check_event({"type": "conversation.item.create", "item": dict(item)})
        return self._session.create_item(event["item"], previous_item_id)

    @any_thread
    def create_response(self, response: Mapping[str, Any] | None = None, **parameters: Any) -> bool:
        """Request an answer.

        Raises StateError if not connected, BudgetError if the client's budget is spent, TypeError for a parameter that does
        not exist, TypeError and ValueError for what JSON cannot hold.

        In manual mode the audio sent so far is committed first, unless it is shorter than 100 ms. While a
        response is being made, the request waits for its end; several waiting requests become one. Parameters
        are those of ``response.create``; ``conversation="none"`` requests a response outside the conversation,
        at once. Fields that only the server knows go into *response*.
        """
        refuse_unknown_response(parameters, "create_response", ("response",))
        self._need_connection()
        event = check_event({"type": "response.create", "response": {**(response or {}), **parameters}})
        parameters = event["response"]
        self._session.turns.need_leave()
        outside = parameters.get("conversation") == "none"
        if self._session.settings.turn_detection() is None and not outside:
            self._session.commit()
        self._session.request_response(parameters)
        return True

    @any_thread
    def cancel_response(self, item_id: str | None = None, sample_count: int = 0) -> Item | None:
        """Stop the answer, and tell the server how much of *item_id* was heard.

        Pass what ``player.interrupt()`` returns: its track and its offset. Audio and text of the whole response
        that arrive later are dropped, whatever their item. A finished answer that was heard to its end stays
        whole, and under VAD the server cancels by itself: then nothing is sent. Without *item_id* the response
        that is being made, or was requested, is cancelled, under VAD too.

        Parameters
        ----------
        item_id : str, optional
            The answer that was audible.
        sample_count : int
            Samples of it that were heard, at `output_sample_rate`; more than arrived counts as all.

        Returns
        -------
        Item or None
            The item; None without an id or for an unknown one.

        Raises
        ------
        StateError
            not connected
        ValueError
            an item that is no message of the assistant, a sample count that is no integer
        """
        self._need_connection()
        sample_count = whole_number(sample_count, "sample_count")
        session = self._session
        if not item_id:
            session.turns.cancel_response()
            return None
        item = self.conversation.get_item(item_id)
        if item is not None and (item.type != "message" or item.role not in ("assistant", None)):
            raise ValueError(f"item {item_id!r} is not an answer: it is a {item.type} of role {item.role!r}")
        if not self.server_interrupts():
            # The answer that was audible ends, not the one that the user's turn will get.
            session.turns.cancel_response(expected=False)
        if item is None:
            return None
        if item.response_id is not None:
            self.conversation.drop_response(item.response_id)
        changes, events = interrupt(self.conversation, item, sample_count)
        session.announce(changes)
        for event in events:
            session.send(event)
        return item

    @any_thread
    def delete_item(self, item_id: str) -> bool:
        """Ask the server to remove an item; it is removed here when the server confirms."""
        self._need_connection()
        self._session.send(check_event({"type": "conversation.item.delete", "item_id": item_id}))
        return True

    @any_thread
    def send(self, type: str, data: Mapping[str, Any] | None = None, **fields: Any) -> str:
        """Send any client event, written in GA; it counts as if the method for the same purpose had sent it.

        Returns
        -------
        str
            The event's ``event_id``; "" for ``response.create``, which may have to wait, and for a
            ``session.update`` while reconnecting, of which the next session is told.

        Raises
        ------
        StateError
            not connected
        TypeError
            a value that JSON cannot hold, a field that no server takes, a ``session.update`` without a session
        ValueError
            NaN, an event that is nested too deeply or too large, audio that is not base64, milliseconds that are no integer
        """
        self._need_connection()
        return self._raw_events.send(check_event({**(data or {}), **fields, "type": type}))


def _names(subprotocols: Iterable[str]) -> tuple[str, ...]:
    if isinstance(subprotocols, str):
        raise TypeError("subprotocols must be a list of names, not one text")
    return tuple(subprotocols)
