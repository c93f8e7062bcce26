"""Many prompts to one agent beside its conversation: so many at a time, and an outcome for each."""

from __future__ import annotations

import asyncio
from typing import Unpack

import pytest
from agent_parts import now, plain, says
from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel

import axon
from axon import Exited, Finished, InvalidOption, ServerDied, Supervisor, TaskTimeout, child
from axon.agent import AgentServer, ManyOptions
from axon.budget import Budget, BudgetExceeded, Limits
from axon.store import MemoryStore


async def run_many_of(agent: AgentServer[object, str], *prompts: str, **options: Unpack[ManyOptions]) -> list[object]:
    outcomes: list[object] = []
    async for outcome in agent.run_many(prompts, **options):
        match outcome:
            case Finished(result):
                outcomes.append(result.output)
            case Exited(reason, prompt):
                outcomes.append((type(reason), prompt))
    return outcomes


async def test_many_prompts_run_so_many_at_a_time_and_come_in_their_order() -> None:
    agent = await axon.start(AgentServer(plain(), model=says("{prompt}!", takes=10)))
    assert await run_many_of(agent, "a", "b", "c", "d", "e", max_concurrency=2) == ["a!", "b!", "c!", "d!", "e!"]
    assert now() == 30
    assert await agent.messages() == []
    await axon.stop(agent)


async def test_of_many_one_that_fails_is_an_outcome_with_its_prompt_and_no_crash() -> None:
    crashes: list[axon.telemetry.Event] = []
    detach = axon.telemetry.attach(crashes.append, axon.telemetry.ProcessCrashed)
    agent = await axon.start(AgentServer(plain(), model=says("one", LookupError("nothing known"), "three")))
    assert await run_many_of(agent, "a", "b", "c", max_concurrency=1) == ["one", (LookupError, "b"), "three"]
    assert crashes == []
    detach()
    await axon.stop(agent)


async def test_of_many_one_that_is_late_is_cancelled() -> None:
    agent = Agent[object, str]()
    server = await axon.start(AgentServer(agent, model=says(["work"], "quick", "never")))

    @agent.tool_plain
    async def work() -> str:
        await asyncio.sleep(100)
        return "never"

    assert await run_many_of(server, "slow", "fast", ordered=False, timeout=5) == ["quick", (TaskTimeout, "slow")]
    await asyncio.sleep(0.1)
    assert (await server.status()).asides == ()
    await axon.stop(server)


async def test_whoever_stops_reading_ends_those_of_many_that_run() -> None:
    agent = await axon.start(AgentServer(plain(), model=says("{prompt}!", takes=10)))
    async with agent.run_many((f"{n}" for n in range(100)), max_concurrency=3) as outcomes:
        assert isinstance(await anext(outcomes), Finished)
    await asyncio.sleep(0.1)
    assert (await agent.status()).asides == ()
    assert (await agent.usage()).requests < 6
    await axon.stop(agent)


async def test_the_end_of_the_agent_is_the_outcome_of_all_of_many() -> None:
    agent = await axon.start(AgentServer(plain(), model=says("{prompt}!", takes=10)))
    reading = asyncio.create_task(run_many_of(agent, "a", "b", "c"))
    await asyncio.sleep(1)
    axon.exit(agent, axon.kill)
    assert await reading == [(ServerDied, prompt) for prompt in "abc"]


async def test_many_of_a_tool_draw_on_the_budget_of_its_run_and_are_refused_in_a_circle() -> None:
    budget = Budget("page", requests=3, response=Limits(tokens=100))
    critic = await axon.start(AgentServer(plain(), model=says("{prompt}!")))
    agent = Agent[object, str](TestModel())

    @agent.tool_plain
    async def ask() -> list[str]:
        return [str(outcome) for outcome in await run_many_of(critic, "a", "b", "c")]

    server = await axon.start(AgentServer(agent, budget=budget))
    with pytest.raises(BudgetExceeded):
        await server.run("go")
    assert (await critic.usage()).requests == 2
    await axon.stop(server)
    await axon.stop(critic)


async def test_what_cannot_be_prompts_is_refused() -> None:
    agent = AgentServer(plain())
    with pytest.raises(InvalidOption, match="run\\(\\.\\.\\., aside=True\\)"):
        agent.run_many("one")
    with pytest.raises(InvalidOption):
        agent.run_many(["one"], max_concurrency=0)


async def test_with_a_store_the_answers_of_many_come_after_a_crash() -> None:
    spec = AgentServer(plain(), model=says("{prompt}!", takes=10), name="critic", store=MemoryStore())
    async with Supervisor([child(spec, id="critic")]) as tree:
        agent = tree.get(AgentServer[object, str], "critic")
        reading = asyncio.create_task(run_many_of(agent, "a", "b", "c", "d", max_concurrency=2))
        await asyncio.sleep(15)
        axon.exit(agent, axon.kill)
        assert await reading == ["a!", "b!", "c!", "d!"]
        assert (await agent.usage()).requests == 4
