"""Verbs: what a page may ask of a call: a fixed list, each with arguments of fixed types and bounded sizes.

A frame is one JSON object: ``{"verb": "text", "text": "Hello"}``, with ``"ask": number`` if an answer is wanted. A frame
that is not in order changes nothing and gets an error that says what is wrong.

Thread: the event loop's of the call.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from ..errors import UserError
from ..text import one_line

__all__ = ["MAX_FRAME_CHARS", "PAGE_NAME", "VERBS", "Verb", "read_frame"]

MAX_FRAME_CHARS = 65_536
MAX_TEXT_CHARS = 32_768
MAX_ID_CHARS = 512
MAX_WHOLE = 2**53
# The page among the devices
PAGE, PAGE_NAME = "page", "this page"

Do = Callable[[Any, dict[str, Any]], Awaitable[Any]]


@dataclass(frozen=True)
class Verb:
    """One verb.

    Attributes
    ----------
    do : callable
        Does it, with the `Desk` and the arguments; what it returns is the answer.
    arguments : dict
        Name -> the longest text, or int for a whole number from 0.
    waits : bool
        False: the next verb need not wait for it, because it takes seconds and its order does not matter.
    """

    do: Do
    arguments: dict[str, Any] = field(default_factory=dict)
    waits: bool = True


def read_frame(frame: str | bytes) -> tuple[str, dict[str, Any], int | None]:
    """Return verb, arguments and the number of the question.

    Raises
    ------
    UserError
        It is no such object, or the verb or an argument is not in order.
    """
    if not isinstance(frame, str):
        raise UserError("a verb is text, not bytes")
    if len(frame) > MAX_FRAME_CHARS:
        raise UserError(f"a verb has at most {MAX_FRAME_CHARS} characters, not {len(frame)}")
    try:
        given = json.loads(frame)
    except (ValueError, RecursionError):
        raise UserError("a verb is one JSON object") from None
    if not isinstance(given, dict):
        raise UserError("a verb is one JSON object")
    name, ask = given.pop("verb", None), given.pop("ask", None)
    verb = VERBS.get(name) if isinstance(name, str) else None
    if verb is None:
        raise UserError(f"unknown verb {one_line(name, 40)!r}; known: {', '.join(VERBS)}")
    if ask is not None and not _is_whole(ask):
        raise UserError("ask must be a whole number from 0")
    if set(given) != set(verb.arguments):
        raise UserError(f"{name} takes {', '.join(verb.arguments) or 'no argument'}")
    for argument, kind in verb.arguments.items():
        value = given[argument]
        if kind is int and not _is_whole(value):
            raise UserError(f"{argument} must be a whole number from 0")
        if kind is not int and (not isinstance(value, str) or len(value) > kind):
            raise UserError(f"{argument} must be text of at most {kind} characters")
    return str(name), given, ask


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_WHOLE


async def _connect(desk: Any, arguments: dict[str, Any]) -> None:
    await desk.call.connect()


async def _disconnect(desk: Any, arguments: dict[str, Any]) -> None:
    await desk.call.disconnect()
    desk.call.model.notice("info", "disconnected")


async def _talk(desk: Any, arguments: dict[str, Any]) -> None:
    await desk.call.talk()


async def _release(desk: Any, arguments: dict[str, Any]) -> None:
    await desk.wait_for_sound(arguments["captured"])
    await desk.call.release()


async def _cancel(desk: Any, arguments: dict[str, Any]) -> None:
    await desk.call.cancel_talk()


async def _mode(desk: Any, arguments: dict[str, Any]) -> None:
    if arguments["mode"] not in ("manual", "vad"):
        raise UserError("mode must be manual or vad")
    if desk.call.model.why_not("mode") is None and desk.call.model.talk.mode != arguments["mode"]:
        await desk.call.toggle_mode()


async def _interrupt(desk: Any, arguments: dict[str, Any]) -> None:
    await desk.call.interrupt()


async def _text(desk: Any, arguments: dict[str, Any]) -> bool:
    return bool(desk.call.send_text(arguments["text"]))


async def _delete(desk: Any, arguments: dict[str, Any]) -> None:
    model = desk.call.model
    if model.transcript.get(arguments["id"]) is None:
        raise UserError("there is no such item")
    model.selected = arguments["id"]
    model.revision += 1
    await desk.call.delete()


async def _echo(desk: Any, arguments: dict[str, Any]) -> None:
    desk.call.next_echo()


async def _payload(desk: Any, arguments: dict[str, Any]) -> str:
    for row in desk.call.model.events.rows:
        if row.number == arguments["number"]:
            return str(row.payload)
    raise UserError("this event is no longer kept")


async def _save(desk: Any, arguments: dict[str, Any]) -> str:
    folder = await desk.call.save()
    return "" if folder is None else str(folder)


async def _devices(desk: Any, arguments: dict[str, Any]) -> None:
    await desk.call.refresh_devices()


async def _input(desk: Any, arguments: dict[str, Any]) -> bool:
    device, name = _device(desk, desk.call.microphones, arguments)
    if name == desk.call.model.microphone.name == PAGE_NAME:
        return True
    return bool(await desk.call.use_microphone(device, name))


async def _output(desk: Any, arguments: dict[str, Any]) -> bool:
    device, name = _device(desk, desk.call.speakers, arguments)
    if name == desk.call.model.speaker.name == PAGE_NAME:
        return True
    return bool(await desk.call.use_speaker(device, name))


def _device(desk: Any, listed: list[Any], arguments: dict[str, Any]) -> tuple[Any, str]:
    """The device of an id that `refresh_devices` has found, or the page itself."""
    if arguments["id"] == PAGE:
        return desk.device, PAGE_NAME
    for device in listed:
        if device.id == arguments["id"]:
            return device.id, device.name
    raise UserError("there is no such device; list the devices again")


VERBS: dict[str, Verb] = {
    "connect": Verb(_connect, waits=False),
    "disconnect": Verb(_disconnect, waits=False),
    "talk": Verb(_talk),
    "release": Verb(_release, {"captured": int}),
    "cancel": Verb(_cancel),
    "mode": Verb(_mode, {"mode": 10}),
    "interrupt": Verb(_interrupt),
    "text": Verb(_text, {"text": MAX_TEXT_CHARS}),
    "delete": Verb(_delete, {"id": MAX_ID_CHARS}),
    "echo": Verb(_echo),
    "payload": Verb(_payload, {"number": int}),
    "save": Verb(_save, waits=False),
    "devices": Verb(_devices, waits=False),
    "input": Verb(_input, {"id": MAX_ID_CHARS}, waits=False),
    "output": Verb(_output, {"id": MAX_ID_CHARS}, waits=False),
}
