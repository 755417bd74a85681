"""Secrets are removed from texts, frames, JSON trees and logs."""

from __future__ import annotations

import logging
import sys

import pytest

from realtime.protocol.redact import MASK, Redactor, logger_with
from tests.canary import KEY, KeyWatch


def test_every_form_is_masked():
    redactor = Redactor([KEY, KEY + "-longer", "", "short"])
    assert redactor.text(f"a {KEY}-longer b {KEY} short") == f"a {MASK} b {MASK} short"
    audio = {"type": "response.output_audio.delta", "item_id": KEY, "delta": KEY}
    assert redactor.event(audio) == {**audio, "item_id": MASK}
    for audio in (KEY, KEY.encode()):
        clean = {
            "type": "response.output_audio.delta",
            "content_index": 0,
            "item_id": "item_1",
            "delta": audio,
        }
        assert redactor.event(clean) is clean
        for holder in ({"item_id": f"x{KEY}"}, {KEY: "x"}, {"x": [{"y": KEY}]}):
            shown = redactor.event({**clean, **holder})
            assert KEY not in str({**shown, "delta": ""}) and shown["delta"] == audio
        nested = {**clean, "x": None}
        assert redactor.event(nested) == nested
    assert redactor.event({"type": "error", "delta": KEY}) == {"type": "error", "delta": MASK}
    assert redactor.event({"type": "response.audio.delta"}) == {"type": "response.audio.delta"}
    assert redactor.tree({KEY: [KEY, 1, {"x": KEY}]}) == {MASK: [MASK, 1, {"x": MASK}]}
    tree = {"a": 1}
    assert Redactor().event(tree) is tree and Redactor().text(KEY) == KEY


@pytest.mark.parametrize("key", [KEY, "sk_without_a_dash", "ABCabc0123", "-sk.x~", KEY + "é"])
def test_a_frame_that_is_not_parsed_is_masked_too(key):
    """For every kind of byte in the key: searching for a rare byte first only saves time."""
    frame = b'{"delta":"AAAA","x":"-.~ %s %s"}'
    redactor = Redactor([key, "another-key"])
    assert redactor.frame(frame % (key.encode(), b"another-key")) == frame % (MASK.encode(), MASK.encode())
    untouched = b'{"delta":"' + b"QUJD" * 100 + b'"}'
    assert redactor.frame(untouched) is untouched


def test_log_records_contain_no_key(caplog):
    caplog.set_level(logging.DEBUG)
    log = logger_with(Redactor([KEY]), "realtime.test")
    log.debug("> Authorization: Bearer %s", KEY)
    log.info("%d%%", 5)
    log.info("100%")
    try:
        raise RuntimeError(f"no {KEY}")
    except RuntimeError as error:
        log.error("failed", exc_info=True)
        log.error("failed", exc_info=error)
    assert KEY not in caplog.text and caplog.text.count(MASK) == 3 and "RuntimeError" in caplog.text
    assert "5%" in caplog.text and "100%" in caplog.text
    caplog.clear()
    caplog.set_level(logging.ERROR, "realtime.test")
    log.debug("unseen")
    assert not caplog.records


def test_the_watch_over_the_logs_finds_a_key_in_an_argument_and_in_a_traceback():
    found = KeyWatch()
    log = logging.Logger("apart")  # the watch of the whole test session must not see it
    log.addHandler(found)
    log.debug("nothing")
    assert found.records == 1 and not found.leaks
    log.debug("x%sx", KEY)
    try:
        raise RuntimeError(KEY)
    except RuntimeError:
        log.exception("failed")
    assert len(found.leaks) == 2 and KEY not in str(found.leaks) and "finds_a_key" in found.leaks[0]


def test_the_watch_over_the_session_sees_debug_records(key_watch):
    before = key_watch.records
    logger_with(Redactor([KEY]), "realtime.test").debug("Authorization: Bearer %s", KEY)
    assert key_watch.records == before + 1


def test_without_the_websocket_library_there_are_no_frames_to_hide(monkeypatch, caplog):
    monkeypatch.delitem(sys.modules, "websockets.frames", raising=False)
    logger_with(Redactor(), "realtime").warning("it says %s", "hello")
    assert caplog.messages == ["it says hello"]
