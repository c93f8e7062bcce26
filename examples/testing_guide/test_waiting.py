from collections.abc import AsyncIterator

import pytest
from fakes import FakeLedger
from shop import KEEP, Stock, shop

import axon
from axon.telemetry import ChildRestarted, ProcessCrashed
from axon.testing import assert_no_leaks, capture_events, eventually


@pytest.fixture(autouse=True)
async def no_leaks() -> AsyncIterator[None]:
    async with assert_no_leaks():
        yield


async def test_the_item_comes_back_at_some_time() -> None:
    async with shop(FakeLedger()) as tree:
        stock = tree.get(Stock)
        await stock.reserve("ann")

        async def is_free() -> bool:
            return await stock.left() == 1

        await eventually(is_free, within=KEEP + 1, every=10)


async def test_after_a_crash_the_reservations_are_those_of_the_ledger() -> None:
    ledger = FakeLedger()
    with capture_events(ProcessCrashed, ChildRestarted) as events:
        async with shop(ledger) as tree:
            stock = tree.get(Stock)
            await stock.reserve("ann")
            axon.exit(stock, RuntimeError("power cut"))
            crash = await events.until(ProcessCrashed)
            assert crash.path == "shop/Stock"
            await events.until(ChildRestarted)
            assert await stock.left() == 0
    assert len(events.of(ChildRestarted)) == 1


async def test_what_is_left_behind_is_named() -> None:
    kept: list[Stock] = []

    async def careless() -> None:
        async with assert_no_leaks():
            kept.append(await axon.start(Stock(FakeLedger()), name="forgotten"))

    with pytest.raises(AssertionError, match="left behind:\n  process forgotten at ") as caught:
        await careless()
    assert "\n  name 'forgotten' of forgotten" in str(caught.value)
    await axon.stop(kept[0])
