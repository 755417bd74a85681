"""What a voice session needs of a recorder and a player, and the threads in which their blocking calls run.

Thread: the event loop's; the calls run in daemon threads of their own ("realtime-device-1", ...).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from ..daemon_threads import DaemonThreads
from ..errors import ConfigurationError
from ..protocol.audio_format import Int16Array

__all__ = [
    "CancellerState",
    "CancellingRecorder",
    "Chunk",
    "Devices",
    "NamedRecorder",
    "Player",
    "Receipt",
    "Recorder",
    "ReferencedChunk",
    "cancels_echo",
    "check_rate",
    "make_player",
    "make_recorder",
    "one_by_one",
]

# Calls of one session's devices that may block at once
MAX_CALLS = 16
# Seconds that closing a device may take; our own take about one.
CLOSE_SECONDS = 5.0
# Seconds for which a player may have audio, as its queue
PLAYBACK_PATIENCE = 600.0

T = TypeVar("T")


class Chunk(Protocol):
    """What a recorder passes to its callback: int16, shape (frames,)."""

    @property
    def mono(self) -> Int16Array: ...


@runtime_checkable
class ReferencedChunk(Chunk, Protocol):
    """A chunk that also has the signal as captured, and what was played at the same frames, or None."""

    @property
    def raw(self) -> Int16Array: ...
    @property
    def played(self) -> Int16Array | None: ...


class Recorder(Protocol):
    """The part of `wavtools.WavRecorder` that a voice session uses."""

    sample_rate: int

    def get_status(self) -> str: ...
    def begin(self) -> Any: ...
    def record(self, callback: Callable[[Any], object] | None = None, chunk_size: int = 8192) -> Any: ...
    def pause(self) -> Any: ...
    def end(self) -> Any: ...


class CancellerState(Protocol):
    """The part of `wavtools.EchoState` that a voice session uses."""

    @property
    def canceller(self) -> str | None: ...
    @property
    def erle_db(self) -> float: ...
    @property
    def delay_seconds(self) -> float | None: ...


@runtime_checkable
class CancellingRecorder(Protocol):
    """A recorder that can cancel the echo; made without a canceller, its ``echo`` or the ``canceller`` of it is None."""

    cancelling: bool

    @property
    def echo(self) -> CancellerState | None: ...


class DeviceEntry(Protocol):
    """The part of `wavtools.DeviceInfo` that a voice session uses."""

    @property
    def name(self) -> str: ...
    @property
    def cancels_echo(self) -> bool: ...


@runtime_checkable
class NamedRecorder(Protocol):
    """A recorder that can say which microphone it uses."""

    def get_device_info(self) -> DeviceEntry | None: ...


class Receipt(Protocol):
    """The part of `wavtools.TrackOffset` that a voice session uses."""

    @property
    def track_id(self) -> str: ...
    @property
    def offset(self) -> int: ...
    @property
    def dropped(self) -> Mapping[str, int]: ...


class Player(Protocol):
    """The part of `wavtools.WavStreamPlayer` that a voice session uses."""

    sample_rate: int

    def connect(self) -> Any: ...
    def add_16bit_pcm(self, pcm: Any, track_id: str = "default") -> Any: ...
    def interrupt(self, fade_ms: float = 0) -> Any: ...
    def get_track_sample_offset(self) -> Any: ...
    def disconnect(self) -> Any: ...


class Devices:
    """Calls of the devices of one voice session.

    Parameters
    ----------
    input, output : optional
        Specs of the devices of a recorder and a player that the session makes.
    """

    def __init__(self, input: Any = None, output: Any = None) -> None:
        self.input = input
        self.output = output
        self._threads = DaemonThreads("realtime-device", MAX_CALLS)

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call *function* in a thread of its own; returns what it returns and raises what it raises."""
        return await self._threads.call(function, *arguments)

    async def close(self, name: str, close: Callable[[], object]) -> None:
        """Call *close* and wait for it, for 5 seconds at most: then it is left to its thread.

        Raises
        ------
        TimeoutError
            the device did not close in that time
        """
        closing = asyncio.ensure_future(self._threads.call(close))
        await asyncio.wait({closing}, timeout=CLOSE_SECONDS)
        if not closing.done():
            closing.cancel()
            raise TimeoutError(f"the {name} did not close within {CLOSE_SECONDS:g} s")
        closing.result()

    async def played(self, player: Player) -> bool:
        """Wait until *player* has played everything; False for a player that cannot tell."""
        wait = getattr(player, "wait_until_idle", None)
        if wait is None:
            return False
        await self._threads.call(wait, PLAYBACK_PATIENCE)
        await asyncio.sleep(getattr(player.get_track_sample_offset(), "latency", 0.0))
        return True


async def one_by_one(*steps: Awaitable[object]) -> None:
    """Await each of *steps*, whatever becomes of those before it; the first exception is raised at the end."""
    failures: list[Exception] = []
    for step in steps:
        try:
            await step
        except Exception as error:
            failures.append(error)
    if failures:
        raise failures[0]


def check_rate(name: str, rate: int, needed: int) -> None:
    """Raise ConfigurationError if a device runs at another rate than the session."""
    if rate != needed:
        raise ConfigurationError(
            f"the {name} runs at {rate} Hz and the session at {needed} Hz: make it with sample_rate={needed}"
        )


def make_player(sample_rate: int, device: Any = None) -> Player:
    """The player of a session for which none was given."""
    from wavtools import WavStreamPlayer

    player: Player = WavStreamPlayer(sample_rate=sample_rate, **_given(device))
    return player


def make_recorder(
    sample_rate: int,
    player: Player | None = None,
    canceller: Literal["auto"] | None = None,
    device: Any = None,
) -> Recorder:
    """The recorder of a session for which none was given.

    Parameters
    ----------
    sample_rate : int
        Hz
    player : Player, optional
        What the microphone may hear. One that is no `WavStreamPlayer` cannot say what its device played.
    canceller : "auto", optional
        Cancel the echo of *player*.
    device : optional
        Spec of the microphone.
    """
    from wavtools import WavRecorder, WavStreamPlayer

    reference = player if isinstance(player, WavStreamPlayer) else None
    # The conversation keeps what was said; the recorder need not keep it as well.
    recorder: Recorder = WavRecorder(
        sample_rate=sample_rate,
        **_given(device),
        keep_seconds=0,
        echo_canceller=canceller if reference is not None else None,
        reference=reference,
    )
    return recorder


def _given(device: Any) -> dict[str, Any]:
    """The device as a keyword, for a class whose default may be another one than wavtools' own."""
    return {} if device is None else {"device": device}


def cancels_echo(recorder: Recorder) -> str | None:
    """The name of the microphone if the system or the hardware cancels its echo, else None. Blocks; never raises."""
    if not isinstance(recorder, NamedRecorder):
        return None
    try:
        device = recorder.get_device_info()
    except Exception:
        # Nobody can say it now, and the session does without it.
        return None
    return device.name if device is not None and device.cancels_echo else None
