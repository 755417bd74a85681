"""Conversation state from server events: apply events, read items. No socket, no clock, no callbacks.

The reducer is total: it takes events of the GA dialect (`dialect.inbound` translates the beta dialect) in any
order, also with events missing, repeated or malformed. Unusable events are counted and never raise. An event
about an item that was never announced makes a placeholder, which a later announcement fills in. Final values
(``*.done``) replace the text added up from deltas.

Thread: the event loop's only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..protocol.audio_format import PCM16, AudioFormat, Int16Array
from ..protocol.bounded_dict import remember
from ..protocol.numbers import whole_number
from ..protocol.reading import Wire, dict_of, list_of, ms_of, output_format_of, text_of
from .call_events import CallEvents
from .change import PASSED_OVER, Change, Delta, Handler, Kind, updated
from .content_events import ContentEvents
from .input_audio import InputAudio
from .item_finder import ItemFinder, Malformed, part_of, required_text
from .item_list import ItemList
from .items import Item

__all__ = ["Conversation"]


class Conversation:
    """The items of a conversation in order, kept up to date by `apply`.

    Parameters
    ----------
    max_items : int
        The oldest items beyond this number are dropped and counted in ``items.evicted_items``.
    keep_audio_seconds : float
        Seconds of audio kept over all items. Beyond it the oldest items lose their audio, counted in
        ``items.evicted_seconds``; their text stays.
    keep_input_seconds : float
        Seconds of sent microphone audio kept, from which the user's turns are cut.

    Attributes
    ----------
    items : ItemList
    input : InputAudio
        Audio sent to the server in this session.
    input_format, output_format : AudioFormat
        Formats of sent audio and of answers in this session.
    malformed, ignored : int
        Events that could not be used, and events of unknown type.
    """

    def __init__(
        self, *, max_items: int = 2000, keep_audio_seconds: float = 1200.0, keep_input_seconds: float = 300.0
    ) -> None:
        self.items = ItemList(max_items, keep_audio_seconds)
        self.input_format: AudioFormat = PCM16
        self.output_format: AudioFormat = PCM16
        self.input = InputAudio(PCM16, keep_input_seconds)
        self.malformed = 0
        self.ignored = 0
        self._finder = ItemFinder(self.items)
        self._handlers: dict[str, Handler] = {
            **ContentEvents(self._finder).handlers,
            **CallEvents(self._finder).handlers,
            "session.created": self._session,
            "session.updated": self._session,
            "conversation.item.added": self._item_added,
            "conversation.item.done": self._item_done,
            "conversation.item.retrieved": self._item_added,
            "conversation.item.truncated": self._item_truncated,
            "conversation.item.deleted": self._item_deleted,
            "input_audio_buffer.committed": self._committed,
            "input_audio_buffer.speech_started": self._speech_started,
            "input_audio_buffer.speech_stopped": self._speech_stopped,
            "input_audio_buffer.timeout_triggered": self._timeout_triggered,
            "response.created": self._response_created,
            "response.done": self._response_done,
            "response.output_item.added": self._item_added,
            "response.output_item.done": self._item_done,
            "response.output_audio.delta": self._audio_delta,
        }
        self.clear()

    # Reading

    def get_item(self, item_id: str) -> Item | None:
        """The item with this id, or None."""
        return self.items.get(item_id)

    def get_items(self) -> list[Item]:
        """All items in the order of the conversation: a new list of the live items."""
        return self.items.in_order()

    def __len__(self) -> int:
        return len(self.items)

    # Changes, made by the client

    def clear(self) -> None:
        """Remove all items and begin a new session; counters stay."""
        self.items.clear()
        self._finder.clear()
        # Item id -> audio sent inside that item.
        self._stashed: dict[str, Int16Array] = {}
        self.begin_session()

    def begin_session(self) -> None:
        """Begin a new session: its input clock starts at 0 and it has heard nothing. Items stay."""
        self.input.reset(self.input_format)
        self._response_formats: dict[str, AudioFormat] = {}
        self._finder.begin_session()

    def set_input_format(self, audio_format: AudioFormat) -> None:
        """Set the format of the audio that is sent from here on."""
        self.input_format = audio_format
        self.input.set_format(audio_format)

    def stash_audio(self, item_id: str, samples: Int16Array) -> None:
        """Keep audio that is sent inside an item for that item: the server does not send it back."""
        remember(self._stashed, item_id, samples)

    def stash_audio_of(self, item: Wire) -> None:
        """Keep the audio that is sent inside *item*, in the format of the session, unless it is known already."""
        item_id = text_of(item.get("id")) or ""
        known = self.items.get(item_id)
        if item_id in self._stashed or (known is not None and len(known.formatted.store)):
            return
        parts = [part for part in list_of(item.get("content")) if dict_of(part).get("type") == "input_audio"]
        try:
            pieces = [self.input_format.decode(text_of(part.get("audio")) or "")[0] for part in parts]
        except ValueError:
            return
        if sum(len(piece) for piece in pieces):
            self.stash_audio(item_id, np.concatenate(pieces))

    def forget_audio_of(self, item_id: str) -> None:
        """Drop stashed audio: the server refused its item."""
        self._stashed.pop(item_id, None)

    def note_deletion(self, item_id: str, *, asked: bool) -> None:
        """The server was *asked* to delete an item, or has refused to."""
        item = self.items.get(item_id)
        if item is not None:
            item.stream.deleting = asked

    def complete_deletions(self) -> list[Change]:
        """Remove the items that the server was asked to delete: a new session is not told of them."""
        changes: list[Change] = []
        for item in self.get_items():
            if item.stream.deleting:
                changes += self.apply({"type": "conversation.item.deleted", "item_id": item.id})
        return changes

    def hide_item(self, item_id: str) -> None:
        """Never show the item *item_id*, which the client adds for the model alone."""
        self._finder.hide(item_id)

    def rename(self, item_id: str, new_id: str) -> None:
        """Take over the id that the server gave to an item created by the client."""
        self._finder.rename(item_id, new_id)
        self.items.rename(item_id, new_id)
        if item_id in self._stashed:
            self._stashed[new_id] = self._stashed.pop(item_id)

    def leave_out(self, response_id: str) -> None:
        """Hide the items of a response that is outside the conversation."""
        self._finder.leave_out(response_id)

    def drop_response(self, response_id: str) -> None:
        """Drop what is still to come of a cancelled response, whatever its items.

        "" stands for the events that name no response, up to the next ``response.done``.
        """
        self._finder.drop(response_id)

    def interrupt(self, item_id: str, heard_samples: int) -> list[Change]:
        """Mark an answer as stopped by the listener after *heard_samples*; later parts of it are dropped.

        Raises ValueError for a number that is no integer.
        """
        heard = max(whole_number(heard_samples, "heard_samples"), 0)
        item = self.items.get(item_id)
        if item is None:
            return []
        item.interrupted = True
        if item.received_samples or not item.formatted.text:
            heard = min(heard, item.received_samples)
            self._truncate(item, item.stream.format.ms_of_samples(heard), heard)
        return [Change("updated", item)]

    def abandon(self) -> list[Change]:
        """End unfinished items as incomplete: the connection was lost and no more of them will come."""
        changes: list[Change] = []
        for item in self.get_items():
            changes += self._finish(item, "incomplete")
        return changes

    # Reducing

    def apply(self, event: Any) -> list[Change]:
        """Apply one event; returns the changes in the order to report them. Never raises."""
        kind = event.get("type") if isinstance(event, dict) else None
        if not isinstance(kind, str):
            self.malformed += 1
            return []
        handler = self._handlers.get(kind)
        if handler is None:
            if kind not in PASSED_OVER:
                self.ignored += 1
            return []
        try:
            return handler(event)
        except Malformed:
            self.malformed += 1
            return []

    def _session(self, event: Wire) -> list[Change]:
        session = event.get("session")
        if not isinstance(session, dict):
            raise Malformed
        self.output_format = output_format_of(session) or self.output_format
        return []

    # Items

    def _item_added(self, event: Wire) -> list[Change]:
        return self._take_item(dict_of(event.get("item")), event, final=False)

    def _item_done(self, event: Wire) -> list[Change]:
        return self._take_item(dict_of(event.get("item")), event, final=True)

    def _take_item(self, raw: Wire, event: Wire, *, final: bool) -> list[Change]:
        response_id = text_of(event.get("response_id"))
        item_id = required_text(raw, "id")
        if response_id is not None and not final:
            self._finder.set_aside(item_id, response_id)
        item, created = self._finder.find(item_id, response_id)
        if item is None:
            return []
        previous = text_of(event.get("previous_item_id"))
        if previous and previous != item.previous_item_id:
            self.items.place(item, previous)
        self.malformed += item.merge(raw, final=final)
        self._attach_input(item)
        changes = [Change("updated", item)]
        if created:
            changes.append(Change("appended", item))
        status = _final_status(item, raw.get("status"), final=final)
        if status is not None and item.finish(status):
            changes.append(Change(status, item))
        return changes

    def _finish(self, item: Item, status: Kind) -> list[Change]:
        return [Change("updated", item), Change(status, item)] if item.finish(status) else []

    def _item_deleted(self, event: Wire) -> list[Change]:
        # One server sends an empty id.
        item_id = required_text(event, "item_id")
        # A late event must not bring the item back.
        self._finder.delete(item_id)
        item = self.items.get(item_id)
        if item is None:
            return []
        self.items.remove(item)
        return [Change("updated", item), Change("deleted", item)]

    def _item_truncated(self, event: Wire) -> list[Change]:
        milliseconds = ms_of(event.get("audio_end_ms"))
        item = self.items.get(text_of(event.get("item_id")) or "")
        if milliseconds is None:
            raise Malformed
        if item is None:
            return []
        item.interrupted = True
        self._truncate(item, int(milliseconds), item.stream.format.samples_of_ms(milliseconds))
        return [Change("updated", item)]

    def _truncate(self, item: Item, milliseconds: int, samples: int) -> None:
        if item.audio_end_ms is None or milliseconds < item.audio_end_ms:
            item.audio_end_ms = milliseconds
            self.items.cut_audio(item, samples)

    # Audio

    def _audio_delta(self, event: Wire) -> list[Change]:
        audio = event.get("delta")
        if not isinstance(audio, (str, bytes)):
            raise Malformed
        item, created = self._finder.about(event, "assistant")
        if item is None:
            return []
        part_of(item, event, "output_audio")
        if not item.received_samples:
            response_id = item.response_id or ""
            item.set_audio_format(self._response_formats.get(response_id, self.output_format))
        try:
            samples = item.stream.decode(audio)
        except ValueError as error:
            raise Malformed from error
        item.received_samples += len(samples)
        if item.interrupted or not len(samples):
            return []
        self.items.add_audio(item, samples)
        return updated(item, created, Delta(samples))

    # The user's turns

    def _committed(self, event: Wire) -> list[Change]:
        item_id = required_text(event, "item_id")
        self.input.item_committed(item_id)
        item = self.items.get(item_id)
        return [Change("updated", item)] if item is not None and self._attach_input(item) else []

    def _speech_started(self, event: Wire) -> list[Change]:
        self.input.speech_started(required_text(event, "item_id"), _required_ms(event, "audio_start_ms"))
        return []

    def _speech_stopped(self, event: Wire) -> list[Change]:
        self.input.speech_stopped(required_text(event, "item_id"), _required_ms(event, "audio_end_ms"))
        return []

    def _timeout_triggered(self, event: Wire) -> list[Change]:
        try:
            self._speech_started(event)
        finally:
            # The end alone is useful too.
            self._speech_stopped(event)
        return []

    def _attach_input(self, item: Item) -> bool:
        """Give a user's item the audio that was spoken; True if it was attached now."""
        if item.role != "user" or len(item.formatted.store):
            return False
        if not any(part.get("type") == "input_audio" for part in item.content):
            return False
        samples = self._stashed.pop(item.id, None)
        if samples is None:
            samples = self.input.take(item.id)
        if samples is None or not len(samples):
            return False
        item.set_audio_format(self.input_format)
        item.received_samples = len(samples)
        self.items.add_audio(item, samples)
        item.formatted.store.compact()
        return True

    # Responses

    def _response_created(self, event: Wire) -> list[Change]:
        response = dict_of(event.get("response"))
        response_id = required_text(response, "id")
        own = output_format_of(response)
        if own is not None:
            remember(self._response_formats, response_id, own)
        return []

    def _response_done(self, event: Wire) -> list[Change]:
        """Apply the final object of a response, and finish each of its items that no earlier event finished."""
        response = event.get("response")
        if not isinstance(response, dict):
            raise Malformed
        response_id = text_of(response.get("id"))
        changes: list[Change] = []
        for raw in list_of(response.get("output")):
            raw = dict_of(raw)
            item_id = text_of(raw.get("id"))
            if not item_id:
                self.malformed += 1
                continue
            known = self.items.get(item_id)
            if known is None or not known.stream.closed:
                changes += self._take_item(raw, {"response_id": response_id}, final=True)
        status: Kind = "completed" if response.get("status") == "completed" else "incomplete"
        for item in self.get_items():
            if response_id is not None and item.response_id == response_id:
                changes += self._finish(item, status)
        self._response_formats.pop(response_id or "", None)
        self._finder.response_done()
        return changes


def _final_status(item: Item, stated: object, *, final: bool) -> Kind | None:
    """The final status of *item* by the server's statement; None while the item is in progress."""
    if stated == "incomplete":
        return "incomplete"
    if stated == "completed" or final:
        return "completed"
    # Items of users and applications are complete when they are added; answers end with an event.
    made = item.role == "assistant" or item.type in ("function_call", "mcp_call", "mcp_list_tools")
    return None if made or stated == "in_progress" else "completed"


def _required_ms(event: Wire, name: str) -> float:
    """The milliseconds of a field that may not be missing. Raises Malformed."""
    value = ms_of(event.get(name))
    if value is None:
        raise Malformed
    return value
