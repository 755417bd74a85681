"""Keywords of ask() and create_response(): what does not exist is refused, and the message names what was meant."""

from __future__ import annotations

import pytest

from realtime import Talk
from realtime.protocol.response_keywords import RESPONSE_KEYWORDS
from tests.canary import KEY
from tests.client_bench import MANUAL, Bench


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("instruction", "instructions="),
        ("systemPrompt", "instructions="),
        ("toolChoice", "tool_choice="),
        ("output_modality", "output_modalities="),
        ("modalities", "output_modalities="),
        ("max_response_output_tokens", "max_output_tokens="),
        ("voice", r'audio=\{"output": \{"voice": \.\.\.\}\}'),
    ],
)
async def test_a_near_miss_is_refused_with_the_right_name_and_nothing_is_sent(given, meant):
    bench = Bench(**MANUAL)
    for call in (bench.client.ask, bench.client.create_response):
        with pytest.raises(TypeError, match=rf"{call.__name__}\(\) got .*did you mean {meant}\?") as caught:
            call(**{given: KEY})
        assert KEY not in str(caught.value)
    assert await bench.sent() == []


async def test_a_parameter_of_the_call_itself_may_have_been_meant():
    bench = Bench()
    with pytest.raises(TypeError, match="did you mean timeout="):
        bench.client.ask("Hello", time_out=5)
    with pytest.raises(TypeError, match=r"no field of a response; .*response=\{\.\.\.\}"):
        bench.client.ask("Hello", zzz=5)


async def test_every_field_of_a_response_is_taken():
    bench = Bench(**MANUAL)
    for name in RESPONSE_KEYWORDS - {"conversation"}:
        bench.client.ask("Hello", **{name: None})


async def test_what_only_the_server_knows_goes_through_response():
    bench = Bench(**MANUAL)
    bench.client.ask("Hello", response={"zzz": 1}, instructions="Be brief.")
    bench.client.create_response({"zzz": 2}, conversation="none")
    asked = [event["response"] for event in await bench.sent() if event["type"] == "response.create"]
    assert {"zzz": 1, "instructions": "Be brief."} in asked
    assert {"zzz": 2, "conversation": "none"} in asked


def test_the_synchronous_call_refuses_them_too(offline_url):
    with Talk(url=offline_url) as session, pytest.raises(TypeError, match="did you mean instructions="):
        session.ask("Hello", instruction="Be brief.")
