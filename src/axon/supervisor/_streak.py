"""Restarts in a row: how long to wait before the next one, when they are a crash loop, and when they are over."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, cast

from ..errors import InvalidOption
from ..process import is_clean
from ..telemetry import BackoffFailed, CrashLoopEnded, CrashLoopStarted

if TYPE_CHECKING:
    from ..process import Runtime, Timer
    from ..server import ServerProcess
    from ._children import Child

CRASH_LOOP = 3
"""Restarts in a row, with no stable run between them, that make a crash loop."""


@dataclass(eq=False, slots=True)
class Streak:
    """Restarts of one child since it was stable last.

    `count` is the number of the present attempt, from 1; `since` the time of the first failure; `wait` the seconds
    before the present attempt; `told` whether listeners know of a crash loop; `stable_at` when the child will have
    run long enough. One timer looks after that however often the child is restarted meanwhile (4 µs less for each).
    """

    since: float
    count: int = 0
    wait: float = 0.0
    told: bool = False
    stable_at: float = inf
    looks_at: float = inf
    timer: Timer | None = None

    def look_later(self, child: Child, runtime: Runtime) -> None:
        """See whether the child is stable when it may be."""
        self.looks_at = self.stable_at
        self.timer = runtime.timers.after(self.stable_at - runtime.loop.time(), lambda: self._look(child, runtime))

    def _look(self, child: Child, runtime: Runtime) -> None:
        self.timer = None
        if child.streak is not self or not child.is_active or self.stable_at == inf:
            return  # it has ended, and its supervisor has not come round to it yet, or is restarting it
        if self.stable_at > self.looks_at:
            self.look_later(child, runtime)
            return
        end_streak(child)


def count_restart(child: Child, now: float) -> Streak:
    """One more restart of this child; returns those that there were in a row."""
    streak = child.streak
    if streak is None:
        streak = child.streak = Streak(now)
    streak.count += 1
    streak.stable_at = inf
    return streak


def backoff_delay(child: Child, attempt: int) -> float:
    """Seconds to wait before this attempt to start the child again; 0.0 without a backoff, and if that fails, which is
    told and no reason for the supervisor to end: the budget bounds what follows, as it does without a backoff.

    https://tenacity.readthedocs.io/en/latest/#waiting-before-retrying
    """
    if child.spec.backoff is None:
        return 0.0
    from tenacity import BaseRetrying, Future, RetryCallState

    # A wait strategy reads the attempt and its outcome, never who retries.
    state = RetryCallState(cast("BaseRetrying", None), None, (), {})
    state.attempt_number = attempt
    if isinstance(child.failure, BaseException):
        state.outcome = Future(attempt)
        state.outcome.set_exception(child.failure)
    try:
        delay = child.spec.backoff(state)
        if not isinstance(delay, int | float) or not delay >= 0:
            raise InvalidOption("backoff", delay, "a strategy that returns seconds >= 0")
    except Exception as error:
        bus = child.slot.runtime.bus
        if bus.wants(BackoffFailed):
            bus.emit(BackoffFailed(path=child.slot.path, error=error))
        return 0.0
    if child.streak is not None:
        child.streak.wait = float(delay)
    return float(delay)


def expect_stability(child: Child, streak: Streak, supervisor: ServerProcess, max_seconds: float) -> None:
    """The child runs again: its streak is over when it has done so for the stable time.

    That is `max_seconds`, the time its supervisor looks back anyway, or its last wait if that was longer: after a
    minute's wait a run of a few seconds does not show that it has recovered, and must not begin the waits anew.
    """
    lasting = max(max_seconds, streak.wait)
    streak.stable_at = at = supervisor.runtime.timers.time() + lasting
    if streak.timer is not None and streak.looks_at > at:
        forget_stability(child)
    if streak.timer is None:
        streak.look_later(child, supervisor.runtime)


def forget_stability(child: Child) -> None:
    """The child is stopped, or gone: nobody waits any more for its being stable."""
    streak = child.streak
    if streak is not None and streak.timer is not None:
        child.slot.runtime.timers.cancel(streak.timer)
        streak.timer = None


def end_streak(child: Child) -> None:
    """The child has shown that it has recovered: its next failure is the first one."""
    forget_stability(child)
    streak, child.streak, runtime = child.streak, None, child.slot.runtime
    if streak is not None and streak.told and runtime.bus.wants(CrashLoopEnded):
        lasted = runtime.loop.time() - streak.since
        runtime.bus.emit(CrashLoopEnded(path=child.slot.path, restarts=streak.count, seconds=lasted))


def tell_crash_loop(child: Child, streak: Streak, supervisor: ServerProcess) -> None:
    """Say once, in a streak that is long enough, that this child keeps failing."""
    runtime = supervisor.runtime
    streak.told = True
    if runtime.bus.wants(CrashLoopStarted):
        lasted = runtime.loop.time() - streak.since
        runtime.bus.emit(
            CrashLoopStarted(
                path=child.slot.path,
                restarts=streak.count,
                seconds=lasted,
                reason=child.failure,
                advice=_advice(child),
            )
        )


def _advice(child: Child) -> str:
    if child.spec.type == "supervisor":
        return "find the child that makes it give up: its line 'gave up' names it"
    if child.failure is not None and is_clean(child.failure):
        return "it ends by itself: see why, or let it, with child(..., restart='transient')"
    if child.spec.backoff is None:
        return "fix the cause; child(..., backoff=...) slows it down and spares its supervisor's budget"
    return "fix the cause; its backoff slows it down meanwhile"
