"""The dialects: events of a beta server arrive as GA, and events sent to it are beta."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.protocol.dialect import detect, inbound, merge_session, outbound, session_from_keywords

BETA_SESSION = {
    "id": "sess_1",
    "object": "realtime.session",
    "modalities": ["text", "audio"],
    "voice": "alloy",
    "input_audio_format": "g711_ulaw",
    "output_audio_format": "pcm16",
    "input_audio_transcription": {"model": "whisper-1"},
    "turn_detection": {"type": "server_vad"},
    "temperature": 0.8,
    "max_response_output_tokens": "inf",
    "tools": [],
}
GA_SESSION = {
    "id": "sess_1",
    "object": "realtime.session",
    "output_modalities": ["audio"],
    "audio": {
        "input": {
            "format": {"type": "audio/pcmu"},
            "transcription": {"model": "whisper-1"},
            "turn_detection": {"type": "server_vad"},
        },
        "output": {"voice": "alloy", "format": {"type": "audio/pcm", "rate": 24000}},
    },
    "temperature": 0.8,
    "max_output_tokens": "inf",
    "tools": [],
}


def test_a_server_shows_its_dialect_in_its_session():
    assert detect(BETA_SESSION) == "beta"
    assert detect(GA_SESSION) == "ga" and detect({"type": "realtime"}) == "ga"
    assert detect({"id": "x"}) is None and detect(None) is None


def test_a_beta_session_becomes_ga():
    event = {"type": "session.created", "session": BETA_SESSION}
    before = copy.deepcopy(event)
    (created,) = inbound(event)
    assert created["session"] == GA_SESSION and event == before


@pytest.mark.parametrize(
    ("beta", "ga"),
    [
        ("response.text.delta", "response.output_text.delta"),
        ("response.text.done", "response.output_text.done"),
        ("response.audio.delta", "response.output_audio.delta"),
        ("response.audio.done", "response.output_audio.done"),
        ("response.audio_transcript.delta", "response.output_audio_transcript.delta"),
        ("response.audio_transcript.done", "response.output_audio_transcript.done"),
        ("transcription_session.updated", "session.updated"),
    ],
)
def test_beta_names_are_renamed(beta, ga):
    assert inbound({"type": beta, "x": 1})[0]["type"] == ga


def test_an_item_created_in_beta_is_added_and_perhaps_done_in_ga():
    user = {"type": "conversation.item.created", "item": {"id": "i", "role": "user", "status": "completed"}}
    assert [event["type"] for event in inbound(user)] == ["conversation.item.added", "conversation.item.done"]
    answer = {
        "type": "conversation.item.created",
        "item": {"id": "i", "role": "assistant", "status": "in_progress", "content": [{"type": "audio"}, 5]},
    }
    (added,) = inbound(answer)
    assert added["type"] == "conversation.item.added"
    assert added["item"]["content"] == [{"type": "output_audio"}, 5]


def test_answers_have_ga_content_in_every_event():
    item = {"id": "i", "role": "assistant", "content": [{"type": "text", "text": "x"}]}
    (done,) = inbound({"type": "response.output_item.done", "item": item})
    assert done["item"]["content"][0]["type"] == "output_text"
    (done,) = inbound(
        {"type": "response.done", "response": {"output": [item, 3], "output_audio_format": "g711_alaw"}}
    )
    assert done["response"]["output"][0]["content"][0]["type"] == "output_text"
    assert done["response"]["audio"]["output"]["format"] == {"type": "audio/pcma"}


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=5) | st.sampled_from(["type", "item", "session", "response"]),
        st.none()
        | st.integers()
        | st.text()
        | st.lists(st.integers())
        | st.dictionaries(
            st.sampled_from(["role", "content", "output", "voice", "turn_detection"]),
            st.none() | st.integers() | st.just("assistant") | st.lists(st.none() | st.just({"type": 5})),
        )
        | st.sampled_from(["session.created", "response.done", "conversation.item.created"]),
    )
)
def test_inbound_takes_any_value(event):
    assert inbound(event)


def test_ga_needs_no_change():
    event = {"type": "response.output_audio.delta", "delta": "AA=="}
    assert inbound(event)[0] is event
    event = {"type": "session.created", "session": {"type": "realtime", "audio": {}}}
    assert inbound(event)[0] == event


# Keywords


def test_flat_keywords_are_put_at_their_ga_paths():
    assert session_from_keywords(
        {
            "voice": "marin",
            "speed": 1.1,
            "modalities": ["text", "audio"],
            "input_audio_format": "g711_ulaw",
            "output_audio_format": "pcm16",
            "turn_detection": "semantic_vad",
            "input_audio_transcription": "whisper-1",
            "input_audio_noise_reduction": {"type": "near_field"},
            "max_response_output_tokens": 100,
            "tool_choice": "auto",
            "something_new": 1,
        }
    ) == {
        "audio": {
            "output": {"voice": "marin", "speed": 1.1, "format": {"type": "audio/pcm", "rate": 24000}},
            "input": {
                "format": {"type": "audio/pcmu"},
                "turn_detection": {"type": "semantic_vad"},
                "transcription": {"model": "whisper-1"},
                "noise_reduction": {"type": "near_field"},
            },
        },
        "output_modalities": ["audio"],
        "max_output_tokens": 100,
        "tool_choice": "auto",
        "something_new": 1,
    }


def test_text_alone_stays_text_alone():
    assert session_from_keywords({"modalities": ["text"]}) == {"output_modalities": ["text"]}


@pytest.mark.parametrize("value", [None, "none", "disabled"])
def test_null_is_kept(value):
    tree = session_from_keywords({"turn_detection": value})
    assert tree == {"audio": {"input": {"turn_detection": None}}}


def test_nested_and_flat_keywords_merge():
    tree = session_from_keywords({"audio": {"output": {"speed": 1.2}}, "voice": "cedar"})
    assert tree == {"audio": {"output": {"speed": 1.2, "voice": "cedar"}}}


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"turn_detection": "telepathy"}, "turn_detection"),
        ({"input_audio_format": "mp3"}, "input_audio_format"),
    ],
)
def test_unknown_names_are_refused(keywords, words):
    with pytest.raises(ValueError, match=words):
        session_from_keywords(keywords)


def test_an_object_replaces_the_previous_one_and_its_siblings_stay():
    old = session_from_keywords({"turn_detection": {"type": "server_vad", "threshold": 0.9}, "voice": "ash"})
    new = session_from_keywords({"turn_detection": {"type": "server_vad"}})
    assert merge_session(old, new) == {
        "audio": {"output": {"voice": "ash"}, "input": {"turn_detection": {"type": "server_vad"}}}
    }


def test_the_callers_object_is_copied():
    detection = {"type": "server_vad"}
    tree = session_from_keywords({"turn_detection": detection})
    detection["threshold"] = 1
    assert tree["audio"]["input"]["turn_detection"] == {"type": "server_vad"}


# Outbound


def test_ga_gets_the_type_and_no_temperature():
    event = {"type": "session.update", "session": {"temperature": 0.8, "instructions": "x"}}
    assert outbound(event, "ga")["session"] == {"type": "realtime", "instructions": "x"}
    event = {"type": "response.create", "response": {"temperature": 0.8, "metadata": {}}}
    assert outbound(event, "ga")["response"] == {"metadata": {}}
    assert outbound({"type": "response.create"}, "ga") == {"type": "response.create"}


def test_beta_gets_everything_flat():
    update = outbound({"type": "session.update", "session": {**GA_SESSION, "type": "realtime"}}, "beta")
    assert update["session"] == BETA_SESSION


def test_beta_items_and_responses():
    item = {
        "id": "i",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "x"}, {}],
    }
    create = outbound({"type": "conversation.item.create", "item": item}, "beta")
    assert create["item"]["content"] == [{"type": "text", "text": "x"}, {}]
    user = {"type": "conversation.item.create", "item": {"role": "user"}}
    assert outbound(user, "beta") == user
    response = {"output_modalities": ["text"], "max_output_tokens": 5, "audio": {"output": {"voice": "ash"}}}
    create = outbound({"type": "response.create", "response": response}, "beta")
    assert create["response"] == {"modalities": ["text"], "max_output_tokens": 5, "voice": "ash"}
    assert outbound({"type": "response.create"}, "beta") == {"type": "response.create"}
