"""Kinds of sessions that a relay's policy names: answers, transcriptions."""

from __future__ import annotations

import json

import pytest
from websockets.exceptions import InvalidStatus

from realtime.errors import ConfigurationError
from realtime.relay.policy_file import load_policy
from realtime.relay.turns import Turns
from tests.relay_spy import INSTRUCTIONS, PATH, join, receive, spied
from tests.wire_server import Peer, session_object

BOTH = {"kinds": ("realtime", "transcription"), "models": ("gpt-realtime-2.1",)}
ONLY_CAPTIONS = {"kinds": ("transcription",)}
SESSION = {
    "type": "transcription",
    "audio": {"input": {"transcription": {"model": "gpt-live-transcribe"}, "turn_detection": None}},
}


async def transcribing(peer: Peer) -> None:
    await peer.say({"type": "session.created", "session": session_object(type="transcription")})
    await peer.listen()


async def test_a_transcription_session_goes_through_without_model_and_instructions():
    async with (
        spied(transcribing, clients=BOTH, session={"instructions": INSTRUCTIONS}) as (relay, upstream),
        join(relay, f"{PATH}?intent=transcription&model=gpt-4o-transcribe") as socket,
    ):
        assert (await receive(socket, "session.created"))["session"]["type"] == "transcription"
        await socket.send(json.dumps({"type": "session.update", "session": SESSION}))
        assert (await upstream.peer.expect("session.update"))["session"] == SESSION
        assert upstream.peer.socket.request.path == f"{PATH}?intent=transcription"
        assert len(upstream.peer.received) == 1


async def test_a_client_cannot_change_the_kind_of_its_session():
    async with spied(transcribing, clients=BOTH) as (relay, _):
        async with join(relay, f"{PATH}?intent=transcription") as socket:
            await socket.send(json.dumps({"type": "session.update", "session": {"type": "realtime"}}))
            error = (await receive(socket, "error"))["error"]
            assert "only sessions of type 'transcription'" in error["message"]
        async with join(relay) as socket:
            await socket.send(json.dumps({"type": "session.update", "session": SESSION}))
            error = (await receive(socket, "error"))["error"]
            assert "only sessions of type 'realtime'" in error["message"]


@pytest.mark.parametrize(
    ("clients", "query", "status", "says"),
    [
        ({}, "?intent=transcription", 403, "this intent= is not allowed"),
        (BOTH, "?intent=translation", 403, "this intent= is not allowed"),
        (BOTH, "?intent=", 403, "this intent= is not allowed"),
        ({**BOTH, "calls": True}, "?intent=transcription&call_id=rtc_1", 403, "this intent= is not allowed"),
        (ONLY_CAPTIONS, "", 403, "add ?intent=transcription"),
    ],
)
async def test_a_kind_that_the_policy_does_not_name_is_refused(clients, query, status, says):
    async with spied(transcribing, clients=clients) as (relay, upstream):
        with pytest.raises(InvalidStatus) as caught:
            await join(relay, PATH + query)
        assert caught.value.response.status_code == status and says in caught.value.response.body.decode()
        assert not upstream.peers


async def test_the_beta_dialect_has_no_transcription_here():
    async with spied(transcribing, clients=BOTH) as (relay, _):
        with pytest.raises(InvalidStatus) as caught:
            headers = {"OpenAI-Beta": "realtime=v1"}
            await join(relay, f"{PATH}?intent=transcription", additional_headers=headers)
        assert "leave out the beta header" in caught.value.response.body.decode()


def test_a_transcription_can_be_cut_after_its_last_transcript():
    for answers in (True, False):
        turns = Turns(answers=answers)
        turns.server_said("input_audio_buffer.speech_stopped", {}, 0.0)
        turns.server_said("input_audio_buffer.committed", {"item_id": "i"}, 0.0)
        assert turns.between(1.0) is not answers


@pytest.mark.parametrize("value", ['"realtime"', "[]", '["translation"]', "[1]"])
def test_a_policy_file_names_only_kinds_that_exist(tmp_path, value):
    path = tmp_path / "policy.toml"
    path.write_text(f"[clients]\nkinds = {value}\n")
    with pytest.raises(ConfigurationError, match=r"clients\.kinds must be a list"):
        load_policy(path)
    path.write_text('[clients]\nkinds = ["transcription"]\n')
    assert load_policy(path).clients.kinds == ("transcription",)


async def test_a_policy_without_beta_refuses_clients_that_ask_for_it():
    async with spied(transcribing, clients={"beta": False}) as (relay, upstream):
        with pytest.raises(InvalidStatus) as caught:
            await join(relay, PATH, additional_headers={"OpenAI-Beta": "realtime=v1"})
        assert caught.value.response.status_code == 400
        assert "beta dialect is not allowed" in caught.value.response.body.decode()
        assert not upstream.peers


@pytest.mark.parametrize("name", ["deployment", "api-version"])
async def test_queries_that_select_another_kind_of_server_are_refused(name):
    async with spied(transcribing) as (relay, upstream):
        with pytest.raises(InvalidStatus) as caught:
            await join(relay, f"{PATH}?{name}=x")
        assert caught.value.response.status_code == 403
        assert f"{name}= is not allowed here" in caught.value.response.body.decode()
        assert not upstream.peers
