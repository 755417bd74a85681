"""Answers: asks one question after another, and gives each of them the responses that answer it.

A response answers a question if the server made it for the question's request, or after the calls of tools in such a
response. The next question is sent when the one before has its answer.

Thread: the event loop's only.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from ..conversation.change import Delta
from ..conversation.items import Item
from ..errors import AnswerError, StateError
from ..events import ResponseEndedEvent, TimingsEvent
from ..protocol.ids import generate_id
from ..protocol.numbers import not_negative
from ..protocol.outgoing import check_event
from ..protocol.reading import Wire
from .answer import Answer
from .asking import sender
from .meter import add_counts
from .reports import answer_error
from .session import Session

__all__ = ["Answers"]


class _Question:
    """A question that was asked, and where its answer stands.

    Attributes
    ----------
    answer : Answer
    send : callable
        Sends the question; returns the ids of the items sent.
    response : dict
        Parameters of the request.
    request_id : str
        Event id of the request.
    response_id : str or None
        The response that is being made; None before it and after it.
    answered : bool
        True once a response has ended and the calls of its tools are under way.
    """

    def __init__(self, answer: Answer, send: Callable[[], list[str]], response: Wire) -> None:
        self.answer = answer
        self.send = send
        self.response = response
        self.request_id = generate_id("ask_")
        self.response_id: str | None = None
        self.answered = False
        self.items: list[str] = []


class Answers:
    """The questions of one client; a `Follower` of its responses while one of them waits."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._turns = session.turns
        self._waiting: deque[_Question] = deque()
        self._current: _Question | None = None

    def ask(self, question: Any, timeout: float | None, parameters: Mapping[str, Any]) -> Answer:
        """Ask a question, now or when the one before is answered; see `RealtimeClient.ask`."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise StateError(
                "ask() belongs to the event loop: await it there, or use realtime.talk()"
            ) from None
        if timeout is not None:
            timeout = not_negative(timeout, "timeout")
        if parameters.get("conversation") == "none":
            raise ValueError('ask() belongs to the conversation: use create_response(conversation="none")')
        response = check_event({"type": "response.create", "response": dict(parameters)})["response"]
        manual = self._session.settings.turn_detection() is None
        send = sender(self._session, question, manual=manual)
        answer = Answer(self._cancel)
        self._waiting.append(_Question(answer, send, response))
        if timeout is not None:
            loop.call_later(timeout, self._cancel, answer, TimeoutError(f"no answer within {timeout:g} s"))
        self._next()
        return answer

    def _next(self) -> None:
        while self._current is None and self._waiting:
            question = self._waiting.popleft()
            spent = self._turns.why_not()
            if spent is not None:
                question.answer.settle("failed", spent)
                continue
            self._current = question
            self._turns.follower = self
            question.items = question.send()
            self._session.request_response(question.response, question.request_id)
        if self._current is None:
            self._turns.follower = None

    def _settle(self, status: str, error: Exception | None = None) -> None:
        question = self._current
        assert question is not None
        question.answer.settle(status, error)
        self._current = None
        # The session is at work on an event: what it does next comes before the next question.
        asyncio.get_running_loop().call_soon(self._next)

    def _cancel(self, answer: Answer, error: Exception | None = None) -> None:
        if answer.done:
            return
        if self._current is not None and self._current.answer is answer:
            self._settle("cancelled", error)
            self._turns.cancel_response()
            return
        self._waiting = deque(question for question in self._waiting if question.answer is not answer)
        answer.settle("cancelled", error)

    # For the session, see Follower

    def created(self, response_id: str, request_id: str | None) -> None:
        question = self._current
        if question is not None and (question.answered or request_id == question.request_id):
            question.response_id = response_id

    def grew(self, item: Item, delta: Delta) -> None:
        question = self._current
        # Some servers do not name the response.
        if question is not None and question.response_id in (item.response_id, "") and item.role != "user":
            question.answer.take(item, delta)

    def done(
        self, response_id: str, usage: Any, timings: TimingsEvent | None, ended: ResponseEndedEvent | None
    ) -> None:
        question = self._current
        if question is None or question.response_id not in (response_id, ""):
            return
        question.response_id = None
        answer = question.answer
        add_counts(answer.usage, usage)
        answer.model = self._session.settings.model
        answer.timings = timings or answer.timings
        made = [item for item in self._session.conversation.get_items() if item.response_id == response_id]
        for item in made:
            answer.take_item(item)
        if ended is not None:
            error = None if ended.status == "cancelled" else answer_error(ended)
            self._settle(ended.status, error)
        elif any(item.type == "function_call" for item in made):
            # `rested` tells when nothing follows.
            question.answered = True
        else:
            self._settle("completed")

    def refused(self, event: Mapping[str, Any], error: AnswerError, *, again: bool) -> None:
        question = self._current
        if question is None:
            return
        if event["type"] == "response.create":
            if self._turns.claim_of(event["event_id"]) != question.request_id:
                return
            if again:
                # The server had begun a response by itself, which this one seemed to be.
                question.response_id = None
                question.answer.begin_anew()
            else:
                self._settle("failed", error)
        elif (event.get("item") or {}).get("id") in question.items:
            self._settle("failed", error)
            self._turns.cancel_response()

    def rested(self, *, idle: bool) -> None:
        question = self._current
        if question is None:
            return
        if question.answered and question.response_id is None:
            if idle:
                # The outputs of its tools are there, and nobody may ask for what follows from them.
                spent = self._turns.why_not()
                self._settle("completed" if spent is None else "failed", spent)
        elif question.response_id is None:
            if not self._turns.awaits(question.request_id):
                spent = self._turns.why_not()
                self._settle("cancelled" if spent is None else "failed", spent)
        elif not self._turns.makes(question.response_id):
            why = "the server has sent nothing more of the answer"
            self._settle("failed", AnswerError("failed", "stalled", None, why))

    def lost(self, error: AnswerError, *, closed: bool) -> None:
        question = self._current
        waits = question is not None and self._turns.awaits(question.request_id)
        if question is not None and (
            closed or not (waits or (question.answered and not question.response_id))
        ):
            self._settle("failed", error)
        if closed:
            for waiting in self._waiting:
                waiting.answer.settle("failed", error)
            self._waiting.clear()
