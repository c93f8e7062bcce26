"""What telemetry hears of turns: when each was taken, began and ended, and what it used."""

from __future__ import annotations

import asyncio

import pytest
from agent_parts import says
from pydantic_ai import Agent, RunCancelled

import axon
from axon import ServerDied, Supervisor, child
from axon.agent import AgentServer, TurnBegan, TurnEnded, TurnQueued
from axon.store import MemoryStore
from axon.telemetry import Event
from axon.testing import capture_events

KINDS: tuple[type[Event], ...] = (TurnBegan, TurnEnded, TurnQueued)


async def test_a_turn_that_waits_is_queued_and_begins_and_each_one_ends() -> None:
    agent = await axon.start(AgentServer(Agent(), model=says("yes", takes=2)))
    with capture_events(*KINDS) as events:
        await asyncio.gather(agent.run("first", message_id="1"), agent.run("second", message_id="2"))
    assert [(event.message_id, event.queued) for event in events.of(TurnQueued)] == [("2", 1)]
    assert [(event.message_id, event.waited, event.queued) for event in events.of(TurnBegan)] == [("2", 2, 0)]
    ended = events.of(TurnEnded)
    assert [(event.message_id, event.outcome, event.error, event.seconds, event.waited) for event in ended] == [
        ("1", "answered", "", 2, 0),
        ("2", "answered", "", 4, 2),
    ]
    assert all(event.path.startswith("AgentServer") and event.requests == 1 for event in ended)
    assert all(event.input_tokens > 0 and event.output_tokens > 0 and event.cost_usd == 0 for event in ended)
    await axon.stop(agent)


async def test_how_a_turn_ended_is_told() -> None:
    agent = await axon.start(AgentServer(Agent(), model=says(ValueError("no"), "yes", takes=2)))
    with capture_events(TurnEnded) as events:
        with pytest.raises(ValueError, match="no"):
            await agent.run("fails")
        asking = asyncio.create_task(agent.run("is cancelled"))
        await asyncio.sleep(1)
        await agent.cancel()
        with pytest.raises(RunCancelled):
            await asking
        with pytest.raises(axon.DeadlineExceeded):
            async with axon.deadline(1):
                await agent.run("is late")
        await asyncio.sleep(1)
        asking = asyncio.create_task(agent.run("goes with its server"))
        await asyncio.sleep(1)
        await axon.stop(agent)
        with pytest.raises(ServerDied):
            await asking
    assert [(event.outcome, event.error) for event in events] == [
        ("failed", "ValueError"),
        ("cancelled", "RunCancelled"),
        ("deadline", "DeadlineExceeded"),
        ("interrupted", "ServerDied"),
    ]


async def test_what_a_turn_used_is_counted_in_the_incarnation_that_used_it() -> None:
    """Else whoever adds it up would count twice what was used before a restart."""
    bot, store = Agent[object, str](), MemoryStore()

    @bot.tool_plain
    async def wait() -> str:
        await asyncio.sleep(5)
        return "waited"

    spec = AgentServer(bot, model=says(["wait"], "done"), name="clerk", store=store)
    async with Supervisor([child(spec, id="clerk")]) as tree:
        with capture_events(*KINDS) as events:
            asking = asyncio.create_task(tree.get(AgentServer[object, str], "clerk").run("go", message_id="1"))
            await asyncio.sleep(3)
            found = axon.whereis("clerk")
            assert found is not None
            axon.exit(found, axon.kill)
            await asking
    assert [(event.outcome, event.requests) for event in events.of(TurnEnded)] == [("interrupted", 1), ("answered", 1)]
