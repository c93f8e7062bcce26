"""Ports on uvloop, whose transports are none of asyncio's by their type."""

from __future__ import annotations

import asyncio

import pytest
from port_servers import Counter, Refused

import axon
from axon.port import isolated
from axon.port._spawner import Spawner
from axon.process import runtime

uvloop = pytest.importorskip("uvloop", reason="there is no uvloop on Windows")

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]


@pytest.fixture(scope="module", autouse=True)
def what_uvloop_keeps() -> None:
    """A pipe for signals, from its first use to the end of the program."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.sleep(0))


def test_a_server_lives_in_its_process_on_uvloop_too() -> None:
    async def main() -> None:
        counter = await axon.start(isolated(Counter(begin=5), start_within=10))
        assert await counter.increment(3) == 8
        async with counter.count(3) as numbers:
            assert [number async for number in numbers] == [0, 1, 2]
        with pytest.raises(axon.ServerDied) as died:
            await counter.crash("lost")
        assert isinstance(died.value.reason, Refused)
        spawner = runtime().spawner
        if isinstance(spawner, Spawner):
            await asyncio.wait({spawner.gone}, timeout=5)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
