"""Faults on purpose, for tests of clients: what a network or a hurried server does now and then.

Set by ``--fault NAME=VALUE`` for every session, or for one by the client event ``offline.faults`` with an
object ``faults`` (it replaces the ones before and is answered by an event of the same type). Both take the
names of the fields of Faults.

Thread: the event loop; pure.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from ..protocol import codec
from .checks.schema import RequestError, array, boolean, decimal, integer, nullable, record, text

UNKNOWN_EVENT = "offline.unknown"

_TRANSCRIBED = (
    "conversation.item.input_audio_transcription.completed",
    "conversation.item.input_audio_transcription.failed",
)


@dataclass(frozen=True)
class Faults:
    """Which faults are on; all off by default."""

    drop_at: int | None = None  # cut the connection (1006) in place of the n-th server event from now
    session_seconds: float | None = None  # expire (session_expired, 1001) that long from now
    transcription_delay_s: float = 0.0  # the user's transcript comes so much later
    transcription_first: bool = False  # ... or before the item that it belongs to
    doubled: tuple[str, ...] = ()  # events of these types come twice
    missing: tuple[str, ...] = ()  # events of these types never come
    odd_audio: bool = False  # every audio delta loses its last byte
    oversized_bytes: int = 0  # an unknown event of this size comes before each response.done
    slow_reader_s: float = 0.0  # wait before every client event is read
    failed: str | None = None  # every response fails with this error code
    incomplete: str | None = None  # every response stops after a sentence, for this reason
    unknown_events: bool = False  # an event of a type nobody knows before every other

    @classmethod
    def of(cls, values: Any) -> Faults:
        """From the ``faults`` object of a control event. RequestError for what is no fault."""
        _SCHEMA(values, "faults")
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**given)

    @classmethod
    def parse(cls, switches: list[str]) -> Faults:
        """From command-line switches such as "drop_at=5", "odd_audio" or "missing=TYPE,TYPE". ValueError if
        bad."""
        values: dict[str, Any] = {}
        types = {field.name: str(field.type) for field in fields(cls)}
        for switch in switches:
            name, _, value = switch.partition("=")
            kind = types.get(name)
            if kind is None:
                raise ValueError(f"no fault named {name!r}, expected one of {', '.join(types)}")
            try:
                if kind == "bool":
                    values[name] = value in ("", "1", "true")
                elif kind.startswith("int"):
                    values[name] = int(value)
                elif kind.startswith("float"):
                    values[name] = float(value)
                else:
                    values[name] = value.split(",") if kind.startswith("tuple") else value
            except ValueError:
                raise ValueError(f"{switch!r}: {value!r} is no number") from None
        try:
            return cls.of(values)
        except RequestError as error:
            raise ValueError(error.message) from None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


_TYPES = array(text(200), 50)
_SCHEMA = record(
    {
        "drop_at": nullable(integer(1, 1 << 30)),
        "session_seconds": nullable(decimal(0.0, 86_400.0)),
        "transcription_delay_s": decimal(0.0, 60.0),
        "transcription_first": boolean,
        "doubled": _TYPES,
        "missing": _TYPES,
        "odd_audio": boolean,
        "oversized_bytes": integer(0, 64 << 20),
        "slow_reader_s": decimal(0.0, 60.0),
        "failed": nullable(text(100)),
        "incomplete": nullable(text(100)),
        "unknown_events": boolean,
    }
)


class FaultyStream:
    """Server events of one session on their way out, with *faults* applied."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._count = 0
        self._held: dict[str, list[dict[str, Any]]] = {}  # events by item, until its transcript has gone

    def apply(self, event: dict[str, Any]) -> list[dict[str, Any]] | None:
        """What to send for *event*; None: cut the connection."""
        faults, name = self.faults, event["type"]
        self._count += 1
        if faults.drop_at is not None and self._count >= faults.drop_at:
            return None
        events = [event]
        if faults.transcription_first:
            events = self._hold(event)
        if name in faults.missing:
            return []
        if name in faults.doubled:
            events = events * 2
        if faults.odd_audio and name == "response.output_audio.delta":
            events = [{**event, "delta": _without_last_byte(event["delta"])}]
        if faults.unknown_events:
            events = [
                {"type": UNKNOWN_EVENT, "event_id": f"unknown_{self._count}", "field": [1, None]},
                *events,
            ]
        if faults.oversized_bytes and name == "response.done":
            padding = "x" * faults.oversized_bytes
            events = [{"type": UNKNOWN_EVENT, "event_id": "oversized", "padding": padding}, *events]
        return events

    def _hold(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        name = event["type"]
        if name in ("conversation.item.added", "conversation.item.done"):
            content = event["item"].get("content") or [{}]
            if content[0].get("type") == "input_audio":
                self._held.setdefault(event["item"]["id"], []).append(event)
                return []
        if name in _TRANSCRIBED:
            return [event, *self._held.pop(event["item_id"], [])]
        return [event]


def _without_last_byte(data: str) -> str:

    return codec.b64encode(codec.b64decode(data)[:-1])
