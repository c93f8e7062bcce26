import asyncio
import time

import pytest
from fakes import FakeLedger
from shop import Stock, shop

import axon
from axon.testing import Scripted


async def test_a_reservation_is_over_after_15_minutes() -> None:
    async with shop(FakeLedger()) as tree:
        stock = tree.get(Stock)
        assert await stock.reserve("ann")
        await asyncio.sleep(14 * 60)
        assert await stock.left() == 0
        await asyncio.sleep(2 * 60)
        assert await stock.left() == 1


async def test_the_clock_jumps_when_everybody_waits_and_only_then() -> None:
    loop = asyncio.get_running_loop()
    assert loop.time() == 0
    await asyncio.sleep(86_400)
    assert loop.time() == 86_400
    sum(range(1_000_000))  # work takes real time, and none of this clock
    assert loop.time() == 86_400


async def test_a_timeout_passes_at_its_exact_time() -> None:
    slow = await axon.start(Scripted(hang_in="handler"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await slow.ask()
    assert asyncio.get_running_loop().time() == 5
    axon.exit(slow, axon.kill)


async def test_a_thread_takes_real_time_and_the_clock_waits_for_it() -> None:
    async with asyncio.timeout(5):
        await asyncio.to_thread(time.sleep, 0.01)
    assert asyncio.get_running_loop().time() == 0
