"""Echo cancellers: they take what a loudspeaker plays out of what the microphone hears.

A canceller is given two streams of equal length, frame by frame: what was captured, and what the device played at that
time. It learns the way from loudspeaker to microphone and subtracts its own copy of the echo. What is left is the room
and whoever speaks in it. ``WavRecorder(echo_canceller="auto", reference=player)`` does all of this; the classes here are for
own signals and own cancellers.

There are two:

* ``"native"``, `NativeEchoCanceller`: part of wavtools, in C, for every rate from 8 to 48 kHz.
* ``"webrtc"``: AEC3 of the WebRTC project, from ``pip install "wavtools[aec]"``. It also offers noise suppression and
  automatic gain.

``"auto"`` takes the native one, because it measured better. On tapes of 20 s in five synthetic rooms (-3 and 0 dB, 20 to
200 ms, one with 100 ppm of drift, one with a loudspeaker that distorts) neither let Silero hear speech in the echo. In the
first half second the echo fell by 45 to 53 dB (WebRTC: 27 to 38), in the median of half seconds by 25 to 39 dB (32 to 37;
WebRTC is the better one where the loudspeaker distorts: 32 against 25). Of a voice over the loudspeaker Silero heard 88 to
95 % (60 to 87 %), and with headphones it began 30 ms later than without a canceller (600 ms). After jumps of 2.5 to 20 ms
nothing was taken for speech (once in five tapes). 10 ms of audio cost 80 us (150 to 170 us, with its measurements in NumPy).

Thread: one at a time per canceller; any thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from wavtools._arguments import integer, number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["EchoCanceller", "echo_canceller"]

KINDS = ("auto", "native", "webrtc")


@runtime_checkable
class EchoCanceller(Protocol):
    """What takes an echo out of a microphone's signal; `echo_canceller` makes one, and your own class may be one.

    Thread: one at a time per canceller. The recorder calls it on its delivery thread.
    """

    @property
    def name(self) -> str:
        """Which canceller this is: ``"native"``, ``"webrtc"`` or your own."""

    @property
    def sample_rate(self) -> int:
        """Hz of both signals."""

    @property
    def frame(self) -> int:
        """Samples of 10 ms, ``sample_rate // 100``. `process` takes multiples of it."""

    @property
    def delay_frames(self) -> int:
        """Samples by which the output lags behind the input."""

    def process(self, near: NDArray[np.int16], played: NDArray[np.int16]) -> NDArray[np.int16]:
        """Take the echo of *played* out of *near*.

        Parameters
        ----------
        near : int16, shape (n,)
            What the microphone captured; n is a multiple of ``frame``.
        played : int16, shape (n,)
            What the loudspeaker was given at that time, zeros for silence. It may be up to the canceller's tail earlier
            than its echo in *near*, and never later.

        Returns
        -------
        numpy.ndarray of int16, shape (n,)
            *near* without echo, ``delay_frames`` late.

        Raises
        ------
        ValueError
            unequal lengths, or no multiple of ``frame``; nothing is taken
        """

    def reset(self) -> None:
        """Forget the room: the device was lost, restored or switched."""

    @property
    def erle_db(self) -> float:
        """How far the echo falls at present, in dB, smoothed; 0.0 while nothing was played."""

    @property
    def path_delay_seconds(self) -> float | None:
        """Seconds from the played sample to its echo in the microphone's signal; None while it is unknown."""


def echo_canceller(
    kind: str = "auto",
    sample_rate: int = 24_000,
    *,
    tail_seconds: float = 0.5,
    noise_suppression: bool = False,
    automatic_gain: bool = False,
) -> EchoCanceller:
    """Make an echo canceller.

    Thread: any.

    Parameters
    ----------
    kind : {"auto", "native", "webrtc"}
        ``"auto"`` is ``"native"``, and ``"webrtc"`` where noise suppression or automatic gain is asked for. The ``name`` of
        the result tells which it is; the module's description says why.
    sample_rate : int
        Hz of both signals, 8000 to 48000.
    tail_seconds : float
        How much later than the played sample its last echo may come, 0.1 to 1 s: delay of the devices and of the room
        together. Of ``"native"`` only; time and memory grow with it. ``"webrtc"`` finds delays up to 0.5 s.
    noise_suppression, automatic_gain : bool
        Also lower steady noise (5 ms more delay), and raise a quiet voice. Of ``"webrtc"`` only.

    Returns
    -------
    EchoCanceller

    Raises
    ------
    TypeError, ValueError
        an argument of another type or out of range; an option that ``"native"`` does not have
    ImportError
        ``"webrtc"`` is not installed
    """
    if kind not in KINDS:
        raise ValueError(f"echo canceller {kind!r} does not exist; pass one of {', '.join(map(repr, KINDS))}")
    rate = integer(sample_rate, "sample_rate", 8_000, 48_000, "8000 to 48000 Hz")
    tail = number(tail_seconds, "tail_seconds", 0.1, 1.0, "0.1 to 1 second")
    extras = noise_suppression or automatic_gain
    if kind == "native" and extras:
        raise ValueError(
            'the native echo canceller has no noise suppression or automatic gain; pass "webrtc"'
        )
    if kind == "webrtc" or extras:
        from wavtools._echo_webrtc import WebrtcEchoCanceller

        return WebrtcEchoCanceller(rate, bool(noise_suppression), bool(automatic_gain))
    from wavtools.echo_native import NativeEchoCanceller

    return NativeEchoCanceller(rate, tail_seconds=tail)
