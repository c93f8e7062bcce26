"""An agent with a store is killed at every step that it writes down, and the conversation goes on as if it had not been."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic_ai.usage import RunUsage
from survivors import IN_A_TURN, EndingStore, When, World, grant_everything, survivor, thinking, told

import axon
from axon import Supervisor, child
from axon.agent import AgentServer, Boundary


@dataclass
class Outcome:
    world: World
    store: EndingStore
    told: list[Any]
    output: str
    usage: RunUsage
    new: int


async def a_turn(
    boundary: Boundary | None, when: When = "before", times: int = 1, *, streamed: bool = False, steered: bool = False
) -> Outcome:
    """One turn of the survivor, in which it has to be granted something, and perhaps is told something."""
    world = World()

    def strike() -> None:
        axon.exit("survivor", axon.kill)

    plan: list[tuple[Boundary, When]] = [] if boundary is None else [(boundary, when)] * times
    store = EndingStore(plan, strike)
    spec = AgentServer(survivor(world), model=thinking(world), name="survivor", store=store)
    async with Supervisor([child(spec, id="one")], max_restarts=100) as sup:
        agent = sup.get(AgentServer[object, str], "one")
        granting = asyncio.create_task(grant_everything(store))
        if streamed:
            reading = asyncio.create_task(anext(agent.run_stream_events("go", message_id="m")))
            await asyncio.sleep(0)
            asking = asyncio.create_task(after(reading, agent))
        else:
            asking = asyncio.create_task(agent.run("go", message_id="m"))
        if steered:
            await steer(agent)
        result = await asking
        granting.cancel()
        again = await agent.run("go", message_id="m")
        assert (again.output, told(again.all_messages())) == (result.output, told(result.all_messages()))
        assert told(again.new_messages()) == told(result.new_messages())
        conversation = told(await agent.messages())
    assert told(result.all_messages()) == conversation
    return Outcome(world, store, conversation, result.output, result.usage, len(result.new_messages()))


async def after(reading: asyncio.Task[Any], agent: AgentServer[object, str]) -> Any:
    await asyncio.wait([reading])
    reading.exception()
    return await agent.run("go", message_id="m")


async def steer(agent: AgentServer[object, str]) -> None:
    """Somebody says something in the middle of it, until it is taken."""
    await asyncio.sleep(1.5)
    while True:
        try:
            if await agent.steer("and hurry"):
                return
        except axon.CallError:
            await asyncio.sleep(0.05)


def unknown(outcome: Outcome) -> list[str]:
    """The tools of which the model was told that nobody knows their effect."""
    return [
        part["tool_name"]
        for message in outcome.told
        for part in message["parts"]
        if part["part_kind"] == "tool-return" and "may or may not" in str(part["content"])
    ]


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_undisturbed_turn_crosses_these_boundaries(streamed: bool) -> None:
    whole = await a_turn(None, streamed=streamed)
    assert set(whole.store.seen) == set(IN_A_TURN)
    assert whole.world.requests == [0, 1, 2, 3]
    assert sorted(whole.world.effects) == ["attach", "guarded", "look", "pay", "refuse"]
    assert (whole.usage.requests, whole.usage.tool_calls) == (4, 4)
    assert whole.output == "all is done"


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("boundary", IN_A_TURN)
async def test_a_kill_at_any_boundary_changes_nothing_that_is_done(
    boundary: Boundary, when: When, times: int, streamed: bool
) -> None:
    """Killed there once and again, each time restarted by its supervisor; whoever asked gets the answer."""
    came_too_early = boundary is Boundary.ACCEPTED and when == "before"  # for its stream: it is asked for again
    whole = await a_turn(None, streamed=streamed and not came_too_early)
    killed = await a_turn(boundary, when, times, streamed=streamed)

    assert 1 <= killed.store.strikes <= times
    effects, in_flight = killed.world.effects, unknown(killed)
    for name in ("pay", "attach", "refuse", "guarded"):
        assert effects.count(name) <= 1, "no effect is made twice"
        assert effects.count(name) == 1 or name in in_flight, "nor left out, unless the model knows"
    assert len(killed.world.keys["look"]) == 1, "an idempotent tool is run again with the same key"
    assert "look" not in in_flight
    if boundary is Boundary.RESPONSE and when == "before":
        assert sorted(set(killed.world.requests)) == whole.world.requests, "the request under way is made again"
    else:
        assert killed.world.requests == whole.world.requests, "no request that was answered is made twice"
    assert killed.output == whole.output
    assert killed.usage.requests == whole.usage.requests
    assert killed.new == whole.new
    if not in_flight:
        assert killed.told == whole.told
        assert killed.usage == whole.usage


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("times", [1, 2])
async def test_what_it_was_told_meanwhile_is_not_lost(when: When, times: int) -> None:
    killed = await a_turn(Boundary.STEERED, when, times, steered=True)
    assert killed.store.strikes == times
    said = [
        part["content"] for message in killed.told for part in message["parts"] if part["part_kind"] == "user-prompt"
    ]
    assert said[0] == "go"
    assert "and hurry" in said
    assert killed.world.effects.count("pay") <= 1
