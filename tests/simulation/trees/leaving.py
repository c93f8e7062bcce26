"""Blocks that are left at any turn, also while their tree starts: all stop in reverse, nothing hangs, nobody stays."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable
from dataclasses import dataclass, field

import axon
from axon import ExitReason, GenServer, Supervisor, SupervisorDied, call, cast, child, shutdown
from axon.process import KILL_GRACE
from axon.supervisor import Strategy
from axon.testing import Faults, trouble

from .tree import Tree
from .witness import Witness

LIMIT = 0.2
"""Seconds each worker has to end."""


class Boom(Exception):
    """A failure."""


@dataclass
class Scene:
    witness: Witness
    paths: list[str] = field(default_factory=list[str])


class Quick(GenServer[None]):
    """Starts and ends without ado; the others have their troubles with it."""

    scene: Scene
    trap_exit = True

    def init(self) -> Awaitable[None] | None:
        self.scene.witness.begin()
        return None if not trouble() else self._hangs_at_times()

    async def _hangs_at_times(self) -> None:
        await asyncio.sleep(random.choice([0, 0, 0.05, 1e6]))

    @call(timeout=None)
    async def work(self, state: None, seconds: float) -> None:
        await asyncio.sleep(seconds)

    @call(timeout=None)
    async def ask(self, state: None, other: Quick) -> None:
        with contextlib.suppress(axon.CallError):
            await other.work(0)

    @cast
    def crash(self, state: None) -> None:
        raise Boom

    def handle_info(self, state: None, message: object) -> None:
        """Signals of strangers mean nothing to it."""

    def terminate(self, state: None, reason: ExitReason) -> Awaitable[None] | None:
        """Those after it are gone when it is asked to end."""
        if reason == shutdown:
            paths = self.scene.paths
            for later in paths[paths.index(axon.current().path) + 1 :]:
                self.scene.witness.rule(self.scene.witness.is_dead(later), f"{later} stops after {axon.current().path}")
        return self.finish()

    def finish(self) -> Awaitable[None] | None:
        return None


class Slow(Quick):
    async def finish(self) -> None:
        await asyncio.sleep(LIMIT / 2)


class Hanging(Quick):
    async def finish(self) -> None:
        await asyncio.sleep(1e6)


class Breaking(Quick):
    def finish(self) -> None:
        raise Boom


class Stubborn(Quick):
    """Swallows a second of cancellations."""

    async def finish(self) -> None:
        end = asyncio.get_running_loop().time() + LIMIT + KILL_GRACE + 0.5
        while (left := end - asyncio.get_running_loop().time()) > 0:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(left)


class Loose(Quick):
    trap_exit = False


KINDS: list[type[Quick]] = [Quick, Quick, Slow, Hanging, Breaking, Stubborn, Loose]


async def live(scene: Scene, tree: Supervisor, asking: list[asyncio.Task[object]]) -> None:
    async with tree as app:
        ids = [path.split("/")[-1] for path in scene.paths]
        workers = [app.get(Quick, id) for id in ids]
        for _ in range(random.randrange(5)):
            worker = random.choice(workers)
            match random.randrange(5):
                case 0:
                    worker.crash()
                case 1:
                    asking.append(asyncio.create_task(app.count_children()))
                case 2:
                    asking.append(asyncio.create_task(worker.work(random.choice([0, 0.1, 1e6]))))
                case 3:
                    asking.append(asyncio.create_task(worker.ask(random.choice(workers))))
                case _:
                    axon.exit(worker, axon.kill)
            await asyncio.sleep(random.choice([0, 0, 0.05]))
        if random.random() < 0.7:
            await asyncio.sleep(random.choice([0, 0.1, 1.0]))


async def program(witness: Witness) -> None:
    scene = Scene(witness)
    number = random.randrange(1, 5)
    strategy: Strategy = random.choice(["one_for_one", "one_for_all", "rest_for_one"])
    scene.paths += [f"app/w{n}" for n in range(number)]
    specs = [
        child(
            random.choice(KINDS)(scene), id=f"w{n}", name=f"w{n}", shutdown=random.choice([LIMIT, LIMIT, "brutal_kill"])
        )
        for n in range(number)
    ]
    tree = Supervisor(specs, strategy=strategy, max_restarts=random.choice([0, 100]), name="app")
    asking: list[asyncio.Task[object]] = []
    living = asyncio.create_task(live(scene, tree, asking))
    ways = random.randrange(4)
    for _ in range(ways):
        await asyncio.sleep(random.choice([0, 0, 0, 0.01, 0.1, 0.5]))
        living.cancel()
    if not ways:
        await asyncio.wait([living], timeout=10)
        living.cancel()  # it hangs in its start
    [ended] = await asyncio.gather(living, return_exceptions=True)
    await asyncio.gather(*asking, return_exceptions=True)
    expected = asyncio.CancelledError | SupervisorDied | axon.StartFailed | None
    witness.rule(isinstance(ended, expected), f"the block ended with {ended!r}")
    for path in scene.paths:
        witness.rule(witness.is_dead(path), f"{path} is there when its block was left")


TREE = Tree(name="leaving", program=program, faults=Faults(kill=0.03, victims="app/*", late=0.01, trouble=0.2))
