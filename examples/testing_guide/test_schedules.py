import asyncio
import random

from fakes import FakeLedger
from hypothesis import given, settings
from hypothesis import strategies as st
from shop import Stock, shop

import axon
from axon import Supervisor
from axon.testing import Faults, chaos, explore, nothing_left, one_reply, simulate, within


async def reserve(tree: Supervisor, customer: str) -> bool:
    """Ask until there is an answer."""
    while True:
        try:
            return await tree.get(Stock).reserve(customer)
        except axon.CallError:  # it died, or is being restarted
            await asyncio.sleep(0.1)


async def three_customers_and_two_items() -> str:
    """Returns in which order they were served."""
    ledger, served = FakeLedger(), list[str]()
    async with shop(ledger, items=2, max_restarts=1_000) as tree:

        async def ask(customer: str) -> None:
            if await reserve(tree, customer):
                served.append(customer)

        async with asyncio.TaskGroup() as group:
            for customer in ("ann", "bob", "cat"):
                group.create_task(ask(customer))
    assert len(served) == 2
    assert ledger.kept == set(served)
    return " ".join(served)


def test_a_seed_is_a_schedule() -> None:
    assert simulate(three_customers_and_two_items, 7) == simulate(three_customers_and_two_items, 7)
    seen = {simulate(three_customers_and_two_items, seed) for seed in range(100)}
    assert seen == {"ann bob", "ann cat", "bob ann", "bob cat", "cat ann", "cat bob"}


def test_no_schedule_of_a_thousand_sells_too_much() -> None:
    shaky = Faults(kill=0.05, victims="shop/*", late=0.1, trouble=0.1)
    assert explore(three_customers_and_two_items, range(1_000), faults=shaky) == 1_000


@chaos(
    seeds=200,
    kill=0.05,
    victims="shop/*",
    late=0.1,
    trouble=0.1,
    invariants=[nothing_left, one_reply, within(60)],
)
async def test_no_item_is_reserved_twice_whatever_dies() -> None:
    await three_customers_and_two_items()


@settings(deadline=None)  # a schedule takes as long as it takes
@given(st.randoms(use_true_random=False))
def test_hypothesis_may_draw_the_schedule(choices: random.Random) -> None:
    simulate(three_customers_and_two_items, choices, faults=Faults(kill=0.05, victims="shop/*"))
