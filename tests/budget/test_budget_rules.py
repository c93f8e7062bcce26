"""What a budget grants, hands on, counts and refuses."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from figures import usd_of

import axon
from axon import GenServer, InvalidOption, call
from axon.budget import Budget, BudgetClosed, BudgetExceeded, Grant, Limits, Price, Share


async def spend(budget: Budget, usd: str | int = 0, tokens: int = 0) -> None:
    async with budget.request() as request:
        request.used(usd=usd, tokens=tokens)


async def test_the_next_request_is_refused() -> None:
    """The response that exceeds the grant is still counted; what comes after it is not sent, and the error says why."""
    budget = Budget("acme", usd="0.50", tokens=1000)
    await spend(budget, "0.40", 10)
    await spend(budget, "0.30", 10)

    with pytest.raises(BudgetExceeded) as caught:
        await spend(budget, 0)

    error = caught.value
    assert (error.budget, error.resource) == ("acme", "usd")
    assert [error.spent, error.granted, error.reserved] == [Decimal("0.70"), Decimal("0.50"), Decimal(0)]
    assert error.opens_at is None
    assert str(error) == "budget 'acme' is out of usd: 0.70 of 0.50 spent"


async def test_requests_are_never_one_too_many() -> None:
    budget = Budget("acme", requests=2)
    async with budget.request() as first, budget.request() as second:
        waiting = asyncio.create_task(spend(budget))
        await asyncio.sleep(1)
        assert not waiting.done()
        first.used()
        second.used()
    with pytest.raises(BudgetExceeded, match="out of requests: 2 of 2 spent"):
        await waiting


async def test_a_request_that_came_to_nothing_is_not_counted() -> None:
    budget = Budget("acme", requests=1)
    with pytest.raises(ConnectionError):
        async with budget.request():
            raise ConnectionError
    await spend(budget)
    assert (await budget.balance()).spent.requests == 1


async def test_before_anything_is_known_requests_go_one_at_a_time() -> None:
    budget = Budget("acme", tokens=100)
    async with budget.request() as first:
        second = asyncio.create_task(spend(budget, tokens=1))
        await asyncio.sleep(1)
        assert not second.done()
        first.used(tokens=10)
    await second
    async with budget.request(), budget.request(), budget.request():  # 20 are kept free for each now
        assert (await budget.balance()).in_flight == 3


async def test_near_the_limit_one_at_a_time_is_sent_and_no_more_than_one_response_is_too_much() -> None:
    """Fifty at once, of up to 30 tokens each, and far from the limit they do not wait for each other."""
    budget = Budget("acme", tokens=600, response=Limits(tokens=30))
    most = refused = in_flight = 0

    async def ask() -> None:
        nonlocal most, refused, in_flight
        try:
            async with budget.request() as request:
                in_flight += 1
                most = max(most, in_flight)
                await asyncio.sleep(1)
                in_flight -= 1
                request.used(tokens=30)
        except BudgetExceeded:
            refused += 1

    await asyncio.gather(*(ask() for _ in range(50)))
    balance = await budget.balance()
    assert balance.spent.tokens == 600
    assert most == 20
    assert refused == 30
    await asyncio.gather(ask())
    assert (await budget.balance()).spent.tokens == 600


async def test_what_is_handed_on_is_taken_out_and_what_was_not_spent_comes_back() -> None:
    budget = Budget("acme", usd=10)
    async with await budget.reserve("report", usd=4) as share:
        assert share.name == "acme/report"
        await spend(share, 1)
        inside = await budget.balance()
        assert usd_of(inside) == (1, 3, 6)
        with pytest.raises(BudgetExceeded, match="'acme' is out of usd: 1 of 10 spent, 3 reserved by shares; 7 were"):
            await budget.reserve("more", usd=7)
    after = await budget.balance()
    assert usd_of(after) == (1, 0, 9)
    with pytest.raises(BudgetClosed, match="'acme/report'"):
        await spend(share, 1)


async def test_a_share_of_a_share_counts_up_to_the_root_once() -> None:
    budget = Budget("acme", usd=10, tokens=100)
    async with await budget.reserve("team", usd=5) as team, await team.reserve("one", usd=2) as one:
        await spend(one, 2, 7)
        for level in (one, team, budget):
            balance = await level.balance()
            assert balance.spent.usd == 2
            assert balance.spent.tokens == 7
        with pytest.raises(BudgetExceeded, match="'acme/team/one' is out of usd"):
            await spend(one, 1)
    assert (await budget.balance()).left == Grant(usd=Decimal(8), tokens=93)


async def test_what_a_share_does_not_limit_it_spends_from_above() -> None:
    budget = Budget("acme", usd=1)
    async with await budget.reserve("free", tokens=1000) as share:
        await spend(share, 1, 10)
        with pytest.raises(BudgetExceeded, match="'acme' is out of usd"):
            await spend(share)


async def test_a_share_that_is_made_again_takes_the_place_of_the_earlier_one() -> None:
    """As after a restart of who had it: what the earlier one had left is free, and its own end means nothing any more."""
    budget = Budget("acme", usd=10)
    before = await budget.reserve("report", usd=8)
    await spend(before, 1)
    again = await budget.reserve("report", usd=8)
    await before.refund()
    assert (await budget.balance()).reserved.usd == 8
    await again.refund()
    assert (await budget.balance()).left.usd == 9


async def test_a_share_ends_with_the_process_that_made_it() -> None:
    budget = Budget("acme", usd=10)

    class Holder(GenServer[Share]):
        async def init(self) -> Share:
            return await budget.reserve("mine", usd=4)

        @call
        async def spend(self, state: Share) -> None:
            await spend(state, 1)

    holder = await axon.start(Holder())
    await holder.spend()
    assert (await budget.balance()).reserved.usd == 3
    axon.exit(holder, axon.kill)
    assert (await budget.balance()).left.usd == 9


async def test_what_is_answered_after_its_share_has_ended_is_counted_all_the_same() -> None:
    budget = Budget("acme", usd=10)
    share = await budget.reserve("short", usd=1)
    async with share.request() as request:
        await share.refund()
        request.used(usd="0.5")
    assert (await budget.balance()).spent.usd == Decimal("0.5")


async def test_a_window_grants_everything_again() -> None:
    now = 90_000.0
    budget = Budget("acme", usd=1, per="day", now=lambda: now)
    await spend(budget, 1)
    with pytest.raises(BudgetExceeded, match="opens again at 1970-01-03 00:00:00 UTC") as caught:
        await spend(budget)
    assert caught.value.opens_at == 172_800
    now = 172_800.0
    await spend(budget, 1)
    assert (await budget.balance()).spent.usd == 1


async def test_what_a_share_has_left_at_the_end_of_a_window_is_taken_out_of_the_next_one() -> None:
    now = 0.0
    budget = Budget("acme", usd=10, per=60, now=lambda: now)
    async with await budget.reserve("long", usd=6) as share:
        await spend(share, 4)
        now = 60.0
        balance = await budget.balance()
        assert usd_of(balance) == (0, 2, 8)
        await spend(share, 1)
    assert (await budget.balance()).left.usd == 9


@pytest.mark.parametrize(
    ("per", "now", "opens_at"),
    [("minute", 61.0, 120.0), ("hour", 3599.0, 3600.0), (10.5, 11.0, 21.0), ("month", 1_764_000_000, 1_764_547_200)],
)
async def test_windows_begin_with_the_clock(per: Any, now: float, opens_at: float) -> None:
    assert (await Budget("acme", per=per, now=lambda: now).balance()).opens_at == opens_at


async def test_time_is_counted_and_ends_the_run() -> None:
    budget = Budget("acme", seconds=25)
    async with budget.running():
        await asyncio.sleep(20)
    assert (await budget.balance()).spent.seconds == 20
    began = asyncio.get_running_loop().time()
    with pytest.raises(BudgetExceeded, match="out of seconds: 25 of 25 spent"):
        async with budget.running():
            await asyncio.sleep(100)
    assert asyncio.get_running_loop().time() - began == pytest.approx(5)
    with pytest.raises(BudgetExceeded, match="out of seconds"):
        await spend(budget)


async def test_runs_at_the_same_time_share_the_seconds() -> None:
    budget = Budget("acme", seconds=60)

    async def run() -> float:
        began = asyncio.get_running_loop().time()
        with pytest.raises(BudgetExceeded):
            async with budget.running():
                await asyncio.sleep(100)
        return asyncio.get_running_loop().time() - began

    lasted = await asyncio.gather(run(), run(), run())
    assert sum(lasted) == pytest.approx(60)
    assert (await budget.balance()).spent.seconds == 60


async def test_a_timeout_of_the_run_itself_is_not_taken_for_the_budgets() -> None:
    budget = Budget("acme", seconds=60)
    with pytest.raises(TimeoutError):
        async with budget.running():
            raise TimeoutError
    async with Budget("free").running():
        await asyncio.sleep(1000)


async def test_who_waits_and_goes_away_leaves_nothing_behind() -> None:
    budget = Budget("acme", tokens=10)
    async with budget.request():
        waiting = asyncio.create_task(spend(budget))
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.wait([waiting])
    assert (await budget.balance()).in_flight == 0


@pytest.mark.parametrize(
    ("option", "options"),
    [
        ("name", {"name": ""}),
        ("usd", {"usd": -1}),
        ("usd", {"usd": 0}),
        ("usd", {"usd": 0.1}),
        ("usd", {"usd": "much"}),
        ("usd", {"usd": Decimal("Infinity")}),
        ("tokens", {"tokens": -1}),
        ("tokens", {"tokens": 1.5}),
        ("tokens", {"tokens": True}),
        ("requests", {"requests": 0}),
        ("seconds", {"seconds": 0}),
        ("seconds", {"seconds": float("inf")}),
        ("per", {"per": 0}),
        ("per", {"per": -60}),
        ("per", {"per": "fortnight"}),
        ("response", {"response": "0.5"}),
        ("response.usd", {"response": Limits(usd=-1)}),
        ("prices", {"prices": {"m": 1}}),
        ("prices", {"prices": "cheap"}),
        ("store", {"store": "agents.db"}),
    ],
)
def test_what_cannot_be_is_refused_when_the_budget_is_made(option: str, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption) as caught:
        given: dict[str, Any] = {"name": "acme", **options}
        Budget(**given)
    assert caught.value.option == option


async def test_what_cannot_be_is_refused_before_anything_is_reserved_or_counted() -> None:
    budget = Budget("acme", usd=1)
    with pytest.raises(InvalidOption, match="usd must be"):
        await budget.reserve("negative", usd=-1)
    with pytest.raises(InvalidOption, match=r"made by Budget\.reserve"):
        Share()
    with pytest.raises(InvalidOption, match="input must be"):
        Price(input=-1, output=0)
    with pytest.raises(InvalidOption, match="tokens must be"):
        async with budget.request() as request:
            request.used(tokens=-1)
    assert (await budget.balance()).left.usd == 1
