"""Recognizes a LocalAI server by what it says, and gives one utterance one id where LocalAI gives it three.

The commit, the transcript and the item of one utterance come with different ids there. They would make three items of
one; here all take the id of the commit. A commit is answered without a request (`Profile.commit_answers`).

Source: LocalAI's source.

Thread: any; `UtteranceIds` is used by one session.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .bounded_dict import remember
from .profiles import Profile
from .reading import Wire, dict_of, list_of, text_of

__all__ = ["UtteranceIds", "is_localai", "localai_session"]

_TRANSCRIPTS = "conversation.item.input_audio_transcription."


def is_localai(event: Wire) -> bool:
    """True if this event carries LocalAI's placeholders or names."""
    places = (event, dict_of(event.get("error")))
    return (
        any(text_of(place.get("event_id")) == "event_TODO" for place in places)
        or event.get("previous_item_id") == "TODO"
        or (text_of(event.get("type")) or "").startswith("localai.")
    )


def localai_session(profile: Profile) -> Profile:
    """*profile* for one session of a LocalAI server."""
    return replace(profile, commit_answers=True, inbound=UtteranceIds(profile.inbound).inbound)


class UtteranceIds:
    """Replaces ids of utterances by the ids of their commits, before *inbound* translates an event."""

    def __init__(self, inbound: Callable[[Wire], tuple[Wire, ...]]) -> None:
        self._inbound = inbound
        # The utterance whose item has not come.
        self._committed: str | None = None
        # The server's id of an item -> the id of its commit.
        self._ours: dict[str, str] = {}

    def inbound(self, event: Wire) -> tuple[Wire, ...]:
        """Translate a server event to GA."""
        kind = text_of(event.get("type")) or ""
        if kind == "input_audio_buffer.committed":
            self._committed = text_of(event.get("item_id"))
        elif kind.startswith(_TRANSCRIPTS) and self._committed is not None:
            event = {**event, "item_id": self._committed}
        elif "item" in event:
            event = self._with_our_id(event)
        return self._inbound(event)

    def _with_our_id(self, event: Wire) -> Wire:
        item = dict_of(event["item"])
        item_id = text_of(item.get("id"))
        if item_id is None:
            return event
        spoken = any(dict_of(part).get("type") == "input_audio" for part in list_of(item.get("content")))
        if self._committed is not None and spoken and item.get("role") == "user":
            remember(self._ours, item_id, self._committed)
            self._committed = None
        ours = self._ours.get(item_id)
        return event if ours is None else {**event, "item": {**item, "id": ours}}
