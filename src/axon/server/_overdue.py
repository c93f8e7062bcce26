"""Work that goes on though it was cancelled: it is told of, since nothing in the process can end it."""

from __future__ import annotations

from ..process import Process, Timer
from ..telemetry import CancelIgnored

CANCEL_GRACE = 5.0
"""Seconds after its cancellation in which work may clean up before it is told of."""


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
            self._timer = home.timers.after(left + CANCEL_GRACE, self._tell)

    def _tell(self) -> None:
        if self._process.runtime.bus.wants(CancelIgnored):
            event = CancelIgnored(path=self._process.path, what=self._what, seconds=CANCEL_GRACE)
            self._process.runtime.bus.emit(event)

    def end(self) -> None:
        """The work is over."""
        self._over = True
        if self._timer is not None:
            self._process.runtime.timers.cancel(self._timer)
