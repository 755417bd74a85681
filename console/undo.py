"""Deletions: deletes the selected item and brings deleted items back at their places, on the server too.

An item comes back by ``conversation.item.create`` under a new id, because a deleted id is not used again. The server gets
its text; the audio of the row stays here, so the item can still be played.

Thread: the event loop's.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from .transcript import ItemRow

__all__ = ["Deletions"]

MAX_DELETIONS = 50


@dataclass
class Deletion:
    """A row that was deleted.

    Attributes
    ----------
    row : ItemRow
        With its audio.
    before : list of str
        Ids of the rows above it, nearest first.
    client : RealtimeClient or None
        The client of its session.
    event : dict or None
        What brings the item back; None if the server did not know it, or cannot get it again.
    """

    row: ItemRow
    before: list[str]
    client: Any
    event: dict[str, Any] | None


class Deletions:
    """Remembers the last MAX_DELETIONS deleted items of a call.

    Parameters
    ----------
    call : Call or Replay
        Deletes the items.
    """

    def __init__(self, call: Any) -> None:
        self._call = call
        self._deleted: deque[Deletion] = deque(maxlen=MAX_DELETIONS)
        # Id of a deleted item -> its id after it came back
        self._new_ids: dict[str, str] = {}

    async def delete(self) -> None:
        """Delete the selected item; if it is impossible, tell the user."""
        model, row = self._call.model, self._call.model.selection
        if row is None or model.why_not("delete") is not None:
            await self._call.delete()
            return
        ids = [one.id for one in model.transcript]
        client = self._call.client if row.live else None
        event = None if client is None else _creation(client, row.id)
        # The client forgets the audio of a deleted item
        row.saved_audio = row.audio.copy()
        self._deleted.append(Deletion(row, ids[: ids.index(row.id)][::-1], client, event))
        await self._call.delete()
        model.notice("info", "deleted; ctrl+z brings it back")

    async def undo(self) -> None:
        """Bring back the item that was deleted last."""
        model = self._call.model
        if not self._deleted:
            model.notice("info", "no deleted item to bring back")
            return
        deletion = self._deleted.pop()
        row = deletion.row
        if model.transcript.get(row.id) is not None:
            model.notice("warning", "the item is still there: the server has not deleted it")
            return
        client = self._call.client
        same_session = client is not None and client is deletion.client and client.is_connected()
        if deletion.event is not None and same_session:
            self._create(deletion, deletion.event)
            return
        row.live = False
        model.transcript.insert(row, self._nearest(deletion, {one.id for one in model.transcript}))
        model.selected = row.id
        if deletion.client is not None:
            model.notice("info", "shown again; the server cannot get this item back")
        model.revision += 1

    def _create(self, deletion: Deletion, event: dict[str, Any]) -> None:
        from realtime.protocol.ids import generate_id

        model, client, old = self._call.model, self._call.client, deletion.row
        new_id = generate_id("item_")
        known = {item.id for item in client.conversation.get_items()}
        previous = self._nearest(deletion, known) or "root"

        @client.on("conversation.item.appended")  # type: ignore[untyped-decorator]
        def take_back(appended: Any) -> None:
            if appended.item.id == new_id:
                client.off("conversation.item.appended", take_back)
                self._new_ids[old.id] = new_id
                row = model.transcript.get(new_id)
                if row is not None:
                    row.inherit(old)
                    # Servers state no predecessor for the first item
                    model.transcript.remove(new_id)
                    model.transcript.insert(row, previous)
                    model.selected = new_id
                    model.transcript.revision += 1

        item = {**event["item"], "id": new_id}
        client.send("conversation.item.create", item=item, previous_item_id=previous)

    def _nearest(self, deletion: Deletion, known: set[str]) -> str | None:
        """Return the nearest row above that is still there, under its present id."""
        return next((one for one in map(self._present, deletion.before) if one in known), None)

    def _present(self, item_id: str) -> str:
        while item_id in self._new_ids:
            item_id = self._new_ids[item_id]
        return item_id


def _creation(client: Any, item_id: str) -> dict[str, Any] | None:
    """Return the event that repeats an item; a call needs its output, and an output its call."""
    from realtime.conversation.history import replay

    events = replay(client.conversation.get_items())
    return next((event for event in events if event["item"]["id"] == item_id), None)
