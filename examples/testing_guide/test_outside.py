import asyncio

import pytest

import axon
from axon.testing import SimulationStuck, simulate


def test_a_simulation_refuses_the_world_outside() -> None:
    async def main() -> None:
        await asyncio.to_thread(print, "hello")

    with pytest.raises(axon.UsageError, match="a simulation has no files, sockets, threads or processes"):
        simulate(main, 1)


def test_a_deadlock_is_an_error_and_not_a_test_that_hangs() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(SimulationStuck, match="everybody waits, and no timer is set"):
        simulate(main, 1)
