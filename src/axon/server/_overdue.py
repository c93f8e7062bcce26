"""Work that goes on though it was cancelled: it is told of, since nothing in the process can end it."""

from __future__ import annotations

from ..process import Process, Timer
from ..telemetry import CancelIgnored


class Overdue:
    """Has a piece of work of `process` told of that is not over in time; `what` it is called."""

    __slots__ = ("_over", "_process", "_timer", "_what")

    def __init__(self, process: Process, what: str) -> None:
        self._process, self._what = process, what
        self._timer: Timer | None = None
        self._over = False

    def cancelled(self, due: float | None = None) -> None:
        """The work is cancelled, now or at this time of the loop's."""
        home = self._process.runtime
        if self._timer is not None:
            home.timers.cancel(self._timer)
        if not self._over:
            left = 0.0 if due is None else max(0.0, due - home.loop.time())
            self._timer = home.timers.after(left + home.cancel_grace, self._tell)

    def _tell(self) -> None:
        home = self._process.runtime
        if home.bus.wants(CancelIgnored):
            home.bus.emit(CancelIgnored(path=self._process.path, what=self._what, seconds=home.cancel_grace))

    def end(self) -> None:
        """The work is over."""
        self._over = True
        if self._timer is not None:
            self._process.runtime.timers.cancel(self._timer)
