"""Whatever is in a tree and however its block is left: nobody is alive afterwards, and all stopped in reverse."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parts import Boom, Log, Loose, Part, Stubborn, at, breaks, for_ever, lasts, settle, takes

import axon
from axon import ChildSpec, Supervisor, SupervisorDied, child
from axon import telemetry as t
from axon.process import KILL_GRACE, runtime
from loops import a_loop

Nature: TypeAlias = Literal["quick", "starting", "slow", "hanging", "breaking", "loose", "brutal", "busy", "stubborn"]
Trouble: TypeAlias = Literal["crash", "ask", "start", "kill", "pause"]
Exit: TypeAlias = Literal["return", "error", "cancel", "cancel again", "timeout"]

NATURES: list[Nature] = ["quick", "starting", "slow", "hanging", "breaking", "loose", "brutal", "busy", "stubborn"]
TROUBLES: list[Trouble] = ["crash", "ask", "start", "kill", "pause"]
EXITS: list[Exit] = ["return", "error", "cancel", "cancel again", "timeout"]
LIMIT = 0.5
"""Seconds each worker has to end."""


@dataclass(frozen=True)
class Branch:
    children: tuple[Nature | Branch, ...]
    strategy: Literal["one_for_one", "one_for_all", "rest_for_one"]


BRANCHES: st.SearchStrategy[Branch] = st.recursive(
    st.builds(
        Branch,
        st.lists(st.sampled_from(NATURES), min_size=1, max_size=4).map(tuple),
        st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"]),
    ),
    lambda inner: st.builds(
        Branch,
        st.lists(st.one_of(st.sampled_from(NATURES), inner), min_size=1, max_size=4).map(tuple),
        st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"]),
    ),
    max_leaves=8,
)


async def some_turns(number: int) -> None:
    for _ in range(3):
        await asyncio.sleep(0)


class World:
    """A tree with its workers by path, and what became of them."""

    def __init__(self) -> None:
        self.log, self.stubborn = Log(), Stubborn()
        self.workers: dict[str, Nature] = {}
        self.started, self.exited = list[str](), list[str]()
        t.attach(lambda event: self.started.append(event.path), t.ProcessStarted)
        t.attach(lambda event: self.exited.append(event.path), t.ProcessExited)

    def tree(self, branch: Branch, path: str) -> Supervisor:
        children = [self.spec(each, f"{path}/{n}", str(n)) for n, each in enumerate(branch.children)]
        return Supervisor(children, strategy=branch.strategy, name=path)

    def spec(self, given: Nature | Branch, path: str, id: str) -> ChildSpec[Part] | ChildSpec[Supervisor]:
        if isinstance(given, Branch):
            return child(self.tree(given, path), id=id)
        self.workers[path] = given
        finish = {"slow": lasts(0.2), "hanging": for_ever, "breaking": breaks, "stubborn": self.stubborn.hang}.get(
            given
        )
        kind = Loose if given == "loose" else Part
        begin = some_turns if given == "starting" else None
        return child(kind(path, self.log, begin, finish), id=id, shutdown="brutal_kill" if given == "brutal" else LIMIT)

    def handle(self, root: Supervisor, path: str) -> Part:
        return at(root, *path.split("/")[1:])

    async def disturb(self, root: Supervisor, troubles: Sequence[tuple[Trouble, int]]) -> None:
        """Make sure that the tree is not at rest when its block is left."""
        paths = list(self.workers)
        for trouble, n in troubles:
            path = paths[n % len(paths)] if paths else ""
            if trouble == "pause":
                await settle()
            elif trouble == "start":
                slow = child(Part("slow start", self.log, takes(10**6)), id=f"slow {n}")
                self.asking.append(asyncio.create_task(root.start_child(slow)))
            elif path and trouble == "kill":
                axon.exit(self.handle(root, path), axon.kill)
            elif path and trouble == "crash":
                self.handle(root, path).crash(Boom())
            elif path:
                self.handle(root, path).do(root.count_children)

    asking: list[asyncio.Task[Part]]

    async def live(self, branch: Branch, troubles: Sequence[tuple[Trouble, int]], way: Exit) -> None:
        self.asking = []
        async with asyncio.timeout(1 if way == "timeout" else None), self.tree(branch, "root") as root:
            for path, nature in self.workers.items():
                if nature == "busy":
                    self.handle(root, path).do(for_ever)
            await settle()
            await self.disturb(root, troubles)
            if way in ("cancel", "cancel again", "timeout"):
                await for_ever()
            if way == "error":
                raise Boom


async def end_of(program: asyncio.Task[None]) -> BaseException | None:
    """How the program ended; one that hangs is broken off."""
    await asyncio.wait([program], timeout=1_000)
    hangs = not program.done()
    if hangs and axon.whereis("root") is not None:
        axon.exit("root", axon.kill)
    [ended] = await asyncio.gather(program, return_exceptions=True)
    assert not hangs
    return ended


async def leave(branch: Branch, troubles: Sequence[tuple[Trouble, int]], way: Exit) -> None:
    world, loop = World(), asyncio.get_running_loop()
    program = asyncio.create_task(world.live(branch, troubles, way))
    if way in ("cancel", "cancel again"):
        loop.call_later(1, program.cancel)
    if way == "cancel again":
        loop.call_later(1.1, program.cancel)
    ended = await end_of(program)
    bound = (1 + len(troubles)) * len(world.workers) + len(troubles)  # each trouble may stop all in a group restart
    assert loop.time() < 1.1 + bound * (LIMIT + KILL_GRACE)  # nothing hangs
    await settle()
    zombies = runtime().zombies
    await asyncio.gather(*world.asking, return_exceptions=True)
    assert Counter(world.started) == Counter(world.exited)
    assert asyncio.all_tasks() == {asyncio.current_task(), *zombies.values()}
    if not troubles:
        workers = [path for path in world.exited if path in world.workers]
        assert workers == list(reversed([path for path in world.started if path in world.workers]))
        expected = {"return": type(None), "error": Boom, "timeout": TimeoutError}.get(way, asyncio.CancelledError)
        assert type(ended) is expected
    else:
        assert isinstance(ended, Boom | TimeoutError | asyncio.CancelledError | SupervisorDied | None)
    await world.stubborn.release()


@pytest.fixture(autouse=True, scope="module")
def _no_log() -> Iterator[None]:
    logger = logging.getLogger("axon")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(before)


@settings(settings.get_profile("supervisor"))
@given(branch=BRANCHES, way=st.sampled_from(EXITS))
def test_leaving_a_tree_at_rest(branch: Branch, way: Exit) -> None:
    with asyncio.Runner(loop_factory=a_loop) as runner:
        runner.run(leave(branch, (), way))


@settings(settings.get_profile("supervisor"))
@given(
    branch=BRANCHES,
    way=st.sampled_from(EXITS),
    troubles=st.lists(st.tuples(st.sampled_from(TROUBLES), st.integers(0, 9)), min_size=1, max_size=6),
)
def test_leaving_a_tree_in_trouble(branch: Branch, way: Exit, troubles: list[tuple[Trouble, int]]) -> None:
    with asyncio.Runner(loop_factory=a_loop) as runner:
        runner.run(leave(branch, troubles, way))


async def break_off(branch: Branch, turns: int) -> None:
    world = World()
    program = asyncio.create_task(world.live(branch, (), "cancel"))
    for _ in range(turns):
        await asyncio.sleep(0)
    program.cancel()
    assert isinstance(await end_of(program), asyncio.CancelledError)
    await settle()
    zombies = runtime().zombies
    assert Counter(world.started) == Counter(world.exited)
    assert asyncio.all_tasks() == {asyncio.current_task(), *zombies.values()}
    await world.stubborn.release()


@settings(settings.get_profile("supervisor"))
@given(branch=BRANCHES, turns=st.integers(0, 30))
def test_cancelling_at_any_turn_of_the_start(branch: Branch, turns: int) -> None:
    with asyncio.Runner(loop_factory=a_loop) as runner:
        runner.run(break_off(branch, turns))
