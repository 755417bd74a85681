"""The sound of a page: joins its audio socket with the remote device; the newest page has the sound.

Frames pass as they are: `wavtools.RemoteDevice` reads and bounds them. Sending never waits: the device hands out no more
than its window, so a page that does not read gets no more either.

Thread: the page server's; the device may send from any.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from websockets.asyncio.connection import broadcast
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

__all__ = ["Sound"]

# Application codes of a websocket: this and the code of BYE
CLOSED = 4000
# Its reason has at most 123 bytes
MAX_REASON = 30


class Sound:
    """Joins audio sockets with the device; the device ends an older page when a newer one comes.

    Parameters
    ----------
    device : RemoteDevice
        Takes the frames of the page, and gives frames for it.
    """

    def __init__(self, device: Any) -> None:
        self._device = device
        self._closing: set[asyncio.Task[None]] = set()

    async def serve(self, socket: ServerConnection) -> None:
        """Pass frames until *socket* closes, or a newer page comes."""
        loop = asyncio.get_running_loop()

        def send(frame: bytes) -> None:
            # A closed loop: the program has ended
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(broadcast, (socket,), frame)

        def close(code: int, reason: str) -> None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._close, socket, code, reason)

        peer = self._device.accept(send, close)
        try:
            async for frame in socket:
                if isinstance(frame, bytes):
                    peer.receive(frame)
        except ConnectionClosed:
            pass
        finally:
            peer.detach()

    def _close(self, socket: ServerConnection, code: int, reason: str) -> None:
        """Close a page that the device has ended, or that has ended by itself; BYE was the last frame."""
        task = asyncio.get_running_loop().create_task(socket.close(CLOSED + code, reason[:MAX_REASON]))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
