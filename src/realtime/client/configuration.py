"""What the application configures, settings and tools: told to the connected server, and to every later session.

A server refuses an update as a whole. What it refused is taken back here, so that no later session is told it
again. Where the update that tells a new session everything is refused, its fields are told one by one, and where
a list of tools is refused, each new tool is tried alone.

Thread: the event loop's only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ..protocol.bounded_dict import remember
from ..protocol.ids import generate_id
from ..protocol.reading import Wire, dict_of, list_of, text_of
from ..tools import Tool, Toolbox
from .settings import Settings
from .settings_log import Path, fields_of
from .tool_trials import ToolTrials

__all__ = ["Configuration"]

# Stands for the tools of ``update(tools=...)`` among the names of tools that are tried.
GIVEN = ""


class _Update:
    """A ``session.update`` that was queued: everything, one change, one field, or the tools."""

    __slots__ = ("change", "confirmed", "field", "session", "trial")

    def __init__(
        self,
        session: Wire,
        *,
        change: Wire | None = None,
        field: Path | None = None,
        trial: str | None = None,
    ) -> None:
        # As it was sent.
        self.session = session
        # The change of the application that it tells.
        self.change = change
        # The only field that it tells.
        self.field = field
        # The name of the tool that it tries.
        self.trial = trial
        # The server seems to have accepted it: a session.updated came, which names no event.
        self.confirmed = False


class Configuration:
    """Changes of settings and tools, as ``session.update`` events.

    Parameters
    ----------
    send : callable
        ``send(event)`` queues a client event and returns its id. It calls `send_tools` first, so that an event that
        relies on new tools comes after them.
    settings : Settings
        The settings to change.
    toolbox : Toolbox
        The tools to change.

    Attributes
    ----------
    untold : bool
        True if something was set that no session has been told.
    """

    def __init__(self, send: Callable[[Wire], str], settings: Settings, toolbox: Toolbox) -> None:
        self._send = send
        self._settings = settings
        self._toolbox = toolbox
        self._connected = False
        self._tools_changed = False
        # The updates of this session by event id, until they are refused.
        self._updates: dict[str, _Update] = {}
        self._trials = ToolTrials()
        self.untold = False

    def session_began(self) -> None:
        """A session was opened and was told everything."""
        self._connected = True
        self._tools_changed = self.untold = False

    def session_ended(self) -> None:
        """Without a session changes wait for the next one, which is told everything."""
        self._connected = self._tools_changed = False

    def reset(self) -> None:
        """Forget settings and tools; the session must have ended."""
        self._toolbox.tools.clear()
        self._settings.reset()
        self._trials.clear()

    # Changes

    def update(self, changes: Wire, event_id: str | None = None) -> str:
        """Change session fields, in GA names; returns the id of the event, "" if none is sent now.

        Raises ValueError for a tool in ``tools`` whose name `add_tool` has taken.
        """
        changes = dict(changes)
        if "tools" in changes:
            changes["tools"] = [dict(tool) for tool in changes["tools"] or ()]
            for tool in changes["tools"]:
                if tool.get("name") in self._toolbox.tools:
                    raise ValueError(
                        f"tool {tool['name']!r} was added with add_tool(); remove_tool() it first"
                    )
        if not changes:
            return ""
        # After the tools that were added before.
        self.send_tools()
        self._settings.log.add(changes)
        if not self._connected:
            self.untold = True
            return ""
        session = {**changes, "tools": self.tools()} if "tools" in changes else changes
        return self._tell(_Update(session, change=changes), event_id)

    def add_tool(
        self,
        definition: Wire,
        handler: Callable[..., Any],
        check: Callable[[Wire], Wire] | None = None,
    ) -> Tool:
        """Register a tool. Raises ValueError for a name that is missing or taken."""
        name = definition.get("name")
        if any(tool.get("name") == name for tool in self._settings.given_tools):
            raise ValueError(f"tool {name!r} is already in the session's tools")
        tool = self._toolbox.add(definition, handler, check)
        self._note_changed_tools()
        return tool

    def remove_tool(self, name: str) -> None:
        """Unregister a tool. Raises ValueError for one that was not added."""
        self._toolbox.remove(name)
        self._trials.forget(name)
        self._note_changed_tools()

    def tools(self) -> list[Wire]:
        """Definitions of all tools: those of ``update(tools=...)`` and those of `add_tool`, but refused ones."""
        added = [
            tool.definition
            for name, tool in self._toolbox.tools.items()
            if name not in self._trials.refused_names
        ]
        return self._settings.given_tools + added

    def everything(self) -> Wire:
        """The session object for a session that knows nothing yet; empty if nothing was set."""
        tools, config = self.tools(), self._settings.config
        return {**config, "tools": tools} if tools else config

    def _note_changed_tools(self) -> None:
        """Send the tools once, however many are changed now, and before the next event."""
        self.untold = self.untold or not self._connected
        if self._connected and not self._tools_changed:
            self._tools_changed = True
            asyncio.get_running_loop().call_soon(self.send_tools)

    def send_tools(self) -> None:
        """Send the tools if they have changed."""
        if self._tools_changed:
            self._tools_changed = False
            self._tell(_Update({"tools": self.tools()}, field=("tools",)))

    # What the server says

    def opening(self, event_id: str, session: Wire) -> None:
        """A session begins; its first event, *event_id*, tells it everything that *session* holds."""
        self._updates.clear()
        self._trials.begin_session()
        fields = fields_of(session)
        if fields:
            only = next(iter(fields)) if len(fields) == 1 else None
            remember(self._updates, event_id, _Update(session, field=only))

    def confirmed(self) -> None:
        """``session.updated``: the server accepted its oldest unanswered update."""
        update = self._updates.get(self._oldest() or "")
        if update is not None:
            update.confirmed = True
            self._trials.accepted(self._names(update.session))
            self._after_trial(update)

    def _oldest(self) -> str | None:
        """Event id of the oldest update that was not answered."""
        return next((event_id for event_id, update in self._updates.items() if not update.confirmed), None)

    def refused(self, event_id: str | None, param: str | None) -> bool:
        """The server refused the update *event_id*: take it back; False if there is no such update.

        A server that names no event names at least the field: *param* then finds the update.
        """
        if event_id is None and (param or "").startswith("session"):
            event_id = self._oldest()
        update = self._updates.pop(event_id or "", None)
        if update is None:
            return False
        if update.trial is not None:
            self._refuse_tool(update.trial)
            self._after_trial(update)
        elif update.change is not None:
            self._settings.log.take_back(update.change)
        elif update.field is None:
            self._tell_one_by_one(update.session)
        elif update.field == ("tools",):
            self._tools_refused(update.session)
        else:
            self._field_refused(update.field, update.session)
        return True

    def _tell(self, update: _Update, event_id: str | None = None) -> str:
        event_id = event_id or generate_id("evt_")
        remember(self._updates, event_id, update)
        return self._send({"type": "session.update", "event_id": event_id, "session": update.session})

    def _tell_one_by_one(self, session: Wire) -> None:
        for path, alone in fields_of(session).items():
            self._tell(_Update(alone, field=path))

    def _field_refused(self, path: Path, session: Wire) -> None:
        """Take one field back, and tell the value that it had before, if there is one."""
        log = self._settings.log
        before = fields_of(log.merged).get(path)
        if before != session:
            # The application has changed it since, or never set it.
            return
        while before == session:
            before = log.take_back_field(path)
        if before is not None:
            self._tell(_Update(before, field=path))

    def _tools_refused(self, session: Wire) -> None:
        """Take back the only tool that is new, or try each new one alone; the tools given as a whole count as one."""
        tools = [dict_of(tool) for tool in list_of(session.get("tools"))]
        new = self._trials.unknown(self._names(session))
        good = [tool for tool in tools if tool.get("name") not in new]
        tried = {name: [self._toolbox.tools[name].definition] for name in new if name in self._toolbox.tools}
        if len(tried) < len(new) or not new:
            tried[GIVEN] = self._settings.given_tools
        if len(tried) == 1:
            self._refuse_tool(*tried)
            if self.tools() != tools and (good or self.tools()):
                self._tell(_Update({"tools": self.tools()}, field=("tools",)))
            return
        for name, definitions in tried.items():
            self._trials.begin(name)
            self._tell(_Update({"tools": [*good, *definitions]}, trial=name))

    def _refuse_tool(self, name: str) -> None:
        if name == GIVEN:
            self._settings.log.take_back_field(("tools",))
        else:
            self._trials.refuse(name)

    def _after_trial(self, update: _Update) -> None:
        """Once each tool was tried: tell the server all that it accepts."""
        if update.trial is not None and self._trials.ended(update.trial) and self.tools():
            self._tell(_Update({"tools": self.tools()}, field=("tools",)))

    @staticmethod
    def _names(session: Wire) -> set[str]:
        names = (text_of(dict_of(tool).get("name")) for tool in list_of(session.get("tools")))
        return {name for name in names if name}
