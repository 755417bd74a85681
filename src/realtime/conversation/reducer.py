"""Conversation state from server events: feed events, read items. No socket, no clock, no callbacks.

The reducer is total. It takes any event of the GA dialect (`dialect.inbound` makes one of any other) in any
order, missing, doubled or malformed: what cannot be used is counted, and never raises. An event about an
item that was never announced makes a placeholder, which the announcement fills in when it comes.
Final values (``*.done``) replace what the deltas added up to.

Thread: one thread; the client's event loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from ..protocol.audio_format import PCM16, AudioFormat, Int16Array
from ..protocol.bounded_dict import remember
from ..protocol.reading import Wire, ms_of, output_format_of, text_of
from .change import PASSED_OVER, Change, Delta, Kind, text_delta, updated
from .input_audio import InputAudio
from .item_list import ItemList
from .items import MAX_PARTS, MAX_TEXT, Item

__all__ = ["Conversation"]

FINAL = ("completed", "incomplete")


class Conversation:
    """Items in order, and what is needed to fill them.

    Parameters
    ----------
    max_items : int
        The oldest items beyond this many are dropped and counted in ``evicted_items``.
    keep_audio_seconds : float
        Audio kept over all items; beyond it the oldest items lose theirs, counted in ``evicted_seconds``.
        The text stays.
    keep_input_seconds : float
        Microphone audio kept for cutting out the user's turns.
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
        self._handlers: dict[str, Callable[[Wire], list[Change]]] = {
            "session.created": self._session,
            "session.updated": self._session,
            "conversation.item.added": self._item_added,
            "conversation.item.done": self._item_done,
            "conversation.item.retrieved": self._item_added,
            "conversation.item.truncated": self._item_truncated,
            "conversation.item.deleted": self._item_deleted,
            "conversation.item.input_audio_transcription.delta": self._transcription_delta,
            "conversation.item.input_audio_transcription.updated": self._transcription_so_far,
            "conversation.item.input_audio_transcription.completed": self._transcription_so_far,
            "conversation.item.input_audio_transcription.segment": self._transcription_note,
            "conversation.item.input_audio_transcription.failed": self._transcription_note,
            "input_audio_buffer.committed": self._committed,
            "input_audio_buffer.speech_started": self._speech_started,
            "input_audio_buffer.speech_stopped": self._speech_stopped,
            "input_audio_buffer.timeout_triggered": self._timeout_triggered,
            "response.created": self._response_created,
            "response.done": self._response_done,
            "response.output_item.added": self._item_added,
            "response.output_item.done": self._item_done,
            "response.content_part.added": self._part_added,
            "response.content_part.done": self._part_done,
            "response.output_text.delta": self._text_delta,
            "response.output_text.done": self._text_done,
            "response.output_audio.delta": self._audio_delta,
            "response.output_audio_transcript.delta": self._transcript_delta,
            "response.output_audio_transcript.done": self._transcript_done,
            "response.function_call_arguments.delta": self._arguments_delta,
            "response.function_call_arguments.done": self._arguments_done,
            "response.mcp_call_arguments.delta": self._arguments_delta,
            "response.mcp_call_arguments.done": self._arguments_done,
            "response.mcp_call.in_progress": self._mcp_call,
            "response.mcp_call.completed": self._mcp_call,
            "response.mcp_call.failed": self._mcp_call,
        }
        self.clear()

    # Reading

    def get_item(self, item_id: str) -> Item | None:
        return self.items.get(item_id)

    def get_items(self) -> list[Item]:
        """All items in the order of the conversation: a new list of the live items."""
        return self.items.in_order()

    def __len__(self) -> int:
        return len(self.items)

    # Changing, by the client

    def clear(self) -> None:
        """Forget everything; counters stay."""
        self.items.clear()
        self._gone: dict[str, None] = {}  # deleted: a late event must not bring it back
        self._stashed: dict[str, Int16Array] = {}
        self.begin_session()

    def begin_session(self) -> None:
        """A new session begins: its clock is at 0 and it has heard nothing. Items stay."""
        self.input.reset(self.input_format)
        self._response_formats: dict[str, AudioFormat] = {}
        self._outside: dict[str, None] = {}

    def set_input_format(self, audio_format: AudioFormat) -> None:
        """Audio sent from here on has this format."""
        self.input_format = audio_format
        self.input.set_format(audio_format)

    def stash_audio(self, item_id: str, samples: Int16Array) -> None:
        """Audio that was sent inside an item: the server does not send it back."""
        remember(self._stashed, item_id, samples)

    def keep_out(self, item_id: str) -> None:
        """This item is between us and the server: it does not appear."""
        remember(self._gone, item_id, None)

    def rename(self, item_id: str, new_id: str) -> None:
        """The server gave an item of ours an id of its own."""
        if item_id in self._gone:
            self.keep_out(new_id)
        self.items.rename(item_id, new_id)

    def leave_out(self, response_id: str) -> None:
        """A response outside the conversation: its items are no part of it."""
        remember(self._outside, response_id, None)

    def interrupt(self, item_id: str, heard_samples: int) -> list[Change]:
        """The listener stopped this answer after *heard_samples*; what comes later of it is dropped."""
        item = self.items.get(item_id)
        if item is None:
            return []
        item.interrupted = True
        if item.received_samples:
            heard = min(max(heard_samples, 0), item.received_samples)
            self._cut(item, item._format.ms_of_samples(heard), heard)
        return [Change("updated", item)]

    def abandon(self) -> list[Change]:
        """The connection was lost: nothing more comes for the items that were being made."""
        changes: list[Change] = []
        for item in self.get_items():
            changes += self._close(item, "incomplete")
        return changes

    # Reducing

    def apply(self, event: Any) -> list[Change]:
        """Take one event; returns what it changed, in the order to report it. Never raises."""
        kind = event.get("type") if isinstance(event, dict) else None
        if not isinstance(kind, str):
            return self._bad()
        handler = self._handlers.get(kind)
        if handler is not None:
            return handler(event)
        if kind not in PASSED_OVER:
            self.ignored += 1
        return []

    def _bad(self) -> list[Change]:
        self.malformed += 1
        return []

    def _session(self, event: Wire) -> list[Change]:
        session = event.get("session")
        if not isinstance(session, dict):
            return self._bad()
        self.output_format = output_format_of(session) or self.output_format
        return []

    # Items

    def _item_added(self, event: Wire) -> list[Change]:
        return self._take_item(event.get("item"), event, final=False)

    def _item_done(self, event: Wire) -> list[Change]:
        return self._take_item(event.get("item"), event, final=True)

    def _take_item(self, raw: Any, event: Wire, *, final: bool) -> list[Change]:
        item_id = text_of(raw.get("id")) if isinstance(raw, dict) else None
        if not item_id:
            return self._bad()
        response_id = text_of(event.get("response_id"))
        item, created = self._find(item_id, response_id)
        if item is None:
            return []
        previous = text_of(event.get("previous_item_id"))
        if previous and previous != item.previous_item_id:
            self.items.place(item, previous)
        self.malformed += item.merge(raw, final=final)
        self._attach_input(item, raw)
        changes = [Change("updated", item)]
        if created:
            changes.append(Change("appended", item))
        status = raw.get("status")
        if status not in FINAL:
            # What users and applications put there is complete as it stands; answers say when they are.
            made = item.role == "assistant" or item.type in ("function_call", "mcp_call", "mcp_list_tools")
            status = "completed" if final or not (made or status == "in_progress") else None
        if status is not None and self._finish(item, status):
            changes.append(Change(status, item))
        return changes

    def _find(self, item_id: str, response_id: str | None) -> tuple[Item | None, bool]:
        """The item called *item_id*, new if there was none; None for one that must not appear."""
        item = self.items.get(item_id)
        created = item is None
        if item is None:
            if response_id in self._outside:
                remember(self._gone, item_id, None)
            if item_id in self._gone:
                return None, False
            item = self.items.append(item_id)
        if response_id is not None:
            item.response_id = response_id
        return item, created

    def _about(self, event: Wire, role: str | None, kind: str = "message") -> tuple[Item | None, bool]:
        """The item that *event* is about, made up if it was never announced; and whether it is new."""
        item_id = text_of(event.get("item_id"))
        if not item_id:
            self.malformed += 1
            return None, False
        item = self.items.get(item_id)
        if item is not None:
            return item, False
        item, created = self._find(item_id, text_of(event.get("response_id")))
        if item is not None:
            item.type, item.role = kind, role
        return item, created

    def _finish(self, item: Item, status: Kind) -> bool:
        """Give *item* its final status; whether it had none before."""
        if item._closed:
            return False
        item._closed = True
        item.status = status
        item.formatted._audio.compact()
        return True

    def _close(self, item: Item, status: Kind) -> list[Change]:
        if not self._finish(item, status):
            return []
        return [Change("updated", item), Change(status, item)]

    def _item_deleted(self, event: Wire) -> list[Change]:
        item_id = text_of(event.get("item_id"))
        if not item_id:  # one server sends an empty id
            return self._bad()
        remember(self._gone, item_id, None)
        item = self.items.get(item_id)
        if item is None:
            return []
        self.items.remove(item)
        return [Change("updated", item), Change("deleted", item)]

    def _item_truncated(self, event: Wire) -> list[Change]:
        milliseconds = ms_of(event.get("audio_end_ms"))
        item = self.items.get(text_of(event.get("item_id")) or "")
        if milliseconds is None:
            return self._bad()
        if item is None:
            return []
        item.interrupted = True
        self._cut(item, int(milliseconds), item._format.samples_of_ms(milliseconds))
        return [Change("updated", item)]

    def _cut(self, item: Item, milliseconds: int, samples: int) -> None:
        if item.audio_end_ms is None or milliseconds < item.audio_end_ms:
            item.audio_end_ms = milliseconds
            self.items.cut_audio(item, samples)

    # Text of answers

    def _part_added(self, event: Wire) -> list[Change]:
        return self._take_part(event, final=False)

    def _part_done(self, event: Wire) -> list[Change]:
        return self._take_part(event, final=True)

    def _take_part(self, event: Wire, *, final: bool) -> list[Change]:
        raw = event.get("part")
        if not isinstance(raw, dict):
            return self._bad()
        # Parts say "text" and "audio" where items say "output_text" and "output_audio".
        name = raw.get("type")
        kind = (
            f"output_{name}"
            if name in ("text", "audio")
            else name
            if isinstance(name, str)
            else "output_text"
        )
        item, created = self._about(event, "assistant")
        part = self._part(item, event, kind)
        if item is None or part is None:
            return []
        part["type"] = kind
        for key in ("text", "transcript"):
            value = raw.get(key)
            if isinstance(value, str) and (final or not part.get(key)):
                part[key] = value[:MAX_TEXT]
        item.refresh()
        return updated(item, created, None)

    def _part(self, item: Item | None, event: Wire, kind: str) -> Wire | None:
        index = event.get("content_index")
        if index is None:
            index = 0
        if item is None or not isinstance(index, int) or not 0 <= index < MAX_PARTS:
            self.malformed += item is not None
            return None
        return item.part(index, kind)

    def _text_delta(self, event: Wire) -> list[Change]:
        return self._add_text(event, "text", "output_text", "assistant")

    def _text_done(self, event: Wire) -> list[Change]:
        return self._set_text(event, "text", "output_text", "assistant")

    def _transcript_delta(self, event: Wire) -> list[Change]:
        return self._add_text(event, "transcript", "output_audio", "assistant")

    def _transcript_done(self, event: Wire) -> list[Change]:
        return self._set_text(event, "transcript", "output_audio", "assistant")

    def _transcription_delta(self, event: Wire) -> list[Change]:
        return self._add_text(event, "transcript", "input_audio", "user")

    def _transcription_so_far(self, event: Wire) -> list[Change]:
        return self._set_text(event, "transcript", "input_audio", "user")

    def _add_text(
        self, event: Wire, name: Literal["text", "transcript"], kind: str, role: str
    ) -> list[Change]:
        piece = event.get("delta")
        if not isinstance(piece, str):
            return self._bad()
        item, created = self._about(event, role)
        if item is None or item.interrupted:
            return []
        part = self._part(item, event, kind)
        if part is None:
            return []
        had = part.get(name)
        item.put_text(part, name, had + piece if isinstance(had, str) else piece)
        return updated(item, created, text_delta(name, piece))

    def _set_text(
        self, event: Wire, name: Literal["text", "transcript"], kind: str, role: str
    ) -> list[Change]:
        """The final text. The delta is what of it no delta before had brought."""
        value = event.get(name)
        if not isinstance(value, str):
            return self._bad()
        item, created = self._about(event, role)
        part = self._part(item, event, kind)
        if item is None or part is None:
            return []
        had = part.get(name)
        item.put_text(part, name, value)
        rest = value[len(had) :] if isinstance(had, str) and value.startswith(had) else "" if had else value
        return updated(item, created, text_delta(name, rest) if rest and not item.interrupted else None)

    def _transcription_note(self, event: Wire) -> list[Change]:
        """A speaker's segment, or why there is no transcript: kept with the content part."""
        item, created = self._about(event, "user")
        part = self._part(item, event, "input_audio")
        if item is None or part is None:
            return []
        if "error" in event:
            part["transcription_error"] = event["error"]
        else:
            segment = {key: event.get(key) for key in ("id", "text", "speaker", "start", "end")}
            part["segments"] = [*part.get("segments", ())[-MAX_PARTS:], segment]
        return updated(item, created, None)

    # Function and MCP calls

    def _arguments_delta(self, event: Wire) -> list[Change]:
        piece = event.get("delta")
        if not isinstance(piece, str):
            return self._bad()
        item, created = self._about_call(event)
        if item is None:
            return []
        item.arguments = ((item.arguments or "") + piece)[:MAX_TEXT]
        item.refresh()
        return updated(item, created, Delta(arguments=piece))

    def _arguments_done(self, event: Wire) -> list[Change]:
        item, created = self._about_call(event)
        if item is None:
            return []
        had, value = item.arguments or "", event.get("arguments")
        if isinstance(value, str):
            item.arguments = value[:MAX_TEXT]
        item.name = text_of(event.get("name")) or item.name
        item.refresh()
        rest = item.arguments[len(had) :] if item.arguments and item.arguments.startswith(had) else ""
        return updated(item, created, Delta(arguments=rest) if rest else None)

    def _about_call(self, event: Wire) -> tuple[Item | None, bool]:
        mcp = str(event.get("type")).startswith("response.mcp_")
        item, created = self._about(event, None, "mcp_call" if mcp else "function_call")
        if item is not None:
            item.call_id = text_of(event.get("call_id")) or item.call_id
        return item, created

    def _mcp_call(self, event: Wire) -> list[Change]:
        item, created = self._about_call(event)
        if item is None:
            return []
        item.fields["call_status"] = str(event["type"]).rpartition(".")[2]
        return updated(item, created, None)

    # Audio

    def _audio_delta(self, event: Wire) -> list[Change]:
        text = event.get("delta")
        if not isinstance(text, str):
            return self._bad()
        item, created = self._about(event, "assistant")
        if item is None or self._part(item, event, "output_audio") is None:
            return []
        if not item.received_samples:
            response_id = item.response_id or ""
            item._format = self._response_formats.get(response_id, self.output_format)
            item.formatted.sample_rate = item._format.sample_rate
        try:
            samples, item._carry = item._format.decode(text, item._carry)
        except ValueError:
            return self._bad()
        item.received_samples += len(samples)
        if item.interrupted or not len(samples):
            return []
        self.items.add_audio(item, samples)
        return updated(item, created, Delta(samples))

    # The user's turns

    def _committed(self, event: Wire) -> list[Change]:
        item_id = text_of(event.get("item_id"))
        if not item_id:
            return self._bad()
        self.input.item_committed(item_id)
        item = self.items.get(item_id)
        return [Change("updated", item)] if item is not None and self._attach_input(item) else []

    def _speech_started(self, event: Wire) -> list[Change]:
        item_id, start = text_of(event.get("item_id")), ms_of(event.get("audio_start_ms"))
        if not item_id or start is None:
            return self._bad()
        self.input.speech_started(item_id, start)
        return []

    def _speech_stopped(self, event: Wire) -> list[Change]:
        item_id, end = text_of(event.get("item_id")), ms_of(event.get("audio_end_ms"))
        if not item_id or end is None:
            return self._bad()
        self.input.speech_stopped(item_id, end)
        return []

    def _timeout_triggered(self, event: Wire) -> list[Change]:
        self._speech_started(event)
        return self._speech_stopped(event)

    def _attach_input(self, item: Item, raw: Wire | None = None) -> bool:
        """Give the user's item the audio that was spoken; whether there was any."""
        if item.role != "user" or len(item.formatted._audio):
            return False
        spoken = next((part for part in item.content if part.get("type") == "input_audio"), None)
        if spoken is None:
            return False
        samples = self._stashed.pop(item.id, None)
        if samples is None:
            samples = self.input.take(item.id)
        if samples is None or not len(samples):
            return False
        item._format = self.input_format
        item.formatted.sample_rate = self.input_format.sample_rate
        item.received_samples = len(samples)
        self.items.add_audio(item, samples)
        item.formatted._audio.compact()
        return True

    # Responses

    def _response_created(self, event: Wire) -> list[Change]:
        response = event.get("response")
        response_id = text_of(response.get("id")) if isinstance(response, dict) else None
        if not response_id or not isinstance(response, dict):
            return self._bad()
        own = output_format_of(response)
        if own is not None:
            remember(self._response_formats, response_id, own)
        return []

    def _response_done(self, event: Wire) -> list[Change]:
        """The final word on a response: settles whatever of it no event before had settled."""
        response = event.get("response")
        if not isinstance(response, dict):
            return self._bad()
        response_id = text_of(response.get("id"))
        changes: list[Change] = []
        output = response.get("output")
        for raw in output if isinstance(output, list) else ():
            known = self.items.get(text_of(raw.get("id")) or "") if isinstance(raw, dict) else None
            if known is None or not known._closed:
                changes += self._take_item(raw, {"response_id": response_id}, final=True)
        status: Kind = "completed" if response.get("status") == "completed" else "incomplete"
        for item in self.get_items():
            if response_id is not None and item.response_id == response_id:
                changes += self._close(item, status)
        self._response_formats.pop(response_id or "", None)
        return changes
