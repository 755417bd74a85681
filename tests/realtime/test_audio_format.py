"""Audio formats of the protocol, and the conversion of the buffers that callers pass."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.protocol.audio_format import FORMATS, PCM16, PCMA, PCMU, format_of


def test_formats_by_either_name():
    assert format_of("pcm16") is PCM16 and format_of("audio/pcm") is PCM16
    assert (
        format_of({"type": "audio/pcm", "rate": 24000}) is PCM16 and format_of({"type": "audio/pcm"}) is PCM16
    )
    assert format_of("g711_ulaw") is PCMU and format_of({"type": "audio/pcmu"}) is PCMU
    assert format_of("g711_alaw") is PCMA and format_of({"type": "audio/pcma", "rate": 8000}) is PCMA
    assert format_of({"type": "audio/pcm", "rate": 16000}).sample_rate == 16_000
    for unknown in ("mp3", {"type": "audio/opus"}, {}, None, 5, {"type": ["audio/pcm"]}):
        assert format_of(unknown) is None
    assert PCM16.as_ga() == {"type": "audio/pcm", "rate": 24000} and PCMU.as_ga() == {"type": "audio/pcmu"}


def test_milliseconds_are_of_the_formats_rate_and_rounded_down():
    assert (
        PCM16.ms_of_samples(23) == 0 and PCM16.ms_of_samples(24) == 1 and PCM16.samples_of_ms(500) == 12_000
    )
    assert PCMU.ms_of_samples(15) == 1 and PCMU.samples_of_ms(500) == 4_000


@settings(deadline=None)
@given(st.binary(max_size=64).filter(lambda b: len(b) % 2 == 0), st.integers(0, 64))
def test_pcm16_may_be_cut_anywhere(data, cut):
    import base64

    first, carry = PCM16.decode(base64.b64encode(data[:cut]).decode())
    second, rest = PCM16.decode(base64.b64encode(data[cut:]).decode(), carry)
    assert np.concatenate([first, second]).tobytes() == data and rest == b""


@pytest.mark.parametrize("audio_format", [PCMU, PCMA])
def test_g711_goes_there_and_back(audio_format):
    codes = np.arange(256, dtype=np.uint8).tobytes()
    samples = audio_format.from_wire(codes)
    assert samples.dtype == np.int16 and len(samples) == 256
    again, carry = audio_format.decode(audio_format.encode(samples))
    np.testing.assert_array_equal(again, samples)
    assert carry == b""


@pytest.mark.parametrize("audio_format", FORMATS.values(), ids=FORMATS)
def test_bytes_of_the_wire_are_whole_samples(audio_format):
    samples = np.array([-32124, -1000, 0, 1000, 32124], np.int16)
    data = audio_format.encode_bytes(samples)
    assert type(data) is bytes and len(data) == 5 * audio_format.sample_bytes
    again = audio_format.decode_bytes(data)
    assert again.dtype == np.int16
    np.testing.assert_allclose(again, samples, rtol=0.04, atol=8)


def test_half_a_sample_is_refused():
    with pytest.raises(ValueError, match="3 bytes are not a whole number of samples of 2 bytes each"):
        PCM16.decode_bytes(b"abc")
