"""Frames of audio deltas: their audio is decoded from the frame, and nobody can tell from the events."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime import RealtimeClient
from realtime.protocol import codec
from realtime.protocol.audio_frames import AUDIO_DELTAS, LEAST_BYTES, read_event, with_text

SAMPLES = (np.arange(2_400) * 7).astype("<i2")
TEXT = base64.b64encode(SAMPLES.tobytes()).decode()
DELTA = {
    "type": "response.output_audio.delta",
    "event_id": "event_1",
    "response_id": "resp_1",
    "item_id": "item_1",
    "content_index": 0,
    "delta": TEXT,
}


def frame_of(event: object, **how: object) -> bytes:
    return json.dumps(event, **how).encode()


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("kind", AUDIO_DELTAS)
def test_the_audio_of_a_delta_is_decoded_from_its_frame(kind, separators):
    for event in ({**DELTA, "type": kind}, {"delta": TEXT, **DELTA, "type": kind}):
        read = read_event(frame_of(event, separators=separators))
        assert read == {**event, "delta": SAMPLES.tobytes()}
        assert with_text(read) == event


def test_the_audio_is_decoded_without_the_fast_libraries(monkeypatch):
    monkeypatch.setattr(codec, "orjson", None)
    monkeypatch.setattr(codec, "pybase64", None)
    assert read_event(frame_of(DELTA))["delta"] == SAMPLES.tobytes()


LONG = "x" * LEAST_BYTES


@pytest.mark.parametrize(
    "frame",
    [
        json.dumps(DELTA),
        frame_of({**DELTA, "delta": "AAAA"}),
        frame_of({**DELTA, "delta": TEXT + "="}),
        frame_of({**DELTA, "delta": "é" + TEXT}),
        frame_of({**DELTA, "type": "response.output_text.delta"}),
        frame_of({**DELTA, "type": None}),
        frame_of({**DELTA, "delta": None, "pad": LONG}),
        frame_of({**DELTA, "delta": -7e-7, "pad": LONG}),
        frame_of({"inner": {"delta": TEXT}, **DELTA}),
        frame_of({"type": DELTA["type"], "inner": {"delta": TEXT}}),
        frame_of({"type": "session.created", "session": {"instructions": 'say "delta": "' + LONG}}),
        frame_of([DELTA, {"delta": 1}]),
        frame_of({"pad": LONG}),
        b'{"type":"response.output_audio.delta","delta":"' + TEXT.encode() + b'","delta":"AAAA"}',
        b'{"type":"response.output_audio.delta","delta"  :  "' + TEXT.encode() + b'"}',
        b'{"type":"response.output_audio.delta","delta":"'
        + TEXT.replace("/", "\\/").encode()
        + b'\\/\\/\\/\\/"}',
    ],
)
def test_every_other_frame_is_read_as_it_was(frame):
    assert read_event(frame) == codec.loads(frame, prune=True)


@pytest.mark.parametrize("rest", [b"", b"}", b'"', b'",}', b'"}}'])
def test_a_broken_frame_is_no_json(rest):
    frame = b'{"type":"response.output_audio.delta","delta":"' + TEXT.encode() + rest
    with pytest.raises(ValueError):
        read_event(frame)


def test_a_frame_that_ends_behind_the_key_is_no_json():
    with pytest.raises(ValueError):
        read_event(b'{"pad":"' + LONG.encode() + b'","delta":')


KEYS = st.sampled_from(["delta", "type", '"delta":', "item", 'delta":"'])
VALUES = st.sampled_from(
    [None, True, -7e-7, "", '"delta":"', TEXT, [TEXT], {"delta": TEXT}, {"x": {"delta": "a"}}]
)


@given(
    st.dictionaries(KEYS, VALUES, max_size=4),
    st.sampled_from([*AUDIO_DELTAS, "error"]),
    st.booleans(),
    st.booleans(),
)
def test_any_event_reads_as_the_parser_reads_it(fields, kind, first, spaced):
    fields = {"pad": LONG, **fields}
    event = {"type": kind, **fields} if first else {**fields, "type": kind}
    frame = frame_of(event, separators=(", ", ": ") if spaced else (",", ":"))
    assert with_text(read_event(frame)) == codec.loads(frame)


def test_handlers_of_server_events_get_the_text_that_was_sent():
    client = RealtimeClient(api_key="", url="ws://127.0.0.1:1")
    seen = []
    client.on("server.response.output_audio.delta", lambda event: seen.append(event.delta))
    client.on("realtime.event", lambda event: seen.append(event.event.delta))
    client.on("conversation.updated", lambda event: seen.append(event.delta.audio.tolist()))
    client._session.receive(frame_of(DELTA))
    assert seen == [TEXT, SAMPLES.tolist(), TEXT]


def test_the_error_about_a_malformed_delta_holds_the_text_that_was_sent():
    client = RealtimeClient(api_key="", url="ws://127.0.0.1:1")
    errors = []
    client.on("error", errors.append)
    client._session.receive(frame_of({**DELTA, "item_id": None}))
    assert errors[0].event == {**DELTA, "item_id": None}


def test_a_sample_that_is_cut_between_two_frames_is_whole():
    client = RealtimeClient(api_key="", url="ws://127.0.0.1:1")
    data = SAMPLES.tobytes()
    for piece in (data[:1_001], data[1_001:]):
        client._session.receive(frame_of({**DELTA, "delta": base64.b64encode(piece).decode()}))
    (item,) = client.conversation.get_items()
    np.testing.assert_array_equal(item.formatted.audio, SAMPLES)


def test_the_frame_of_microphone_audio_is_json_of_its_event():
    client = RealtimeClient(api_key="", url="ws://127.0.0.1:1")
    text, event = client._session.encode(SAMPLES[:480].astype(np.int16))
    assert json.loads(text) == event and list(event) == ["event_id", "type", "audio"]
    assert base64.b64decode(event["audio"]) == SAMPLES[:480].tobytes()
