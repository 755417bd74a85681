"""Key releases in the bytes of a terminal that speaks the kitty keyboard protocol."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from console.screen.key_release import IGNORED, RELEASE, ReleaseParser

# Before version 8 Textual did not ask for the text of a key (flag 16), so terminals do not send it
no_text = pytest.mark.skipif(int(version("textual").split(".")[0]) < 8, reason="Textual asks for no text")


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        ("\x1b[32;1:1u", ["space"]),
        ("\x1b[32;1:2u", ["space"]),
        ("\x1b[32;1:3u", [RELEASE]),
        pytest.param("\x1b[32;1:3;32u", [RELEASE], marks=no_text),
        ("\x1b[118;1:3u", [IGNORED]),
        pytest.param("\x1b[118;1:1;118u", ["v"], marks=no_text),
        ("\x1b[?31u", [IGNORED]),
        ("\x1b[?62;22c", [IGNORED]),
        ("\x1b[1;1:1A", ["up"]),
        ("v", ["v"]),
    ],
)
def test_key_releases_are_told_from_presses_in_the_bytes_of_the_terminal(data, keys):
    parser = ReleaseParser()
    got = [event.key for event in [*parser.feed(data), *parser.feed("")] if hasattr(event, "key")]
    assert got == keys
