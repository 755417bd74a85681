"""Session keywords: what does not exist is refused, and the message names what was meant."""

from __future__ import annotations

import pytest

from realtime import RealtimeClient
from tests.canary import KEY
from tests.client_bench import Bench


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("apiKey", "api_key"),
        ("API_KEY", "api_key"),
        ("api_token", "api_key"),
        ("key", "api_key"),
        ("baseUrl", "url"),
        ("callId", "call_id"),
        ("dialekt", "dialect"),
        ("timeout", "connect_timeout"),
        ("extra_headers", "headers"),
        ("turnDetection", "turn_detection"),
        ("instruction", "instructions"),
        ("systemPrompt", "instructions"),
        ("voices", "voice"),
        ("output_modality", "output_modalities"),
    ],
)
def test_a_near_miss_is_refused_with_the_right_name(given, meant):
    for call in (RealtimeClient, RealtimeClient(api_key="").update_session):
        with pytest.raises(TypeError, match=rf"did you mean {meant}=\?") as caught:
            call(**{given: KEY})
        assert KEY not in str(caught.value)


def test_a_parameter_of_the_client_is_no_session_keyword():
    for name in ("api_key", "url", "headers", "tool_timeout"):
        with pytest.raises(TypeError, match=rf"{name}=: it is a parameter of RealtimeClient\(\)"):
            RealtimeClient(api_key="").update_session(**{name: KEY})


async def test_a_refused_keyword_changes_nothing():
    bench = Bench()
    with pytest.raises(TypeError):
        bench.client.update_session(instructions="Be kind.", apiKey=KEY, model="m")
    assert bench.client.session_config == {} and await bench.sent() == []


async def test_what_only_the_server_knows_goes_through_extra_session():
    bench = Bench(extra_session={"max_duration_seconds": 600, "audio": {"output": {"x": 1}}}, voice="ash")
    assert bench.client.session_config["audio"]["output"] == {"voice": "ash", "x": 1}
    (update,) = bench.prelude
    assert update["session"]["max_duration_seconds"] == 600
    with pytest.raises(TypeError, match="no field of a session.*extra_session"):
        bench.client.update_session(zzz=1)
    bench.client.update_session(extra_session={"zzz": 1})
    assert (await bench.sent())[0]["session"] == {"type": "realtime", "zzz": 1}
    for wrong in ([("a", 1)], "text", 5):
        with pytest.raises(TypeError, match="extra_session must be a mapping"):
            bench.client.update_session(extra_session=wrong)


def test_subprotocols_are_a_list():
    with pytest.raises(TypeError, match="subprotocols must be a list"):
        RealtimeClient(subprotocols="realtime")


def test_a_method_in_camel_case_is_told_its_name():
    client = RealtimeClient(api_key="")
    for owner, given, meant in (
        (client, "updateSession", "update_session"),
        (client, "getTurnDetectionType", "get_turn_detection_type"),
        (client, "waitForNextItem", "wait_for_next_item"),
        (client.conversation, "getItems", "get_items"),
        (client.conversation, "getItem", "get_item"),
    ):
        with pytest.raises(AttributeError, match=f"{given!r}: use {meant}$"):
            getattr(owner, given)
    for name in ("zzz", "zzzZzz", "_private"):
        with pytest.raises(AttributeError, match=f"no attribute {name!r}$"):
            getattr(client, name)
    assert not hasattr(client, "on_nothing")
