"""ResponseSequencer: one response at a time, and none asked for twice."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from realtime.client.response_sequencer import ResponseSequencer

CREATE = {"type": "response.create"}


def plain(events: list[dict]) -> list[dict]:
    """The events without their ids, which are random."""
    return [{key: value for key, value in event.items() if key != "event_id"} for event in events]


def requested(sequencer: ResponseSequencer, parameters: dict) -> str:
    """Request a response, and note that the request was sent; returns its event id."""
    (event,) = sequencer.request(parameters)
    sequencer.sent(event["event_id"])
    return event["event_id"]


def test_a_request_waits_for_the_response_before_it():
    sequencer = ResponseSequencer()
    assert plain(sequencer.request({})) == [CREATE] and sequencer.busy
    assert sequencer.request({"instructions": "a"}) == [] and sequencer.waiting
    assert sequencer.request({}) == []  # the parameters of the one that waits stay
    sequencer.created({"id": "r1"})
    assert sequencer.next_request(tools_running=False) == []
    sequencer.done({"id": "r1"})
    assert plain(sequencer.next_request(tools_running=False)) == [
        {**CREATE, "response": {"instructions": "a"}}
    ]


def test_tools_lead_to_one_request_when_all_have_answered():
    sequencer = ResponseSequencer()
    sequencer.created({"id": "r1"})
    sequencer.tools_answered()
    assert sequencer.next_request(tools_running=True) == []
    sequencer.done({"id": "r1"})
    assert sequencer.next_request(tools_running=True) == []
    sequencer.tools_answered()
    assert plain(sequencer.next_request(tools_running=False)) == [CREATE]
    assert sequencer.next_request(tools_running=False) == []


def test_a_response_that_the_server_began_after_the_outputs_knows_them():
    sequencer = ResponseSequencer()
    sequencer.tools_answered()
    sequencer.created({"id": "r1"})
    assert not sequencer.waiting
    sequencer.tools_answered()
    sequencer.created({"id": "r2"}, tools_running=True)
    assert sequencer.waiting


def test_an_explicit_request_while_tools_run_keeps_their_own():
    sequencer = ResponseSequencer()
    sequencer.tools_answered()
    assert plain(sequencer.request({})) == [CREATE]
    assert not sequencer.waiting
    sequencer.created({"id": "r1"})
    sequencer.done({"id": "r1"})
    sequencer.tools_answered()
    sequencer.pending = {}
    assert plain(sequencer.next_request(tools_running=True)) == [CREATE] and sequencer.waiting


def test_a_refused_request_waits_for_the_other_response():
    sequencer = ResponseSequencer()
    sequencer.request({"instructions": "a"})
    sequencer.refused(another_is_active=True)
    assert sequencer.busy and sequencer.next_request(tools_running=False) == []
    sequencer.done({"id": "r9"})
    assert plain(sequencer.next_request(tools_running=False)) == [
        {**CREATE, "response": {"instructions": "a"}}
    ]
    sequencer.refused(another_is_active=False)
    assert not sequencer.busy and not sequencer.waiting


def test_a_refusal_keeps_a_later_request():
    sequencer = ResponseSequencer()
    first = requested(sequencer, {"instructions": "a"})
    sequencer.request({"instructions": "b"})
    sequencer.created({"id": "r1"})
    sequencer.refused(first, another_is_active=True)
    assert sequencer.pending == {"instructions": "b"} and sequencer.active == "r1"


def test_cancel_names_the_response_and_is_sent_once():
    sequencer = ResponseSequencer()
    assert sequencer.cancel() == []
    sequencer.created({"id": "r1"})
    sequencer.request({})
    assert sequencer.cancel() == [{"type": "response.cancel", "response_id": "r1"}]
    assert sequencer.cancel() == [] and not sequencer.waiting
    sequencer.done({"id": "r1"})
    assert sequencer.cancel() == []


def test_the_end_of_another_response_ends_nothing():
    sequencer = ResponseSequencer()
    sequencer.created({"id": "r1"})
    sequencer.done({"id": "r0"})
    assert sequencer.active == "r1"
    sequencer.done("broken")
    assert sequencer.active is None
    sequencer.created("broken")
    assert sequencer.active == ""


def test_responses_outside_the_conversation_are_let_through():
    sequencer = ResponseSequencer()
    sequencer.created({"id": "r1"})
    parameters = {"conversation": "none", "input": []}
    assert plain(sequencer.request(parameters)) == [{**CREATE, "response": parameters}]
    assert sequencer.created({"id": "r2", "conversation_id": None}) is False
    sequencer.done({"id": "r2"})
    assert sequencer.active == "r1"
    assert sequencer.created({"id": "r3", "conversation_id": None}) is True


def test_a_lost_connection_takes_what_was_sent_and_leaves_what_was_not():
    sequencer = ResponseSequencer()
    assert sequencer.lost() == (False, None)
    (request,) = sequencer.request({"instructions": "a"})
    assert sequencer.lost() == (False, None) and sequencer.busy
    sequencer.sent(request["event_id"])
    assert sequencer.lost() == (True, None) and not sequencer.busy
    sequencer.created({"id": "r1"})
    sequencer.request({"instructions": "b"})
    assert sequencer.lost() == (True, "r1") and sequencer.waiting
    sequencer.forget()
    assert not sequencer.waiting


def test_a_stalled_response_lets_the_next_one_through():
    sequencer = ResponseSequencer()
    sequencer.created({"id": "r1"})
    sequencer.request({})
    sequencer.stalled()
    assert plain(sequencer.next_request(tools_running=False)) == [CREATE]


# Refusals


def test_a_request_refused_after_the_servers_own_response_began_is_asked_again():
    sequencer = ResponseSequencer()
    mine = requested(sequencer, {"instructions": "mine"})
    sequencer.created({"id": "theirs"})  # a turn of the server's came first
    sequencer.refused(mine, another_is_active=True)
    assert sequencer.next_request(tools_running=False) == []
    sequencer.done({"id": "theirs"})
    assert plain(sequencer.next_request(tools_running=False)) == [
        {**CREATE, "response": {"instructions": "mine"}}
    ]


def test_a_refusal_that_comes_after_the_end_of_the_other_response_waits_for_nothing():
    sequencer = ResponseSequencer()
    mine = requested(sequencer, {})
    sequencer.created({"id": "theirs"})
    sequencer.done({"id": "theirs"})
    sequencer.refused(mine, another_is_active=True)
    assert plain(sequencer.next_request(tools_running=False)) == [CREATE]


def test_a_refusal_without_a_name_is_of_the_newest_request():
    sequencer = ResponseSequencer()
    requested(sequencer, {"instructions": "old"})
    sequencer.created({"id": "r1"})
    sequencer.done({"id": "r1"})
    requested(sequencer, {"instructions": "new"})
    sequencer.created({"id": "theirs"})
    sequencer.refused(None, another_is_active=True)
    assert sequencer.pending == {"instructions": "new"}
    sequencer.done({"id": "theirs"})
    ResponseSequencer().refused(None, another_is_active=True)  # nothing was requested


def test_a_refused_request_outside_the_conversation_takes_back_itself_alone():
    sequencer = ResponseSequencer()
    aside = requested(sequencer, {"conversation": "none"})
    sequencer.refused(aside, another_is_active=False)
    requested(sequencer, {})
    assert sequencer.created({"id": "r1"}) is True and sequencer.active == "r1"


def test_a_refused_request_inside_takes_nothing_from_one_outside():
    sequencer = ResponseSequencer()
    requested(sequencer, {"conversation": "none"})
    inside = requested(sequencer, {})
    sequencer.refused(inside, another_is_active=False)
    assert sequencer.created({"id": "r1", "conversation_id": None}) is False


def test_a_request_outside_that_came_too_early_is_asked_again():
    sequencer = ResponseSequencer()
    sequencer.created({"id": "r1"})
    aside = requested(sequencer, {"conversation": "none"})
    sequencer.refused(aside, another_is_active=True)
    assert sequencer.next_request(tools_running=False) == [] and sequencer.outside
    sequencer.done({"id": "r1"})
    assert plain(sequencer.next_request(tools_running=False)) == [
        {**CREATE, "response": {"conversation": "none"}}
    ]
    assert sequencer.created({"id": "r2", "conversation_id": None}) is False
    sequencer.done({"id": "r2"})
    assert not sequencer.outside


def test_answers_are_told_apart_where_the_server_names_no_conversation():
    sequencer = ResponseSequencer()
    requested(sequencer, {"conversation": "none", "metadata": {"topic": "a"}})
    requested(sequencer, {"conversation": "none", "metadata": {"topic": "b"}})
    requested(sequencer, {})
    assert sequencer.created({"id": "r1", "metadata": {"topic": "b"}}) is False
    assert sequencer.created({"id": "r2"}) is True
    assert sequencer.created({"id": "r3", "conversation_id": "conv_1"}) is True
    assert sequencer.created({}) is False
    assert sequencer.created({"id": "r4", "conversation_id": None}) is True


def test_a_lost_connection_takes_the_requests_outside_that_were_sent():
    sequencer = ResponseSequencer()
    requested(sequencer, {"conversation": "none"})
    sequencer.request({"conversation": "none"})
    assert sequencer.lost() == (True, None) and sequencer.outside
    assert sequencer.lost() == (False, None)
    assert sequencer.created({"id": "r1", "conversation_id": None}) is False
    assert sequencer.lost() == (True, None)
    sequencer.forget()
    assert not sequencer.outside


# Cancellations


def test_a_cancelled_request_stays_cancelled_when_its_response_begins():
    sequencer = ResponseSequencer()
    requested(sequencer, {})
    assert sequencer.cancel() == [{"type": "response.cancel"}]
    sequencer.created({"id": "r1"})
    assert sequencer.cancelling and sequencer.cancel_due() == [] and sequencer.cancel() == []
    sequencer.done({"id": "r1"})
    requested(sequencer, {})
    sequencer.created({"id": "r2"})
    assert not sequencer.cancelling


def test_a_cancellation_that_came_before_the_response_is_sent_again():
    sequencer = ResponseSequencer()
    requested(sequencer, {})
    sequencer.cancel()
    sequencer.cancel_refused()
    sequencer.created({"id": "r1"})
    assert sequencer.cancel_due() == [{"type": "response.cancel", "response_id": "r1"}]


def test_an_answer_that_the_server_will_begin_is_cancelled_when_it_begins():
    sequencer = ResponseSequencer()
    sequencer.turn_ended(answered=True)
    assert sequencer.cancel() == []
    sequencer.created({"id": "r1"})
    assert sequencer.cancel_due() == [{"type": "response.cancel", "response_id": "r1"}]
    assert sequencer.cancel_due() == [] and sequencer.cancelling


def test_the_next_turn_is_answered_though_the_one_before_was_cancelled_unanswered():
    sequencer = ResponseSequencer()
    sequencer.turn_ended(answered=True)
    sequencer.cancel()
    sequencer.turn_began()
    sequencer.turn_ended(answered=True)
    sequencer.created({"id": "r1"})
    assert not sequencer.cancelling and sequencer.cancel_due() == []


def test_a_cancelled_request_that_was_refused_is_not_asked_again():
    sequencer = ResponseSequencer()
    mine = requested(sequencer, {})
    sequencer.cancel()
    sequencer.refused(mine, another_is_active=True)
    sequencer.created({"id": "theirs"})
    assert sequencer.cancelling
    sequencer.done({"id": "theirs"})
    assert not sequencer.waiting
    mine = requested(sequencer, {})
    sequencer.cancel()
    sequencer.refused(mine, another_is_active=False)
    requested(sequencer, {})
    sequencer.created({"id": "r2"})
    assert not sequencer.cancelling


class Sequence(RuleBasedStateMachine):
    """Against a server that refuses a second response: nothing is refused, and nothing is forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.sequencer = ResponseSequencer()
        self.server_active = False
        self.asked = 0
        self.tools = 0
        self.number = 0

    def deliver(self, events: list) -> None:
        for event in events:
            if event["type"] == "response.create":
                assert not self.server_active, "a second response was asked for"
                self.asked += 1
                self.server_active = True
                self.number += 1
                self.sequencer.sent(event["event_id"])
                self.sequencer.created({"id": f"r{self.number}"}, tools_running=self.tools > 0)

    @rule()
    def the_application_asks(self):
        self.deliver(self.sequencer.request({}))

    @rule(calls=st.integers(1, 3))
    def tools_start(self, calls):
        self.tools += calls

    @precondition(lambda self: self.tools)
    @rule()
    def a_tool_answers(self):
        self.tools -= 1
        self.sequencer.tools_answered()
        self.deliver(self.sequencer.next_request(tools_running=self.tools > 0))

    @precondition(lambda self: self.server_active)
    @rule()
    def the_response_ends(self):
        self.server_active = False
        self.sequencer.done({"id": f"r{self.number}"})
        self.deliver(self.sequencer.next_request(tools_running=self.tools > 0))

    @rule()
    def the_user_stops_it(self):
        events = self.sequencer.cancel()
        assert bool(events) <= self.server_active

    @invariant()
    def nothing_waits_for_nothing(self):
        if not self.server_active and not self.tools:
            assert not self.sequencer.waiting or not self.asked


TestSequence = Sequence.TestCase
TestSequence.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)


def test_a_cancelled_request_that_another_response_refused_is_not_sent_again():
    sequencer = ResponseSequencer()
    (request,) = sequencer.request({})
    sequencer.sent(request["event_id"])
    sequencer.cancel()
    sequencer.refused(request["event_id"], another_is_active=True)
    sequencer.done({"id": "resp_other"})
    assert sequencer.next_request(tools_running=False) == [] and not sequencer.waiting


def test_a_refusal_that_comes_late_leaves_the_answer_to_another_request_alone():
    sequencer = ResponseSequencer()
    (first,) = sequencer.request({}, "ask_1")
    sequencer.sent("ask_1")
    sequencer.created({"id": "resp_1"})
    sequencer.done({"id": "resp_1"})
    (second,) = sequencer.request({}, "ask_2")
    sequencer.sent("ask_2")
    sequencer.created({"id": "resp_2"})
    sequencer.refused(first["event_id"], another_is_active=True)
    assert sequencer.answering == second["event_id"] == "ask_2"
