"""Waiting for the end of many processes at once, and bringing it about: one future, one timer, no task."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial

from ..process import Process, kill, shutdown
from ..server import WaitEdge
from ..supervisor import Shutdown
from ._outcome import Exited
from ._work import WorkProcess


async def ended(
    processes: Iterable[WorkProcess], due: float | None = None, *, enough: int | None = None, or_failed: bool = False
) -> None:
    """Wait until all of these have ended, or `enough` of them, or the next one without a result (`or_failed`), or
    until `due`.
    """
    given = list(processes)
    living = [process for process in given if process.reason is None]
    left = (len(given) if enough is None else enough) - (len(given) - len(living))
    if left <= 0:
        return
    home = living[0].runtime
    seconds = None if due is None else due - home.loop.time()
    if seconds is not None and seconds <= 0:
        return
    future: asyncio.Future[None] = home.loop.create_future()

    def over() -> None:
        if not future.done():
            future.set_result(None)

    def told(process: WorkProcess) -> None:
        nonlocal left
        left -= 1
        if left <= 0 or (or_failed and isinstance(process.outcome, Exited)):
            over()

    hooks = [(process, partial(told, process)) for process in living]
    for process, hook in hooks:
        process.on_death(hook)
    timer = None if seconds is None else home.timers.after(seconds, over)
    try:
        await future
    finally:
        for process, hook in hooks:
            process.forget_on_death(hook)
        if timer is not None:
            home.timers.cancel(timer)


def ask_to_end(process: WorkProcess, sender: Process | None, how: Shutdown) -> None:
    """Send the exit signal that the shutdown protocol begins with."""
    if process.reason is None:
        process.expect(how)
        reason = kill if how == "brutal_kill" else shutdown
        process.runtime.signal(process.receive_exit, sender, reason)


async def end_now(processes: Iterable[WorkProcess], sender: Process | None, how: Shutdown) -> None:
    """End these at once, and wait until the last one is gone; after their time they are killed."""
    living = [process for process in processes if process.reason is None]
    if not living:
        return
    home = living[0].runtime
    for process in living:
        ask_to_end(process, sender, how)
    with WaitEdge(sender, living[0], refuse=False):
        await ended(living, home.loop.time() + how if isinstance(how, int | float) else None)
        for process in living:
            if process.reason is None:
                home.signal(process.receive_exit, sender, kill)
        await ended(living)
