"""AudioServer: a real PulseAudio server for one test, with its own runtime folder and null sinks.

The microphone is "room.monitor": it records what is played into the sink "room". What the program plays goes to the sink
"speaker", and "speaker.monitor" records it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

from tests.conftest import require_program

MODULES = """
load-module module-native-protocol-unix
load-module module-null-sink sink_name=speaker norewinds=1 rate={rate} channels={speakers} format=s16le
load-module module-null-sink sink_name=room norewinds=1 rate={rate} channels=1 format=s16le
set-default-sink speaker
set-default-source room.monitor
"""

PROLOGUE = "import os; os.environ.pop('LD_PRELOAD', None)\n"


class AudioServer:
    """A running server; with ``env``, client programs connect to it and to no other."""

    # Runs the programs of python() and popen().
    interpreter: tuple[str, ...] = (sys.executable,)
    # More options of the server
    options: tuple[str, ...] = ()

    def __init__(self, folder: Path, rate: int = 48_000, speakers: int = 1) -> None:
        self._pulseaudio = require_program("pulseaudio", "pulseaudio")
        require_program("pactl", "pulseaudio-utils")
        self.folder = folder
        self._script = folder / "modules.pa"
        self._script.write_text(MODULES.format(rate=rate, speakers=speakers))
        self.env = {
            # Only our program loads a sanitizer's runtime: not the server, and (PROLOGUE) not the program's children.
            **{name: value for name, value in os.environ.items() if name != "LD_PRELOAD"},
            "PULSE_RUNTIME_PATH": str(folder / "pulse"),
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_SERVER": f"unix:{folder / 'pulse' / 'native'}",
            "HOME": str(folder),
        }
        self._preload = {name: value for name, value in os.environ.items() if name == "LD_PRELOAD"}
        self.start()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        (self.folder / "pulse").mkdir(mode=0o700, exist_ok=True)
        command = [self._pulseaudio, "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
        command += ["--disable-shm=yes", f"--file={self._script}", *self.options]
        log = (self.folder / "server.log").open("wb")
        self.process = subprocess.Popen(command, env=self.env, stdout=log, stderr=log)
        log.close()
        deadline = time.monotonic() + 15
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"PulseAudio did not start: {(self.folder / 'server.log').read_text()[-500:]}"
                )
            time.sleep(0.05)

    def _answers(self) -> bool:
        listed = subprocess.run(
            ["pactl", "list", "short", "sinks"], env=self.env, capture_output=True, text=True
        )
        return "room" in listed.stdout

    def kill(self) -> None:
        """End the server as a crash does; start() starts it again."""
        self.process.kill()
        self.process.wait()
        # A server refuses to start beside the socket of a dead one.
        shutil.rmtree(self.folder / "pulse")

    def pactl(self, *arguments: str) -> str:
        """Output of a pactl command."""
        done = subprocess.run(["pactl", *arguments], env=self.env, capture_output=True, text=True, check=True)
        return done.stdout

    def stop(self) -> None:
        """End the server, frozen or not."""
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def python(self, code: str, *arguments: object, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a Python program against this server, in a process, because libpulse reads its environment only once."""
        environment = {**self.env, **self._preload}
        return run_python(code, *arguments, env=environment, timeout=timeout, interpreter=self.interpreter)

    def popen(self, code: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
        """The same in the background, with pipes for its input and output lines."""
        return subprocess.Popen(
            [*self.interpreter, "-u", "-c", PROLOGUE + textwrap.dedent(code), *map(str, arguments)],
            env={**self.env, **self._preload},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **options,
        )


def run_python(
    code: str,
    *arguments: object,
    env: dict[str, str],
    timeout: float = 60,
    interpreter: tuple[str, ...] = (sys.executable,),
) -> subprocess.CompletedProcess[str]:
    command = [*interpreter, "-c", PROLOGUE + textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout
    )


def no_server_environment(folder: Path) -> dict[str, str]:
    """An environment in which no audio server can be found."""
    return {
        **os.environ,
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
        "PULSE_RUNTIME_PATH": str(folder / "pulse"),
        "PULSE_SERVER": f"unix:{folder / 'nobody'}",
    }
