"""Interruptions of a page, near and far: the receipt says what the page has played, to the sample."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio

from tests.page import TALKS, Browser
from tests.web.distant import Line
from tests.web.heard import TAP
from tests.web.rig import site
from wavtools import WavStreamPlayer

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.server,
    pytest.mark.skipif(sys.platform == "win32", reason="the test starts Debian's Chromium"),
]
# The soak has 50 for each distance
CUTS = 50 if os.environ.get("WAVTOOLS_SOAK") else 8
LEVELS = (
    "heard.reduce((sum, part) => { for (const one of part) sum[one] = (sum[one] ?? 0) + 1; return sum; }, {})"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory) -> AsyncIterator[Browser]:
    async with Browser(tmp_path_factory.mktemp("browser"), *TALKS) as found:
        yield found


@pytest.mark.parametrize("delay_ms", [0, 25, 50])
async def test_every_receipt_is_exact_once_it_is_settled(browser, delay_ms):
    """Each answer is a level of its own, so silence in it, of a page that ran dry, is not counted."""
    rng = random.Random(delay_ms)
    line = Line(delay_ms / 1000, 0.004 if delay_ms else 0.0)
    await line.start()
    try:
        async with site(origins=(f"http://127.0.0.1:{line.port}",)) as found:
            line.lead_to(found.server.port)
            page = await browser.page()
            await page.call("Page.setBypassCSP", enabled=True)
            await page.call("Page.addScriptToEvaluateOnNewDocument", source=TAP)
            await page.goto(found.server.address.replace(f":{found.server.port}/", f":{line.port}/"))
            player = WavStreamPlayer(24_000, device=found.desk.device)
            player.connect()
            try:
                # The recorder of the page joins a moment after its loudspeaker
                await page.wait("heard.length")
                receipts = {}
                for number in range(CUTS):
                    level = 1_000 + number
                    player.add_16bit_pcm(np.full(48_000, level, np.int16), f"answer {number}")
                    await page.wait(f"heard.some((part) => part.includes({level}))")
                    await asyncio.sleep(rng.uniform(0.0, 0.3))
                    receipt = player.interrupt()
                    receipts[level] = (receipt, await receipt.wait_until_settled_async(20))
                await asyncio.sleep(0.5 + 2 * delay_ms / 1000)
                played = {int(level): count for level, count in (await page.evaluate(LEVELS)).items()}
            finally:
                player.disconnect()
            assert all(settled.settled for _, settled in receipts.values())
            assert {level: played.get(level, 0) for level in receipts} == {
                level: settled.offset for level, (_, settled) in receipts.items()
            }
            at_once = sum(receipt.offset == settled.offset for receipt, settled in receipts.values())
            print(f"{delay_ms} ms each way: {at_once} of {CUTS} exact at once, all when settled")
            await browser.close_pages()
    finally:
        await line.stop()
