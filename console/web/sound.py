"""The sound of a page: joins its audio socket with the remote device; the newest page has the sound.

Frames pass as they are: `wavtools.RemoteDevice` reads and bounds them. Sending never waits: the device hands out no more
than its window, so a page that does not read gets no more either.

Thread: the page server's; the device may send from any.
"""

from __future__ import annotations

import asyncio
from typing import Any

from websockets.asyncio.connection import broadcast
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

__all__ = ["Sound"]

REPLACED = 4001


class Sound:
    """The place of the page that has the sound.

    Parameters
    ----------
    device : RemoteDevice
        Takes the frames of the page, and gives frames for it.
    """

    def __init__(self, device: Any) -> None:
        self._device = device
        self._page: ServerConnection | None = None

    async def serve(self, socket: ServerConnection) -> None:
        """Pass frames until *socket* closes, or a newer page comes."""
        older, self._page = self._page, socket
        loop = asyncio.get_running_loop()

        def send(frame: bytes) -> None:
            # A closed loop: the program has ended
            try:
                loop.call_soon_threadsafe(broadcast, (socket,), frame)
            except RuntimeError:
                pass

        peer = self._device.attach(send)
        if older is not None:
            await older.close(REPLACED, "another page has the sound now")
        try:
            async for frame in socket:
                if isinstance(frame, bytes):
                    peer.receive(frame)
        except ConnectionClosed:
            pass
        finally:
            peer.detach()
            if self._page is socket:
                self._page = None
