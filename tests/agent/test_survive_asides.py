"""Runs beside the conversation with a store: killed at every step that is written down, they go on as a turn does."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from survivors import IN_A_TURN, EndingStore, When, World, grant_everything, survivor, thinking

import axon
from axon import Supervisor, child
from axon.agent import AgentServer, Boundary
from axon.store import MemoryStore


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("boundary", IN_A_TURN)
async def test_a_kill_at_any_boundary_changes_nothing_that_is_done_beside_the_conversation(
    boundary: Boundary, when: When
) -> None:
    world = World()
    store = EndingStore([(boundary, when)], lambda: axon.exit("survivor", axon.kill))
    spec = AgentServer(survivor(world), model=thinking(world), name="survivor", store=store)
    async with Supervisor([child(spec, id="one")]) as sup:
        agent = sup.get(AgentServer[object, str], "one")
        granting = asyncio.create_task(grant_everything(store))
        ids = ("a", "b", "c")
        results = await asyncio.gather(*(agent.run("go", aside=True, message_id=id) for id in ids))
        granting.cancel()
        again = [await agent.run("go", aside=True, message_id=id) for id in ids]
        assert [result.output for result in (*results, *again)] == ["all is done"] * 6
        assert await agent.messages() == []
        assert (await agent.usage()).requests == 12
        assert (await agent.status()).asides == ()

    assert store.strikes == 1
    kinds = Counter(store.seen)
    assert kinds[Boundary.ACCEPTED] == kinds[Boundary.COMMITTED] == 3
    assert kinds[Boundary.RESPONSE] == 12, "a request whose answer is kept is not made again"
    assert all(times <= 3 for name, times in Counter(world.effects).items() if name != "look")
    assert all(len(keys) == 3 for name, keys in world.keys.items() if name == "look")


async def test_each_goes_on_from_the_conversation_that_it_began_with() -> None:
    world = World()
    spec = AgentServer(
        survivor(world), model=thinking(world, ["first", ["look"], "second"]), name="survivor", store=MemoryStore()
    )
    async with Supervisor([child(spec, id="one")]) as sup:
        agent = sup.get(AgentServer[object, str], "one")
        await agent.run("one")
        aside = asyncio.create_task(agent.run("two", aside=True))
        await asyncio.sleep(0.5)
        agent.reset()
        await agent.messages()
        axon.exit(agent, axon.kill)
        result = await aside
        assert (result.output, len(result.all_messages()), len(result.new_messages())) == ("second", 6, 4)
        assert await agent.messages() == []


async def test_an_idle_agent_keeps_its_messages_until_they_are_done() -> None:
    world = World()
    spec = AgentServer(
        survivor(world),
        model=thinking(world, ["first", "second"], 5),
        name="one",
        store=MemoryStore(),
        passivate_after=2,
    )
    async with Supervisor([child(spec, id="one")]) as sup:
        agent = sup.get(AgentServer[object, str], "one")
        await agent.run("one")
        await asyncio.sleep(3)
        assert (await agent.run("two", aside=True)).output == "second"
        assert len((await agent.run("three", aside=True)).all_messages()) == 4
        await asyncio.sleep(3)
        assert axon.whereis(agent) is not None
        assert len(await agent.messages()) == 2
