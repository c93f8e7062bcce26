"""Strategies: whom a restart takes along, in which order they start, and that they stop in reverse, each alone."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

import axon
from axon import ExitReason, GenServer, Supervisor, call, cast, child, shutdown
from axon.supervisor import Shutdown, Strategy
from axon.telemetry import ProcessExited, attach
from axon.testing import Faults, eventually

from .tree import Tree
from .witness import Witness


class Boom(Exception):
    """A failure."""


@dataclass
class Row:
    """The children of one supervisor in their order."""

    witness: Witness
    strategy: Strategy
    paths: list[str] = field(default_factory=list[str])
    entered: bool = False
    leaving: bool = False

    def starts(self, path: str) -> None:
        """Those after it are gone, when they restart together; those before it run, or have just died again."""
        self.witness.begin()
        if self.strategy != "one_for_one":
            self.later_are_dead(path, "starts")

    def stops(self, path: str, reason: ExitReason) -> None:
        if reason == shutdown and (self.leaving or not self.entered or self.strategy != "one_for_one"):
            self.later_are_dead(path, "is stopped")

    def later_are_dead(self, path: str, what: str) -> None:
        for later in self.paths[self.paths.index(path) + 1 :]:
            self.witness.rule(self.witness.is_dead(later), f"{path} {what} while {later} is there")

    def exited(self, event: ProcessExited) -> None:
        """A child that failed alone takes nobody along."""
        if event.path in self.paths and event.reason == shutdown and self.entered and not self.leaving:
            self.witness.rule(self.strategy != "one_for_one", f"{event.path} was stopped for another's failure")


class Member(GenServer[None]):
    row: Row
    trap_exit = True

    async def init(self) -> None:
        self.row.starts(axon.current().path)
        await asyncio.sleep(random.choice([0, 0, 0.01]))

    @call
    async def work(self, state: None) -> str:
        await asyncio.sleep(random.choice([0, 0.01]))
        return "done"

    @cast
    def crash(self, state: None) -> None:
        raise Boom

    def handle_info(self, state: None, message: object) -> None:
        """Signals of strangers mean nothing to it."""

    async def terminate(self, state: None, reason: ExitReason) -> None:
        self.row.stops(axon.current().path, reason)
        await asyncio.sleep(random.choice([0, 0, 0.01, 0.5]))
        self.row.stops(axon.current().path, reason)


async def client(app: Supervisor, ids: list[str]) -> None:
    for _ in range(5):
        try:
            await app.get(Member, random.choice(ids)).work()
        except axon.CallError:
            await asyncio.sleep(0.01)


async def program(witness: Witness) -> None:
    strategy: Strategy = random.choice(["one_for_one", "one_for_all", "rest_for_one"])
    ids = [f"w{n}" for n in range(random.randrange(2, 5))]
    row = Row(witness, strategy, [f"app/{id}" for id in ids])
    attach(row.exited, ProcessExited)
    times: list[Shutdown] = [5.0, 5.0, 0.1, "infinity", "brutal_kill"]
    specs = [child(Member(row), id=id, name=id, shutdown=random.choice(times)) for id in ids]
    try:
        async with Supervisor(specs, strategy=strategy, max_restarts=10_000, name="app") as app:
            row.entered = True
            working = asyncio.create_task(client(app, ids))
            for _ in range(random.randrange(3)):
                await asyncio.sleep(random.choice([0, 0, 0.01, 0.2]))
                app.get(Member, random.choice(ids)).crash()
            if random.random() < 0.5:
                await eventually(lambda: all(not witness.is_dead(path) for path in row.paths))
            await working
            row.leaving = True
    except axon.StartFailed:
        witness.rule(not row.entered, "a start failed when it was over")


TREE = Tree(name="groups", program=program, faults=Faults(kill=0.03, victims="app/*", late=0.01))
