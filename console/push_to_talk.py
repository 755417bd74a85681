"""PushToTalk: decides when the microphone opens and closes, though most terminals never report the release of a key.

It uses the best of these ways that the terminal proves to support:

* the mouse, held on the talk bar: a press opens, the release closes, wherever the pointer is then;
* a key whose release the terminal reports: the release closes; after a short tap it stays open until the next press;
* a key that repeats: once repeats have come, a gap between them is the release;
* a key alone: one tap opens, the next one closes.

A press that follows another may be the first repeat of a held key (keyboards send it after 0.25 to 0.7 s) or a second
tap. `DECIDE_SECONDS` decide: repeats come every 15 to 60 ms, taps do not. Loss of the focus, escape, disconnecting and
`MAX_SECONDS` close the microphone too, so it never stays open by mistake.

It has no clock: callers pass the time in seconds.

Thread: the event loop's.
"""

from __future__ import annotations

from typing import Literal

__all__ = ["PushToTalk"]

Action = Literal["start", "stop", "cancel"]

# A shorter hold is a tap
TAP_SECONDS = 0.3
DECIDE_SECONDS = 0.15
# The longest time from a press to its first repeat
REPEAT_DELAY_SECONDS = 0.9
MIN_GAP_SECONDS = 0.2
MAX_SECONDS = 120.0


class PushToTalk:
    """Takes events of key and mouse, and `tick` a few times a second; each method returns the action to take, or None.

    Attributes
    ----------
    active : bool
        The microphone is open.
    held_by : str
        How it was opened, or is held: "mouse", "key", "repeat", "tap"; empty while it is closed.
    reports_release : bool
        The terminal has reported a release.
    """

    def __init__(self) -> None:
        self.active = False
        self.held_by: Literal["", "mouse", "key", "repeat", "tap"] = ""
        self.reports_release = False
        self._since = 0.0
        self._last_press = -1e9
        # Seconds between repeats, learned from those that came
        self._interval = 0.05
        self._repeats = 0
        # Time of a press that is not decided yet
        self._undecided_at: float | None = None
        # The tap that closed the microphone may be held: its repeats are ignored
        self._ignores_repeats = False

    @property
    def hint(self) -> str:
        """How to close the microphone, in words for the user."""
        if self.held_by == "tap" or (self.held_by == "key" and not self.reports_release):
            return "space sends"
        return "release to send"

    def key(self, now: float) -> Action | None:
        """Take a press of the talk key, or a repeat of it."""
        gap = now - self._last_press
        self._last_press = now
        if self.held_by == "mouse":
            return None
        if self._ignores_repeats:
            if gap < max(MIN_GAP_SECONDS, 3 * self._interval):
                # The key is still held since it closed the microphone
                self._undecided_at = None
                return None
            if gap < REPEAT_DELAY_SECONDS and not self.reports_release and self._undecided_at is None:
                self._undecided_at = now
                return None
            self._ignores_repeats = False
        if not self.active:
            return self._start(now, "key" if self.reports_release else "tap")
        if self.held_by == "key":
            # Its release closes
            return None
        if self.held_by == "repeat" or gap < DECIDE_SECONDS:
            self._undecided_at = None
            self._repeats += 1
            self.held_by = "repeat"
            self._interval = min(max(gap, 0.01), DECIDE_SECONDS) if gap < DECIDE_SECONDS else self._interval
            return None
        if gap > REPEAT_DELAY_SECONDS or self.reports_release:
            return self._stop(now)
        self._undecided_at = now
        return None

    def key_release(self, now: float) -> Action | None:
        """Take a release of the talk key, which the terminal reported."""
        self.reports_release = True
        self._ignores_repeats = False
        if not self.active or self.held_by == "mouse":
            return None
        if now - self._since < TAP_SECONDS:
            self.held_by = "tap"
            return None
        if self.held_by == "tap" and self._last_press <= self._since:
            self.held_by = "key"
        return self._stop(now)

    def mouse_down(self, now: float) -> Action | None:
        """Take a press on the talk bar."""
        # If a tap of the key has opened the microphone, the mouse closes it
        if self.active:
            return self._stop(now)
        return self._start(now, "mouse")

    def mouse_up(self, now: float) -> Action | None:
        """Take a release of the mouse."""
        return self._stop(now) if self.active and self.held_by == "mouse" else None

    def blur(self, now: float) -> Action | None:
        """Close: the terminal lost the focus, so a release would not be seen."""
        return self._stop(now) if self.active else None

    def escape(self) -> Action | None:
        """Close without sending."""
        if not self.active:
            return None
        self.reset()
        return "cancel"

    def reset(self) -> None:
        """Note that the microphone was closed by something else: a disconnection, or vad."""
        self.active = False
        self.held_by = ""
        self._undecided_at = None
        self._repeats = 0

    def tick(self, now: float) -> Action | None:
        """Decide what depends on the time."""
        if self._undecided_at is not None and now - self._undecided_at >= DECIDE_SECONDS:
            self._undecided_at = None
            if self.active:
                return self._stop(now)
            self._ignores_repeats = False
            return self._start(now, "tap")
        if not self.active:
            return None
        gap = max(MIN_GAP_SECONDS, 4 * self._interval)
        if self.held_by == "repeat" and now - self._last_press > gap:
            return self._stop(now)
        if now - self._since > MAX_SECONDS:
            return self._stop(now)
        return None

    def _start(self, now: float, held_by: Literal["mouse", "key", "tap"]) -> Action:
        self.reset()
        self.active, self.held_by, self._since = True, held_by, now
        return "start"

    def _stop(self, now: float) -> Action:
        held_by = self.held_by
        self.reset()
        self._ignores_repeats = held_by == "tap" and now - self._last_press < REPEAT_DELAY_SECONDS
        return "stop"
