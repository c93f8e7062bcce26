"""Waiting for the end of many processes at once, and ending them: one future, one timer, no task."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial

from ..process import Process, kill, killed, shutdown
from ..supervisor import Shutdown
from ._outcome import Exited
from ._work import WorkProcess

BATCH = 256
"""Processes that are asked to end before the event loop goes round."""


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
        process.at_death = [] if process.at_death is None else process.at_death
        process.at_death.append(hook)
    timer = None if seconds is None else home.timers.after(seconds, over)
    try:
        await future
    finally:
        for process, hook in hooks:
            if process.at_death is not None:
                process.at_death.remove(hook)
        if timer is not None:
            home.timers.cancel(timer)


def ask_to_end(process: WorkProcess, sender: Process | None, how: Shutdown) -> None:
    """Send the exit signal that the shutdown protocol begins with."""
    if process.reason is None:
        process.expected = killed if how == "brutal_kill" else shutdown
        reason = kill if how == "brutal_kill" else shutdown
        process.runtime.signal(process.receive_exit, sender, reason)


async def end_all(processes: Iterable[tuple[WorkProcess, Shutdown]], sender: Process | None) -> None:
    """End these at once, each with its own time, and wait until the last one is gone.

    One that is killed ends within the kill grace or is declared dead, so this comes to an end unless a shutdown says
    `infinity`.
    """
    patient: dict[float, list[WorkProcess]] = {}
    living: list[tuple[WorkProcess, Shutdown]] = [given for given in processes if given[0].reason is None]
    for number, (process, how) in enumerate(living, 1):
        ask_to_end(process, sender, how)
        if isinstance(how, int | float):
            patient.setdefault(how, []).append(process)
        if number % BATCH == 0:
            await asyncio.sleep(0)

    def kill_all(late: list[WorkProcess]) -> None:
        for process in late:
            process.runtime.signal(process.receive_exit, sender, kill)

    timers = [
        (late[0].runtime.timers, late[0].runtime.timers.after(seconds, partial(kill_all, late)))
        for seconds, late in patient.items()
    ]
    try:
        await ended(process for process, _ in living)
    finally:
        for heap, timer in timers:
            heap.cancel(timer)
