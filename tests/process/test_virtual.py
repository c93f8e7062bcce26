import asyncio
import axon
from axon import GenServer, call

class Echo(GenServer[None]):
    def init(self) -> None: return None
    @call
    def echo(self, state: None, x: int) -> int: return x
    @call
    async def slow(self, state: None, x: int) -> int:
        await asyncio.sleep(3); return x

async def test_a():
    e = await axon.start(Echo())
    assert await e.echo(3) == 3
    assert await e.slow(3) == 3
    assert asyncio.get_running_loop().time() == 3
    await axon.stop(e)
