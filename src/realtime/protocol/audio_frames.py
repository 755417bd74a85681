"""Reads the frames of server events; the audio of a delta is decoded from the frame's bytes, without a text in between.

Most bytes of a session are base64 in ``response.output_audio.delta``. A JSON parser would check and copy them before
they can be decoded, which takes longer than the rest of a delta's way.

Thread: any; stateless.
"""

from __future__ import annotations

from typing import Any

from . import codec
from .reading import Wire

__all__ = ["AUDIO_DELTAS", "read_event", "with_text"]

# In the GA and in the beta dialect.
AUDIO_DELTAS = ("response.output_audio.delta", "response.audio.delta")
# Shorter frames are parsed whole: nothing is gained by splitting them.
LEAST_BYTES = 512
KEY = b'"delta":'
# A number in the place of the audio: a text or an object there belongs to another "delta" of the event.
PLACEHOLDER = b"-7e-7"
PLACE = float(PLACEHOLDER)


def read_event(frame: bytes | str) -> Any:
    """The value of a frame's JSON text; the ``delta`` of an audio delta is its decoded audio, as bytes, or base64 text.

    It is text if the frame is short or a str, or if the text is no plain base64. Raises ValueError for other text than
    JSON; nesting is pruned as by `codec.loads`.
    """
    if len(frame) >= LEAST_BYTES and type(frame) is bytes:
        event = _split(frame)
        if event is not None:
            return event
    return codec.loads(frame, prune=True)


def _split(frame: bytes) -> Wire | None:
    """The event of an audio delta, with its audio as bytes; None for every other frame."""
    # Within a text of JSON a quote is escaped: what is found is a key.
    start = frame.find(KEY) + len(KEY)
    if start < len(KEY):
        return None
    begin = start + 1
    if frame.startswith(b" ", start):
        begin += 1
    if not frame.startswith(b'"', begin - 1):
        return None
    end = frame.find(b'"', begin)
    if end < 0:
        return None
    try:
        event = codec.loads(b"".join((frame[:start], PLACEHOLDER, frame[end + 1 :])), prune=True)
        if type(event) is not dict or event.get("delta") != PLACE or event.get("type") not in AUDIO_DELTAS:
            return None
        event["delta"] = codec.b64decode_strictly(memoryview(frame)[begin:end])
    except ValueError:
        # Escapes, line breaks or no base64: the common way reads them, or says what is wrong.
        return None
    return event


def with_text(event: Wire) -> Wire:
    """*event* as the server sent it: a copy with base64 text in place of decoded audio, else *event* itself."""
    audio = event.get("delta")
    return {**event, "delta": codec.b64encode(audio)} if type(audio) is bytes else event
