"""The part of RealtimeClient that says what happened: the conversation, counters, tokens and rate limits.

Thread: the event loop's; plain methods may be called from any thread, see `RealtimeClient`.
"""

from __future__ import annotations

import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from ..connection.outbox import Outbox
from ..conversation.items import Item
from ..conversation.reducer import Conversation
from ..errors import StateError
from ..events import ClientStats, ErrorEvent, Event
from .configurable import ConfigurableClient
from .home_loop import any_thread

if TYPE_CHECKING:
    from ..prices import TotalCost
    from .budget import Budget

__all__ = ["ObservableClient"]


class ObservableClient(ConfigurableClient):
    """Conversation, counters and reports of a client; `RealtimeClient` makes its outbox."""

    _outbox: Outbox
    # Made by the first limit.
    _budget: Budget | None = None

    @property
    def conversation(self) -> Conversation:
        """The conversation so far: its items, live."""
        return self._session.conversation

    @property
    def busy(self) -> bool:
        """True while an answer is being made or was requested, or a tool runs."""
        return not self._session.turns.idle

    # For VoiceSession and the like

    @any_thread
    def report_error(self, error: ErrorEvent) -> None:
        """Emit ``error``; log it if it has no handler."""
        self._session.reports.error(error)

    @any_thread
    def drop_response(self) -> None:
        """Drop what is still to come of the response that is being made, and tell the server nothing.

        For an interruption that the server knows of: it cancels that response by itself.
        """
        self._session.turns.drop_response()

    @any_thread
    def note_first_sample(self, item_id: str) -> None:
        """Note that the output device has just taken the first sample of an answer.

        Completes its timings; if the response has ended already, ``timings`` is emitted again with them.
        """
        timings = self._session.meter.first_sample(item_id, time.monotonic())
        if timings is not None:
            self.emit("timings", timings)

    # Waiting

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

    def wait_for_next_item(self, timeout: float | None = None) -> Coroutine[Any, Any, Item]:
        """Wait for the next item that is appended and return it; to be awaited. See `wait_for_next`.

        Raises AnswerError if an answer fails, or ends without an item, before that.
        """
        return _item_of(self.wait_for_next("conversation.item.appended", timeout))

    def wait_for_next_completed_item(self, timeout: float | None = None) -> Coroutine[Any, Any, Item]:
        """Wait for the next item that gets its final status and return it; to be awaited.

        The status is "completed", or "incomplete" for an item that was cancelled. See `wait_for_next`. Raises
        AnswerError if an answer fails, or ends without an item, before that.
        """
        return _item_of(self.wait_for_next("conversation.item.ended", timeout))

    # Counters

    @property
    def stats(self) -> ClientStats:
        """Counters since the client was made."""
        conversation = self.conversation
        return ClientStats(
            input_samples_dropped=self._outbox.dropped_samples,
            input_samples_queued=self._outbox.audio_samples,
            renewals=self._link.renewals,
            reconnections=self._link.reconnections,
            malformed=conversation.malformed,
            ignored=conversation.ignored,
            evicted_items=conversation.items.evicted_items,
            evicted_seconds=conversation.items.evicted_seconds,
            handler_events_dropped=self.events_dropped,
            tool_threads=self._session.turns.toolbox.threads.running,
        )

    @property
    def usage(self) -> dict[str, int]:
        """Tokens of all responses so far by name; nested counts under dotted names. A copy."""
        return dict(self._session.meter.total)

    # Money and memory; `realtime.prices` is imported when they are first used

    @property
    def cost(self) -> TotalCost | None:
        """US dollars for all responses and transcriptions so far, a float; see `realtime.prices.TotalCost`.

        None if there was usage and none of its models has a known price.
        """
        from ..prices import total_cost

        by_model = self._session.meter.by_model
        return total_cost((model, source, usage) for (model, source), usage in tuple(by_model.items()))

    @property
    def budget(self) -> float | None:
        """US dollars that the client may cost before it stops asking; None sets no limit. Can be set at any time."""
        return None if self._budget is None else self._budget.limit

    @budget.setter
    def budget(self, dollars: float | None) -> None:
        self._set_budget(dollars)

    @any_thread
    def _set_budget(self, dollars: float | None) -> None:
        from .budget import Budget

        budget = self._budget or Budget(self._session)
        budget.set_limit(dollars)
        self._budget = budget

    @property
    def context_tokens(self) -> int | None:
        """Tokens of the conversation at the end of its last response; None before."""
        return self._session.meter.context_tokens

    @property
    def context_used(self) -> float | None:
        """Part of the model's context window that the conversation fills, from 0.0; None if either is unknown."""
        from ..prices import context_window

        window, tokens = context_window(self._session.settings.model), self.context_tokens
        return None if not window or tokens is None else tokens / window

    @property
    def rate_limits(self) -> dict[str, Event]:
        """Rate limits as the server last stated them, by name. A copy."""
        return dict(self._session.reports.rate_limits)


async def _item_of(wait: Coroutine[Any, Any, Any]) -> Item:
    item: Item = (await wait).item
    return item
