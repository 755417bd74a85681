"""A real browser for tests: headless Chromium, driven by its DevTools protocol over a websocket; no driver package.

    async with Browser(tmp_path) as browser:
        page = await browser.page()
        await page.goto(address)
        await page.wait("document.title")

A browser that a failed test left behind would eat the machine: it has a process group of its own, which is killed at the
end of the block, and at the latest at the end of the process.
"""

from __future__ import annotations

import asyncio
import atexit
import base64
import contextlib
import itertools
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.conftest import require_program

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--hide-scrollbars",
    "--mute-audio",
    "--remote-debugging-port=0",
)
# Sound without a click, and a microphone without a question
TALKS = ("--autoplay-policy=no-user-gesture-required", "--use-fake-ui-for-media-stream")


def require_browser() -> str:
    """Path of Chromium; a failure in CI and a skip elsewhere if it is missing."""
    return require_program("chromium", "chromium")


class Browser:
    """One Chromium with a profile of its own.

    Parameters
    ----------
    folder : Path
        For the profile.
    *flags : str
        More flags of the command line.
    """

    def __init__(self, folder: Path, *flags: str) -> None:
        self._profile = folder / "chromium"
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: ClientConnection | None = None
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._pages: dict[str, Page] = {}
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Browser:
        self._profile.mkdir(parents=True, exist_ok=True)
        (self._profile / "DevToolsActivePort").unlink(missing_ok=True)
        command = [require_browser(), *FLAGS, *self._flags, f"--user-data-dir={self._profile}", "about:blank"]
        # Starting a process takes no time that a test would notice
        self._process = subprocess.Popen(  # noqa: ASYNC220
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, "DBUS_SESSION_BUS_ADDRESS": "disabled:"},
        )
        atexit.register(self.kill)
        try:
            port, path = await self._port()
            self._socket = await connect(f"ws://127.0.0.1:{port}{path}", max_size=None, proxy=None)
        except BaseException:
            self.kill()
            raise
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self.call("Browser.close"), 2)
        if self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            await asyncio.gather(self._reader, return_exceptions=True)
        self.kill()

    def kill(self) -> None:
        """End the whole process group."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
            atexit.unregister(self.kill)

    async def _port(self) -> tuple[str, str]:
        file = self._profile / "DevToolsActivePort"
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert self._process is not None and self._process.poll() is None, "Chromium has ended"
            if file.exists() and len(lines := file.read_text().split()) == 2:
                return lines[0], lines[1]
            await asyncio.sleep(0.05)
        raise TimeoutError("Chromium does not start")

    async def _read(self) -> None:
        assert self._socket is not None
        try:
            async for frame in self._socket:
                message = json.loads(frame)
                if "id" in message:
                    answer = self._answers.pop(message["id"], None)
                    if answer is not None and not answer.done():
                        answer.set_result(message)
                elif message.get("sessionId") in self._pages:
                    self._pages[message["sessionId"]]._on_event(message["method"], message["params"])
        finally:
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(ConnectionError("Chromium has gone"))

    async def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol; AssertionError with the browser's reason if it fails."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": params}
        assert self._socket is not None
        await self._socket.send(json.dumps({**message, "sessionId": session} if session else message))
        found = await asyncio.wait_for(answer, 30)
        assert "error" not in found, f"{method}: {found['error']}"
        return dict(found["result"])

    async def close_pages(self) -> None:
        """Close every tab: one that plays and draws takes the processor from the next test."""
        pages, self._pages = self._pages, {}
        for page in pages.values():
            await self.call("Target.closeTarget", targetId=page.target)

    async def page(self, width: int = 1280, height: int = 800) -> Page:
        """A new tab in a browser context of its own, so without cookies of another."""
        context = (await self.call("Target.createBrowserContext"))["browserContextId"]
        return await self.tab(context, width, height)

    async def tab(self, context: str, width: int = 1280, height: int = 800) -> Page:
        """A new tab that shares the cookies of *context*."""
        target = (await self.call("Target.createTarget", url="about:blank", browserContextId=context))[
            "targetId"
        ]
        session = (await self.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        page = self._pages[session] = Page(self, target, session, context)
        for domain in ("Page", "Runtime", "Log", "Network"):
            await page.call(f"{domain}.enable")
        await page.size(width, height)
        return page


class Page:
    """A tab.

    Attributes
    ----------
    target : str
        Its id at the browser.
    context : str
        Id of its cookies and storage.
    problems : list of str
        What it has said on its console as an error or a warning, and its uncaught exceptions.
    received : int
        Bytes of websocket frames that it got.
    """

    def __init__(self, browser: Browser, target: str, session: str, context: str) -> None:
        self.browser = browser
        self.context = context
        self.problems: list[str] = []
        self.received = 0
        self.target = target
        self._session = session

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol on this tab."""
        return await self.browser.call(method, self._session, **params)

    async def goto(self, url: str) -> None:
        """Open an address, and wait until the document is read."""
        await self.call("Page.navigate", url=url)
        await self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def reload(self) -> None:
        """Load the page again."""
        await self.evaluate("window.old = true")
        await self.call("Page.reload")
        await self.wait("!window.old && document.readyState === 'complete'")

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited; AssertionError with what it threw."""
        found = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    async def wait(self, expression: str, seconds: float = 20.0) -> Any:
        """Wait until an expression is true, and return its value."""
        deadline = time.monotonic() + seconds
        while True:
            # A navigation may end the world in which it runs
            try:
                value = await self.evaluate(expression)
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
                value = None
            if value:
                return value
            if time.monotonic() > deadline:
                raise AssertionError(f"never true: {expression}; problems of the page: {self.problems}")
            await asyncio.sleep(0.05)

    async def size(self, width: int, height: int) -> None:
        """Set the size of the window in CSS pixels."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    async def scheme(self, name: str) -> None:
        """Set what the system prefers: "light" or "dark"."""
        await self.call(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}]
        )

    async def picture(self, path: Path) -> None:
        """Write a picture of the window."""
        shot = await self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))

    async def key(self, kind: str, key: str) -> None:
        """Press ("keyDown") or release ("keyUp") a key."""
        text = {"text": key} if kind == "keyDown" and len(key) == 1 else {}
        code = "Space" if key == " " else key
        await self.call("Input.dispatchKeyEvent", type=kind, key=key, code=code, **text)

    async def pointer(self, kind: str, selector: str) -> None:
        """Press ("mousePressed") or release ("mouseReleased") on the middle of an element."""
        name = json.dumps(selector)
        box = await self.evaluate(
            f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])"
            f"(document.querySelector({name}).getBoundingClientRect())"
        )
        await self.call(
            "Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1
        )

    async def click(self, selector: str) -> None:
        """Click on an element."""
        await self.pointer("mousePressed", selector)
        await self.pointer("mouseReleased", selector)

    def _on_event(self, method: str, params: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.problems.append(
                " ".join(str(part.get("value", part.get("description"))) for part in params["args"])
            )
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.problems.append(f"{params['entry']['text']} {params['entry'].get('url', '')}".strip())
        elif method == "Network.webSocketFrameReceived":
            payload = params["response"]["payloadData"]
            self.received += len(payload) if params["response"]["opcode"] == 1 else len(payload) * 3 // 4
