"""A wait of some milliseconds that other threads and signal handlers can end early.

On Windows a wait of Python's lasts until a tick of the system's clock, 16 ms apart; a timer of high resolution does not.

Thread: any; `Alarm.wait`: one thread at a time.
"""

from __future__ import annotations

import sys

__all__ = ["Alarm"]

if sys.platform == "win32":
    import ctypes
    import weakref
    from ctypes import wintypes

    _HIGH_RESOLUTION, _ALL_ACCESS = 2, 0x1F0003
    _kernel32 = ctypes.WinDLL("kernel32")
    for _name in ("CreateEventW", "CreateWaitableTimerExW"):
        getattr(_kernel32, _name).restype = wintypes.HANDLE

    def _close(handles: list[int]) -> None:
        for handle in handles:
            _kernel32.CloseHandle(wintypes.HANDLE(handle))

    class Alarm:
        """`ring` ends a `wait`, the present or the next one."""

        def __init__(self) -> None:
            # Windows before 1803 has ordinary timers only.
            timer = _kernel32.CreateWaitableTimerExW(None, None, _HIGH_RESOLUTION, _ALL_ACCESS)
            timer = timer or _kernel32.CreateWaitableTimerExW(None, None, 0, _ALL_ACCESS)
            # Both are reset by the wait that they end.
            handles = [_kernel32.CreateEventW(None, False, False, None), *([timer] if timer else [])]
            self._handles = (wintypes.HANDLE * len(handles))(*handles)
            weakref.finalize(self, _close, handles)

        def ring(self) -> None:
            """End a wait. A signal handler may call this."""
            _kernel32.SetEvent(wintypes.HANDLE(self._handles[0]))

        def wait(self, seconds: float) -> bool:
            """Wait for at most *seconds*; True if `ring` was called since the last wait."""
            if len(self._handles) > 1:
                # Negative times, in 100 ns, begin now.
                due = ctypes.byref(ctypes.c_longlong(-max(1, int(seconds * 1e7))))
                _kernel32.SetWaitableTimer(wintypes.HANDLE(self._handles[1]), due, 0, None, None, False)
            # Its own limit is the coarse one, and later than the timer.
            limit = int(seconds * 1000) + 1
            ended: int = _kernel32.WaitForMultipleObjects(len(self._handles), self._handles, False, limit)
            return ended == 0

else:
    import queue

    class Alarm:
        """`ring` ends a `wait`, the present or the next one."""

        def __init__(self) -> None:
            # Unlike an Event it may be put to by a signal handler.
            self._rings: queue.SimpleQueue[None] = queue.SimpleQueue()

        def ring(self) -> None:
            """End a wait. A signal handler may call this."""
            self._rings.put(None)

        def wait(self, seconds: float) -> bool:
            """Wait for at most *seconds*; True if `ring` was called since the last wait."""
            try:
                self._rings.get(timeout=seconds)
            except queue.Empty:
                return False
            try:
                while True:
                    self._rings.get_nowait()
            except queue.Empty:
                return True
