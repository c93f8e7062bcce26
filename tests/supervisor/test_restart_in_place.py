"""A crash in its caller's turn is followed by the restart in that turn, if nobody else waits for his."""

from __future__ import annotations

import pytest

import axon
from axon import GenServer, ServerDied, Supervisor, call, child


class Fragile(GenServer[int]):
    def init(self) -> int:
        return id(axon.current())

    @call
    def incarnation(self, state: int) -> int:
        return state

    @call
    def crash(self, state: int) -> None:
        raise ValueError("boom")


@pytest.mark.fifo("simulation may put the restart off")
async def test_a_child_that_crashed_in_its_callers_turn_runs_again_when_the_caller_hears_of_it() -> None:
    async with Supervisor([child(Fragile(), id="it")]) as sup:
        server = sup.get(Fragile, "it")
        first = await server.incarnation()
        with pytest.raises(ServerDied) as died:
            await server.crash()
        assert await server.incarnation() != first
        assert (died.value.target, str(died.value.reason)) == ("Supervisor/it", "boom")
        assert "died before it answered" in repr(died.value)
