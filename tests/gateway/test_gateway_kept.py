"""What requests have created outlives the program, if there is a store."""

from __future__ import annotations

import asyncio

import pytest
from gateway_parts import ADA, asks
from pydantic_ai import Agent

from axon.agent import AgentServer
from axon.gateway import AgentNotFound, CreateAgent, Gateway, Modules, ModuleUnusable
from axon.gateway._events import AgentNotRestored
from axon.store import MemoryStore
from axon.testing import capture_events

pytestmark = pytest.mark.real_clock  # modules are imported in a thread


def wants(id: str, **fields: object) -> CreateAgent:
    return CreateAgent.model_validate({"agent_id": id, "model": "test", **fields})


async def test_created_agents_are_served_again_with_their_conversations(modules: Modules) -> None:
    store = MemoryStore()
    async with Gateway(modules=modules, store=store) as gateway:
        for request in (wants("a", instructions="Be brief."), wants("b", agent_module="agents.example_agent")):
            await gateway.agents.create(ADA, request)
        _, before = await gateway.runs.run(ADA, "a", asks("hello"), key="1")
    async with Gateway(modules=modules, store=store) as gateway:
        assert await gateway.agents.infos(ADA) == []
        await gateway.agents.restore()
        assert [info.agent_id for info in await gateway.agents.infos(ADA)] == ["a", "b"]
        _, again = await gateway.runs.run(ADA, "a", asks("hello"), key="1")
        assert again.all_messages() == before.all_messages()


async def test_a_deleted_one_is_not(modules: Modules) -> None:
    store = MemoryStore()
    async with Gateway(modules=modules, store=store) as gateway:
        await gateway.agents.create(ADA, wants("a"))
        await gateway.agents.delete(ADA, "a")
    async with Gateway(modules=modules, store=store) as gateway:
        await gateway.agents.restore()
        assert await gateway.agents.infos(ADA) == []
    assert await store.heads() == []


async def test_one_that_cannot_be_served_is_reported_and_kept_until_it_is_deleted(modules: Modules) -> None:
    store = MemoryStore()
    async with Gateway(modules=modules, store=store) as gateway:
        for request in (wants("a", agent_module="agents.example_agent"), wants("b")):
            await gateway.agents.create(ADA, request)
    nowhere = await asyncio.to_thread(Modules, "docs")
    async with Gateway(modules=nowhere, store=store) as gateway:
        with capture_events(AgentNotRestored) as events:
            await gateway.agents.restore()
        assert [(event.agent, type(event.error)) for event in events] == [("a", ModuleUnusable)]
        assert [info.agent_id for info in await gateway.agents.infos(ADA)] == ["b"]
        await gateway.agents.delete(ADA, "a")
        with pytest.raises(AgentNotFound):
            await gateway.agents.delete(ADA, "a")
    assert [head.key for head in await store.heads()] == ["b", "gateway/b"]


async def test_an_agent_of_the_program_itself_is_not_kept(modules: Modules) -> None:
    store = MemoryStore()
    async with Gateway(modules=modules, store=store) as gateway:
        await gateway.serve(AgentServer(Agent("test"), name="a", store=store))
        assert [head.key for head in await store.heads()] == ["a"]


async def test_who_deletes_an_agent_that_is_being_deleted_is_told_that_it_is_gone() -> None:
    async with Gateway(store=MemoryStore()) as gateway:
        await gateway.agents.create(ADA, wants("a"))
        deletions = [gateway.agents.delete(ADA, "a") for _ in range(3)]
        ends = await asyncio.gather(*deletions, return_exceptions=True)
        assert [type(end) for end in ends] == [type(None), AgentNotFound, AgentNotFound]
        await gateway.agents.create(ADA, wants("a"))
