from fakes import FakeLedger
from shop import Stock

import axon
from axon.process import Runtime


async def test_the_last_item_is_reserved_once(runtime: Runtime) -> None:
    stock = await axon.start(Stock(FakeLedger(), items=1))
    assert await stock.reserve("ann")
    assert not await stock.reserve("bob")
    await axon.stop(stock)
