"""How children are ended: asked first, killed when their time is over; and starts that are broken off."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Literal

from ..process import KILL_GRACE, ExitReason, Process, is_clean, kill, killed, normal, shutdown, wait_down
from ..server import ServerProcess, WaitEdge, WaitForChildren, started
from ._spec import Shutdown

BATCH = 256
"""Children that are asked to end before the event loop goes round."""


async def end(process: Process, supervisor: Process, how: Shutdown) -> ExitReason:
    """Ask a child to end, wait for as long as its spec says, then kill it; returns its exit reason (A14–A18).

    A killed process ends within the kill grace or is declared dead, so this always comes to an end unless the spec
    says `infinity`.
    """
    if process.reason is not None:
        return process.reason
    # A child that waits for its supervisor is ended all the same: that breaks the cycle.
    with WaitEdge(supervisor, process, refuse=False):
        if how != "brutal_kill":
            process.receive_exit(supervisor, shutdown)
            try:
                async with asyncio.timeout(None if how == "infinity" else how):
                    if process.reason is None:
                        await wait_down(process)
            except TimeoutError:
                pass
        if process.reason is None:
            process.receive_exit(supervisor, kill)
            await wait_down(process)
    return process.reason or normal


async def end_all(children: Sequence[tuple[Process, Shutdown]], supervisor: Process) -> None:
    """End all of these at once, each with its own time, and wait until the last one is gone (A45).

    One timer for each different time, and no task: it takes as long as the slowest child, however many there are.
    """
    timers, left = supervisor.runtime.timers, 1
    over = supervisor.runtime.loop.create_future()
    patient: dict[float, list[Process]] = {}

    def gone() -> None:
        nonlocal left
        left -= 1
        if left == 0 and not over.done():
            over.set_result(None)

    def kill_all(late: list[Process]) -> None:
        for process in late:
            process.receive_exit(supervisor, kill)

    with WaitForChildren(supervisor):
        for number, (process, how) in enumerate(children, 1):
            if process.reason is None:
                left += 1
                process.on_death(gone)
                if isinstance(how, int | float):
                    patient.setdefault(how, []).append(process)
                process.receive_exit(supervisor, kill if how == "brutal_kill" else shutdown)
            if number % BATCH == 0:
                await asyncio.sleep(0)
        gone()
        due = [timers.after(seconds, partial(kill_all, late)) for seconds, late in patient.items()]
        try:
            await over
        finally:
            for timer in due:
                timers.cancel(timer)


def report_unexpected(process: ServerProcess, how: Shutdown, decision: str) -> None:
    """Report the end of a stopped child if it is not the one that was asked for (A22)."""
    reason = process.reason or normal
    if not is_clean(reason) and reason != (killed if how == "brutal_kill" else shutdown):
        process.report_crash(reason, decision)


async def started_unless_stopped(
    process: ServerProcess, supervisor: ServerProcess, kind: Literal["worker", "supervisor"]
) -> None:
    """Wait for a child's `init`, but break it off when the supervisor is to end: no child hangs a supervisor's stop.

    (In OTP the supervisor waits for ever.) A stop that was queued before the start leaves it the kill grace.
    """
    how = shutdown if kind == "supervisor" else killed  # a supervisor stops the children it has, in order

    def break_off() -> None:
        if process.phase == "init":
            process.request_exit(how)

    timer = supervisor.runtime.timers.after(KILL_GRACE, break_off) if supervisor.stops else None
    supervisor.on_stop = break_off
    try:
        await started(process, given_up=how)
    finally:
        supervisor.on_stop = None
        if timer is not None:
            supervisor.runtime.timers.cancel(timer)
