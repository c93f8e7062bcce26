"""A dynamic supervisor under random treatment does what the rules say: against `dynamic_model.py`, step by step.

For a long run: `AXON_EXAMPLES=20000 pytest tests/supervisor/test_dynamic_state_machine.py --timeout 0`.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
from collections import Counter
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from typing import Any

import pytest
from dynamic_model import Child, Dynamic, Plan
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from parts import Begin, Boom, Log, Loose, Part, breaks, settle, shown

import axon
from axon import AxonError, DynamicSupervisor, ExitReason, Ignore, child
from axon import telemetry as t
from axon.testing import virtual_clock

PERIOD = 4.9137
"""Seconds; no sum of the waits and backoffs below, so that nothing hangs on a rounding error."""

PROFILE = settings(
    settings.get_profile("supervisor"),
    max_examples=int(os.environ.get("AXON_EXAMPLES", "300")),
    stateful_step_count=20,
)

REASONS: dict[str, ExitReason] = {
    "Boom": Boom(),
    "killed": axon.kill,
    "normal": axon.normal,
    "shutdown": axon.shutdown,
    "noproc": axon.noproc,
}
RARELY = st.sampled_from([False, False, False, True])
NONE = st.just(frozenset[int]())
PLANS = st.builds(
    Plan,
    id=st.just(""),
    restart=st.sampled_from(["permanent", "permanent", "transient", "temporary"]),
    backoff=st.sampled_from([None, None, 0.3, 2.0, 7.7]),
    traps=st.booleans(),
    brutal=RARELY,
    breaks=RARELY,
    fails=st.one_of(NONE, NONE, st.frozensets(st.integers(2, 5), min_size=1), st.just(frozenset({1}))),
    ignores=st.one_of(NONE, NONE, NONE, st.frozensets(st.integers(1, 4), max_size=1)),
)


def begins(plan: Plan) -> Begin:
    def begin(number: int) -> None:
        if number in plan.fails:
            raise Boom
        if number in plan.ignores:
            raise Ignore

    return begin


def _at_once(lines: list[str]) -> list[str]:
    """Children that are found stable at the same moment are in any order."""
    groups = [list(group) for _, group in itertools.groupby(lines, lambda line: line.startswith("over"))]
    return [line for group in groups for line in (sorted(group) if group[0].startswith("over") else group)]


class DynamicMachine(RuleBasedStateMachine):
    """The real thing beside its model."""

    sup: DynamicSupervisor

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=virtual_clock)
        self.model = Dynamic(0, PERIOD, 0, alive=False)
        self.handles: dict[str, Part] = {}
        self.started = 0
        self.log, self.trace = Log(), list[str]()
        self.failures, self.reported = Counter[str](), Counter[str]()

    def does(self, work: Coroutine[Any, Any, str | None]) -> str | None:
        """Run it, and let everybody do what follows from it without time passing."""

        async def step() -> str | None:
            self.model.advance(asyncio.get_running_loop().time())
            try:
                answer = await work
            except AxonError as error:
                answer = type(error).__name__
            await settle()
            return answer

        return self.runner.run(step())

    @initialize(
        allowed=st.sampled_from([20, 5, 3, 1]),
        most=st.sampled_from([8, 8, 2]),
        plans=st.lists(PLANS, min_size=2, max_size=5),
    )
    def begin(self, allowed: int, most: int, plans: list[Plan]) -> None:
        self.allowed, self.most = allowed, most

        async def attach() -> None:
            t.attach(lambda event: self.tell("started", event.path), t.ProcessStarted)
            t.attach(lambda event: self.tell("failed", event.path), t.ProcessStartFailed)
            t.attach(lambda event: self.tell("ignored", event.path), t.ProcessIgnored)
            t.attach(lambda event: self.trace.append("gave up"), t.SupervisorGaveUp)
            t.attach(lambda event: self.tell("loop", event.path), t.CrashLoopStarted)
            t.attach(lambda event: self.tell("over", event.path, str(event.restarts)), t.CrashLoopEnded)
            t.attach(self._exited, t.ProcessExited)
            t.attach(self._crashed, t.ProcessCrashed)

        self.runner.run(attach())
        self.begin_anew()
        for plan in plans:
            self.start_child(plan)

    def begin_anew(self) -> None:
        """The first one, or another one after one that gave up."""
        self.model = Dynamic(self.allowed, PERIOD, self.most)

        async def start() -> None:
            tree = DynamicSupervisor(max_restarts=self.allowed, max_seconds=PERIOD, max_children=self.most)
            self.sup = await axon.start(tree, name="app")
            self.trace.clear()

        self.does(start())

    def tell(self, what: str, path: str, *more: str) -> None:
        self.trace.append(" ".join([what, *path.split("/")[1:], *more]))

    def _exited(self, event: t.ProcessExited) -> None:
        self.tell("exited", event.path, shown(event.reason))
        if isinstance(event.reason, BaseException):
            self.failures[event.path] += 1

    def _crashed(self, event: t.ProcessCrashed) -> None:
        if isinstance(event.reason, BaseException):
            self.reported[event.path] += 1

    @property
    def is_alive(self) -> bool:
        return self.model.alive

    @property
    def running(self) -> list[Child]:
        return [each for each in self.model.children if each.alive]

    # -- treatments

    @rule(plan=PLANS)
    def start_child(self, plan: Plan) -> None:
        if not self.is_alive:
            self.begin_anew()
        plan = replace(plan, id=f"c{self.started}")
        self.started += 1
        growth = plan.backoff
        spec = child(
            (Part if plan.traps else Loose)(plan.id, self.log, begins(plan), breaks if plan.breaks else None),
            id=plan.id,
            restart=plan.restart,
            shutdown="brutal_kill" if plan.brutal else None,
            backoff=None if growth is None else lambda state: growth * state.attempt_number,
        )

        async def start() -> str:
            self.handles[plan.id] = await self.sup.start_child(spec)
            return "ok"

        answer = self.does(start())
        assert answer == self.model.start_child(plan)
        event(f"start_child: {answer}")

    @rule(which=st.integers(0, 20))
    def terminate_child(self, which: int) -> None:
        """Any that was ever started."""
        if not self.handles or not self.is_alive:
            return
        id = list(self.handles)[which % len(self.handles)]

        async def terminate() -> str:
            await self.sup.terminate_child(self.handles[id])
            return "ok"

        answer = self.does(terminate())
        assert answer == self.model.terminate_child(id)
        event(f"terminate_child: {answer}")

    @rule(which=st.integers(0, 7), times=st.integers(1, 4))
    def keep_crashing(self, which: int, times: int) -> None:
        for _ in range(times):
            self.die([which], "Boom")

    @rule(which=st.lists(st.integers(0, 7), min_size=1, max_size=3), reason=st.sampled_from(["Boom", *REASONS]))
    def die(self, which: list[int], reason: str) -> None:
        """Some end, all of them before their supervisor looks."""
        running = self.running
        if not running:
            return
        chosen = list(dict.fromkeys(running[n % len(running)] for n in which))

        async def end() -> None:
            why = REASONS[reason]
            for each in chosen:
                handle = self.handles[each.plan.id]
                if why is axon.kill:
                    axon.exit(handle, why)
                else:
                    handle.end(why)

        self.does(end())
        self.model.die(chosen, reason)
        event(f"die: {reason}")

    @rule(seconds=st.sampled_from([0.1, 0.7, 2.3, 6.1]))
    def wait(self, seconds: float) -> None:
        self.does(asyncio.sleep(seconds, None))

    # -- what must be so after each

    @invariant()
    def the_same_happened(self) -> None:
        self.model.advance(self.runner.get_loop().time())
        happened, expected = list(self.trace), list(self.model.trace)
        for what in ("loop", "over", "gave up"):
            if any(line.startswith(what) for line in happened):
                event(what)
        self.trace.clear()
        self.model.trace.clear()
        if self.is_alive:
            assert _at_once(happened) == _at_once(expected)
        else:  # all at once: in any order
            assert sorted(happened) == sorted(expected)
        assert self.reported == self.failures  # every crash is reported once

    @invariant()
    def the_same_is_left(self) -> None:
        async def look() -> None:
            assert (axon.whereis("app") is not None) == self.is_alive
            if not self.is_alive:
                assert all(axon.whereis(handle) is None for handle in self.handles.values())
                return
            listed = [(info.id, info.status) for info in await self.sup.which_children()]
            assert listed == [(each.plan.id, each.status) for each in self.model.children]
            counts = await self.sup.count_children()
            assert (counts.specs, counts.active) == (len(self.model.children), len(self.running))
            for each in self.running:
                assert await self.handles[each.plan.id].number() == each.number

        self.runner.run(look())

    def teardown(self) -> None:
        if self.is_alive:
            self.does(axon.stop(self.sup))
            self.model.stop("normal")
            self.the_same_happened()
            self.the_same_is_left()
        self.runner.close()


@pytest.fixture(autouse=True, scope="module")
def _no_log() -> Iterator[None]:
    """Thousands of crashes, each with its traceback, would take longer than the tests."""
    logger = logging.getLogger("axon")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(before)


def test_a_dynamic_supervisor_does_what_the_rules_say() -> None:
    run_state_machine_as_test(DynamicMachine, settings=PROFILE)
