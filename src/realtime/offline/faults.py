"""Deliberate faults for tests of clients: what networks and servers do occasionally.

``--fault NAME=VALUE`` sets them for every session. The client event ``offline.faults`` sets them for its own session: its
object ``faults`` replaces all earlier ones, and an event of the same type confirms it. The names are the fields of Faults.

Thread: the event loop; pure.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from ..protocol import codec
from ..protocol.schema import RequestError, array, boolean, decimal, integer, nullable, record, text

UNKNOWN_EVENT = "offline.unknown"

_TRANSCRIBED = (
    "conversation.item.input_audio_transcription.completed",
    "conversation.item.input_audio_transcription.failed",
)


@dataclass(frozen=True)
class Faults:
    """The faults that are on; by default none.

    Attributes
    ----------
    drop_at : int, optional
        Instead of the n-th server event from now, the connection is dropped without a close frame (1006).
    session_seconds : float, optional
        The session expires after this time from now (session_expired, 1001).
    transcription_delay_s : float
        The user's transcript is sent this much later.
    transcription_first : bool
        The user's transcript is sent before the item that it belongs to.
    doubled, missing : tuple of str
        Events of these types are sent twice, or never.
    odd_audio : bool
        Every audio delta loses its last byte.
    oversized_bytes : int
        An unknown event of this size is sent before each response.done.
    slow_reader_s : float
        The server waits this long before it reads each client event.
    failed : str, optional
        Every response fails with this error code; in a transcription session, every transcription.
    incomplete : str, optional
        Every response ends after one sentence, for this reason.
    unknown_events : bool
        An event of an unknown type is sent before every other event.
    """

    drop_at: int | None = None
    session_seconds: float | None = None
    transcription_delay_s: float = 0.0
    transcription_first: bool = False
    doubled: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    odd_audio: bool = False
    oversized_bytes: int = 0
    slow_reader_s: float = 0.0
    failed: str | None = None
    incomplete: str | None = None
    unknown_events: bool = False

    @classmethod
    def of(cls, values: Any) -> Faults:
        """From the ``faults`` object of a client event. Raises RequestError for an unknown name or a wrong value."""
        _SCHEMA(values, "faults")
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**given)

    @classmethod
    def parse(cls, switches: list[str]) -> Faults:
        """From values of --fault: "drop_at=5", "odd_audio" or "missing=TYPE,TYPE".

        Raises ValueError for an unknown name or a wrong value.
        """
        values: dict[str, Any] = {}
        types = {field.name: str(field.type) for field in fields(cls)}
        for switch in switches:
            name, _, value = switch.partition("=")
            kind = types.get(name)
            if kind is None:
                raise ValueError(f"no fault is named {name!r}, expected one of {', '.join(types)}")
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
                raise ValueError(f"{switch!r}: {value!r} is not a number") from None
        try:
            return cls.of(values)
        except RequestError as error:
            raise ValueError(error.message) from None

    def as_dict(self) -> dict[str, Any]:
        """All faults by name."""
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
    """Applies *faults* to the server events of one session."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._count = 0
        # Events by item id, held back until the item's transcript has been sent.
        self._held: dict[str, list[dict[str, Any]]] = {}

    def apply(self, event: dict[str, Any]) -> list[dict[str, Any]] | None:
        """The events to send instead of *event*; None: drop the connection."""
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
