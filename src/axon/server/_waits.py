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
        self.target: Process = target
        self.since: float = home.loop.time()
        self.until: float | None = self.since + patience if due is None and patience is not None else due
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


class WaitForChildren(WaitEdge):
    """`waiter` waits for all its children at once: a supervisor that ends them. Its edge leads to itself."""

    __slots__ = ()

    def __init__(self, waiter: Process) -> None:
        super().__init__(waiter, waiter, refuse=False)


def refuse_cycle(waiter: Process, target: Process) -> None:
    """Raise `CallCycle` if `target` waits, over any number of hops, for `waiter`."""
    way = _way(target, waiter, set())
    if way:
        raise CallCycle([process.path for process in (waiter, *way)])


def _way(hop: Process, end: Process, seen: set[Process]) -> list[Process]:
    """Those over whom `hop` waits for `end`, both included; nobody if it does not."""
    waits, way = end.runtime.waits, list[Process]()
    while hop not in seen:  # a supervisor that ends a child that waits for it makes a ring
        seen.add(hop)
        way.append(hop)
        if hop is end:
            return way
        edge = waits.get(hop)
        if edge is None:
            break
        if isinstance(edge, WaitForChildren):
            if end.parent is hop:
                return [*way, end]
            found = (_way(child, end, seen) for child in _children(hop) if child in waits)
            rest = next(filter(None, found), None)
            return [*way, *rest] if rest else []
        hop = edge.target
    return []


def _children(supervisor: Process) -> list[Process]:
    return [peer for peer in supervisor.links or () if peer.parent is supervisor]


def waits() -> list[Wait]:
    """Which processes wait for which, now, the longest wait first: what a program that seems to hang is waiting for.

    Calls, starts and stops that a process awaits in its own task are listed; plain coroutines are no processes.
    """
    found = [
        Wait(waiter, target, edge.since, edge.until)
        for waiter, edge in runtime().waits.items()
        if waiter.reason is None
        for target in (_children(waiter) if isinstance(edge, WaitForChildren) else [edge.target])
    ]
    return sorted(found, key=lambda wait: wait.since)
