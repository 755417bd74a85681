"""``doctor``: checks packages, devices, key and endpoint, and says what to mend.

It opens the real devices, plays a quiet test tone and a second of noise, and measures after how long the microphone hears
them and how much of the echo can be cancelled. The exit status is 0 if a conversation can be held, 1 if something must
be mended first.

Thread: the event loop's; devices are opened and heard in a thread.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .endpoint import Endpoint
from .errors import UserError
from .room_measure import measure_room
from .settings import Settings
from .text import one_line

__all__ = ["doctor", "round_trip_seconds"]

RATE_HZ = 24_000
TONE_SECONDS = 0.25
LISTEN_SECONDS = 1.5
TONE_DB = -20.0
CLEAR = 9.0
PACKAGES = ("numpy", "websockets", "orjson", "pybase64", "textual", "httpx", "platformdirs")


def chirp() -> np.ndarray:
    """Return a short sweep from 300 to 3000 Hz, which differs from every sound of a room."""
    t = np.arange(int(TONE_SECONDS * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * (300 * t + (3000 - 300) * t**2 / (2 * TONE_SECONDS))
    level = 32767 * 10 ** (TONE_DB / 20)
    return (np.sin(phase) * np.hanning(len(t)) * level).astype(np.int16)


def find_delay(recorded: np.ndarray, tone: np.ndarray) -> float | None:
    """Return the second of *recorded* at which *tone* begins; None if it is not there."""
    if len(recorded) <= len(tone):
        return None
    match = np.abs(np.correlate(recorded.astype(np.float32), tone.astype(np.float32), "valid"))
    best = int(np.argmax(match))
    # Noise alone reaches 4 or 5 times its mean square root.
    if match[best] <= CLEAR * float(np.sqrt(np.mean(match**2))):
        return None
    return best / RATE_HZ


def round_trip_seconds(microphone: str | None, speaker: str | None) -> float | None:
    """Play a test tone and return the seconds until the microphone hears it.

    Parameters
    ----------
    microphone, speaker : str or None
        Id or part of the name; None for the default device.

    Returns
    -------
    float or None
        Seconds from queueing the tone; None if the microphone does not hear it.

    Raises
    ------
    DeviceError
        A device does not open.
    """
    from wavtools import WavRecorder, WavStreamPlayer

    recorder = WavRecorder(RATE_HZ, device=microphone)
    player = WavStreamPlayer(RATE_HZ, device=speaker)
    player.connect()
    try:
        recorder.begin()
        recorder.record(lambda chunk: None, 480)
        # Both devices need a moment to start
        time.sleep(0.3)
        before = len(recorder.save(force=True).pcm.reshape(-1)) / RATE_HZ
        tone = chirp()
        player.add_16bit_pcm(tone, "tone")
        time.sleep(LISTEN_SECONDS)
        wav = recorder.end()
    finally:
        recorder.quit()
        player.disconnect()
    heard = wav.pcm.reshape(-1, wav.channel_count)[:, 0]
    return find_delay(np.ascontiguousarray(heard[int(before * RATE_HZ) :]), tone)


class _Report:
    """Says what was found, one line each, and counts what must be mended."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.bad = 0

    def good(self, what: str, detail: str) -> None:
        self._say(f"ok       {what}: {one_line(detail, 200)}")

    def note(self, what: str, detail: str) -> None:
        self._say(f"note     {what}: {one_line(detail, 300)}")

    def fail(self, what: str, detail: str) -> None:
        self.bad += 1
        self._say(f"MEND     {what}: {one_line(detail, 300)}")


async def doctor(settings: Settings, say: Callable[[str], None] = print) -> int:
    """Check everything, say each result in one line, and return the exit status."""
    report = _Report(say)
    for name in PACKAGES:
        try:
            module = importlib.import_module(name)
        except ImportError:
            report.fail(name, "not installed: pip install 'wavtools[console]'")
        else:
            report.good(name, str(getattr(module, "__version__", "installed")))
    await asyncio.to_thread(_devices, report, settings)
    endpoint = None
    try:
        endpoint = Endpoint(offline=settings.offline, url=settings.url, model=settings.model)
    except UserError as error:
        report.fail("key", str(error))
    if endpoint is not None:
        if endpoint.key:
            report.good("key", f"found: {endpoint.key.source}")
        else:
            report.note(
                "key",
                "none: set OPENAI_API_KEY, or press a in the console; without a key the offline server answers",
            )
        await _endpoint(report, endpoint)
    say("everything works" if not report.bad else f"{report.bad} to mend, marked MEND")
    return 1 if report.bad else 0


def _whereabouts(device: str | None, stream: Any) -> str:
    """Name a device that opened, and the devices of its audio system."""
    from wavtools import DeviceError

    try:
        found = stream.list_devices()
    except DeviceError:
        found = []
    system = found[0].backend if found else ""
    named, colon, _ = (device or "").partition(":")
    if not found or (colon and not system.casefold().startswith(named.casefold())):
        # The lists are those of the default audio system, and the name chose another one.
        return f"{device or 'default'} opens"
    return f"{device or 'default'} of {len(found)} on {system}: {', '.join(info.name for info in found)}"


def _devices(report: _Report, settings: Settings) -> None:
    from wavtools import DeviceError, WavRecorder, WavStreamPlayer

    opened = 0
    for noun, device, make, start, stop in (
        ("microphone", settings.input, WavRecorder, "begin", "quit"),
        ("speaker", settings.output, WavStreamPlayer, "connect", "disconnect"),
    ):
        stream: Any = make(RATE_HZ, device=device)
        try:
            getattr(stream, start)()
            time.sleep(0.3)
            stats = stream.stats
            getattr(stream, stop)()
        except DeviceError as error:
            report.fail(noun, str(error))
            continue
        opened += 1
        report.good(noun, _whereabouts(device, stream))
        granted = {True: "granted", False: "refused", None: "cannot be seen here"}[stats.realtime_priority]
        line = f"{granted}; latency {stats.latency_seconds * 1000:.0f} ms"
        (report.note if stats.realtime_priority is False else report.good)(f"{noun} real-time priority", line)
        if not stats.callbacks:
            report.fail(noun, "it opened but gives no audio; choose another one with --input or --output")
    if opened == 2:
        try:
            delay = round_trip_seconds(settings.input, settings.output)
        except DeviceError as error:
            report.fail("test tone", str(error))
            return
        if delay is None:
            report.note("test tone", "the microphone did not hear it (headphones, or a muted device)")
        else:
            report.good("test tone", f"heard after {delay * 1000:.0f} ms, from queueing to recording")
        try:
            report.note("echo", str(measure_room(settings.input, settings.output)))
        except DeviceError as error:
            report.fail("echo", str(error))


async def _endpoint(report: _Report, endpoint: Endpoint) -> None:
    from realtime.errors import RealtimeError

    try:
        client = await endpoint.make_client()
        began = time.monotonic()
        try:
            await client.connect()
            took = time.monotonic() - began
            report.good(
                "endpoint",
                f"{endpoint.name}: session after {took * 1000:.0f} ms, model {client.session.get('model')}",
            )
        finally:
            await client.disconnect()
    except (RealtimeError, UserError) as error:
        report.fail("endpoint", f"{endpoint.name}: {error}")
    finally:
        await endpoint.close()
