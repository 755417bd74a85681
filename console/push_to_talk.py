"""PushToTalk: when the microphone opens and closes, from a key whose release most terminals never report.

A ladder, the best rung that the terminal proves it has:

* the mouse, held on the talk bar: pressed opens, released closes, wherever the pointer is by then;
* a key whose release the terminal reports: held, it closes on release; a short tap leaves it open until the next;
* a key that repeats: once repeats are seen, a gap in them is the release;
* a key alone: one tap opens, the next one closes.

A press that follows another may be the first repeat of a held key (keyboards wait 0.25 to 0.7 s with it) or a second
tap. Which it was shows within `DECIDE_SECONDS`: repeats come every 15 to 60 ms, fingers do not. Nothing is ever stuck:
losing the focus, escape, disconnecting and `MAX_SECONDS` close it as well.

Pure: told the time in seconds, holds no clock. The event loop's thread.
"""

from __future__ import annotations

from typing import Literal

__all__ = ["PushToTalk"]

Action = Literal["start", "stop", "cancel"]

TAP_SECONDS = 0.3  # a shorter hold is a tap
DECIDE_SECONDS = 0.15
REPEAT_DELAY_SECONDS = 0.9  # the longest wait of a keyboard before it repeats
MIN_GAP_SECONDS = 0.2
MAX_SECONDS = 120.0


class PushToTalk:
    """Call the method of what happened; it returns what to do. Call `tick` a few times a second."""

    def __init__(self) -> None:
        self.active = False
        self.held_by: Literal["", "mouse", "key", "repeat", "tap"] = ""
        self.reports_release = False  # proven by a release that came
        self._since = 0.0
        self._last_press = -1e9
        self._interval = 0.05  # between repeats, learned
        self._repeats = 0
        self._doubt: float | None = None  # when an undecided press came
        self._swallow = False  # repeats of the tap that closed

    @property
    def hint(self) -> str:
        """How to close it, in the user's words."""
        if self.held_by == "tap" or (self.held_by == "key" and not self.reports_release):
            return "space sends"
        return "release to send"

    def key(self, now: float) -> Action | None:
        """The talk key was pressed, or repeated by the terminal."""
        gap = now - self._last_press
        self._last_press = now
        if self.held_by == "mouse":
            return None
        if self._swallow:
            if gap < max(MIN_GAP_SECONDS, 3 * self._interval):
                self._doubt = None
                return None  # still held since it closed
            if gap < REPEAT_DELAY_SECONDS and not self.reports_release and self._doubt is None:
                self._doubt = now
                return None
            self._swallow = False
        if not self.active:
            return self._start(now, "key" if self.reports_release else "tap")
        if self.held_by == "key":
            return None  # its release is what counts
        if self.held_by == "repeat" or gap < DECIDE_SECONDS:
            self._doubt = None
            self._repeats += 1
            self.held_by = "repeat"
            self._interval = min(max(gap, 0.01), DECIDE_SECONDS) if gap < DECIDE_SECONDS else self._interval
            return None
        if gap > REPEAT_DELAY_SECONDS or self.reports_release:
            return self._stop(now)
        self._doubt = now
        return None

    def key_release(self, now: float) -> Action | None:
        """The terminal reports that the talk key went up."""
        self.reports_release = True
        self._swallow = False
        if not self.active or self.held_by == "mouse":
            return None
        if now - self._since < TAP_SECONDS:
            self.held_by = "tap"
            return None
        if self.held_by == "tap" and self._last_press <= self._since:
            self.held_by = "key"
        return self._stop(now)

    def mouse_down(self, now: float) -> Action | None:
        if self.active:
            return self._stop(now)  # opened by a tap of the key: the mouse closes it
        return self._start(now, "mouse")

    def mouse_up(self, now: float) -> Action | None:
        return self._stop(now) if self.active and self.held_by == "mouse" else None

    def blur(self, now: float) -> Action | None:
        """The terminal lost the focus: a release could not be seen any more."""
        return self._stop(now) if self.active else None

    def escape(self) -> Action | None:
        """Close without sending."""
        if not self.active:
            return None
        self.reset()
        return "cancel"

    def reset(self) -> None:
        """Closed from outside: disconnected, or vad."""
        self.active = False
        self.held_by = ""
        self._doubt = None
        self._repeats = 0

    def tick(self, now: float) -> Action | None:
        if self._doubt is not None and now - self._doubt >= DECIDE_SECONDS:
            self._doubt = None
            if self.active:
                return self._stop(now)
            self._swallow = False
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
        self._swallow = held_by == "tap" and now - self._last_press < REPEAT_DELAY_SECONDS
        return "stop"
