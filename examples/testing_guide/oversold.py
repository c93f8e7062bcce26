"""A stock with a race, and tests that find it: they fail on purpose, so pytest collects them only when told to.

pytest oversold.py
"""

from __future__ import annotations

import asyncio
import random

from hypothesis import given, settings
from hypothesis import strategies as st

import axon
from axon import GenServer, call
from axon.testing import chaos, explore, simulate


class Stock(GenServer[list[str]]):
    """One item. Its state is what happened, in order."""

    def init(self) -> list[str]:
        return []

    @call
    def left(self, state: list[str], customer: str) -> int:
        sold = sum(line.endswith("buys") for line in state)
        state.append(f"{customer} looks")
        return 1 - sold

    @call
    def sell(self, state: list[str], customer: str) -> None:
        state.append(f"{customer} buys")

    @call
    def log(self, state: list[str]) -> str:
        return ", ".join(state)


async def buy(stock: Stock, customer: str) -> None:
    if await stock.left(customer) > 0:
        await stock.sell(customer)


async def two_customers() -> None:
    stock = await axon.start(Stock())
    async with asyncio.TaskGroup() as group:
        group.create_task(buy(stock, "ann"))
        group.create_task(buy(stock, "bob"))
    log = await stock.log()
    await axon.stop(stock)
    sold = log.count("buys")
    assert sold == 1, log


async def test_on_one_schedule() -> None:
    await two_customers()


def test_on_many_schedules() -> None:
    explore(two_customers, range(100))


@chaos()
async def test_with_the_marker() -> None:
    await two_customers()


@settings(deadline=None)  # a schedule takes as long as it takes
@given(st.randoms(use_true_random=False))
def test_with_hypothesis(choices: random.Random) -> None:
    simulate(two_customers, choices)
