"""P13 through a sound system: from the end of speech in the room to the first sample of the answer in the speaker.

    python -m benchmarks.bench_client_room [TURNS]

A private PulseAudio server has two null sinks, a room and a speaker. Bursts are played into the room, whose monitor
is the program's microphone; a third party records both sinks, and the two recordings tell how long the program took,
whatever it believes. The server on the loopback hears the burst end and answers at once with 200 ms of sound; what it
needs for that, from the frame that holds the end to the answer being sent, is subtracted.

Ours is VoiceSession with its own defaults. The peer is what one writes with the openai package and sounddevice:
callbacks of 20 ms blocks at "low" latency (PortAudio through ALSA's pulse plugin), a queue in each direction.

Linux with pulseaudio, pulseaudio-utils, libportaudio2, libasound2-plugins.
"""

from __future__ import annotations

import asyncio
import base64
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from benchmarks.bench_gil_storm import raise_priority
from tests.audio_server import AudioServer

RATE = 48_000
LOUD = 1_000
BURST, PAUSE = 0.4, 1.1
ANSWER = base64.b64encode(np.full(4_800, 8_000, np.int16).tobytes()).decode()

PROGRAMS = {
    "wavtools and realtime": """
import asyncio, sys
from realtime import RealtimeClient, VoiceSession

async def main():
    client = RealtimeClient(api_key="", url=sys.argv[1])
    async with VoiceSession(client, mode="vad"):
        await client.wait_for_next("close")

asyncio.run(main())
""",
    "openai and sounddevice": """
import asyncio, base64, sys
from collections import deque
import numpy as np
import openai, sounddevice

async def main():
    loop, spoken, heard = asyncio.get_running_loop(), asyncio.Queue(), deque()
    sdk = openai.AsyncOpenAI(api_key="none", base_url="http://127.0.0.1:9", websocket_base_url=sys.argv[1])

    def record(data, frames, when, status):
        loop.call_soon_threadsafe(spoken.put_nowait, bytes(data))

    def play(out, frames, when, status):
        out[:, 0] = heard.popleft() if heard else 0

    async def send(connection):
        while True:
            block = base64.b64encode(await spoken.get()).decode()
            await connection.input_audio_buffer.append(audio=block)

    block = dict(samplerate=24_000, channels=1, dtype="int16", blocksize=480, latency="low", device="pulse")
    async with sdk.realtime.connect(model="m") as connection:
        with sounddevice.RawInputStream(callback=record, **block), sounddevice.OutputStream(callback=play, **block):
            sending = asyncio.create_task(send(connection))
            async for event in connection:
                if event.type == "response.output_audio.delta":
                    samples = np.frombuffer(base64.b64decode(event.delta), np.int16)
                    heard.extend(samples.reshape(-1, 480))

asyncio.run(main())
""",
}


class Listener:
    """The server: answers at the end of each burst, and records the time that its answer took."""

    def __init__(self) -> None:
        self.own_seconds: list[float] = []
        self.listening = threading.Event()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        started = asyncio.run_coroutine_threadsafe(self._start(), self.loop)
        self.url = started.result(5)

    def _run(self) -> None:
        self.loop.run_forever()

    async def _start(self) -> str:
        self.server = await serve(self._talk, "127.0.0.1", 0, compression=None)
        return f"ws://127.0.0.1:{next(iter(self.server.sockets)).getsockname()[1]}"

    async def _talk(self, socket: Any) -> None:
        detection = {"type": "server_vad", "create_response": True, "interrupt_response": True}
        session = {"type": "realtime", "id": "s", "audio": {"input": {"turn_detection": detection}}}
        await socket.send(json.dumps({"type": "session.created", "session": session}))
        speaking, number = False, 0
        while True:
            try:
                frame = await socket.recv()
            except ConnectionClosed:
                return  # the program was ended
            begin = time.perf_counter()
            event = json.loads(frame)
            if event["type"] != "input_audio_buffer.append":
                continue
            self.listening.set()
            samples = np.abs(np.frombuffer(base64.b64decode(event["audio"]), np.int16).astype(np.int32))
            if len(samples) == 0:
                continue
            quiet = samples[-48:].max() < LOUD  # the last 2 ms
            if speaking and quiet:
                number += 1
                for answer in self._answer(number):
                    await socket.send(json.dumps(answer))
                self.own_seconds.append(time.perf_counter() - begin)
            speaking = not quiet

    @staticmethod
    def _answer(number: int) -> list[dict[str, Any]]:
        place = {"response_id": f"r{number}", "item_id": f"i{number}", "content_index": 0, "output_index": 0}
        return [
            {"type": "response.created", "response": {"id": f"r{number}", "status": "in_progress"}},
            {"type": "response.output_audio.delta", "event_id": f"e{number}", **place, "delta": ANSWER},
            {"type": "response.done", "response": {"id": f"r{number}", "status": "completed", "output": []}},
        ]

    def stop(self) -> None:
        async def close() -> None:
            self.server.close()
            await self.server.wait_closed()

        asyncio.run_coroutine_threadsafe(close(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()


@dataclass
class Monitor:
    """A recording of one sink whose samples have a time.

    Chunks arrive late by as much as the scheduler pleases, and never early: the earliest arrival, relative to the
    count of samples, sets the clock of the whole recording. Sinks run on the system's clock.
    """

    process: subprocess.Popen[bytes]
    chunks: list[bytes] = field(default_factory=list)
    offset: float = float("inf")

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        count = 0
        while chunk := self.process.stdout.read1(65536):
            count += len(chunk) // 2
            self.chunks.append(chunk)
            self.offset = min(self.offset, time.perf_counter() - count / RATE)

    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Seconds at which sounds begin and end; silence is 50 ms without any."""
        loud = np.flatnonzero(np.abs(np.frombuffer(b"".join(self.chunks), np.int16).astype(np.int32)) > LOUD)
        if len(loud) == 0:
            return np.zeros(0), np.zeros(0)
        gaps = np.flatnonzero(np.diff(loud) > RATE // 20)
        begins, ends = np.concatenate([[loud[0]], loud[gaps + 1]]), np.concatenate([loud[gaps], [loud[-1]]])
        return begins / RATE + self.offset, ends / RATE + self.offset


def measure(program: str, turns: int) -> tuple[list[float], list[float]]:
    """Seconds of each turn without the server's time, and the server's time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / ".asoundrc").write_text(
            "pcm.!default pulse\npcm.pulse { type pulse }\nctl.pulse { type pulse }\n"
        )
        sound, listener = AudioServer(folder), Listener()
        raise_priority(sound.process.pid)
        format_ = ["--format=s16le", f"--rate={RATE}", "--channels=1", "--raw"]
        monitors = []
        for sink in ("room", "speaker"):
            command = ["parec", f"--device={sink}.monitor", "--latency-msec=5", *format_]
            monitors.append(Monitor(subprocess.Popen(command, env=sound.env, stdout=subprocess.PIPE)))
            raise_priority(monitors[-1].process.pid)
        command = ["pacat", "--playback", "--device=room", "--latency-msec=20", *format_]
        speech = subprocess.Popen(command, env=sound.env, stdin=subprocess.PIPE)
        running = subprocess.Popen(
            [sys.executable, "-c", PROGRAMS[program], listener.url],
            env=sound.env,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert speech.stdin is not None
            silence = np.zeros(RATE, np.int16).tobytes()
            while not listener.listening.is_set():
                if running.poll() is not None:
                    raise RuntimeError(f"{program} ended: {running.communicate()[1][-400:]}")
                time.sleep(0.1)
            speech.stdin.write(silence)
            burst = np.where(np.arange(int(BURST * RATE)) // 60 % 2, 9_000, -9_000).astype(np.int16)
            # Pauses of changing length let the bursts end at any point of a period.
            for turn in range(turns):
                pause = np.zeros(int(PAUSE * RATE) + 137 * turn, np.int16)
                speech.stdin.write(burst.tobytes() + pause.tobytes())
            speech.stdin.close()
            speech.wait()
            time.sleep(1.0)
        finally:
            running.terminate()
            running.communicate()
            speech.kill()
            speech.wait()
            for monitor in monitors:
                monitor.process.terminate()
                monitor.process.wait()
                monitor.thread.join()
            sound.stop()
            listener.stop()
    room, speaker = monitors
    _, spoken = room.edges()
    answered, _ = speaker.edges()
    own = statistics.median(listener.own_seconds) if listener.own_seconds else 0.0
    times = []
    for end in spoken:
        later = answered[(answered > end) & (answered < end + PAUSE)]
        if len(later):
            times.append(float(later[0] - end) - own)
    return times, listener.own_seconds


def main() -> None:
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    for program in PROGRAMS:
        times, own = measure(program, turns)
        print(
            f"{program}: {len(times)} of {turns} turns answered; median {statistics.median(times) * 1000:.1f} ms, "
            f"{min(times) * 1000:.1f} to {max(times) * 1000:.1f}; server {statistics.median(own) * 1000:.2f} ms"
        )


if __name__ == "__main__":
    main()
