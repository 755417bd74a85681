"""A live level meter of a recorder or player: a bar in a notebook, or one line in a terminal.

Thread: its own ("wavtools-meter") measures and draws; what callers use is for any thread.
"""

from __future__ import annotations

import logging
import math
import sys
import threading
import time
import weakref
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wavtools.errors import StateError
from wavtools.levels import Meter
from wavtools.notebook.waveform import STROKE

__all__ = ["LiveMeter", "meter"]

# Seconds between two measurements.
PERIOD = 0.05
# Decibels below full scale at the left end of the bar.
LOWEST_DB = -60.0
# Characters of the bar in a terminal.
WIDTH = 40
# The time constant of the level, which falls by 43 dB a second then. One for both directions: no waveform reads too loud.
SMOOTH_SECONDS = 0.1
PEAK_COLOUR = "#d9534f"


class Source(Protocol):
    """What can be measured: a WavRecorder or a WavStreamPlayer."""

    sample_rate: int

    def get_waveform(self) -> NDArray[np.float32]:
        """The newest samples."""


def meter(source: Source, *, line: bool | None = None) -> LiveMeter:
    """Show the level of what is being recorded or played, until the recorder ends or the player disconnects.

    In a notebook, let it be the last line of a cell (``wavtools.notebook.meter(recorder)``), or pass it to IPython's
    ``display()``: the bar moves from then on, also while other cells run. In a terminal it draws one line.

    Thread: any. Nothing waits; the device thread and callbacks are not involved.

    Parameters
    ----------
    source : WavRecorder or WavStreamPlayer
        With an open device: after ``begin()`` or ``connect()``.
    line : bool, optional
        Draw a line on standard error; when not given, if that is a terminal.

    Returns
    -------
    LiveMeter
        With the numbers, and ``stop()``.

    Raises
    ------
    TypeError
        another kind of source
    StateError
        its device is not open; the message names the call to make first

    Examples
    --------
    >>> with wavtools.WavRecorder(device="null") as recorder:
    ...     with wavtools.notebook.meter(recorder) as level:
    ...         print(level)
    <LiveMeter -inf dBFS, peak -inf dBFS>
    """
    if not callable(getattr(source, "get_waveform", None)):
        raise TypeError(f"meter() measures a WavRecorder or a WavStreamPlayer, not {type(source).__name__}")
    source.get_waveform()
    return LiveMeter(source, sys.stderr.isatty() if line is None else line)


class LiveMeter:
    """The level of a recorder or player, measured 20 times a second; made by `meter`.

    It does not keep its source alive. As a context manager it stops at the end of the block.

    Attributes
    ----------
    level_db : float
        dBFS, smoothed over 0.1 s by `wavtools.levels.Meter`: 0 for a square wave of full scale, -inf for silence.
    peak_db : float
        The largest sample in dBFS; held for 1.5 s, then it falls by 20 dB a second.
    """

    def __init__(self, source: Source, line: bool) -> None:
        self.level_db = self.peak_db = -math.inf
        self._source = weakref.ref(source)
        self._line = line
        self._meter = Meter(source.sample_rate, attack_seconds=SMOOTH_SECONDS, release_seconds=SMOOTH_SECONDS)
        self._measured = time.monotonic()
        # What IPython gave for each place where the meter is shown.
        self._displays: list[Any] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wavtools-meter", daemon=True)
        self._thread.start()

    def __enter__(self) -> LiveMeter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        stopped = ", stopped" if self._stopped.is_set() else ""
        return f"<LiveMeter {self.level_db:.1f} dBFS, peak {self.peak_db:.1f} dBFS{stopped}>"

    @property
    def is_running(self) -> bool:
        """False after stop(), and once the source has closed its device or is gone."""
        return not self._stopped.is_set()

    def stop(self) -> None:
        """Stop measuring; the last level stays shown. Stopping twice is fine."""
        self._stopped.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _repr_html_(self) -> str:
        level, peak = (min(max(1 - db / LOWEST_DB, 0.0), 1.0) * 100 for db in (self.level_db, self.peak_db))
        text = (
            f"{self.level_db:.1f} dBFS, peak {self.peak_db:.1f} dBFS{'' if self.is_running else ', stopped'}"
        )
        now = max(self.level_db, LOWEST_DB)
        return (
            f'<div role="meter" aria-label="Level" aria-valuemin="{LOWEST_DB:g}" aria-valuemax="0"'
            f' aria-valuenow="{now:.1f}" aria-valuetext="{text}" title="{text}" style="max-width:720px">'
            f'<div style="position:relative;height:14px;border:1px solid {STROKE}">'
            f'<div style="width:{level:.1f}%;height:100%;background:{STROKE}"></div>'
            f'<div style="position:absolute;top:0;left:{peak:.1f}%;width:2px;height:100%;background:{PEAK_COLOUR}">'
            f'</div></div><span style="font-size:85%">{text}</span></div>'
        )

    def _ipython_display_(self) -> None:
        """Called by IPython where the meter is to be shown: keep what can update it there."""
        # IPython is there if it asks.
        from IPython.display import HTML, display

        shown = display(HTML(self._repr_html_()), display_id=True)  # type: ignore[no-untyped-call]
        self._displays.append(shown)

    # The meter's thread

    def _run(self) -> None:
        try:
            while not self._stopped.wait(PERIOD) and self._measure():
                self._draw()
        finally:
            self._stopped.set()
            self._draw("\n")

    def _measure(self) -> bool:
        """Measure what came since the last time; False if the source is closed or gone."""
        source = self._source()
        if source is None:
            return False
        try:
            newest = source.get_waveform()
        except StateError:
            return False
        now = time.monotonic()
        elapsed, self._measured = now - self._measured, now
        self._meter.push(newest[-max(1, round(elapsed * source.sample_rate)) :])
        self.level_db, self.peak_db = self._meter.level_db, self._meter.peak_db
        return True

    def _draw(self, end: str = "") -> None:
        try:
            if self._line:
                print(f"\r{self._bar()}", end=end, file=sys.stderr, flush=True)
            if self._displays:
                from IPython.display import HTML

                shown = HTML(self._repr_html_())  # type: ignore[no-untyped-call]
                for display in self._displays:
                    display.update(shown)
        except Exception:
            # The terminal or the notebook is gone; the numbers can still be asked for.
            logging.getLogger("wavtools").debug("the meter can no longer draw", exc_info=True)
            self._line = False
            self._displays.clear()

    def _bar(self) -> str:
        level, peak = (
            round(min(max(1 - db / LOWEST_DB, 0.0), 1.0) * WIDTH) for db in (self.level_db, self.peak_db)
        )
        cells = ["#" if at < level else "-" for at in range(WIDTH)]
        if peak:
            cells[peak - 1] = "|"
        return f"[{''.join(cells)}] {self.level_db:6.1f} dBFS, peak {self.peak_db:6.1f} "
