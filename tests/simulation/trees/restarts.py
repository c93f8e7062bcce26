"""The budget of restarts: never more than allowed within the time, and giving up exactly then."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import axon
from axon import GenServer, Stop, Supervisor, SupervisorDied, cast, child
from axon.telemetry import ChildRestarted, ProcessExited, ProcessStartFailed, SupervisorGaveUp, attach
from axon.testing import Faults, trouble

from .tree import Tree
from .witness import Witness


class Boom(Exception):
    """A failure."""


@dataclass
class Budget:
    """Counts on its own. Every end of a child and every failed attempt to start it again counts."""

    witness: Witness
    most: int
    seconds: float
    failures: list[float] = field(default_factory=list[float])
    is_open: bool = False
    is_over: bool = False
    gave_up: float | None = None

    def open(self) -> None:
        attach(self.failed, ProcessExited)
        attach(self.failed, ProcessStartFailed)
        attach(self.given_up, SupervisorGaveUp)
        attach(self.restarted, ChildRestarted)

    def failed(self, event: ProcessExited | ProcessStartFailed) -> None:
        if not self.is_over and self.gave_up is None and event.path.startswith("app/"):
            self.failures.append(now())

    def within(self, time: float) -> int:
        return sum(0 <= time - then <= self.seconds for then in self.failures)

    def given_up(self, event: SupervisorGaveUp) -> None:
        self.gave_up = now()
        self.witness.rule(self.within(now()) > self.most, f"gave up after {self.failures} (most {self.most})")

    def restarted(self, event: ChildRestarted) -> None:
        self.witness.rule(event.restarts <= self.most, f"{event.restarts} restarts, {self.most} are allowed")

    def check(self) -> None:
        """It gave up if and only if the budget was spent."""
        spent = [time for time in self.failures if self.within(time) > self.most]
        self.witness.rule(
            bool(spent) == (self.gave_up is not None),
            f"failures {self.failures}, allowed {self.most} in {self.seconds} s, gave up at {self.gave_up}",
        )


def now() -> float:
    return asyncio.get_running_loop().time()


class Flaky(GenServer[None]):
    budget: Budget

    async def init(self) -> None:
        self.budget.witness.begin()
        await asyncio.sleep(0)
        if self.budget.is_open and trouble():
            raise Boom

    @cast
    async def crash(self, state: None) -> None:
        await asyncio.sleep(0)
        raise Boom

    @cast
    def stop(self, state: None) -> None:
        raise Stop


async def program(witness: Witness) -> None:
    budget = Budget(witness, random.randrange(4), random.choice([0.2, 0.5, 5.0]))
    budget.open()
    specs = [child(Flaky(budget), id=f"w{n}", name=f"w{n}") for n in range(random.randrange(1, 4))]
    tree = Supervisor(specs, max_restarts=budget.most, max_seconds=budget.seconds, name="app")
    try:
        async with tree as app:
            budget.is_open = True
            for _ in range(random.randrange(1, 7)):
                victim = app.get(Flaky, random.choice(specs).id)
                ways: list[Callable[[], object]] = [victim.crash, victim.crash, victim.stop]
                ways.append(partial(axon.exit, victim, axon.kill))
                random.choice(ways)()
                await asyncio.sleep(random.choice([0, 0, 0.05, 0.1, 0.2]))
            await asyncio.sleep(1)
            budget.is_open = False
            counts = await app.count_children()
            witness.rule(counts.active == len(specs), f"at rest {counts}")
            budget.check()
            budget.is_over = True
    except SupervisorDied as died:
        budget.check()
        witness.rule(budget.gave_up is not None and died.why, f"{died} although it did not give up")
    except axon.StartFailed:
        witness.rule(not budget.is_open, "a start failed when it was over")


TREE = Tree(name="restarts", program=program, faults=Faults(kill=0.06, victims="app/*", trouble=0.1))
