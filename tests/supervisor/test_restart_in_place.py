"""A crash in its caller's turn is followed by the restart in that turn, if nobody else waits for his."""

from __future__ import annotations

import asyncio

import pytest
from parts import now, settle

import axon
from axon import GenServer, NoProcess, ServerDied, Supervisor, call, cast, child
from loops import IN_PLACE


class Fragile(GenServer[int]):
    def init(self) -> int:
        return id(axon.current())

    @call
    def incarnation(self, state: int) -> int:
        return state

    @call
    def crash(self, state: int) -> None:
        raise ValueError("boom")


class Bystander(GenServer[None]):
    """Tells who lives in the slot of the other when its own turn comes."""

    fragile: Fragile
    found: list[axon.process.Process | None]

    def init(self) -> None: ...

    @cast
    def look(self, state: None) -> None:
        self.found.append(axon.whereis(self.fragile))


@pytest.mark.fifo("simulation may put the restart off")
async def test_a_child_that_crashed_in_its_callers_turn_runs_again_when_the_caller_hears_of_it() -> None:
    async with Supervisor([child(Fragile(), id="it")]) as sup:
        server = sup.get(Fragile, "it")
        first = await server.incarnation()
        with pytest.raises(ServerDied) as died:
            await server.crash()
        if IN_PLACE not in (None, "off") and axon.whereis(server) is None:
            await settle()  # chance has put off the restart, but not the crash
        assert await server.incarnation() != first
        assert (died.value.target, str(died.value.reason)) == ("Supervisor/it", "boom")
        assert "died before it answered" in repr(died.value)


@pytest.mark.fifo("simulation lets anybody have the next turn")
async def test_the_restart_takes_nobodys_turn_who_was_queued_before() -> None:
    found: list[axon.process.Process | None] = []
    async with Supervisor([child(Fragile(), id="it")]) as sup:
        server = sup.get(Fragile, "it")
        first = axon.whereis(server)
        bystander = await axon.start(Bystander(server, found))
        bystander.look()
        with pytest.raises(ServerDied):
            await server.crash()
        if not found:  # the crash was in the caller's turn, and the bystander's is still to come
            with pytest.raises(NoProcess) as absent:
                await server.incarnation()
            assert absent.value.restart_in == 0
        await settle()
        assert found in ([None], [first]), "its turn came before that of the restart"
        assert axon.whereis(server) not in (None, first)
        await axon.stop(bystander)


class Late(GenServer[None]):
    """Takes its time to start."""

    async def init(self) -> None:
        await asyncio.sleep(1)

    @call
    def crash(self, state: None) -> None:
        raise ValueError("boom")


async def test_a_supervisor_that_waits_for_such_a_restart_takes_no_message_meanwhile() -> None:
    async with Supervisor([child(Late(), id="it")]) as sup:
        server = sup.get(Late, "it")
        assert now() == 1
        with pytest.raises(ServerDied):
            await server.crash()
        [info] = await sup.which_children()
        assert (info.status, now()) == ("running", 2)
