"""The small records that a session model is made of.

Thread: the event loop's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "BANDS",
    "SILENCE",
    "DeviceState",
    "Echo",
    "Level",
    "Notice",
    "Place",
    "PlaybackState",
    "ServerState",
    "State",
    "TalkState",
    "Turn",
]

Echo = Literal["auto", "half-duplex", "off"]
State = Literal["disconnected", "connecting", "connected", "reconnecting", "replay", "tap"]
Level = Literal["info", "warning", "error"]
# Frequency bands of a voice: the bars of each side
BANDS = 10
SILENCE = (0.0,) * BANDS
# The place where the map of the original console began
START_PLACE = (37.7756, -122.4181)


@dataclass(frozen=True)
class Notice:
    """A message for the user. Views print the level as a word, not only as a colour."""

    level: Level
    text: str
    time: float


@dataclass(frozen=True)
class Turn:
    """Times of one answer.

    Attributes
    ----------
    item_id : str
        The answer.
    latency : float
        Seconds from the end of the user's turn to the first sample that the device took.
    speech_end : float
        End of the user's turn, in seconds since the epoch.
    first_sample : float
        When the device took the first sample, in seconds since the epoch.
    """

    item_id: str
    latency: float
    speech_end: float
    first_sample: float


@dataclass
class Place:
    """What the weather map shows.

    Attributes
    ----------
    latitude, longitude : float
        Degrees.
    name : str
        The place as the model called it.
    state : str
        Why there is no weather yet; empty when there is.
    temperature : float or None
        Degrees Celsius.
    wind : float or None
        km/h.
    sample : bool
        The figures are a sample of offline mode, not a measurement.
    """

    latitude: float = START_PLACE[0]
    longitude: float = START_PLACE[1]
    name: str = ""
    state: str = "not yet retrieved"
    temperature: float | None = None
    wind: float | None = None
    sample: bool = False


@dataclass
class ServerState:
    """The server that answers: its address, model and voice, and where the key came from.

    ``local_models`` says what answers offline, where the model that was asked for does not exist; empty elsewhere.
    """

    endpoint: str = ""
    model: str = ""
    voice: str = ""
    key_source: str = ""
    local_models: str = ""


@dataclass
class DeviceState:
    """A microphone or a speaker: its name, and why it does not work (empty if it does)."""

    name: str = ""
    problem: str = ""


@dataclass
class TalkState:
    """How the user's speech is taken.

    Attributes
    ----------
    mode : {"manual", "vad"}
        Push to talk, or turns detected by the server.
    active : bool
        Push to talk has opened the microphone.
    since : float
        When ``active`` changed, in seconds since the epoch.
    muted : bool
        Silence is sent instead of what the microphone hears.
    echo : {"auto", "half-duplex", "off"}
        What the user wants to be done about the echo of the speaker. "auto" cancels it.
    action : {"cancel", "bypass", "half-duplex", "off"}
        What is done now; "bypass": nothing, because no echo is heard. "off" while disconnected.
    echo_heard : bool
        The microphone was found to hear the speaker.
    erle_db, delay_ms : int or None
        By how much the echo falls, and after how many milliseconds it comes; None while unknown.
    speaker_heard : bool
        Under half-duplex: the speaker is heard now, so the microphone is closed.
    """

    mode: Literal["manual", "vad"] = "manual"
    active: bool = False
    since: float = 0.0
    muted: bool = False
    echo: Echo = "auto"
    action: Literal["cancel", "bypass", "half-duplex", "off"] = "off"
    echo_heard: bool = False
    erle_db: int | None = None
    delay_ms: int | None = None
    speaker_heard: bool = False

    @property
    def half_duplex(self) -> bool:
        """True if the microphone is closed while the speaker is heard."""
        return self.action == "half-duplex" and self.mode == "vad"


@dataclass
class PlaybackState:
    """The row that is played again (None: no row), the position in it, in samples, and where a replay is.

    Attributes
    ----------
    second, seconds : float
        Position in the replay, and its length; 0 where nothing is replayed.
    paused : bool
        The replay is paused.
    """

    item_id: str | None = None
    position: int = 0
    second: float = 0.0
    seconds: float = 0.0
    paused: bool = False
