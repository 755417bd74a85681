"""Events as the client gives them to handlers, made by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from realtime import CutEvent, Delta, Item, ItemUpdatedEvent, RealtimeEvent, TimingsEvent
from wavtools import TrackOffset


def wire(source: str, timestamp: float, **event: Any) -> RealtimeEvent:
    from realtime import Event

    return RealtimeEvent(source, Event(event), timestamp)


def answer(item_id: str = "a1", text: str = "", seconds: float = 0.0, role: str = "assistant") -> Item:
    item = Item(item_id, role=role)
    item.content = [{"type": "output_audio", "transcript": text}]
    item.refresh()
    if seconds:
        item.formatted.store.append(np.ones(int(seconds * 24_000), np.int16))
        item.received_samples = int(seconds * 24_000)
    return item


def updated(item: Item, transcript: str | None = None) -> ItemUpdatedEvent:
    return ItemUpdatedEvent(item, None if transcript is None else Delta(transcript=transcript))


def cut(item: Item, offset: int) -> CutEvent:
    item.audio_end_ms = offset * 1000 // 24_000
    return CutEvent(TrackOffset(item.id, offset, offset / 24_000, 100, 0.01, {item.id: 100}), item)


def timings(item_id: str, speech_end: float, first_sample: float) -> TimingsEvent:
    return TimingsEvent(item_id=item_id, speech_end=speech_end, first_sample=first_sample, answered=True)


def usage(**total: int) -> Any:
    return SimpleNamespace(total=total)
