"""A conversation in plain text: speak, or type a line and press Enter; what is said appears as it is said.

Without a microphone or a speaker it still works, by typing. Plain text only, so that a screen reader can read it.

Thread: one event loop; typed lines come from a thread of their own, because a terminal read cannot be cancelled.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

from console.endpoint import connected_to
from console.errors import UserError
from wavtools import DeviceError, WavRecorder, WavStreamPlayer

__all__ = ["converse"]

SESSION_RATE_HZ = 24_000
HELP = "speak, or type and press Enter · x interrupts · m mutes the microphone · q quits"


def _lines(loop: asyncio.AbstractEventLoop) -> asyncio.Queue[str | None]:
    """Typed lines; None at the end of input."""
    queue: asyncio.Queue[str | None] = asyncio.Queue()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(queue.put_nowait, line.strip())
        loop.call_soon_threadsafe(queue.put_nowait, None)

    threading.Thread(target=read, name="console-input", daemon=True).start()
    return queue


def _devices() -> tuple[str | None, str | None]:
    """Which microphone and speaker to open: the default ones, or the silent clock where one does not open."""
    recorder, player = WavRecorder(SESSION_RATE_HZ), WavStreamPlayer(SESSION_RATE_HZ)
    chosen: list[str | None] = []
    for noun, open_device, close_device in (
        ("microphone", recorder.begin, recorder.quit),
        ("speaker", player.connect, player.disconnect),
    ):
        try:
            open_device()
        except DeviceError as error:
            print(f"no {noun}: {error}", flush=True)
            chosen.append("null")
        else:
            close_device()
            chosen.append(None)
    return chosen[0], chosen[1]


async def converse(*, offline: bool = False, url: str | None = None, model: str | None = None) -> int:
    """Talk until the user quits. Raises UserError."""
    from realtime import VoiceSession
    from realtime.errors import RealtimeError

    microphone, speaker = await asyncio.to_thread(_devices)
    recorder = WavRecorder(SESSION_RATE_HZ, device=microphone, keep_seconds=0)
    player = WavStreamPlayer(SESSION_RATE_HZ, device=speaker)
    loop = asyncio.get_running_loop()
    async with connected_to(offline, url, model) as client:
        client.on("conversation.item.completed", _print_item)
        client.on("response.failed", lambda event: print(f"failed: {event.message}", flush=True))
        client.on("error", lambda event: print(f"error: {event.message}", flush=True))
        client.on("server.conversation.item.input_audio_transcription.completed", _print_heard)
        closed = asyncio.Event()
        client.on("close", lambda event: closed.set())
        mode = "manual" if microphone == "null" else "vad"
        try:
            async with VoiceSession(client, recorder, player, mode=mode) as voice:
                print(HELP, flush=True)
                await _commands(voice, _lines(loop), closed)
        except RealtimeError as error:
            raise UserError(str(error)) from error
        except DeviceError as error:
            raise UserError(str(error)) from error
    return 0


async def _commands(voice: Any, lines: asyncio.Queue[str | None], closed: asyncio.Event) -> None:
    ended = asyncio.create_task(closed.wait())
    try:
        while not ended.done():
            typed = asyncio.create_task(lines.get())
            await asyncio.wait((typed, ended), return_when=asyncio.FIRST_COMPLETED)
            if not typed.done():
                typed.cancel()
                raise UserError("the server closed the connection; start again to reconnect")
            line = typed.result()
            if line is None or line == "q":
                return
            if line == "x":
                voice.interrupt()
            elif line == "m":
                voice.mute(not voice.muted)
                print("microphone muted" if voice.muted else "microphone live", flush=True)
            elif line:
                voice.send_text(line)
    finally:
        ended.cancel()


def _print_item(event: Any) -> None:
    item = event.item
    if item.type == "function_call" and item.formatted.tool:
        print(f"tool:      {item.formatted.tool.name}({item.formatted.tool.arguments})", flush=True)
    elif item.role == "assistant":
        print(f"assistant: {item.formatted.transcript or item.formatted.text}", flush=True)


def _print_heard(event: Any) -> None:
    print(f"you:       {str(event.get('transcript') or '').strip()}", flush=True)
