"""Firefox for tests: headless, driven by WebDriver BiDi over a websocket; no driver package. For Chromium see page.py."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import itertools
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

# Sound without a click, a microphone without a question, and nothing from the network
PREFERENCES = {
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,
    "media.autoplay.default": 0,
    "media.cubeb.backend": "",
    "browser.shell.checkDefaultBrowser": False,
    "app.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "",
}


class Firefox:
    """One Firefox with a profile and an environment of its own, and one tab."""

    def __init__(self, program: str, folder: Path, env: dict[str, str]) -> None:
        self._program = program
        self._profile = folder / "firefox"
        self._env = env
        self._process: subprocess.Popen[str] | None = None
        self._socket: ClientConnection | None = None
        self._numbers = itertools.count(1)
        self._tab = ""

    async def __aenter__(self) -> Firefox:
        self._profile.mkdir(parents=True)
        lines = [
            f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()
        ]
        (self._profile / "user.js").write_text("\n".join(lines))
        # Starting a process takes no time that a test would notice
        self._process = subprocess.Popen(  # noqa: ASYNC220
            [
                self._program,
                "--headless",
                "--no-remote",
                "--remote-debugging-port",
                "0",
                "--profile",
                str(self._profile),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**self._env, "HOME": str(self._profile), "MOZ_CRASHREPORTER_DISABLE": "1"},
        )
        atexit.register(self.kill)
        try:
            url = await asyncio.wait_for(asyncio.to_thread(self._url), 60)
            self._socket = await connect(f"{url}/session", max_size=None, proxy=None)
            await self.call("session.new", capabilities={})
            self._tab = (await self.call("browsingContext.getTree"))["contexts"][0]["context"]
        except BaseException:
            self.kill()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._socket is not None:
            with contextlib.suppress(Exception):
                await self._socket.close()
        self.kill()

    def kill(self) -> None:
        """End the whole process group."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
            assert process.stderr is not None
            process.stderr.close()
            atexit.unregister(self.kill)

    def _url(self) -> str:
        assert self._process is not None and self._process.stderr is not None
        for line in self._process.stderr:
            found = re.search(r"BiDi listening on (ws://\S+)", line)
            if found:
                return found[1]
        raise AssertionError("Firefox has ended")

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol."""
        number = next(self._numbers)
        assert self._socket is not None
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(await asyncio.wait_for(self._socket.recv(), 60))
            if message.get("id") == number:
                assert message["type"] == "success", message
                return dict(message["result"])

    async def goto(self, url: str) -> None:
        """Open an address, and wait until it is loaded."""
        await self.call("browsingContext.navigate", context=self._tab, url=url, wait="complete")

    async def evaluate(self, expression: str) -> Any:
        """The plain value of a JavaScript expression."""
        found = await self.call(
            "script.evaluate",
            expression=expression,
            target={"context": self._tab},
            awaitPromise=True,
            userActivation=True,
        )
        assert found["type"] == "success", found
        return found["result"].get("value")

    async def wait(self, expression: str, seconds: float = 40.0) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + seconds
        while not await self.evaluate(f"Boolean({expression})"):
            assert time.monotonic() < deadline, f"never true: {expression}"
            await asyncio.sleep(0.1)
