"""Every surface of `make fuzz`, with a few thousand values: none raises what is not documented."""

from __future__ import annotations

import logging

import pytest

from tests.fuzz_run import SURFACES, run


@pytest.mark.timeout(120)
@pytest.mark.parametrize("surface", SURFACES)
async def test_no_random_value_raises_what_is_not_documented(
    surface: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.CRITICAL + 1):
        assert await run(surface, 2_000, seed=7) > 0
