"""P18: a browser as the sound card: voice to voice through the page, and interruptions of a page that is far away.

    python -m benchmarks.bench_page [TURNS] [CUTS]

Voice to voice is measured as in bench_client_room, in the same rig and one run: a burst in the room, the answer in the
speaker, the server's own time taken off. Beside native devices and openai with sounddevice, the page of the console is
the sound card: headless Chromium on the same PulseAudio server, once with the browser's echo cancellation, noise
suppression and gain control, once without, once by an AudioWorklet, which browsers without a track processor use.

Interruptions: answers of one level each are cut at random at 0, 25 and 50 ms of network delay each way. The receipt is
compared with what a recorder in the page has heard, and the sink's monitor tells when the last sample sounded.

Linux with chromium and what bench_client_room needs.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench_client_room import PROGRAMS, RATE, Monitor, measure
from tests import page as browsers
from tests.audio_server import AudioServer
from tests.page import TALKS, Browser, Page
from tests.web.distant import Line
from tests.web.heard import TAP
from tests.web.rig import Site, site
from wavtools import WavStreamPlayer

DELAYS_MS = (0, 25, 50)
LEVELS = (
    "heard.reduce((sum, part) => { for (const one of part) sum[one] = (sum[one] ?? 0) + 1; return sum; }, {})"
)
RAW = """
const get = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = ({ audio }) =>
  get({ audio: { ...audio, echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
"""
NO_TRACK_PROCESSOR = "delete globalThis.MediaStreamTrackProcessor;"
# Name -> the script that the page runs before its own
PAGES = {
    "page, the browser's processing": "",
    "page, raw": RAW,
    "page, raw, AudioWorklet": RAW + NO_TRACK_PROCESSOR,
}
PROGRAM = (
    "import asyncio, sys; from benchmarks.bench_page import talk; asyncio.run(talk({script!r}, sys.argv[1]))"
)


def loud() -> tuple[str, ...]:
    """The flags of the tests' browser, which is heard here."""
    return tuple(flag for flag in browsers.FLAGS if flag != "--mute-audio")


async def opened(browser: Browser, address: str, script: str) -> Page:
    """A page that runs *script* before its own."""
    page = await browser.page()
    await page.call("Page.setBypassCSP", enabled=True)
    await page.call("Page.addScriptToEvaluateOnNewDocument", source=script)
    await page.goto(address)
    await page.wait("document.getElementById('state-word').textContent.includes('disconnected')")
    return page


async def talk(script: str, url: str) -> None:
    """A console whose page has the sound, connected to *url* under vad until the process is ended."""
    browsers.FLAGS = loud()
    # Chromium lists no monitors, so the room gets a source that is none
    ear = ("load-module", "module-remap-source", "master=room.monitor", "source_name=ear")
    for command in (ear, ("set-default-source", "ear")):
        await (await asyncio.create_subprocess_exec("pactl", *command, stdout=subprocess.DEVNULL)).wait()
    with tempfile.TemporaryDirectory() as folder:
        async with site(url) as found, Browser(Path(folder), *TALKS) as browser:
            await found.desk.call.toggle_mode()
            page = await opened(browser, found.server.address, script)
            await page.click("#connect")
            ended = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
            await ended.wait()


async def interrupt(found: Site, page: Page, monitor: Monitor, cuts: int, seed: int) -> dict[str, Any]:
    """Cut *cuts* answers at random; counts of exact receipts and seconds until silence."""
    rng = random.Random(seed)
    player = WavStreamPlayer(24_000, device=found.desk.device)
    player.connect()
    receipts, begun = {}, []
    try:
        await page.wait("heard.length")
        for number in range(cuts):
            level = 2_000 + number
            player.add_16bit_pcm(np.full(48_000, level, np.int16), f"answer {number}")
            await page.wait(f"heard.some((part) => part.includes({level}))")
            await asyncio.sleep(rng.uniform(0.1, 0.4))
            begun.append(time.perf_counter())
            receipt = player.interrupt()
            receipts[level] = (receipt.offset, (await receipt.wait_until_settled_async(20)).offset)
            # The monitor tells two sounds apart by 50 ms of silence
            await asyncio.sleep(0.3)
    finally:
        player.disconnect()
    played = {int(level): count for level, count in (await page.evaluate(LEVELS)).items()}
    _, ends = monitor.edges()
    silent = [float(later[0] - call) for call in begun if len(later := ends[ends > call])]
    return {
        "at once": sum(first == played.get(level, 0) for level, (first, _) in receipts.items()),
        "settled": sum(last == played.get(level, 0) for level, (_, last) in receipts.items()),
        "silent": silent,
    }


async def far(delay_ms: int, cuts: int) -> dict[str, Any]:
    """Interruptions of a page *delay_ms* away, each way."""
    line = Line(delay_ms / 1000, 0.003 if delay_ms else 0.0)
    await line.start()
    with tempfile.TemporaryDirectory() as name:
        sound = AudioServer(Path(name))
        command = ["parec", "--device=speaker.monitor", "--latency-msec=5", "--format=s16le"]
        command += [f"--rate={RATE}", "--channels=1", "--raw"]
        # Starting a process takes no time that a measurement would notice
        monitor = Monitor(subprocess.Popen(command, env=sound.env, stdout=subprocess.PIPE))  # noqa: ASYNC220
        os.environ.update({name: sound.env[name] for name in sound.env if name.startswith(("PULSE", "XDG"))})
        browsers.FLAGS = loud()
        try:
            async with (
                site(origins=(f"http://127.0.0.1:{line.port}",)) as found,
                Browser(Path(name), *TALKS) as browser,
            ):
                line.lead_to(found.server.port)
                address = found.server.address.replace(f":{found.server.port}/", f":{line.port}/")
                page = await opened(browser, address, TAP)
                return await interrupt(found, page, monitor, cuts, delay_ms)
        finally:
            await line.stop()
            monitor.process.terminate()
            monitor.process.wait()
            monitor.thread.join()
            sound.stop()


def in_ms(seconds: list[float]) -> str:
    """Median, 90 % and largest in ms."""
    if not seconds:
        return "none"
    ordered = sorted(second * 1000 for second in seconds)
    ninety = ordered[min(len(ordered) * 9 // 10, len(ordered) - 1)]
    return f"median {statistics.median(ordered):.1f} ms, 90 % {ninety:.1f}, largest {ordered[-1]:.1f}"


def main() -> None:
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    cuts = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    PROGRAMS.update({name: PROGRAM.format(script=script) for name, script in PAGES.items()})
    for program in PROGRAMS:
        times, _ = measure(program, turns)
        print(f"{program}: {len(times)} of {turns} turns answered; {in_ms(times)}", flush=True)
    for delay in DELAYS_MS:
        found = asyncio.run(far(delay, cuts))
        print(
            f"{delay} ms each way: {found['at once']} of {cuts} exact at once, {found['settled']} once settled; "
            f"silent after {in_ms(found['silent'])}",
            flush=True,
        )


if __name__ == "__main__":
    main()
