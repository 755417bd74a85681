"""Names of events: one that is never emitted is refused where it is written, and the message names what was meant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import realtime
from realtime import RealtimeClient
from realtime.client.event_names import KNOWN, OWN_EVENTS
from tests.client_bench import connected, delivered

SOURCE = Path(realtime.__file__).parent


@pytest.fixture
def lone() -> RealtimeClient:
    return RealtimeClient(api_key="", url="ws://127.0.0.1:1")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("conversation.updatd", "conversation.updated"),
        ("conversationUpdated", "conversation.updated"),
        ("conversation_updated", "conversation.updated"),
        ("conversation.item.complete", "conversation.item.completed"),
        ("response.done", "server.response.done"),
        ("session.created", "server.session.created"),
        ("session.update", "client.session.update"),
        ("response.audio.delta", "server.response.output_audio.delta"),
        ("server.response.audio.delta", "server.response.output_audio.delta"),
        ("server.conversation.item.created", "server.conversation.item.added"),
        ("server.response.output_audio.deltas", "server.response.output_audio.delta"),
        ("server.responseDone", "server.response.done"),
        ("sever.response.done", "server.response.done"),
        ("client.response.creat", "client.response.create"),
        ("realtime:event", "realtime.event"),
        ("errors", "error"),
        ("sever.*", "server.*"),
        ("conversations.*", "conversation.*"),
    ],
)
def test_an_unknown_event_name_is_refused_with_the_right_one(lone, given, meant):
    for call in (
        lambda: lone.on(given),
        lambda: lone.on(given, print),
        lambda: lone.on_next(given),
        lambda: lone.on_next(given, print),
        lambda: lone.off(given),
        lambda: lone.off_next(given, print),
        lambda: lone.wait_for_next(given),
    ):
        with pytest.raises(ValueError, match=rf"did you mean '{re.escape(meant)}'\?"):
            call()


@pytest.mark.parametrize("given", ["zzz", "", "server.", "client.made.up", "zzz.*"])
def test_a_name_like_no_other_is_refused_too(lone, given):
    with pytest.raises(ValueError, match=r"there is no event .*begin with 'app\.'"):
        lone.on(given, print)


def test_a_name_is_a_text(lone):
    with pytest.raises(TypeError, match="the name of an event is a text, not int"):
        lone.on(5, print)


@pytest.mark.parametrize(
    "name",
    [
        *sorted(KNOWN),
        "app.saved",
        "app.*",
        "*",
        "server.*",
        "client.*",
        "server.response.*",
        "conversation.item.*",
        "server.vendor_extension.ready",
        "server.vendor_extension.*",
        "server.conversation.item.input_audio_transcription.updated",
    ],
)
def test_names_that_may_be_emitted_are_taken(lone, name):
    lone.on(name, print)
    lone.off(name, print)


def test_every_event_that_the_package_emits_is_known():
    emitted: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        if path.relative_to(SOURCE).parts[0] not in ("offline", "relay"):
            emitted |= set(re.findall(r"\.emit\(\s*\"([^\"]+)\"", path.read_text(encoding="utf-8")))
    assert "conversation.updated" in emitted and emitted <= OWN_EVENTS


async def test_events_of_the_application_go_their_way(client, server):
    seen: list = []
    client.on("app.saved", seen.append)
    client.emit("app.saved", 5)
    assert seen == [5]
    # Sending costs no check: any name may be emitted.
    client.emit("whatever", 5)
    peer = await connected(client, server)
    client.on("server.vendor_extension.ready", seen.append)
    await peer.say({"type": "vendor_extension.ready", "event_id": "e"})
    await delivered(client, peer)
    assert seen[1:] == [{"type": "vendor_extension.ready", "event_id": "e"}]
