"""A room with a microphone and a loudspeaker, and servers, for the programs of examples/."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.audio_server import AudioServer
from tests.conftest import require_program
from tests.examples.programs import environment
from wavtools import save

RATE = 24_000


class Room:
    """An audio server of its own. What is said in it, its default microphone hears."""

    def __init__(self, folder: Path) -> None:
        self.server = AudioServer(folder)
        self._paplay = require_program("paplay", "pulseaudio-utils")
        t = np.arange(RATE) / RATE
        # The stand-in for a voice detector takes it for speech.
        voice = 8_000 * np.sin(2 * np.pi * 300 * t) * (1 + np.sin(2 * np.pi * 5 * t)) / 2
        self.voice = folder / "voice.wav"
        save(self.voice, voice.astype(np.int16), RATE)

    def environment(self, url: str = "", **more: str) -> dict[str, str]:
        return environment(url, self.server.env, **more)

    def say(self, recording: Path | None = None) -> None:
        """Play a recording, or say something for a second."""
        subprocess.run(
            [self._paplay, "--device=room", str(recording or self.voice)],
            env=self.server.env,
            check=True,
            timeout=30,
        )

    def listens(self) -> bool:
        """True if a program has opened the microphone."""
        return bool(self.server.pactl("list", "short", "source-outputs").strip())


@pytest.fixture(scope="session")
def room(tmp_path_factory) -> Iterator[Room]:
    if sys.platform == "win32":
        pytest.skip("the audio server is for POSIX systems")
    room = Room(tmp_path_factory.mktemp("room"))
    yield room
    room.server.stop()


@pytest.fixture(scope="session")
def failing_url() -> Iterator[str]:
    """An offline server whose account has no money left."""
    from realtime.offline import start_server_process

    with start_server_process(
        "--voice", "standin", "--pace", "0", "--fault", "failed=insufficient_quota"
    ) as server:
        yield server.url
