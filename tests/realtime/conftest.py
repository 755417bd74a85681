"""No test of this folder may let the key reach a log."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.canary import KeyWatch, watch


@pytest.fixture(scope="session", autouse=True)
def key_watch() -> Iterator[KeyWatch]:
    """The whole session logs at DEBUG; 0 records may hold the key that the tests use."""
    with watch() as found:
        yield found
    assert not found.leaks, f"the key was logged {len(found.leaks)} times: {found.leaks[:5]}"
