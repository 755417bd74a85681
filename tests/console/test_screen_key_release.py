"""Key releases in the bytes of a terminal that speaks the kitty keyboard protocol."""

from __future__ import annotations

import pytest

from console.screen.key_release import IGNORED, RELEASE, ReleaseParser


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        ("\x1b[32;1:1u", ["space"]),
        ("\x1b[32;1:2u", ["space"]),
        ("\x1b[32;1:3u", [RELEASE]),
        ("\x1b[32;1:3;32u", [RELEASE]),
        ("\x1b[118;1:3u", [IGNORED]),
        ("\x1b[118;1:1;118u", ["v"]),
        ("\x1b[?31u", [IGNORED]),
        ("\x1b[1;1:1A", ["up"]),
        ("v", ["v"]),
    ],
)
def test_key_releases_are_told_from_presses_in_the_bytes_of_the_terminal(data, keys):
    parser = ReleaseParser()
    got = [event.key for event in [*parser.feed(data), *parser.feed("")] if hasattr(event, "key")]
    assert got == keys
