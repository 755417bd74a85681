"""Types of a client's events by name, for type checkers: `client.on("close", handler)` knows what the handler gets.

At run time it is `EventEmitter` itself. A handler that is given together with a name must be for an event that exists;
``client.on(name)(handler)`` takes any name, such as one of the application's own.

Thread: as `emitter`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .emitter import EventEmitter

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any, Literal, Protocol, TypeVar, overload

    from ..events import (
        BudgetEvent,
        CloseEvent,
        ConnectionEvent,
        ErrorEvent,
        Event,
        InterruptedEvent,
        ItemEvent,
        ItemUpdatedEvent,
        McpApprovalEvent,
        RateLimitsEvent,
        RealtimeEvent,
        ResponseEndedEvent,
        ResponseFailedEvent,
        TimingsEvent,
        ToolProgressEvent,
        UsageEvent,
        UserTranscriptEvent,
        UserTranscriptFailedEvent,
    )
    from ..voice_events import CutEvent, EchoEvent, FalseInterruptionEvent, IdleEvent

    AnyHandler = TypeVar("AnyHandler", bound=Callable[..., Any])
    ItemName = Literal[
        "conversation.item.appended",
        "conversation.item.completed",
        "conversation.item.incomplete",
        "conversation.item.ended",
        "conversation.item.deleted",
    ]
    ErrorName = Literal["error", "error.benign"]
    WireName = Literal[
        "client.*",
        "client.conversation.item.create",
        "client.conversation.item.delete",
        "client.conversation.item.retrieve",
        "client.conversation.item.truncate",
        "client.input_audio_buffer.append",
        "client.input_audio_buffer.clear",
        "client.input_audio_buffer.commit",
        "client.output_audio_buffer.clear",
        "client.response.cancel",
        "client.response.create",
        "client.session.update",
        "server.*",
        "server.conversation.created",
        "server.conversation.item.added",
        "server.conversation.item.deleted",
        "server.conversation.item.done",
        "server.conversation.item.input_audio_transcription.completed",
        "server.conversation.item.input_audio_transcription.delta",
        "server.conversation.item.input_audio_transcription.failed",
        "server.conversation.item.input_audio_transcription.segment",
        "server.conversation.item.retrieved",
        "server.conversation.item.truncated",
        "server.error",
        "server.input_audio_buffer.cleared",
        "server.input_audio_buffer.committed",
        "server.input_audio_buffer.dtmf_event_received",
        "server.input_audio_buffer.speech_started",
        "server.input_audio_buffer.speech_stopped",
        "server.input_audio_buffer.timeout_triggered",
        "server.mcp_list_tools.completed",
        "server.mcp_list_tools.failed",
        "server.mcp_list_tools.in_progress",
        "server.output_audio_buffer.cleared",
        "server.output_audio_buffer.started",
        "server.output_audio_buffer.stopped",
        "server.rate_limits.updated",
        "server.response.content_part.added",
        "server.response.content_part.done",
        "server.response.created",
        "server.response.done",
        "server.response.function_call_arguments.delta",
        "server.response.function_call_arguments.done",
        "server.response.mcp_call.completed",
        "server.response.mcp_call.failed",
        "server.response.mcp_call.in_progress",
        "server.response.mcp_call_arguments.delta",
        "server.response.mcp_call_arguments.done",
        "server.response.output_audio.delta",
        "server.response.output_audio.done",
        "server.response.output_audio_transcript.delta",
        "server.response.output_audio_transcript.done",
        "server.response.output_item.added",
        "server.response.output_item.done",
        "server.response.output_text.delta",
        "server.response.output_text.done",
        "server.session.created",
        "server.session.updated",
    ]
    # Of several types
    OtherName = Literal[
        "*",
        "conversation.*",
        "conversation.item.*",
        "interruption.*",
        "response.*",
        "user.*",
        "voice.*",
    ]
    UpdatedHandler = TypeVar("UpdatedHandler", bound=Callable[[ItemUpdatedEvent], object])
    ItemHandler = TypeVar("ItemHandler", bound=Callable[[ItemEvent], object])
    InterruptedHandler = TypeVar("InterruptedHandler", bound=Callable[[InterruptedEvent], object])
    WordsHandler = TypeVar("WordsHandler", bound=Callable[[UserTranscriptEvent], object])
    NoWordsHandler = TypeVar("NoWordsHandler", bound=Callable[[UserTranscriptFailedEvent], object])
    FailedHandler = TypeVar("FailedHandler", bound=Callable[[ResponseFailedEvent], object])
    EndedHandler = TypeVar("EndedHandler", bound=Callable[[ResponseEndedEvent], object])
    ErrorHandler = TypeVar("ErrorHandler", bound=Callable[[ErrorEvent], object])
    CloseHandler = TypeVar("CloseHandler", bound=Callable[[CloseEvent], object])
    ConnectionHandler = TypeVar("ConnectionHandler", bound=Callable[[ConnectionEvent], object])
    UsageHandler = TypeVar("UsageHandler", bound=Callable[[UsageEvent], object])
    LimitsHandler = TypeVar("LimitsHandler", bound=Callable[[RateLimitsEvent], object])
    TimingsHandler = TypeVar("TimingsHandler", bound=Callable[[TimingsEvent], object])
    RealtimeHandler = TypeVar("RealtimeHandler", bound=Callable[[RealtimeEvent], object])
    ApprovalHandler = TypeVar("ApprovalHandler", bound=Callable[[McpApprovalEvent], object])
    ProgressHandler = TypeVar("ProgressHandler", bound=Callable[[ToolProgressEvent], object])
    BudgetHandler = TypeVar("BudgetHandler", bound=Callable[[BudgetEvent], object])
    CutHandler = TypeVar("CutHandler", bound=Callable[[CutEvent], object])
    EchoHandler = TypeVar("EchoHandler", bound=Callable[[EchoEvent], object])
    IdleHandler = TypeVar("IdleHandler", bound=Callable[[IdleEvent], object])
    FalseHandler = TypeVar("FalseHandler", bound=Callable[[FalseInterruptionEvent], object])
    WireHandler = TypeVar("WireHandler", bound=Callable[[Event], object])

    class On(Protocol):
        """`EventEmitter.on`: the event's type by its name."""

        @overload
        def __call__(
            self, name: Literal["conversation.updated"], handler: Callable[[ItemUpdatedEvent], object]
        ) -> Callable[[ItemUpdatedEvent], object]: ...
        @overload
        def __call__(
            self, name: Literal["conversation.updated"]
        ) -> Callable[[UpdatedHandler], UpdatedHandler]: ...
        @overload
        def __call__(
            self, name: ItemName, handler: Callable[[ItemEvent], object]
        ) -> Callable[[ItemEvent], object]: ...
        @overload
        def __call__(self, name: ItemName) -> Callable[[ItemHandler], ItemHandler]: ...
        @overload
        def __call__(
            self, name: Literal["conversation.interrupted"], handler: Callable[[InterruptedEvent], object]
        ) -> Callable[[InterruptedEvent], object]: ...
        @overload
        def __call__(
            self, name: Literal["conversation.interrupted"]
        ) -> Callable[[InterruptedHandler], InterruptedHandler]: ...
        @overload
        def __call__(
            self, name: Literal["user.transcript"], handler: Callable[[UserTranscriptEvent], object]
        ) -> Callable[[UserTranscriptEvent], object]: ...
        @overload
        def __call__(self, name: Literal["user.transcript"]) -> Callable[[WordsHandler], WordsHandler]: ...
        @overload
        def __call__(
            self,
            name: Literal["user.transcript.failed"],
            handler: Callable[[UserTranscriptFailedEvent], object],
        ) -> Callable[[UserTranscriptFailedEvent], object]: ...
        @overload
        def __call__(
            self, name: Literal["user.transcript.failed"]
        ) -> Callable[[NoWordsHandler], NoWordsHandler]: ...
        @overload
        def __call__(
            self, name: Literal["response.failed"], handler: Callable[[ResponseFailedEvent], object]
        ) -> Callable[[ResponseFailedEvent], object]: ...
        @overload
        def __call__(self, name: Literal["response.failed"]) -> Callable[[FailedHandler], FailedHandler]: ...
        @overload
        def __call__(
            self, name: Literal["response.ended"], handler: Callable[[ResponseEndedEvent], object]
        ) -> Callable[[ResponseEndedEvent], object]: ...
        @overload
        def __call__(self, name: Literal["response.ended"]) -> Callable[[EndedHandler], EndedHandler]: ...
        @overload
        def __call__(
            self, name: ErrorName, handler: Callable[[ErrorEvent], object]
        ) -> Callable[[ErrorEvent], object]: ...
        @overload
        def __call__(self, name: ErrorName) -> Callable[[ErrorHandler], ErrorHandler]: ...
        @overload
        def __call__(
            self, name: Literal["close"], handler: Callable[[CloseEvent], object]
        ) -> Callable[[CloseEvent], object]: ...
        @overload
        def __call__(self, name: Literal["close"]) -> Callable[[CloseHandler], CloseHandler]: ...
        @overload
        def __call__(
            self, name: Literal["connection.changed"], handler: Callable[[ConnectionEvent], object]
        ) -> Callable[[ConnectionEvent], object]: ...
        @overload
        def __call__(
            self, name: Literal["connection.changed"]
        ) -> Callable[[ConnectionHandler], ConnectionHandler]: ...
        @overload
        def __call__(
            self, name: Literal["usage"], handler: Callable[[UsageEvent], object]
        ) -> Callable[[UsageEvent], object]: ...
        @overload
        def __call__(self, name: Literal["usage"]) -> Callable[[UsageHandler], UsageHandler]: ...
        @overload
        def __call__(
            self, name: Literal["rate_limits"], handler: Callable[[RateLimitsEvent], object]
        ) -> Callable[[RateLimitsEvent], object]: ...
        @overload
        def __call__(self, name: Literal["rate_limits"]) -> Callable[[LimitsHandler], LimitsHandler]: ...
        @overload
        def __call__(
            self, name: Literal["timings"], handler: Callable[[TimingsEvent], object]
        ) -> Callable[[TimingsEvent], object]: ...
        @overload
        def __call__(self, name: Literal["timings"]) -> Callable[[TimingsHandler], TimingsHandler]: ...
        @overload
        def __call__(
            self, name: Literal["realtime.event"], handler: Callable[[RealtimeEvent], object]
        ) -> Callable[[RealtimeEvent], object]: ...
        @overload
        def __call__(
            self, name: Literal["realtime.event"]
        ) -> Callable[[RealtimeHandler], RealtimeHandler]: ...
        @overload
        def __call__(
            self, name: Literal["mcp.approval"], handler: Callable[[McpApprovalEvent], object]
        ) -> Callable[[McpApprovalEvent], object]: ...
        @overload
        def __call__(self, name: Literal["mcp.approval"]) -> Callable[[ApprovalHandler], ApprovalHandler]: ...
        @overload
        def __call__(
            self, name: Literal["tool.progress"], handler: Callable[[ToolProgressEvent], object]
        ) -> Callable[[ToolProgressEvent], object]: ...
        @overload
        def __call__(
            self, name: Literal["tool.progress"]
        ) -> Callable[[ProgressHandler], ProgressHandler]: ...
        @overload
        def __call__(
            self, name: Literal["budget.reached"], handler: Callable[[BudgetEvent], object]
        ) -> Callable[[BudgetEvent], object]: ...
        @overload
        def __call__(self, name: Literal["budget.reached"]) -> Callable[[BudgetHandler], BudgetHandler]: ...
        @overload
        def __call__(
            self, name: Literal["voice.cut"], handler: Callable[[CutEvent], object]
        ) -> Callable[[CutEvent], object]: ...
        @overload
        def __call__(self, name: Literal["voice.cut"]) -> Callable[[CutHandler], CutHandler]: ...
        @overload
        def __call__(
            self, name: Literal["voice.echo"], handler: Callable[[EchoEvent], object]
        ) -> Callable[[EchoEvent], object]: ...
        @overload
        def __call__(self, name: Literal["voice.echo"]) -> Callable[[EchoHandler], EchoHandler]: ...
        @overload
        def __call__(
            self, name: Literal["voice.idle"], handler: Callable[[IdleEvent], object]
        ) -> Callable[[IdleEvent], object]: ...
        @overload
        def __call__(self, name: Literal["voice.idle"]) -> Callable[[IdleHandler], IdleHandler]: ...
        @overload
        def __call__(
            self, name: Literal["interruption.false"], handler: Callable[[FalseInterruptionEvent], object]
        ) -> Callable[[FalseInterruptionEvent], object]: ...
        @overload
        def __call__(self, name: Literal["interruption.false"]) -> Callable[[FalseHandler], FalseHandler]: ...
        @overload
        def __call__(
            self, name: WireName, handler: Callable[[Event], object]
        ) -> Callable[[Event], object]: ...
        @overload
        def __call__(self, name: WireName) -> Callable[[WireHandler], WireHandler]: ...
        @overload
        def __call__(self, name: OtherName, handler: AnyHandler) -> AnyHandler: ...
        @overload
        def __call__(self, name: str) -> Callable[[AnyHandler], AnyHandler]: ...

    class WaitForNext(Protocol):
        """`EventEmitter.wait_for_next`: the event's type by its name."""

        @overload
        def __call__(
            self, name: Literal["conversation.updated"], timeout: float | None = None
        ) -> Coroutine[Any, Any, ItemUpdatedEvent]: ...
        @overload
        def __call__(
            self, name: ItemName, timeout: float | None = None
        ) -> Coroutine[Any, Any, ItemEvent]: ...
        @overload
        def __call__(
            self, name: Literal["conversation.interrupted"], timeout: float | None = None
        ) -> Coroutine[Any, Any, InterruptedEvent]: ...
        @overload
        def __call__(
            self, name: Literal["user.transcript"], timeout: float | None = None
        ) -> Coroutine[Any, Any, UserTranscriptEvent]: ...
        @overload
        def __call__(
            self, name: Literal["user.transcript.failed"], timeout: float | None = None
        ) -> Coroutine[Any, Any, UserTranscriptFailedEvent]: ...
        @overload
        def __call__(
            self, name: Literal["response.failed"], timeout: float | None = None
        ) -> Coroutine[Any, Any, ResponseFailedEvent]: ...
        @overload
        def __call__(
            self, name: Literal["response.ended"], timeout: float | None = None
        ) -> Coroutine[Any, Any, ResponseEndedEvent]: ...
        @overload
        def __call__(
            self, name: ErrorName, timeout: float | None = None
        ) -> Coroutine[Any, Any, ErrorEvent]: ...
        @overload
        def __call__(
            self, name: Literal["close"], timeout: float | None = None
        ) -> Coroutine[Any, Any, CloseEvent]: ...
        @overload
        def __call__(
            self, name: Literal["connection.changed"], timeout: float | None = None
        ) -> Coroutine[Any, Any, ConnectionEvent]: ...
        @overload
        def __call__(
            self, name: Literal["usage"], timeout: float | None = None
        ) -> Coroutine[Any, Any, UsageEvent]: ...
        @overload
        def __call__(
            self, name: Literal["rate_limits"], timeout: float | None = None
        ) -> Coroutine[Any, Any, RateLimitsEvent]: ...
        @overload
        def __call__(
            self, name: Literal["timings"], timeout: float | None = None
        ) -> Coroutine[Any, Any, TimingsEvent]: ...
        @overload
        def __call__(
            self, name: Literal["realtime.event"], timeout: float | None = None
        ) -> Coroutine[Any, Any, RealtimeEvent]: ...
        @overload
        def __call__(
            self, name: Literal["mcp.approval"], timeout: float | None = None
        ) -> Coroutine[Any, Any, McpApprovalEvent]: ...
        @overload
        def __call__(
            self, name: Literal["tool.progress"], timeout: float | None = None
        ) -> Coroutine[Any, Any, ToolProgressEvent]: ...
        @overload
        def __call__(
            self, name: Literal["budget.reached"], timeout: float | None = None
        ) -> Coroutine[Any, Any, BudgetEvent]: ...
        @overload
        def __call__(
            self, name: Literal["voice.cut"], timeout: float | None = None
        ) -> Coroutine[Any, Any, CutEvent]: ...
        @overload
        def __call__(
            self, name: Literal["voice.echo"], timeout: float | None = None
        ) -> Coroutine[Any, Any, EchoEvent]: ...
        @overload
        def __call__(
            self, name: Literal["voice.idle"], timeout: float | None = None
        ) -> Coroutine[Any, Any, IdleEvent]: ...
        @overload
        def __call__(
            self, name: Literal["interruption.false"], timeout: float | None = None
        ) -> Coroutine[Any, Any, FalseInterruptionEvent]: ...
        @overload
        def __call__(self, name: WireName, timeout: float | None = None) -> Coroutine[Any, Any, Event]: ...
        @overload
        def __call__(self, name: str, timeout: float | None = None) -> Coroutine[Any, Any, Any]: ...

    class TypedEmitter(EventEmitter):
        """An emitter of a client's events."""

        on: On  # type: ignore[assignment]
        on_next: On  # type: ignore[assignment]
        wait_for_next: WaitForNext

else:
    TypedEmitter = EventEmitter

__all__ = ["TypedEmitter"]
