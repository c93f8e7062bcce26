"""Who watches a run from outside of the tree: it knows every incarnation, and writes down each rule that is broken."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import axon
from axon import Down, GenServer, Monitor, Process, cast
from axon.process import runtime
from axon.telemetry import ListenerFailed, ProcessCrashed, ProcessExited, attach


class Observer(GenServer[dict[Monitor, Process]]):
    """Monitors every worker; its state are the monitors whose `Down` has not come."""

    broken: list[str]

    def init(self) -> dict[Monitor, Process]:
        return {}

    @cast
    def watch(self, state: dict[Monitor, Process], process: Process) -> None:
        for _ in range(2):
            state[axon.monitor(process)] = process

    def handle_info(self, state: dict[Monitor, Process], message: object) -> None:
        if not isinstance(message, Down):
            return
        process = state.pop(message.monitor, None)
        if process is None:
            self.broken.append(f"a second Down of {message.process!r}")
        elif axon.whereis(process) is not None:
            self.broken.append(f"{process!r} is alive at its Down")
        elif message.reason is not axon.noproc and message.reason is not process.reason:
            self.broken.append(f"{process!r} ended with {process.reason!r}, its Down says {message.reason!r}")


@dataclass
class Witness:
    """One run. `path in never`: nobody may start there (again)."""

    broken: list[str] = field(default_factory=list[str])
    alive: dict[str, Process] = field(default_factory=dict[str, Process])
    never: set[str] = field(default_factory=set[str])
    exits: dict[str, int] = field(default_factory=dict[str, int])
    crashes: dict[str, int] = field(default_factory=dict[str, int])

    async def open(self) -> None:
        """Begin to watch."""
        asyncio.get_running_loop().set_exception_handler(self._asyncio_complains)
        attach(self._exited, ProcessExited)
        attach(self._crashed, ProcessCrashed)
        attach(lambda event: self.broken.append(repr(event)), ListenerFailed)
        self.observer = await axon.start(Observer(self.broken))

    def rule(self, holds: object, text: str) -> None:
        """Write down what is broken: raised where it was seen it would only be the crash of a process."""
        if not holds:
            self.broken.append(f"{asyncio.get_running_loop().time():.3f}: {text}")

    def begin(self, *, alone: bool = True) -> None:
        """A worker says so first thing in its `init`: it is the only one at its path, unless it is not supervised."""
        me = axon.current()
        before = self.alive.get(me.path)
        self.rule(not alone or before is None or before.reason is not None, f"two live processes at {me.path}")
        self.rule(me.path not in self.never, f"{me.path} came back")
        self.alive[me.path] = me
        self.observer.watch(me)

    def is_dead(self, path: str) -> bool:
        """Whether nobody runs at this path."""
        process = self.alive.get(path)
        return process is None or process.reason is not None

    def names_are_held(self) -> None:
        """A name belongs to a live process."""
        for name in axon.registered():
            self.rule(axon.whereis(name) is not None, f"the name {name!r} is held by the dead")

    async def close(self) -> None:
        """The program is over: nobody of it is left, and everybody's end was told."""
        await asyncio.sleep(2)  # a zombie is declared and its timers are over after 1.1 s
        for path in self.alive:
            self.rule(self.is_dead(path), f"{path} outlived its program")
        waiting = await axon.get_state(self.observer)
        self.rule(not waiting, f"no Down came of {list(waiting.values())!r}")
        await axon.stop(self.observer)
        for path, number in self.crashes.items():
            self.rule(number <= self.exits.get(path, 0), f"{number} crashes of {path} are reported")
        home = runtime()
        edges = [waiter for waiter in home.waits if waiter.reason is None]
        self.rule(not home.waits, f"wait edges are left of {edges or list(home.waits)!r}")
        timers = home.timers.pending()
        self.rule(not timers, f"timers are left: {timers!r}")
        assert not self.broken, "\n".join(self.broken)

    def _asyncio_complains(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.broken.append(f"asyncio was told: {context['message']}: {context.get('exception')!r}")

    def _exited(self, event: ProcessExited) -> None:
        self.exits[event.path] = self.exits.get(event.path, 0) + 1
        self.names_are_held()

    def _crashed(self, event: ProcessCrashed) -> None:
        self.crashes[event.path] = self.crashes.get(event.path, 0) + 1
