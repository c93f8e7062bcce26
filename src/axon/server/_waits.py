"""Who waits for whom: the graph that refuses cycles, and that shows where a program stands.

Only what is awaited in a process's own task makes an edge: a task that a handler started leaves the process free.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from ..errors import CallCycle
from ..process import Process, runtime


@dataclass(frozen=True, slots=True)
class Wait:
    """One edge: `waiter` waits for `target` since `since` until `until`, in the loop's time; None is without limit."""

    waiter: Process
    target: Process
    since: float
    until: float | None


class WaitEdge:
    """`waiter` waits for `target` in its own task: recorded while the block runs, refused if it closes a cycle.

    patience: seconds the waiter waits, None without limit; due: until when, which goes before it.
    """

    __slots__ = ("_before", "_waiter", "since", "target", "until")

    def __init__(
        self,
        waiter: Process | None,
        target: Process,
        patience: float | None = None,
        due: float | None = None,
        *,
        refuse: bool = True,
    ) -> None:
        own = waiter is not None and waiter.task is not None and waiter.task is asyncio.current_task()
        self._waiter = waiter if own else None
        if self._waiter is None:
            return
        if refuse:
            refuse_cycle(self._waiter, target)
        home = self._waiter.runtime
        self.target = target
        self.since = home.loop.time()
        self.until = self.since + patience if due is None and patience is not None else due
        self._before = home.waits.get(self._waiter)
        home.waits[self._waiter] = self

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        waiter = self._waiter
        if waiter is None:
            return
        if self._before is None:
            del waiter.runtime.waits[waiter]
        else:
            waiter.runtime.waits[waiter] = self._before


def refuse_cycle(waiter: Process, target: Process) -> None:
    """Raise `CallCycle` if `target` waits, over any number of hops, for `waiter`."""
    waits = waiter.runtime.waits
    hops: dict[Process, None] = {}
    hop = target
    while hop not in hops:  # a supervisor that ends a child that waits for it makes a ring
        hops[hop] = None
        if hop is waiter:
            raise CallCycle([waiter.path, *(process.path for process in hops)])
        edge = waits.get(hop)
        if edge is None:
            return
        hop = edge.target


def waits() -> list[Wait]:
    """Which processes wait for which, now, the longest wait first: what a program that seems to hang is waiting for.

    Calls, starts and stops that a process awaits in its own task are listed; plain coroutines are no processes.
    """
    found = [
        Wait(waiter, edge.target, edge.since, edge.until)
        for waiter, edge in runtime().waits.items()
        if waiter.reason is None
    ]
    return sorted(found, key=lambda wait: wait.since)
