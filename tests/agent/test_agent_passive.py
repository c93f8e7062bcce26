"""Idle agents give their messages back to the store, and nobody who asks them notices."""

from __future__ import annotations

import asyncio

import pytest
from agent_parts import plain, prompts_of, says, texts_of
from pydantic_ai import ModelMessage

import axon
from axon import InvalidOption
from axon.agent import AgentServer, TakenOver
from axon.agent import _journal as journal_module
from axon.agent._state import AgentState
from axon.store import Journal, MemoryStore


class CountingStore(MemoryStore):
    reads = 0

    async def read(self, key: str) -> Journal | None:
        self.reads += 1
        return await super().read(key)


async def passive(agent: AgentServer[object, str]) -> bool:
    """Whether it holds no messages."""
    state: AgentState = await axon.get_state(agent)
    return state.passivation.passive and state.journal.kept.messages == [] and not state.recent


async def test_after_its_idle_time_it_holds_no_messages() -> None:
    store = CountingStore()
    spec = AgentServer(plain(), model=says("{prompt}!"), name="a", store=store, passivate_after=60)
    agent = await axon.start(spec)
    await agent.run("one", message_id="1")
    used = await agent.usage()
    await asyncio.sleep(59)
    assert not await passive(agent)
    await asyncio.sleep(2)
    assert await passive(agent)
    assert (await agent.status()).state == "idle"
    assert (await agent.usage(), await agent.cancel(), await agent.steer("hm")) == (used, False, False)
    assert store.reads == 0, "none of these needs them"

    assert texts_of(await agent.messages()) == ["one", "one!"]
    assert store.reads == 1
    await asyncio.sleep(61)
    assert (await agent.run("one", message_id="1")).output == "one!"
    assert (await agent.usage()).requests == 1, "it was answered from the journal"
    await axon.stop(agent)


async def test_those_who_ask_it_meanwhile_are_served_in_their_order() -> None:
    store = CountingStore()
    spec = AgentServer(plain(), model=says("{prompt}!"), name="a", store=store, passivate_after=60)
    agent = await axon.start(spec)
    await agent.run("one")
    await asyncio.sleep(100)
    assert await passive(agent)

    runs = [asyncio.create_task(agent.run(text)) for text in ("two", "three")]
    reading = asyncio.create_task(_text(agent, "four"))
    await asyncio.wait([*runs, reading])

    assert await reading == "four!"
    assert prompts_of(await agent.messages())[:3] == ["one", "two", "three"]
    assert len(prompts_of(await agent.messages())) == 4
    assert store.reads == 1
    await axon.stop(agent)


async def test_a_reset_of_a_passive_agent_counts() -> None:
    spec = AgentServer(plain(), model=says("{prompt}!"), name="a", store=MemoryStore(), passivate_after=1)
    agent = await axon.start(spec)
    await agent.run("one")
    await asyncio.sleep(10)
    agent.reset()
    assert await agent.messages() == []
    await axon.stop(agent)


async def test_a_deadline_holds_also_for_a_passive_agent() -> None:
    spec = AgentServer(plain(), model=says("{prompt}!", takes=100), name="a", store=MemoryStore(), passivate_after=1)
    agent = await axon.start(spec)
    await asyncio.sleep(10)
    with pytest.raises(axon.DeadlineExceeded):
        async with axon.deadline(5):
            await agent.run("one")
    await asyncio.sleep(0.1)
    assert (await agent.status()).state == "idle"
    await axon.stop(agent)


async def test_what_somebody_else_took_over_is_not_used() -> None:
    store = MemoryStore()
    spec = AgentServer(plain(), model=says("{prompt}!"), name="a", store=store, passivate_after=1)
    agent = await axon.start(spec)
    await asyncio.sleep(10)
    await store.open("a")
    with pytest.raises(axon.ServerDied) as died:
        await agent.messages()
    assert isinstance(died.value.reason, TakenOver)


def test_without_a_store_there_is_nobody_to_give_them_to() -> None:
    with pytest.raises(InvalidOption, match="passivate_after"):
        AgentServer(plain(), passivate_after=60)


async def test_many_records_become_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "COMPACT_AFTER", 10)
    store = MemoryStore()
    spec = AgentServer(plain(), model=says("{prompt}!", takes=0), name="a", store=store)
    agent = await axon.start(spec)
    for number in range(30):
        await agent.run(str(number), message_id=f"id {number}")
    messages: list[ModelMessage] = await agent.messages()
    used = await agent.usage()
    await axon.stop(agent)
    kept = await store.read("a")
    assert kept is not None
    assert kept.snapshot is not None
    assert len(kept.entries) < kept.version

    agent = await axon.start(spec)
    assert await agent.messages() == messages
    assert await agent.usage() == used
    assert (await agent.run("3", message_id="id 3")).output == "3!"
    assert (await agent.usage()).requests == 30
    await axon.stop(agent)


async def _text(agent: AgentServer[object, str], prompt: str) -> str:
    return "".join([piece async for piece in agent.run_stream(prompt)])
