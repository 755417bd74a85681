"""Your own agent in the console: `run` shows a client of yours, `AgentCall` one that a Python file defines.

The client has its own instructions and tools; the console adds what it is told to add, and nothing else. A file is read
again whenever it is saved, with the modules beside it that it imports: the screen stays and a new session begins.

Thread: the event loop's; files are read and run in a thread.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .agent_file import AgentFile
from .call import Call
from .endpoint import Endpoint
from .errors import UserError
from .places import place_of
from .settings import DotEnv, Settings, load
from .text import one_line

__all__ = ["AgentCall", "FileSource", "ObjectSource", "run"]

LOOK_SECONDS = 0.3


class ObjectSource:
    """Clients from an object: a RealtimeClient, or a function that makes one.

    Parameters
    ----------
    source : RealtimeClient or callable
        A function without arguments, plain or async.
    tools : iterable of callable
        Functions to add with ``client.tool``, where the client has no tool of that name.
    session : mapping
        Session keywords to set.
    """

    # Nothing can change
    file: AgentFile | None = None

    def __init__(
        self, source: Any, tools: Iterable[Callable[..., Any]] = (), session: Mapping[str, Any] | None = None
    ) -> None:
        self.name = "your client"
        self._source = source
        self._tools = tuple(tools)
        self._session = dict(session or {})

    async def make(self) -> Any:
        """Return the client of the next session. Raises UserError, with file and line where there is one."""
        return await self._client(self._source, self.name)

    async def _client(self, source: Any, name: str) -> Any:
        from realtime import RealtimeClient

        try:
            client = source
            if not isinstance(source, RealtimeClient) and callable(source):
                client = source()
                if inspect.isawaitable(client):
                    client = await client
            if isinstance(client, RealtimeClient):
                for function in self._tools:
                    if getattr(function, "__name__", "") not in client.tools:
                        client.tool(function)
                if self._session:
                    client.update_session(**self._session)
                return client
        except Exception as error:
            raise UserError(
                f"{place_of(error) or name}: {one_line(f'{type(error).__name__}: {error}')}"
            ) from error
        raise UserError(
            f"{name}: client is of type {type(client).__name__}; it must be a RealtimeClient, or a function that makes one"
        )


class FileSource(ObjectSource):
    """Clients from a Python file that defines ``client``, or ``make_client()``."""

    def __init__(self, path: Path) -> None:
        super().__init__(None)
        self.name = path.name
        self.file = AgentFile(path)
        # A client that the next session takes
        self._ready: Any = None

    async def make(self) -> Any:
        """As `ObjectSource.make`; the first call runs the file."""
        if self._ready is None and self._source is None:
            await self.read()
        client, self._ready = self._ready, None
        return await super().make() if client is None else client

    async def read(self) -> None:
        """Run the file and make a client. Raises UserError, with file and line; then everything stays as it was."""
        assert self.file is not None
        source = await self.file.read()
        self._ready = await self._client(source, self.name)
        self._source = source


class AgentEndpoint(Endpoint):
    """The server of an agent: the one that its client names, else the one that the console would use.

    The client finds it where it looks by default, in the environment of this process.
    """

    def __init__(self, settings: Settings, source: ObjectSource) -> None:
        super().__init__(offline=settings.offline, url=settings.url)
        self._source = source
        self._model = settings.model
        self._voice = settings.voice
        # The client whose handlers are set
        self._known: Any = None
        # Called with each client that is new
        self.on_client: Callable[[Any], object] = lambda client: None

    @property
    def name(self) -> str:
        """Name of the agent and its server, in words for the user."""
        return f"{self._source.name} · {super().name}"

    async def make_client(self, **session: Any) -> Any:
        """Return the agent's client, not yet connected. Raises UserError."""
        where = await self._address()
        if where["url"]:
            os.environ["OPENAI_BASE_URL"] = where["url"]
        if where["api_key"]:
            os.environ["OPENAI_API_KEY"] = where["api_key"]
        client = await self._source.make()
        if self._model is not None:
            client.model = self._model
        if session:
            client.update_session(**session)
        return client

    def offer(self, tools: Any, client: Any, fetch_weather: Any) -> None:
        """Add no tools: the agent has its own."""

    def is_new(self, client: Any) -> bool:
        """True for a client that has no handlers of the console yet."""
        before, self._known = self._known, client
        if client is before:
            return False
        self.on_client(client)
        return True


class AgentCall(Call):
    """A call with an agent of the user's; it connects by itself, and again when the agent's file was saved."""

    def __init__(self, settings: Settings, source: ObjectSource) -> None:
        endpoint = AgentEndpoint(settings, source)
        super().__init__(settings, endpoint)
        self.source = source
        if settings.mode is None:
            endpoint.on_client = self._take_mode
        self._following: asyncio.Task[None] | None = None

    def _take_mode(self, client: Any) -> None:
        """Detect turns as the client is set to do, until the user changes it."""
        self.model.talk.mode = "vad" if client.get_turn_detection_type() else "manual"
        self.model.revision += 1

    def tick(self) -> None:
        """As `Call.tick`; the first call connects."""
        if self._following is None:
            self._following = asyncio.get_running_loop().create_task(self.attempt(self._follow()))
        super().tick()

    async def _follow(self) -> None:
        if self.model.state == "disconnected":
            await self.connect()
        file = self.source.file
        while file is not None:
            await asyncio.sleep(LOOK_SECONDS)
            if file.changed():
                await self.attempt(self.reload())

    async def reload(self) -> None:
        """Read the file again and open a new session; if the file has an error, the session goes on as it was."""
        source = self.source
        assert isinstance(source, FileSource)
        try:
            await source.read()
        except UserError as error:
            connected = self.model.state in ("connected", "reconnecting")
            rest = "; the session goes on with the file as it was before" if connected else ""
            self.model.notice("error", f"{error}{rest}")
            return
        await self.disconnect()
        if await self.connect():
            self.model.notice("info", f"{source.name} was read again: a new session")

    async def close(self) -> None:
        """As `Call.close`."""
        if self._following is not None:
            self._following.cancel()
        await super().close()


def run(
    client: Any,
    *,
    tools: Iterable[Callable[..., Any]] = (),
    session: Mapping[str, Any] | None = None,
    plain: bool = False,
    **settings: Any,
) -> int:
    """Show a conversation with a client of yours: its events, items, audio and tools. Returns when the user quits.

    It needs a terminal; without one, and with *plain*, it prints lines. Without a key and a URL the client talks to the
    offline server. Thread: the main one; it runs an event loop of its own, so no loop may run.

    Parameters
    ----------
    client : RealtimeClient or callable
        A client that is not connected, or a function without arguments, plain or async, that makes one. The function is
        called for each connection; a client is connected again.
    tools : iterable of callable, optional
        Functions that the model may call, in addition to the client's own, described by their docstrings and annotations.
    session : mapping, optional
        Session keywords as for `RealtimeClient.update_session`, such as ``{"voice": "marin"}``.
    plain : bool
        Print lines, show no screen.
    **settings
        As the flags of the command line: ``offline``, ``url``, ``model``, ``voice``, ``mode``, ``input``, ``output``,
        ``theme``, ``sessions``.

    Returns
    -------
    int
        The exit status.

    Raises
    ------
    TypeError
        A setting that does not exist.
    RuntimeError
        An event loop runs in this thread, or the console shows this file already.

    Examples
    --------
    >>> client = RealtimeClient(instructions="You sell tea.")      # doctest: +SKIP
    >>> console.run(client, tools=[price], session={"voice": "marin"})      # doctest: +SKIP
    """
    unknown = settings.keys() - Settings.__dataclass_fields__.keys() - {"sources"}
    if unknown:
        raise TypeError(f"console.run() has no setting {sorted(unknown)[0]!r}")
    if AgentFile.is_reading():
        raise RuntimeError(
            "console.run() is called by a file that the console shows; call it under: if __name__ == '__main__'"
        )
    from .running import run_call

    found = replace(load(settings, os.environ, DotEnv()))
    return run_call(lambda: AgentCall(found, ObjectSource(client, tools, session)), found.theme, plain)
