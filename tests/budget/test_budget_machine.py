"""Whatever programs reserve, spend, refund, crash and restart, the counters are those of a model that forgets nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from purses import RESOURCES, Counts, Purse

from axon.budget import Budget, BudgetClosed, BudgetExceeded, Limits, Request, Share
from axon.store import MemoryStore, Store
from axon.testing import virtual_clock

T = TypeVar("T")

WINDOW = 300
CEILING = 6
LEASE = 30.0
PICK = st.integers(0, 11)
COUNTS = st.fixed_dictionaries({"usd": st.sampled_from([12, 5, 1, 0]), "tokens": st.sampled_from([12, 4, 0])})


@dataclass(eq=False)
class Asked:
    """A request: its block is entered by `entering`, which is over once it is admitted. known: the largest before it."""

    purse: Purse
    block: Any
    entering: asyncio.Task[Request]
    known: Counts | None


@dataclass(eq=False)
class Program:
    """A process: it has an event loop and a budget of its own, and when it is killed nothing of it takes another step."""

    runner: asyncio.Runner
    budget: Budget
    shares: list[tuple[Purse, Share]] = field(default_factory=list[tuple[Purse, Share]])
    asked: list[Asked] = field(default_factory=list[Asked])
    died: float | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(100):
                return await work

        return self.runner.run(bounded())

    @property
    def sent(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.entering.done()]


class Machine(RuleBasedStateMachine):
    store: Store | None
    response: Limits | None
    per: float | None = WINDOW

    def __init__(self) -> None:
        super().__init__()
        self.now = 900.0
        self.limits = {"usd": 14, "tokens": 16}
        self.root = Purse(self.limits)
        self.sizes: list[Counts] = []
        self.kept = None if self.store is None else MemoryStore()
        self.programs = [self.program() for _ in range(1 if self.store is None else 2)]
        self.dead: list[Program] = []

    def program(self) -> Program:
        budget = Budget(
            "acme",
            usd=self.limits["usd"],
            tokens=self.limits["tokens"],
            per=self.per,
            response=self.response,
            store=self.kept,
            now=lambda: self.now,
        )
        return Program(asyncio.Runner(loop_factory=virtual_clock), budget)

    @property
    def since(self) -> float:
        return self.now // WINDOW * WINDOW if self.per else 0.0

    def since_of(self, purse: Purse) -> float:
        return self.since if purse is self.root else 0.0

    def place(self, program: Program, pick: int) -> tuple[Purse, Budget]:
        places: list[tuple[Purse, Budget]] = [(self.root, program.budget), *program.shares]
        return places[pick % len(places)]

    # -- what programs do

    @rule(which=PICK, pick=PICK, usd=st.none() | st.integers(1, 12), tokens=st.none() | st.integers(1, 14))
    def reserve(self, which: int, pick: int, usd: int | None, tokens: int | None) -> None:
        program = self.programs[which % len(self.programs)]
        purse, budget = self.place(program, pick)
        wanted = {name: count for name, count in (("usd", usd), ("tokens", tokens)) if count is not None}

        async def reserving() -> Share | BudgetExceeded | None:
            task = asyncio.ensure_future(budget.reserve(f"share {len(purse.shares)}", usd=usd, tokens=tokens))
            await asyncio.wait([task], timeout=0.6)
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
                return None
            try:
                return task.result()
            except BudgetExceeded as error:
                return error

        share = program.run(reserving())
        bearers = {name: next((one for one in purse.line if name in one.limits), None) for name in wanted}
        fits = all(
            bearer is None or bearer.gone(name, self.since_of(bearer)) + wanted[name] <= bearer.limits[name]
            for name, bearer in bearers.items()
        )
        if isinstance(share, Share):
            assert fits or self.is_uncertain, "more was handed on than there was"
            inner = Purse(wanted, purse)
            purse.shares.append(inner)
            program.shares.append((inner, share))
        elif share is None:
            assert self.in_flight, "it waits for nothing"
        else:
            assert not fits or self.is_uncertain, share

    @rule(which=PICK, pick=PICK)
    def refund(self, which: int, pick: int) -> None:
        program = self.programs[which % len(self.programs)]
        if program.shares:
            purse, share = program.shares[pick % len(program.shares)]
            program.run(share.refund())
            purse.close()
            program.shares = [(one, handle) for one, handle in program.shares if one.is_open]

    @rule(which=PICK, pick=PICK)
    def send(self, which: int, pick: int) -> None:
        program = self.programs[which % len(self.programs)]
        purse, budget = self.place(program, pick)
        block = budget.request()

        async def begin() -> asyncio.Task[Request]:
            task = asyncio.ensure_future(block.__aenter__())
            await asyncio.wait([task], timeout=0.6)
            return task

        known = self.largest()
        task = program.run(begin())
        exceeded = [
            one
            for one in purse.line
            for name, limit in one.limits.items()
            if one.gone(name, self.since_of(one)) >= limit
        ]
        if task.done() and task.exception() is not None:
            assert isinstance(task.exception(), BudgetExceeded)
            assert exceeded or self.is_uncertain, task.exception()
            return
        if not task.done():
            assert self.in_flight, "it waits for nothing"
        program.asked.append(Asked(purse, block, task, known))

    @rule(which=PICK)
    def send_from_the_root(self, which: int) -> None:
        """The more are in flight at once, the more may be too much."""
        self.send(which, 0)

    def largest(self) -> Counts | None:
        last = self.sizes[-100:]
        return {name: max(size[name] for size in last) for name in RESOURCES} if last else None

    @rule(which=PICK, pick=PICK, counts=COUNTS)
    def answer(self, which: int, pick: int, counts: Counts) -> None:
        """No response is larger than what is kept free for it: it is told, or twice the largest known by then."""
        program = self.programs[which % len(self.programs)]
        if not program.sent:
            return
        asked = program.sent[pick % len(program.sent)]
        for name in RESOURCES:
            if self.response is not None:
                counts[name] = min(counts[name], CEILING)
            elif asked.known is not None:
                counts[name] = min(counts[name], 2 * asked.known[name])
        queued = [one for each in self.programs for one in each.asked if one.known is None and not one.entering.done()]
        self.over(program, asked, counts)
        self.sizes.append(counts)
        for one in queued:  # it is sent now or later, and by then so much is known
            one.known = self.largest()

    @rule(which=PICK, pick=PICK)
    def fail(self, which: int, pick: int) -> None:
        program = self.programs[which % len(self.programs)]
        if program.sent:
            self.over(program, program.sent[pick % len(program.sent)], None)

    def over(self, program: Program, asked: Asked, counts: Counts | None) -> None:
        program.asked.remove(asked)
        if asked.entering.exception() is not None:  # it waited, and then there was nothing left
            assert isinstance(asked.entering.exception(), BudgetExceeded | BudgetClosed)
            return
        if counts is not None:
            asked.entering.result().used(**counts)
            asked.purse.spend(self.now, counts)
        program.run(asked.block.__aexit__(None, None, None))

    @rule(seconds=st.sampled_from([5, 20, 35, 150]))
    def wait(self, seconds: int) -> None:
        for _ in range(0, seconds, 5):
            self.now += 5
            for program in self.programs:
                program.run(asyncio.sleep(5))
        for program in self.dead:
            if program.died is not None and self.now - program.died > LEASE:
                for purse, _ in program.shares:
                    purse.close()

    @property
    def is_uncertain(self) -> bool:
        """Whether somebody who was killed may be given up by now, or not yet."""
        return any(one.died is not None and LEASE * 2 / 3 <= self.now - one.died <= LEASE for one in self.dead)

    @property
    def in_flight(self) -> bool:
        alive = [one for one in self.dead if one.died is not None and self.now - one.died <= LEASE]
        return any(one.sent for one in [*self.programs, *alive])

    # -- what becomes of them

    @precondition(lambda self: self.store is not None)
    @rule(which=PICK)
    def kill(self, which: int) -> None:
        """What it had is still out, until nobody has heard of it for long enough; another program takes its place."""
        program = self.programs[which % len(self.programs)]
        program.died = self.now
        self.dead.append(program)
        self.programs[self.programs.index(program)] = self.program()

    # -- what holds

    @invariant()
    def spent_is_what_was_answered(self) -> None:
        for program in self.programs:
            for purse, budget in [(self.root, program.budget), *program.shares]:
                balance = program.run(budget.balance())
                for name in RESOURCES:
                    assert getattr(balance.spent, name) == purse.total(name, self.since_of(purse)), balance
                assert purse.overshoot_is_one_response(self.since_of(purse)), balance

    def teardown(self) -> None:
        """In the end all that is left comes back, also of those that were killed."""
        try:
            for program in self.programs:
                for asked in list(program.asked):
                    if asked.entering.done():
                        self.over(program, asked, None)
                    else:
                        program.asked.remove(asked)
                        asked.entering.cancel()
                for _, share in program.shares:
                    program.run(share.refund())
            self.wait(50)
            balance = self.programs[0].run(self.programs[0].budget.balance())
            assert (balance.in_flight, balance.reserved.usd, balance.reserved.tokens) == (0, Decimal(0), 0)
            assert balance.left.usd == max(0, self.limits["usd"] - self.root.total("usd", self.since))
        finally:
            for program in self.dead:  # they must not end in the middle of a sentence
                for asked in program.asked:
                    if not asked.entering.done():
                        asked.entering.cancel()
                    elif asked.entering.exception() is None:
                        program.run(asked.block.__aexit__(None, None, None))
            for program in [*self.programs, *self.dead]:
                program.run(asyncio.sleep(1))
                program.runner.close()


@pytest.mark.slow
@pytest.mark.parametrize("response", [None, Limits(usd=CEILING, tokens=CEILING)], ids=["learned", "told"])
@pytest.mark.parametrize("store", [None, MemoryStore()], ids=["in memory", "two programs"])
def test_any_tree_under_any_interleaving_keeps_to_its_grants(store: Store | None, response: Limits | None) -> None:
    """No budget is exceeded by more than one response, and what is counted is what was answered, once."""
    machine = type("GivenMachine", (Machine,), {"store": store, "response": response})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=int(os.environ.get("AXON_EXAMPLES", "60" if store is None else "20")),
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
