"""Trees of trees, with shapes, strategies and budgets drawn: failures climb up, and every slot has one process."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import axon
from axon import ChildSpec, ExitReason, GenServer, Supervisor, SupervisorDied, call, cast, child
from axon.supervisor import AutoShutdown, Backoff, Restart, Strategy
from axon.telemetry import SupervisorGaveUp, attach
from axon.testing import Faults, eventually, trouble

from .tree import Tree
from .witness import Witness


class Boom(Exception):
    """A failure."""


@dataclass
class Forest:
    witness: Witness
    alone: bool
    paths: list[str] = field(default_factory=list[str])
    gave_up: list[SupervisorGaveUp] = field(default_factory=list[SupervisorGaveUp])


class Leaf(GenServer[None]):
    forest: Forest
    trap_exit = True

    def init(self) -> None:
        if self.forest.alone:
            self.forest.witness.begin()
        if trouble():
            raise Boom

    @call
    async def work(self, state: None) -> None:
        await asyncio.sleep(random.choice([0, 0.01]))

    @cast
    def crash(self, state: None) -> None:
        raise Boom

    def handle_info(self, state: None, message: object) -> None:
        """Signals of strangers mean nothing to it."""

    async def terminate(self, state: None, reason: ExitReason) -> None:
        await asyncio.sleep(random.choice([0, 0, 0.01]))


class Loose(Leaf):
    trap_exit = False


def branch(forest: Forest, path: str, depth: int) -> Supervisor:
    strategies: list[Strategy] = ["one_for_one", "one_for_all", "rest_for_one"]
    ends: list[AutoShutdown] = ["never", "never", "any_significant", "all_significant"]
    auto_shutdown = random.choice(ends)
    specs: list[ChildSpec[GenServer[None]] | ChildSpec[Supervisor]] = []
    restarts: list[Restart] = ["permanent", "permanent", "transient", "temporary"]
    for n in range(random.randrange(1, 4)):
        restart = random.choice(restarts)
        significant = auto_shutdown != "never" and restart != "permanent" and random.random() < 0.5
        if depth and random.random() < 0.4:
            inner = branch(forest, f"{path}/s{n}", depth - 1)
            specs.append(child(inner, id=f"s{n}", restart=restart, significant=significant))
        else:
            forest.paths.append(f"{path}/w{n}")
            leaf = random.choice([Leaf, Loose])(forest)
            name = f"{path}/w{n}" if forest.alone else None
            backoff: Backoff | None = random.choice([None, None, lambda _: 0.03])
            specs.append(child(leaf, id=f"w{n}", name=name, restart=restart, significant=significant, backoff=backoff))
    return Supervisor(
        specs,
        strategy=random.choice(strategies),
        max_restarts=random.choice([0, 1, 3, 100]),
        max_seconds=random.choice([0.05, 5]),
        auto_shutdown=auto_shutdown,
        name=path,
    )


def leaf_at(root: Supervisor, path: str) -> Leaf | None:
    """The leaf, unless it or a supervisor above it is gone for good."""
    *above, last = path.split("/")[1:]
    try:
        for id in above:
            root = root.get(Supervisor, id)
        return root.get(Leaf, last)
    except (axon.ChildNotFound, axon.NoProcess):
        return None


async def disturb(root: Supervisor, forest: Forest) -> None:
    for _ in range(random.randrange(2, 8)):
        leaf = leaf_at(root, random.choice(forest.paths)) if forest.paths else None
        if leaf is not None:
            match random.randrange(4):
                case 0 | 1:
                    leaf.crash()
                case 2:
                    axon.exit(leaf, axon.kill)
                case _:
                    with suppress(axon.CallError):
                        await leaf.work()
        await asyncio.sleep(random.choice([0, 0, 0.01, 0.1]))


async def reachable(sup: Supervisor) -> bool:
    """Whoever is said to run has its process at its handle; false while somebody has just ended."""
    try:
        children = await sup.which_children()
    except axon.CallError:
        return False
    for info in children:
        if (axon.whereis(info.handle) is not None) != (info.status == "running"):
            return False
        if isinstance(info.handle, Supervisor) and info.status == "running" and not await reachable(info.handle):
            return False
    return True


async def program(witness: Witness, *, alone: bool) -> None:
    """alone: whether supervisors are spared, so that nobody's children outlive it for a moment."""
    forest = Forest(witness, alone)
    attach(forest.gave_up.append, SupervisorGaveUp)
    root = branch(forest, "app", 2)
    try:
        async with root as app:
            await disturb(app, forest)
            await eventually(partial(reachable, app))
    except SupervisorDied as died:
        by_budget = any(event.path == "app" for event in forest.gave_up)
        if alone:
            witness.rule(bool(died.why) == by_budget, f"{died}, it gave up: {by_budget}")
    except axon.StartFailed as failed:
        witness.rule(failed.reason is not None, "a start failed without a reason")


TREES = (
    Tree(
        name="nested",
        program=partial(program, alone=True),
        faults=Faults(kill=0.04, victims="*/w[0-9]", late=0.01, trouble=0.05),
    ),
    Tree(
        name="orphans",
        program=partial(program, alone=False),
        faults=Faults(kill=0.04, victims="app*", late=0.01, trouble=0.05),
    ),
)
