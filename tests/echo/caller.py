"""A program that holds a conversation aloud: VoiceSession under VAD, with what it sees as lines of JSON.

    python -m tests.echo.caller OPTIONS_JSON

It runs in a room (tests/room.py) as a process of its own. Options are the fields of `CallerOptions`. The command ``ask
TEXT`` sends a message of the user; the program ends with its input. Each line that it prints has ``time``, in seconds of
time.monotonic(), and ``kind``: "ready", "speech" (the server heard speech begin), "cut" (playback was stopped),
"answer" (a response began), "played" (an answer has been heard to its end), "heard" (a turn of the user, with its
``text``), "echo" (the voice session's event), "error".

Thread: the event loop; another thread reads the commands.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from dataclasses import dataclass
from typing import Any

from realtime import RealtimeClient, VoiceSession
from tests.echo.cancellers import make_canceller
from wavtools import WavRecorder, WavStreamPlayer

__all__ = ["CallerOptions"]

RATE_HZ = 24_000


@dataclass(frozen=True)
class CallerOptions:
    """How the conversation is set up.

    Attributes
    ----------
    url : str
        Of the server.
    echo : str or None
        The voice session's *echo*; None leaves it out.
    canceller : str or None
        A canceller by name (tests/echo/cancellers.py), for a recorder and a player given to the session; None leaves both
        to the session.
    """

    url: str
    echo: str | None = None
    canceller: str | None = None


def tell(kind: str, **values: object) -> None:
    print(json.dumps({"time": time.monotonic(), "kind": kind, **values}), flush=True)


def make_voice(client: RealtimeClient, options: CallerOptions) -> VoiceSession:
    """The session, with the default devices unless a canceller is named."""
    devices: dict[str, Any] = {}
    if options.canceller is not None:
        player = devices["player"] = WavStreamPlayer(RATE_HZ)
        canceller = make_canceller(options.canceller, RATE_HZ)
        devices["recorder"] = WavRecorder(RATE_HZ, keep_seconds=0, reference=player, echo_canceller=canceller)
    extra: dict[str, Any] = {} if options.echo is None else {"echo": options.echo}
    return VoiceSession(client, mode="vad", **devices, **extra)


def watch(client: RealtimeClient) -> None:
    """Print what happens."""
    client.on("server.input_audio_buffer.speech_started", lambda event: tell("speech"))
    client.on("server.response.created", lambda event: tell("answer"))
    client.on("voice.cut", lambda event: tell("cut", samples=event.receipt.offset))
    client.on("error", lambda event: tell("error", text=str(event)))
    client.on("voice.echo", lambda event: tell("echo", text=str(event)))
    client.on(
        "server.conversation.item.input_audio_transcription.completed",
        lambda event: tell("heard", text=event["transcript"]),
    )


async def tell_played(client: RealtimeClient, voice: VoiceSession) -> None:
    """Say when the player has come to the end of an answer."""
    told = None
    while True:
        await asyncio.sleep(0.05)
        player: Any = voice.player
        heard = player.get_track_sample_offset()
        if heard is None or heard.track_id == told:
            continue
        item = client.conversation.get_item(heard.track_id)
        done = item is not None and item.status == "completed"
        if done and item is not None and 0 < item.received_samples <= heard.offset:
            told = heard.track_id
            tell("played", samples=heard.offset)


async def main() -> None:
    options = CallerOptions(**json.loads(sys.argv[1]))
    client = RealtimeClient(api_key="none", url=options.url, input_audio_transcription={"model": "whisper-1"})
    watch(client)
    async with make_voice(client, options) as voice:
        watching = asyncio.create_task(tell_played(client, voice))
        tell("ready")
        while line := await asyncio.to_thread(sys.stdin.readline):
            client.send_user_message_content(line.strip().removeprefix("ask "))
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


if __name__ == "__main__":
    asyncio.run(main())
