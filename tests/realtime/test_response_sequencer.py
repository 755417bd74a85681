"""ResponseSequencer: one response at a time, and none asked for twice."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from realtime.client.response_sequencer import ResponseSequencer

CREATE = {"type": "response.create"}


def test_a_request_waits_for_the_response_before_it():
    sequencer = ResponseSequencer()
    assert sequencer.request({}) == [CREATE] and sequencer.busy
    assert sequencer.request({"instructions": "a"}) == [] and sequencer.waiting
    assert sequencer.request({}) == []  # the parameters of the one that waits stay
    sequencer.created({"id": "r1"})
    assert sequencer.next_request(tools_running=False) == []
    sequencer.done({"id": "r1"})
    assert sequencer.next_request(tools_running=False) == [{**CREATE, "response": {"instructions": "a"}}]


def test_tools_lead_to_one_request_when_all_have_answered():
    sequencer = ResponseSequencer()
    sequencer.created({"id": "r1"})
    sequencer.tools_answered()
    assert sequencer.next_request(tools_running=True) == []
    sequencer.done({"id": "r1"})
    assert sequencer.next_request(tools_running=True) == []
    sequencer.tools_answered()
    assert sequencer.next_request(tools_running=False) == [CREATE]
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
    assert sequencer.request({}) == [CREATE]
    assert not sequencer.waiting
    sequencer.created({"id": "r1"})
    sequencer.done({"id": "r1"})
    sequencer.tools_answered()
    sequencer.pending = {}
    assert sequencer.next_request(tools_running=True) == [CREATE] and sequencer.waiting


def test_a_refused_request_waits_for_the_other_response():
    sequencer = ResponseSequencer()
    sequencer.request({"instructions": "a"})
    sequencer.refused(another_is_active=True)
    assert sequencer.busy and sequencer.next_request(tools_running=False) == []
    sequencer.done({"id": "r9"})
    assert sequencer.next_request(tools_running=False) == [{**CREATE, "response": {"instructions": "a"}}]
    sequencer.refused(another_is_active=False)
    assert not sequencer.busy and not sequencer.waiting


def test_a_refusal_keeps_a_later_request():
    sequencer = ResponseSequencer()
    sequencer.request({"instructions": "a"})
    sequencer.request({"instructions": "b"})
    sequencer.created({"id": "r1"})
    sequencer._requested = {"instructions": "a"}
    sequencer.refused(another_is_active=True)
    assert sequencer.pending == {"instructions": "b"} and sequencer.active == "r1"


def test_cancel_names_the_response_and_is_sent_once():
    sequencer = ResponseSequencer()
    assert sequencer.cancel() == []
    sequencer.request({})
    assert sequencer.cancel() == [{"type": "response.cancel"}]
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
    assert sequencer.request(parameters) == [{**CREATE, "response": parameters}]
    assert sequencer.created({"id": "r2", "conversation_id": None}) is False
    sequencer.done({"id": "r2"})
    assert sequencer.active == "r1"
    assert sequencer.created({"id": "r3", "conversation_id": None}) is True


def test_a_lost_connection_takes_what_was_sent_and_leaves_what_was_not():
    sequencer = ResponseSequencer()
    assert sequencer.lost() == (False, None)
    sequencer.request({"instructions": "a"})
    assert sequencer.lost() == (False, None) and sequencer.busy
    sequencer.sent()
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
    assert sequencer.next_request(tools_running=False) == [CREATE]


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
                self.sequencer.sent()
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
