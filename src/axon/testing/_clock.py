"""Virtual time: an event loop whose clock jumps to the next timer when everybody waits, so that a day takes no time.

After trio's autojump clock: https://trio.readthedocs.io/en/stable/reference-testing.html#time-and-timeouts
"""

from __future__ import annotations

import asyncio
import math
import selectors
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

LONGEST_SELECT = 3600.0
"""Seconds a single `select` may be asked to wait; the operating system's limit is somewhere beyond a day."""


class _JumpingSelector(selectors.DefaultSelector):
    """Moves the loop's clock to the next timer instead of waiting for it."""

    def __init__(self, loop: VirtualClockLoop) -> None:
        super().__init__()
        self._loop = loop
        self._awaited: float = math.inf
        self._waited = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        due = self._loop.next_timer()
        if due == math.inf:  # time cannot help: only the outside world can go on
            return super().select(None)
        if self._loop.works_outside():
            ready = self._wait(due)
            if ready or self._waited < due - self._loop.now:
                return ready
        self._loop.now = due
        return ready

    def _wait(self, due: float) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait really; what was waited counts for this timer only, and the clock stands until it is due."""
        if due != self._awaited:
            self._awaited, self._waited = due, 0.0
        began = time.monotonic()
        ready = super().select(min(LONGEST_SELECT, max(0.0, due - self._loop.now - self._waited)))
        self._waited += time.monotonic() - began
        return ready


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time: `loop.time()` starts at 0 and moves only when nothing can run, to the next timer.

    While a job in a thread of the loop (`asyncio.to_thread`, `run_in_executor`) or a child process runs, waiting takes
    real time, so that a `timeout` around it means what it says; the job itself takes no virtual time. Other threads
    and the network are not seen: a test that needs them to be quick or slow belongs on a real loop.
    """

    _scheduled: list[asyncio.TimerHandle]  # asyncio's heap of timers, the next one first

    def __init__(self) -> None:
        self.now: float = 0.0
        self._jobs = 0
        self._children: list[asyncio.SubprocessTransport] = []
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        """Seconds of virtual time since the loop was made."""
        return self.now

    @property
    def _clock_resolution(self) -> float:
        """What `when < time() + resolution` needs to hold for a timer that is due now: asyncio's own nanosecond is
        lost in the rounding after 97 days, and the loop would spin.
        """
        return max(1e-9, math.ulp(self.now))

    @_clock_resolution.setter
    def _clock_resolution(self, value: float) -> None:
        """Without effect: asyncio sets the resolution of the real clock."""

    def next_timer(self) -> float:
        """When the next timer is due, `inf` if there is none."""
        return self._scheduled[0].when() if self._scheduled else math.inf

    def works_outside(self) -> bool:
        """Whether something runs that virtual time has no power over."""
        self._children = [child for child in self._children if child.get_returncode() is None]
        return self._jobs > 0 or bool(self._children)

    # -- the ways out, with asyncio's own parameters

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], R], *args: *Ts) -> asyncio.Future[R]:
        """As in asyncio; counted while it runs."""
        job = super().run_in_executor(executor, func, *args)
        self._jobs += 1
        job.add_done_callback(self._job_done)
        return job

    def _job_done(self, job: asyncio.Future[Any]) -> None:
        self._jobs -= 1

    async def shutdown_default_executor(self, *args: Any) -> None:
        """As in asyncio; counted while it runs."""
        self._jobs += 1
        try:
            await super().shutdown_default_executor(*args)
        finally:
            self._jobs -= 1

    async def subprocess_exec(self, *args: Any, **options: Any) -> Any:
        """As in asyncio; counted while the child lives."""
        child, protocol = await super().subprocess_exec(*args, **options)
        self._children.append(child)
        return child, protocol

    async def subprocess_shell(self, *args: Any, **options: Any) -> Any:
        """As in asyncio; counted while the child lives."""
        child, protocol = await super().subprocess_shell(*args, **options)
        self._children.append(child)
        return child, protocol


def virtual_clock() -> VirtualClockLoop:
    """A loop on virtual time: `asyncio.Runner(loop_factory=virtual_clock)`."""
    return VirtualClockLoop()
