"""Applies events to a conversation, and checks its invariants."""

from __future__ import annotations

import numpy as np
import pytest

from realtime import Conversation


def play(events, conversation: Conversation | None = None) -> Conversation:
    """Apply *events* to *conversation*, a new one by default."""
    conversation = Conversation() if conversation is None else conversation
    for event in events:
        conversation.apply(event)
    return conversation


def check(conversation: Conversation) -> None:
    """Assert the invariants, which hold after any events."""
    items = conversation.get_items()
    assert len({item.id for item in items}) == len(items) == len(conversation)
    total = 0.0
    for item in items:
        assert conversation.get_item(item.id) is item
        assert isinstance(item.content, list) and all(isinstance(part, dict) for part in item.content)
        assert item.status in ("in_progress", "completed", "incomplete")
        assert item.formatted.audio.dtype == np.int16 and not item.formatted.audio.flags.writeable
        assert isinstance(item.formatted.text, str) and isinstance(item.formatted.transcript, str)
        assert isinstance(item.heard_transcript, str)
        assert len(item.formatted.audio) <= max(item.received_samples, 0)
        total += len(item.formatted.audio) / item.formatted.sample_rate
    assert conversation.items.audio_seconds == pytest.approx(total, abs=1e-6)
    assert conversation.items.audio_seconds <= conversation.items.keep_audio_seconds + 1e-6
