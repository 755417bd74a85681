"""Values of session fields: what a GA session does not take is refused at the call, and nothing changes."""

from __future__ import annotations

import pytest

from realtime import RealtimeClient
from tests.client_bench import Bench


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"speed": 9}, ValueError, "'speed'.*<= 1.5"),
        ({"speed": "fast"}, TypeError, "'speed'.*expected a decimal"),
        ({"voice": "alloi"}, ValueError, "did you mean 'alloy'"),
        ({"voice": 5}, ValueError, "Invalid value: '5'"),
        ({"instructions": 5}, TypeError, "'instructions'.*a string"),
        ({"output_modalities": ["audio", "text"]}, ValueError, "Invalid modalities"),
        ({"output_modalities": ["smell"]}, ValueError, "Supported values are: 'text' and 'audio'"),
        (
            {"turn_detection": {"type": "server_vad", "threshold": 2}},
            ValueError,
            "'turn_detection.threshold'",
        ),
        ({"turn_detection": {"type": "server_vad", "treshold": 0.5}}, ValueError, "Did you mean 'threshold'"),
        (
            {"turn_detection": {"type": "server_vad", "zzz": 0.5}},
            ValueError,
            r"zzz'\. \(what only the server",
        ),
        ({"turn_detection": {"type": "semantic_vad", "eagerness": "hot"}}, ValueError, "'low', 'medium'"),
        ({"turn_detection": {"type": "vad"}}, ValueError, "'server_vad' and 'semantic_vad'"),
        ({"input_audio_noise_reduction": {"type": "far"}}, ValueError, "near_field"),
        ({"tool_choice": "sometimes"}, ValueError, "required"),
        ({"max_output_tokens": 0}, ValueError, "max_output_tokens"),
        ({"truncation": "never"}, ValueError, "'auto' and 'disabled'"),
        ({"type": "transcription", "audio": {"input": {"format": {"type": "mp3"}}}}, ValueError, "audio/pcm"),
    ],
)
async def test_a_value_that_no_ga_session_takes_is_refused_at_the_call(given, error, message):
    for make in (RealtimeClient, Bench().client.update_session):
        with pytest.raises(error, match=message):
            make(**given)
    bench = Bench()
    with pytest.raises(error):
        bench.client.update_session(**given)
    assert bench.client.session_config == {} and await bench.sent() == []


@pytest.mark.parametrize(
    "given",
    [
        {"voice": "a_new_voice", "speed": 1.5, "temperature": 0.8, "max_output_tokens": 32_000},
        {"voice": {"id": "voice_1"}, "max_output_tokens": "inf"},
        {"modalities": ["text", "audio"], "turn_detection": "semantic_vad", "instructions": "Be kind."},
        {"turn_detection": None, "input_audio_transcription": {"model": "whisper-1"}, "tracing": None},
        {"extra_session": {"speed": 9, "voice": "alloi"}},
    ],
)
def test_what_a_ga_session_takes_passes_and_extra_session_is_not_checked(given):
    assert RealtimeClient(api_key="", **given).session_config


@pytest.mark.parametrize(
    "options", [{"dialect": "xai"}, {"url": "wss://api.x.ai/v1/realtime"}, {"dialect": "beta"}]
)
def test_servers_of_other_vendors_take_other_values(options):
    assert RealtimeClient(api_key="", speed=9, **options).session_config
    with pytest.raises(ValueError, match="dialect must be one of"):
        RealtimeClient(dialect="latin")
