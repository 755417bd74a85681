"""Error codes: what is harmless, what cannot get better, and what is a limit that passes."""

from __future__ import annotations

import pytest

from realtime.connection.closing import is_fatal
from realtime.protocol.error_codes import (
    HOUSEKEEPING,
    error_of,
    is_benign,
    is_final,
    is_limit,
    is_unsupported,
    may_be_about,
)


@pytest.mark.parametrize("kind", sorted(HOUSEKEEPING))
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("not_implemented", "Deleting items not implemented"),
        ("unknown_or_invalid_event", "unknown event"),
        (None, "Unknown event type: conversation.item.truncate"),
        (None, "this is not supported yet"),
        ("unsupported_event", "no"),
        ("unknown_event", ""),
        ("invalid_event_type", "x"),
    ],
)
def test_housekeeping_that_a_server_does_not_know_is_benign(kind, code, message):
    assert is_benign(code, message, kind)
    assert not is_benign(code, message, "response.create")
    assert not is_benign(code, message, "session.update")
    assert not is_benign(code, message, None)


@pytest.mark.parametrize(
    ("code", "message", "caused_by", "benign"),
    [
        ("response_cancel_not_active", "", None, True),
        ("item_truncate_invalid_item_id", "", None, True),
        ("item_delete_invalid_item_id", "", "conversation.item.delete", True),
        (
            "invalid_value",
            "Audio content of 5 ms is already shorter than 6 ms",
            "conversation.item.truncate",
            True,
        ),
        ("invalid_value", "Expected an integer", "conversation.item.truncate", False),
        ("unknown_parameter", "", "conversation.item.truncate", False),
        ("unsupported_content_type", "", "conversation.item.truncate", True),
        ("unsupported_content_type", "", "conversation.item.create", False),
        ("server_error", "", "conversation.item.delete", False),
        ("item_create_invalid_item_id", "", "conversation.item.create", False),
    ],
)
def test_benign_are_races_and_no_others(code, message, caused_by, benign):
    assert is_benign(code, message, caused_by) is benign


def test_a_code_that_cannot_get_better_is_final_wherever_it_stands():
    assert is_final({"code": "insufficient_quota"}) and is_final({"type": "insufficient_quota", "code": None})
    assert is_final({"code": "invalid_api_key"}) and is_final({"code": "model_load_error"})
    for passing in (
        {"code": "rate_limit_exceeded"},
        {"type": "server_error"},
        {},
        {"code": ["insufficient_quota"]},
    ):
        assert not is_final(passing)


def test_a_limit_passes_and_a_policy_does_not():
    for text in (
        "slots in use",
        "session_limit_reached",
        "Too many sessions",
        "server is busy",
        "at capacity",
    ):
        assert is_limit(text) and not is_fatal(1008, text) and not is_fatal(4029, text)
    for text in ("", "bad token", "policy violation", "not fulfilled"):
        assert not is_limit(text) and is_fatal(1008, text) and is_fatal(4000, text)
    assert is_fatal(1000, "busy") and is_fatal(3000, "limit") and not is_fatal(1013)


def test_an_error_object_is_made_of_whatever_stands_in_its_place():
    assert error_of({"error": {"code": "x"}}) == {"code": "x"}
    assert error_of({"error": "text"}) == {"message": "text"}
    assert error_of({"error": [1]}) == {}


def test_an_ordinary_error_is_not_taken_for_an_unknown_event():
    for code, message in (
        ("invalid_request_error", "Invalid value: 'x'"),
        ("unknown_parameter", "Unknown parameter"),
        ("unsupported_content_type", ""),
    ):
        assert not is_unsupported(code, message)


@pytest.mark.parametrize(
    ("message", "about"),
    [
        ("Deleting items not implemented", True),
        ("conversation.item.delete is not supported", True),
        ("unknown event", True),
        ("", True),
        ("Truncation is not implemented", False),
        ("input_audio_buffer.commit in conjunction with VAD", False),
        ("any-to-any models", False),
    ],
)
def test_an_error_without_an_id_is_about_what_its_text_names(message, about):
    assert may_be_about(message, "conversation.item.delete") is about
