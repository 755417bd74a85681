"""``wavtools doctor``: checks this installation and its devices, and says what to mend.

It opens the default microphone and speaker for a moment, and plays nothing. The exit status is 0 if all is well, 1 if
something must be mended.

Thread: the main one; devices have their own.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import sys
import time
from collections.abc import Callable, Iterator

from wavtools.command.options import add_device
from wavtools.command.terminal import bold, one_line

__all__ = ["add_arguments", "run"]

OPTIONAL = {
    "av": "reads Opus, m4a, WebM: pip install 'wavtools[formats]'",
    "pywebrtc-audio": "the other echo canceller: pip install 'wavtools[aec]'",
    "websockets": "the Realtime client: pip install 'wavtools[realtime]'",
    "textual": "the console: pip install 'wavtools[console]'",
    "onnxruntime": "the offline server's speech: pip install 'wavtools[offline]'",
}
# A device that gives no callback in this time is silent.
LISTEN_SECONDS = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this verb."""
    add_device(parser, "microphone", "--input")
    add_device(parser, "speaker", "--output")


def run(arguments: argparse.Namespace) -> int:
    """Check everything; return the exit status."""
    well = True
    for name, check in (
        ("python", _python),
        ("wavtools", _wavtools),
        ("packages", _packages),
        ("microphones", lambda: _listed("microphone")),
        ("speakers", lambda: _listed("speaker")),
        ("microphone", lambda: _microphone(arguments.input)),
        ("speaker", lambda: _speaker(arguments.output)),
    ):
        well &= _show(name, check)
    print("all is well" if well else "what is marked '!' must be mended")
    return 0 if well else 1


def _show(name: str, check: Callable[[], Iterator[str]]) -> bool:
    """Print the lines of a check; a line that begins with ! is something to mend."""
    from wavtools.errors import WavtoolsError

    well = True
    try:
        lines = list(check())
    except (OSError, WavtoolsError, ImportError) as error:
        lines = [f"!{error}"]
    for index, line in enumerate(lines):
        bad = line.startswith("!")
        well &= not bad
        print(
            f"{'!' if bad else ' '} {bold(name.ljust(12)) if not index else ' ' * 12} {one_line(line.lstrip('!'))}"
        )
    return well


def _python() -> Iterator[str]:
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    yield f"{platform.python_version()}{'' if gil else ', free-threaded'}, {platform.system()} {platform.machine()}"


def _wavtools() -> Iterator[str]:
    from wavtools import __version__, kernel_set

    yield f"{__version__}, kernels {kernel_set()}"


def _packages() -> Iterator[str]:
    for package, text in OPTIONAL.items():
        try:
            yield f"{package} {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:
            yield f"{package} is not installed ({text})"


def _listed(what: str) -> Iterator[str]:
    from wavtools import WavRecorder, WavStreamPlayer

    found = (WavRecorder if what == "microphone" else WavStreamPlayer).list_devices()
    if not found:
        yield f"!there is no {what}; see docs/troubleshooting.md for servers and containers"
        return
    default = next((info for info in found if info.default), None)
    yield f"{len(found)} on {found[0].backend}, default: {default.name if default else 'none'}"


def _microphone(device: str | None) -> Iterator[str]:
    from wavtools import WavRecorder

    with WavRecorder(device=device, keep_seconds=1) as recorder:
        recorder.record()
        time.sleep(LISTEN_SECONDS)
        stats = recorder.stats
        level = recorder.read().mean_values.any()
    yield f"{stats.callbacks} callbacks, {1000 * stats.latency_seconds:.0f} ms of buffer{_priority(stats.realtime_priority)}"
    if not stats.frames_captured:
        yield "!it opens, and gives nothing; is it suspended, or used by another program?"
    elif not level:
        yield "it gives silence: it is muted, or the system's privacy settings do not let this program hear it"


def _speaker(device: str | None) -> Iterator[str]:
    from wavtools import WavStreamPlayer

    player = WavStreamPlayer(device=device)
    player.connect()
    try:
        time.sleep(LISTEN_SECONDS)
        stats = player.stats
    finally:
        player.disconnect()
    yield f"{stats.callbacks} callbacks, {1000 * stats.latency_seconds:.0f} ms of buffer{_priority(stats.realtime_priority)}"
    if not stats.callbacks:
        yield "!it opens, and asks for nothing; is it suspended?"


def _priority(granted: bool | None) -> str:
    return {True: ", real-time priority", False: ", no real-time priority", None: ""}[granted]
