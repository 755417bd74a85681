"""Tap: starts the forwarding process, and keeps a session model of each client that passes.

It has the methods of `console.call.Call`, so that the screen shows it; those that would talk to the server refuse with a
notice, because a tap changes nothing. One session is shown at a time: the newest, until the user chooses another one.

Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import PROGRAM
from ..errors import UserError
from ..playback import Playback
from ..session import SessionModel
from ..state import SILENCE
from ..text import one_line
from ..view_only import ViewOnly
from .address import is_loopback, read_upstream
from .process import ForwardingProcess
from .report import Kind, Report

if TYPE_CHECKING:
    from .tapped import TappedSession

__all__ = ["Tap", "TapSettings"]

# Sessions of clients that have gone; each may take 35 MB
MAX_ENDED = 12
# Sessions at once; further ones pass without being shown
MAX_OPEN = 32
START_SECONDS = 20.0
# Until the process has ended, if its last client is just leaving
CLOSE_SECONDS = 0.5


@dataclass(frozen=True)
class TapSettings:
    """Where a tap listens, and where it forwards to.

    Attributes
    ----------
    host, port : str, int
        Port 0 picks a free one.
    upstream : str
        URL of the server.
    certificate, key : str or None
        PEM files, for clients that connect by TLS.
    insecure : bool
        Listen beyond this machine without TLS.
    output : str or None
        Speaker, by its id or a part of its name, for playing an item again.
    sessions : str
        Folder for saved sessions.
    """

    host: str
    port: int
    upstream: str
    certificate: str | None = None
    key: str | None = None
    insecure: bool = False
    output: str | None = None
    sessions: str = "sessions"


class Tap(ViewOnly):
    """Forwards clients and shows what they and the server say.

    Attributes
    ----------
    url : str
        What clients connect to; empty before `start`.
    sessions : list of TappedSession
        The oldest first. Ended ones beyond MAX_ENDED are dropped.
    chosen : TappedSession or None
        The one that is shown.
    dropped : int
        Sessions that are no longer in the list.
    revision : int
        Grows with every change of the list.
    running : bool
        The forwarding process runs.
    on_session : callable
        Called with each new session, before its first event.
    """

    def __init__(self, settings: TapSettings) -> None:
        self.settings = settings
        self.url = ""
        self.sessions: list[TappedSession] = []
        self.chosen: TappedSession | None = None
        self.dropped = 0
        self.revision = 0
        self.running = False
        self.on_session: Callable[[TappedSession], object] = lambda session: None
        self.microphones: list[Any] = []
        self.speakers: list[Any] = []
        # Shown until the first client comes
        self._waiting = SessionModel()
        self._waiting.state = "tap"
        self._by_number: dict[int, TappedSession] = {}
        self._follows = True
        self._playback: Playback | None = None
        self._process: ForwardingProcess | None = None
        # Clients that stay connected after `close`
        self._stay = False
        self._listening: asyncio.Future[str] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    # What views read

    @property
    def model(self) -> SessionModel:
        """The model of the chosen session."""
        return self._waiting if self.chosen is None else self.chosen.model

    @property
    def microphone_bars(self) -> tuple[float, ...]:
        """Levels of the client's audio."""
        return SILENCE if self.chosen is None else self.chosen.bars("client")

    @property
    def speaker_bars(self) -> tuple[float, ...]:
        """Levels of the server's audio, or of the item that is played again."""
        if self._playback is not None and self.model.playback.item_id is not None:
            return self._playback.get_bars()
        return SILENCE if self.chosen is None else self.chosen.bars("server")

    # Running

    async def start(self) -> str:
        """Start the forwarding process; returns the address that clients use.

        Raises
        ------
        UserError
            An address cannot be used, or the certificate cannot be read.
        """
        settings = self.settings
        upstream = read_upstream(settings.upstream)
        if not (is_loopback(settings.host) or settings.certificate or settings.insecure):
            raise UserError(
                f"{settings.host} is not the loopback, so others on the network could read keys and speech: give "
                "--tls-certificate and --tls-key, or --insecure-no-tls"
            )
        self._waiting.server.endpoint = one_line(upstream.name, 60)
        self._listening = asyncio.get_running_loop().create_future()
        self._process = ForwardingProcess(asdict(settings), self._on_report)
        try:
            self.url = await asyncio.wait_for(self._listening, START_SECONDS)
        except asyncio.TimeoutError:
            await self.close()
            raise UserError(f"the forwarding process did not start within {START_SECONDS:g} s") from None
        except UserError:
            await self.close()
            raise
        self._waiting.notice("info", f"waiting for a client: let it connect to {self.url}")
        # What the first client needs: the screen must not wait for it then
        self._spawn(asyncio.to_thread(importlib.import_module, ".tapped", __package__))
        return self.url

    def _on_report(self, report: Report | None) -> None:
        try:
            if report is None:
                self._ended()
            else:
                self._take(report)
        except Exception as error:
            # The clients are not disturbed by a fault of the inspector
            self.model.notice_failure(error)

    def _ended(self) -> None:
        self.running = False
        if self._listening is not None and not self._listening.done():
            self._listening.set_exception(UserError("the forwarding process ended before it listened"))
        elif self._process is not None:
            for session in self._by_number.values():
                session.take(Report(Kind.CLOSED, session.number, time.time(), b""))
            self._by_number.clear()
            self.revision += 1
            self.model.notice("error", "the forwarding process has ended: no client can connect any more")

    def _take(self, report: Report) -> None:
        assert self._listening is not None
        if report.kind is Kind.LISTENING:
            self.running = True
            self._listening.set_result(report.data.decode())
        elif report.kind is Kind.FAILED:
            self._listening.set_exception(UserError(report.data.decode()))
        elif report.kind is Kind.OPENED:
            self._open(report)
        else:
            session = self._by_number.get(report.connection)
            if session is not None:
                before = session.status
                session.take(report)
                if report.kind is Kind.CLOSED:
                    del self._by_number[report.connection]
                    self._drop_oldest()
                if session.status != before or report.kind is Kind.CLOSED:
                    self.revision += 1

    def _open(self, report: Report) -> None:
        if len(self._by_number) >= MAX_OPEN:
            self.model.notice(
                "warning", f"more than {MAX_OPEN} clients at once: one passes without being shown"
            )
            return
        from .tapped import TappedSession

        session = TappedSession(report.connection, report, read_upstream(self.settings.upstream).name)
        self._by_number[report.connection] = session
        self.sessions.append(session)
        self.on_session(session)
        session.begin()
        self._drop_oldest()
        self.revision += 1
        # Requests such as the minting of a client secret are listed; a session is shown
        if self._follows and (session.is_session or self.chosen is None):
            self._show(session)

    def _drop_oldest(self) -> None:
        ended = [one for one in self.sessions if not one.open and one is not self.chosen]
        for one in ended[: max(len(ended) - MAX_ENDED, 0)]:
            self.sessions.remove(one)
            self.dropped += 1

    def choose(self, number: int) -> None:
        """Show the session of this number; the newest one keeps following."""
        for session in self.sessions:
            if session.number == number:
                self._follows = session is self.sessions[-1]
                self._show(session)

    def step(self, step: int) -> None:
        """Show the next session, or the one before."""
        if self.chosen in self.sessions:
            at = self.sessions.index(self.chosen) + step
            self.choose(self.sessions[min(max(at, 0), len(self.sessions) - 1)].number)

    def _show(self, session: TappedSession) -> None:
        self.chosen = session
        if self._playback is not None:
            self._spawn(self._playback.stop())
            self._playback = None
        self.revision += 1

    async def close(self) -> None:
        """Accept no more clients; those that are connected stay connected until they leave."""
        if self._playback is not None:
            await self._playback.stop()
        process, self._process = self._process, None
        if process is not None:
            self._stay = not await process.stop(CLOSE_SECONDS if self._by_number else START_SECONDS)

    def farewell(self) -> str:
        """What to tell the user after `close`; empty if nothing goes on."""
        if not self._stay:
            return ""
        count = max(len(self._by_number), 1)
        clients = "1 client stays" if count == 1 else f"{count} clients stay"
        return f"{clients} connected through the tap, which ends with the last of them"

    # What keys ask for

    def tick(self) -> None:
        """Bring the position of an item that plays up to date."""
        if self._playback is not None and self._playback.tick():
            self._spawn(self._playback.stop())

    async def play(self) -> None:
        """Play the selected item, or stop it."""
        row = self.model.selection
        if row is not None and self._playback is not None and self.model.playback.item_id == row.id:
            await self._playback.stop()
        elif not self.refuse("play") and row is not None:
            self._playback = Playback(self.model)
            await self._playback.start(row, self.settings.output)

    async def interrupt(self) -> None:
        """Stop the item that plays."""
        if self._playback is not None:
            await self._playback.stop()

    async def save(self) -> Path | None:
        """Save the session that is shown in a new folder and return its path; None if that failed."""
        from ..session_files import Snapshot, save_session

        snapshot = Snapshot(self.model)
        try:
            folder = await asyncio.to_thread(save_session, snapshot, Path(self.settings.sessions))
        except UserError as error:
            self.model.notice("error", str(error))
            return None
        self.model.notice("info", f"saved: {folder} (replay it with: {PROGRAM} replay {folder})")
        return folder

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(self.attempt(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
