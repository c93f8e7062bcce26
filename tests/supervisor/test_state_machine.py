"""Random trees under random treatment do what the rules say: the real thing against `model.py`, step by step.

For a long run: `AXON_EXAMPLES=20000 pytest tests/supervisor/test_state_machine.py --timeout 0`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import pytest
from hypothesis import event, example, given, note, settings
from hypothesis import strategies as st
from model import AutoShutdown, Restart, Strategy, Sup, SupervisorPlan, Tree, Worker, WorkerPlan
from parts import Begin, Boom, Log, Loose, Part, at, branch, breaks, settle, shown

import axon
from axon import AxonError, ChildSpec, ExitReason, GenServer, Ignore, StartFailed, Supervisor, child
from axon import telemetry as t
from loops import a_loop

PERIOD = 4.9137
"""Seconds; no sum of the waits and backoffs below, so that nothing hangs on a rounding error."""

REASONS: dict[str, ExitReason] = {
    "Boom": Boom(),
    "killed": axon.kill,
    "normal": axon.normal,
    "shutdown": axon.shutdown,
    "shutdown('x')": axon.shutdown("x"),
    "noproc": axon.noproc,
}

# -- treatments: their numbers choose among those who are there


@dataclass(frozen=True)
class Die:
    """Workers of one supervisor end, all of them before it looks."""

    supervisor: int
    workers: Sequence[int]
    reason: str


@dataclass(frozen=True)
class Kill:
    supervisor: int


@dataclass(frozen=True)
class Start:
    supervisor: int
    plan: WorkerPlan | SupervisorPlan


@dataclass(frozen=True)
class Ask:
    supervisor: int
    operation: str
    child: int


@dataclass(frozen=True)
class Wait:
    seconds: float


Treatment: TypeAlias = Die | Kill | Start | Ask | Wait

RESTARTS: st.SearchStrategy[Restart] = st.sampled_from(["permanent", "transient", "temporary"])
BACKOFFS = st.sampled_from([None, None, 0.3, 2.0])
IDS = st.sampled_from("abcdef")
RARELY = st.sampled_from([False, False, False, True])
SOME_ATTEMPTS = st.one_of(st.just(frozenset[int]()), st.frozensets(st.integers(2, 5), min_size=1, max_size=3))
WORKERS = st.builds(
    WorkerPlan,
    id=IDS,
    restart=RESTARTS,
    significant=st.booleans(),
    backoff=BACKOFFS,
    traps=st.booleans(),
    brutal=RARELY,
    breaks=RARELY,
    fails=SOME_ATTEMPTS,
    ignores=st.one_of(st.just(frozenset[int]()), st.frozensets(st.integers(1, 4), max_size=1)),
)
DOOMED = st.builds(WorkerPlan, id=st.just("f"), restart=RESTARTS, fails=st.just(frozenset({1, 2})))
"""Does not start at first, and takes the start of its tree along."""


def legal(child: WorkerPlan | SupervisorPlan, auto_shutdown: AutoShutdown) -> WorkerPlan | SupervisorPlan:
    """Only a child that may end for good can be significant, and only if its supervisor cares (A70)."""
    significant = child.significant and auto_shutdown != "never" and child.restart != "permanent"
    return replace(child, significant=significant)


@st.composite
def supervisors(draw: st.DrawFn, depth: int) -> SupervisorPlan:
    strategies: list[Strategy] = ["one_for_one", "one_for_all", "rest_for_one"]
    ends: list[AutoShutdown] = ["never", "any_significant", "all_significant"]
    kinds = WORKERS if depth == 0 else st.one_of(WORKERS, WORKERS, supervisors(depth - 1))
    drawn = draw(st.lists(kinds, min_size=2, max_size=4))
    children = [replace(each, id=id) for each, id in zip(drawn, "abcd", strict=False)]
    if draw(st.integers(0, 39)) == 17:
        children[-1] = draw(DOOMED)
    auto_shutdown = draw(st.sampled_from(ends))
    return SupervisorPlan(
        id=draw(IDS),
        restart=draw(RESTARTS),
        significant=draw(st.booleans()),
        backoff=draw(BACKOFFS),
        strategy=draw(st.sampled_from(strategies)),
        max_restarts=draw(st.sampled_from([3, 2, 1, 0, 10])),
        max_seconds=PERIOD,
        auto_shutdown=auto_shutdown,
        children=tuple(legal(each, auto_shutdown) for each in children),
    )


@st.composite
def roots(draw: st.DrawFn) -> SupervisorPlan:
    allowed = draw(st.sampled_from([20, 5, 3, 1]))  # or there is soon no tree to look at
    return replace(draw(supervisors(2)), id="root", max_restarts=allowed)


SMALL = st.integers(0, 5)
TREATMENTS: st.SearchStrategy[Treatment] = st.one_of(
    st.builds(Die, SMALL, st.tuples(SMALL), st.sampled_from(["Boom", *REASONS])),
    st.builds(Die, SMALL, st.lists(SMALL, min_size=2, max_size=3), st.sampled_from(["Boom", *REASONS])),
    st.builds(Ask, SMALL, st.sampled_from(["terminate_child", "restart_child", "delete_child"]), SMALL),
    st.builds(Start, SMALL, st.one_of(WORKERS, WORKERS, DOOMED, supervisors(0))),
    st.builds(Wait, st.sampled_from([0.1, 0.7, 2.3, 6.1])),
    st.builds(Kill, SMALL),
)

# -- the real thing


def begins(plan: WorkerPlan) -> Begin:
    def begin(number: int) -> None:
        if number in plan.fails:
            raise Boom
        if number in plan.ignores:
            raise Ignore

    return begin


def tree(plan: SupervisorPlan, path: str, log: Log) -> Supervisor:
    return Supervisor(
        [spec(each, f"{path}/{each.id}", log) for each in plan.children],
        strategy=plan.strategy,
        max_restarts=plan.max_restarts,
        max_seconds=plan.max_seconds,
        auto_shutdown=plan.auto_shutdown,
    )


def spec(plan: WorkerPlan | SupervisorPlan, path: str, log: Log) -> ChildSpec[GenServer[Any]]:
    seconds = plan.backoff
    server: GenServer[Any]
    if isinstance(plan, SupervisorPlan):
        server = tree(plan, path, log)
    else:
        server = (Part if plan.traps else Loose)(path, log, begins(plan), breaks if plan.breaks else None)
    return child(
        server,
        id=plan.id,
        restart=plan.restart,
        significant=plan.significant,
        shutdown="brutal_kill" if isinstance(plan, WorkerPlan) and plan.brutal else None,
        backoff=None if seconds is None else lambda _: seconds,
    )


async def said(operation: Awaitable[object]) -> str:
    try:
        await operation
    except AxonError as error:
        return type(error).__name__
    return "ok"


class World:
    """A real tree beside its model."""

    def __init__(self, plan: SupervisorPlan) -> None:
        self.plan, self.log, self.trace = plan, Log(), list[str]()
        self.failures, self.reported = Counter[str](), Counter[str]()
        t.attach(lambda event: self.trace.append(f"started {event.path}"), t.ProcessStarted)
        t.attach(lambda event: self.trace.append(f"failed {event.path}"), t.ProcessStartFailed)
        t.attach(lambda event: self.trace.append(f"ignored {event.path}"), t.ProcessIgnored)
        t.attach(lambda event: self.trace.append(f"gave up {event.path}"), t.SupervisorGaveUp)
        t.attach(self._exited, t.ProcessExited)
        t.attach(self._crashed, t.ProcessCrashed)

    def _exited(self, event: t.ProcessExited) -> None:
        assert isinstance(event.reason, axon.Reason | BaseException)
        self.trace.append(f"exited {event.path} {shown(event.reason)}")
        if isinstance(event.reason, BaseException):
            self.failures[event.path] += 1

    def _crashed(self, event: t.ProcessCrashed) -> None:
        if isinstance(event.reason, BaseException):
            self.reported[event.path] += 1

    async def start(self) -> bool:
        self.model = Tree(self.plan)
        try:
            self.root = await axon.start(tree(self.plan, "root", self.log), name="root")
        except StartFailed:
            assert self.model.root is None
        await self.compare()
        return self.model.root is not None

    def ids(self, node: Worker | Sup) -> list[str]:
        return node.path.split("/")[1:]

    async def treat(self, treatment: Treatment) -> None:
        """Do the same to both."""
        model, now = self.model, asyncio.get_running_loop().time()
        model.advance(now)
        if isinstance(treatment, Wait):
            await asyncio.sleep(treatment.seconds)
            return
        living = list(model.supervisors())
        if isinstance(treatment, Die):
            living = list(dict.fromkeys(worker.home for worker in model.workers())) or living
        elif isinstance(treatment, Kill):
            living = living[1:] or living  # the root only if there is no other
        sup = living[treatment.supervisor % len(living)]
        real = branch(self.root, *self.ids(sup))
        if isinstance(treatment, Die):
            await self.die(sup, real, treatment)
        elif isinstance(treatment, Kill):
            axon.exit(real, axon.kill)
            model.kill(sup)
        elif isinstance(treatment, Start):
            plan = legal(treatment.plan, sup.plan.auto_shutdown)
            answer = await said(real.start_child(spec(plan, f"{sup.path}/{plan.id}", self.log)))
            assert answer == model.start_child(sup, plan)
        else:
            known = [each.plan.id for each in sup.children] + ["nobody"]
            id = known[treatment.child % len(known)]
            answer = await said(getattr(real, treatment.operation)(id))
            assert answer == getattr(model, treatment.operation)(sup, id)

    async def die(self, sup: Sup, real: Supervisor, treatment: Die) -> None:
        workers = [each.process for each in sup.children if isinstance(each.process, Worker)]
        chosen = list(dict.fromkeys(workers[n % len(workers)] for n in treatment.workers)) if workers else []
        if len(chosen) > 1:  # it looks when all have ended
            await axon.suspend(real)
        for worker in chosen:
            handle, reason = at(self.root, *self.ids(worker)), REASONS[treatment.reason]
            if reason is axon.kill:
                axon.exit(handle, reason)
            elif isinstance(reason, BaseException):
                handle.crash(reason)
            else:
                handle.end(reason)
            await settle()
        if len(chosen) > 1:
            await axon.resume(real)
        self.model.advance(asyncio.get_running_loop().time())
        self.model.die(chosen, treatment.reason)

    async def compare(self, *, in_order: bool = True) -> None:
        """The same happened, and the same is left."""
        await settle()
        model = self.model
        model.advance(asyncio.get_running_loop().time())
        happened, expected = list(self.trace), list(model.trace)
        self.trace.clear()
        model.trace.clear()
        assert (happened if in_order else sorted(happened)) == (expected if in_order else sorted(expected))
        for sup in model.supervisors():
            real = branch(self.root, *self.ids(sup))
            listed = [(info.id, info.status) for info in await real.which_children()]
            assert listed == [(each.plan.id, each.status) for each in sup.children]
            counts = await real.count_children()
            assert counts.active == sum(each.process is not None for each in sup.children)
            assert counts.supervisors == sum(isinstance(each.plan, SupervisorPlan) for each in sup.children)
        for worker in model.workers():
            assert await at(self.root, *self.ids(worker)).number() == worker.number
        alive = model.root is not None and model.root.alive
        assert (axon.whereis("root") is not None) == alive
        assert self.reported == self.failures  # every crash is reported once


async def live(plan: SupervisorPlan, treatments: Sequence[Treatment]) -> None:
    world = World(plan)
    if not await world.start():
        return event("did not start")
    for treatment in treatments:
        if axon.whereis("root") is None:
            return event("gave up")
        event(type(treatment).__name__)
        note(f"{asyncio.get_running_loop().time():.3f} {treatment}")
        await world.treat(treatment)
        await world.compare(in_order=not isinstance(treatment, Kill))
    event("lived to the end")
    if axon.whereis("root") is not None:
        await axon.stop(world.root)
        world.model.stop("normal")
        await world.compare()


@pytest.fixture(autouse=True, scope="module")
def _no_log() -> Iterator[None]:
    """Thousands of crashes, each with its traceback, would take longer than the tests."""
    logger = logging.getLogger("axon")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(before)


DUE_TOGETHER = SupervisorPlan(
    "root",
    max_restarts=2,
    children=(WorkerPlan("a", backoff=0.3), WorkerPlan("b", backoff=0.3, fails=frozenset({2}))),
)
"""Both restarts are tried before one that has failed is tried again, which is one too many."""
RESTARTED_TOGETHER = replace(
    DUE_TOGETHER,
    strategy="one_for_all",
    max_restarts=20,
    children=(WorkerPlan("a", backoff=0.3), WorkerPlan("b", backoff=0.3)),
)
"""The restart of the one is that of the other, whose own is stale then (rule A59)."""


@settings(settings.get_profile("supervisor"))
@example(plan=DUE_TOGETHER, treatments=[Die(0, [1, 0], "Boom"), Wait(0.7)])
@example(plan=RESTARTED_TOGETHER, treatments=[Die(0, [1, 0], "Boom"), Wait(0.7)])
@given(plan=roots(), treatments=st.lists(TREATMENTS, min_size=5, max_size=20))
def test_a_tree_does_what_the_rules_say(plan: SupervisorPlan, treatments: list[Treatment]) -> None:
    with asyncio.Runner(loop_factory=a_loop) as runner:
        runner.run(live(plan, treatments))
