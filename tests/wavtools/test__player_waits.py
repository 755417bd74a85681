"""The player on an event loop: it opens, waits and closes without blocking the loop, and survives cancellation."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from wavtools import OfflineDevice, StateError, WavStreamPlayer

RATE = 24_000


class SlowDevice(OfflineDevice):
    """An OfflineDevice that opens when it is let."""

    def __init__(self) -> None:
        super().__init__(RATE)
        self.opening, self.go_on = threading.Event(), threading.Event()

    def attach(self, stream, on_event):
        self.opening.set()
        assert self.go_on.wait(30)
        return super().attach(stream, on_event)


async def until_set(event: threading.Event) -> None:
    while not event.is_set():
        await asyncio.sleep(0.001)


async def test_async_with_connects_and_disconnects():
    device = OfflineDevice(RATE)
    async with WavStreamPlayer(RATE, device=device) as player:
        player.add_16bit_pcm(np.ones(100, np.int16))
        assert device.render(100).all()
        assert await player.wait_until_idle_async() is True
    with pytest.raises(StateError, match=r"call \.connect\(\) first"):
        player.add_16bit_pcm(b"")
    with WavStreamPlayer(RATE, device=device):
        pass


async def test_the_loop_runs_while_a_device_opens():
    device = SlowDevice()
    player = WavStreamPlayer(RATE, device=device)
    connecting = asyncio.ensure_future(player.connect_async())
    # This line is reached only on a loop that runs.
    await until_set(device.opening)
    device.go_on.set()
    assert await connecting is True
    await player.disconnect_async()


async def test_a_cancelled_connect_leaves_no_open_device():
    device = SlowDevice()
    player = WavStreamPlayer(RATE, device=device)
    connecting = asyncio.ensure_future(player.connect_async())
    await until_set(device.opening)
    connecting.cancel()
    await asyncio.sleep(0)
    connecting.cancel()
    device.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    assert "not connected" in repr(player)
    with WavStreamPlayer(RATE, device=device):
        pass


async def test_a_cancelled_wait_leaves_playback_as_it_is():
    device = OfflineDevice(RATE)
    async with WavStreamPlayer(RATE, device=device) as player:
        player.add_16bit_pcm(np.ones(100, np.int16))
        waiting = asyncio.ensure_future(player.wait_until_idle_async())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await player.wait_until_idle_async(timeout=0.01) is False
        assert device.render(100).all()
        assert await player.wait_until_idle_async(timeout=30) is True


async def test_a_connect_that_fails_raises_its_error():
    async with WavStreamPlayer(RATE, device=OfflineDevice(RATE)) as player:
        with pytest.raises(StateError, match="already connected"):
            await player.connect_async()
        player.add_16bit_pcm(b"\0\0")
