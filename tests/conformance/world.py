"""What the processes and the driver of one recorded scenario share: who is who, and the events they report."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol, TypeAlias

from reasons import show

import axon
from axon import GroupMonitor, Monitor, Process, Reply, Timer
from axon.server import ServerProcess

Event: TypeAlias = list[Any]
"""`[process, kind, ...]`."""
Actions: TypeAlias = Sequence[Sequence[Any]]
"""What a process is told to do."""
Spec: TypeAlias = Mapping[str, Any]
"""A process of a scenario, before it is started."""

LONG = 5.0
"""Seconds; times as long as this are not waited for."""


class Handle(Protocol):
    """The address of a server of the scenario."""

    def ask(self, actions: Actions, seconds: float | None) -> Awaitable[object]:
        """Have it do the actions, and wait for its answer."""
        ...

    def told(self, actions: Actions) -> None:
        """Have it do the actions."""


Start: TypeAlias = Callable[["World", str, Spec], Coroutine[Any, Any, str]]
"""`start(world, how, spec)` starts a process; the answer is OTP's. `how`: start, start_link, or a monitor's name."""


class World:
    """One scenario's processes by id, what they named, and what they reported."""

    def __init__(self, start: Start) -> None:
        self.start = start
        self.events: list[Event] = []
        self.processes: dict[str, Process] = {}
        self.handles: dict[str, Handle] = {}
        self.replies: dict[str, Reply[object]] = {}
        self.monitors: dict[str, Monitor] = {}
        self.group_monitors: dict[str, GroupMonitor] = {}
        self.timers: dict[str, Timer] = {}
        self.named: dict[Monitor | GroupMonitor | Timer, str] = {}
        self._ids: dict[Process, str] = {}
        self._gates: defaultdict[str, list[asyncio.Future[None]]] = defaultdict(list)
        self._brief = 0

    def enter(self, id: str, process: Process) -> None:
        """From now on `id` is this process."""
        self.processes[id] = process
        if process not in self._ids:
            self._ids[process] = id
            process.on_death(partial(self._ended, process))

    def _ended(self, process: Process) -> None:
        self.note(process, "ended", show(process.reason))

    def id(self, process: Process | None) -> str:
        return "outside" if process is None else self._ids[process]

    def target(self, id: str) -> Process | str:
        """What functions of the runtime take: a registered name is written `@name`."""
        return id.removeprefix("@") if id.startswith("@") else self.processes[id]

    def handle(self, id: str) -> Handle:
        """Whom a request goes to; `NoProcess` if nobody holds the name."""
        if not id.startswith("@"):
            return self.handles[id]
        return self.handles[self.id(axon.process.need(id.removeprefix("@"), axon.process.runtime()))]

    def note(self, process: Process, kind: str, *what: object) -> None:
        self.events.append([self.id(process), kind, *what])

    # -- waiting

    async def wait_at(self, gate: str) -> None:
        """Until the driver opens the gate."""
        opened = asyncio.get_running_loop().create_future()
        self._gates[gate].append(opened)
        await opened

    def open(self, gate: str) -> None:
        for waiting in self._gates.pop(gate, []):
            if not waiting.done():
                waiting.set_result(None)

    @contextmanager
    def waiting(self, seconds: float | None) -> Generator[None, None, None]:
        """While the block runs time has to pass, unless it may take for ever."""
        brief = seconds is not None and seconds < LONG
        self._brief += brief
        try:
            yield
        finally:
            self._brief -= brief

    def is_waiting_for_time(self) -> bool:
        """Whether something happens by itself soon."""
        left = [axon.read_timer(timer) for timer in self.timers.values()]
        left += [_idle_time(process) for process in self.processes.values()]
        return self._brief > 0 or any(seconds is not None and seconds < LONG for seconds in left)

    def alive(self) -> list[str]:
        return sorted(id for id, process in self.processes.items() if process.reason is None)


def _idle_time(process: Process) -> float | None:
    """What a server waits for, in seconds, before it is told that nothing came."""
    runs = isinstance(process, ServerProcess) and process.idle_timer is not None and not process.suspended
    return process.idle_seconds if isinstance(process, ServerProcess) and runs else None
