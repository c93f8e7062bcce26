"""Budgets that outlive their program, shared by programs, and written to stores that fail."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from figures import usd_of

from axon import WrongLoop
from axon.budget import Budget, BudgetClosed, BudgetExceeded, Limits
from axon.store import ApprovalRequest, MemoryStore, Record, Store, StoreUnavailable, Unreadable
from places import Durable


async def spend(budget: Budget, usd: str | int = 0, tokens: int = 0) -> None:
    async with budget.request() as request:
        request.used(usd=usd, tokens=tokens)


class Failing(MemoryStore):
    """Fails before or after it has written, as often as it is told."""

    before = after = 0

    async def append(
        self,
        key: str,
        records: Sequence[Record],
        *,
        epoch: int,
        version: int,
        marker: str | None = None,
        approvals: Sequence[ApprovalRequest] = (),
    ) -> int:
        if self.before:
            self.before -= 1
            raise StoreUnavailable("it was not written")
        written = await super().append(key, records, epoch=epoch, version=version, marker=marker, approvals=approvals)
        if self.after:
            self.after -= 1
            raise StoreUnavailable("it was written")
        return written


def make(store: Store, **options: Any) -> Budget:
    """As each program makes it."""
    given: dict[str, Any] = {"usd": 10, "response": Limits(usd=1), **options}
    return Budget("acme", **given, store=store)


async def test_another_program_goes_on_with_what_was_spent() -> None:
    store = MemoryStore()
    await spend(make(store), 9)
    again = make(store)
    assert again.seen is None
    await spend(again, 1)
    assert again.seen is not None
    assert again.seen.spent.usd == 10
    with pytest.raises(BudgetExceeded):
        await spend(make(store), 1)


async def test_programs_that_spend_at_the_same_time_never_spend_the_same_money() -> None:
    """Each sees what the others spent, hand on and have in flight, and they stop where one of them would."""
    store = MemoryStore()
    programs = [make(store) for _ in range(5)]
    refused = 0

    async def work(budget: Budget) -> None:
        nonlocal refused
        for _ in range(20):
            try:
                async with budget.request() as request:
                    await asyncio.sleep(0.1)
                    request.used(usd=1)
            except BudgetExceeded:
                refused += 1

    await asyncio.gather(*map(work, programs))
    assert refused == 90
    assert {(await budget.balance()).spent.usd for budget in programs} == {10}


async def test_of_two_programs_that_hand_on_the_same_money_one_is_refused() -> None:
    store = MemoryStore()
    one, other = make(store), make(store)
    outcomes = await asyncio.gather(one.reserve("one", usd=6), other.reserve("other", usd=6), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["BudgetExceeded", "Share"]
    for outcome in outcomes:
        if not isinstance(outcome, BaseException):
            await outcome.refund()


async def test_of_a_program_that_is_gone_everything_comes_back_after_half_a_minute() -> None:
    """What it had handed on, and the request in flight, of which nobody knows whether it was answered."""
    store, now = MemoryStore(), 0.0
    gone = make(store, now=lambda: now)
    share = await gone.reserve("job", usd=8)
    block = share.request()
    await block.__aenter__()
    gone._ledger._open.clear()  # from now on nobody hears of it
    living = make(store, now=lambda: now)
    balance = await living.balance()
    assert (usd_of(balance), balance.in_flight) == ((0, 8, 2), 1)
    now = 29.0
    assert (await living.balance()).reserved.usd == 8
    now = 31.0
    balance = await living.balance()
    assert (usd_of(balance), balance.in_flight) == ((0, 0, 10), 0)
    with pytest.raises(BudgetClosed):
        await spend(share)
    await block.__aexit__(None, None, None)
    await share.refund()


async def test_what_is_used_still_does_not_come_back() -> None:
    store = MemoryStore()
    loop = asyncio.get_running_loop()
    budget, other = make(store, now=loop.time), make(store, now=loop.time)
    async with await budget.reserve("long", usd=8) as share, share.request():
        await asyncio.sleep(300)
        balance = await other.balance()
        assert (usd_of(balance), balance.in_flight) == ((0, 8, 2), 1)
    assert (await other.balance()).left.usd == 10


async def test_the_time_of_a_run_that_is_gone_is_counted_as_far_as_it_was_taken() -> None:
    store, now = MemoryStore(), 0.0
    gone = Budget("acme", seconds=100, store=store, now=lambda: now)
    block = gone.running()
    await block.__aenter__()
    gone._ledger._open.clear()
    now = 31.0
    assert (await Budget("acme", seconds=100, store=store, now=lambda: now).balance()).spent.seconds == 10
    await block.__aexit__(None, None, None)


async def test_a_write_that_fails_before_it_is_done_is_done_later() -> None:
    store = Failing()
    budget = make(store)
    with pytest.raises(StoreUnavailable):
        async with budget.request() as request:
            store.before = 2
            request.used(usd=3)
    await asyncio.sleep(10)
    assert (await budget.balance()).spent.usd == 3
    assert (await make(store).balance()).spent.usd == 3


async def test_a_write_that_fails_after_it_is_done_is_not_done_again() -> None:
    store = Failing()
    budget = make(store)
    with pytest.raises(StoreUnavailable):
        async with budget.request() as request:
            store.after = 1
            request.used(usd=3)
    await asyncio.sleep(10)
    assert (await budget.balance()).spent.usd == 3
    balance = await make(store).balance()
    assert (usd_of(balance), balance.in_flight) == ((3, 0, 7), 0)


async def test_of_two_writes_one_of_which_was_done_each_is_done_once() -> None:
    """The first was written though the store failed, and then another one fails together with its repetition."""
    store = Failing()
    budget = make(store)
    blocks = [budget.request(), budget.request()]
    for block in blocks:
        (await block.__aenter__()).used(usd=1)
    for block, fails in zip(blocks, ("after", "before"), strict=True):
        setattr(store, fails, 1)
        with pytest.raises(StoreUnavailable):
            await block.__aexit__(None, None, None)
    await asyncio.sleep(10)
    assert usd_of(await make(store).balance()) == (2, 0, 8)


async def test_a_request_whose_admission_failed_leaves_nothing_behind() -> None:
    store = Failing()
    store.after = 1
    budget = make(store)
    with pytest.raises(StoreUnavailable):
        await spend(budget, 1)
    with pytest.raises(StoreUnavailable):
        store.after = 1
        await budget.reserve("job", usd=3)
    await asyncio.sleep(10)
    balance = await make(store).balance()
    assert (usd_of(balance), balance.in_flight) == ((0, 0, 10), 0)


async def test_a_long_journal_is_read_as_it_was_written() -> None:
    store = MemoryStore()
    budget = make(store, usd=1000)
    async with await budget.reserve("job", usd=500) as share:
        for _ in range(150):
            await spend(share, 1, 1)
        journal = await store.read("axon.budget/acme")
        assert journal is not None
        assert journal.snapshot is not None
        assert len(journal.entries) < 150
        other = make(store, usd=1000)
        assert await other.balance() == await budget.balance()
        assert (await other.balance()).reserved.usd == 350


async def test_what_cannot_be_read_is_an_error_and_is_kept() -> None:
    store = MemoryStore()
    journal = await store.open("axon.budget/acme")
    await store.append(journal.key, [Record("other", b"{}")], epoch=journal.epoch, version=0)
    with pytest.raises(Unreadable, match="other"):
        await make(store).balance()
    kept = await store.read(journal.key)
    assert kept is not None
    assert kept.version == 1


async def test_a_reference_leads_to_the_same_counters() -> None:
    store = MemoryStore()
    budget = make(store)
    async with await budget.reserve("job", usd=4) as share:
        same = Budget.of(share.ref, store)
        await spend(same, 1)
        assert same.name == "acme/job"
        assert (await share.balance()).spent.usd == 1


@pytest.mark.real_clock
async def test_two_event_loops_at_once_need_two_budgets() -> None:
    budget = Budget("acme", usd=1)
    await spend(budget)
    refused: list[BaseException] = []

    async def elsewhere() -> None:
        try:
            await spend(budget)
        except WrongLoop as error:
            refused.append(error)

    thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
    thread.start()
    while thread.is_alive():  # noqa: ASYNC110  # it is no task of this loop
        await asyncio.sleep(0.001)
    thread.join()
    assert [str(error) for error in refused] == [
        "the budget 'axon.budget/acme' is used in another event loop: make one for each, on one store"
    ]


def test_one_event_loop_after_the_other_goes_on_with_it() -> None:
    budget = Budget("acme", usd=2)
    for _ in range(2):
        asyncio.run(spend(budget, 1))
    with pytest.raises(BudgetExceeded):
        asyncio.run(spend(budget, 1))


async def test_a_durable_budget_is_the_same_in_every_store(durable: Durable) -> None:
    store, other = durable.store(), durable.store()
    budget, same = make(store, tokens=1000), make(other, tokens=1000)

    async def work(budget: Budget) -> int:
        sent = 0
        try:
            while True:
                await spend(budget, "0.5", 3)
                sent += 1
        except BudgetExceeded:
            return sent

    async with await budget.reserve("kept", usd=2):
        assert sum(await asyncio.gather(work(budget), work(same))) == 16
        assert (await same.balance()).reserved.usd == 2
    balance = await same.balance()
    assert (usd_of(balance), balance.spent.tokens) == ((8, 0, 2), 48)
    await store.close()
    await other.close()
