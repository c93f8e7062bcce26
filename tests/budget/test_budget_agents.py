"""Agents that draw on budgets: what is counted, who is refused, and what becomes of their runs."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.fallback import FallbackModel

import axon
from axon import InvalidOption, Supervisor, child
from axon.agent import ACTIONS, AgentServer, TurnFailed
from axon.budget import Budget, BudgetClosed, BudgetError, BudgetExceeded, Limits, Price, PriceUnknown
from axon.store import MemoryStore
from axon.testing.models import CallTool, Fail, Part, Say, ScriptedModel, Stall

PRICES = {"scripted": Price(input=1000, output="10000")}


def worker() -> Agent[object, str]:
    agent: Agent[object, str] = Agent(name="worker")

    @agent.tool_plain
    async def work() -> str:
        await asyncio.sleep(1)
        return "done"

    return agent


def says(*script: Part) -> ScriptedModel:
    return ScriptedModel(*script)


async def test_what_the_responses_came_to_is_counted_and_the_next_request_is_refused() -> None:
    budget = Budget("acme", tokens=60)
    model = says(Say("a long answer"), Say("never said"))
    agent = await axon.start(AgentServer(worker(), model=model, budget=budget))
    result = await agent.run("hello")
    balance = await budget.balance()
    assert (balance.spent.tokens, balance.spent.requests) == (result.usage.total_tokens, 1)

    async with budget.request() as request:
        request.used(tokens=60)
    with pytest.raises(BudgetExceeded, match="'acme' is out of tokens"):
        await agent.run("and now?")
    assert len(model.asked) == 1
    assert len(await agent.messages()) == 2
    await axon.stop(agent)


async def test_a_run_that_is_refused_in_the_middle_ends_cleanly() -> None:
    """The tool has run, the conversation is as before, nothing was restarted, and the same message is told so again."""
    budget = Budget("acme", requests=1)
    spec = AgentServer(
        worker(), name="w", model=says(CallTool("work"), Say("unsaid")), store=MemoryStore(), budget=budget
    )
    async with Supervisor([child(spec, id="w")], max_restarts=0) as sup:
        agent = sup.get(AgentServer[object, str], "w")
        with pytest.raises(BudgetExceeded, match="out of requests: 1 of 1 spent"):
            await agent.run("go", message_id="1")
        assert await agent.messages() == []
        assert (await agent.status()).state == "idle"
        with pytest.raises(TurnFailed, match="out of requests"):
            await agent.run("go", message_id="1")


def test_every_error_of_a_budget_is_a_clean_end() -> None:
    assert ACTIONS[BudgetError] == "fail"
    assert all(issubclass(kind, BudgetError) for kind in (BudgetExceeded, BudgetClosed, PriceUnknown))


async def test_status_shows_what_is_spent_and_left() -> None:
    budget = Budget("acme", requests=5)
    agent = await axon.start(AgentServer(worker(), model=says(CallTool("work"), Say("ok")), budget=budget))
    assert (await agent.status()).budget is None
    running = asyncio.create_task(agent.run("go"))
    await asyncio.sleep(0.5)
    seen = (await agent.status()).budget
    assert seen is not None
    assert (seen.spent.requests, seen.left.requests) == (1, 4)
    await running
    seen = (await agent.status()).budget
    assert seen is not None
    assert (seen.budget, seen.spent.requests) == ("acme", 2)
    await axon.stop(agent)


async def test_money_is_counted_by_the_price_of_the_model() -> None:
    budget = Budget("acme", usd=100, prices=PRICES)
    agent = await axon.start(AgentServer(worker(), model=says(Say("one two")), budget=budget))
    usage = (await agent.run("hello")).usage
    expected = (Decimal(1000) * usage.input_tokens + Decimal(10000) * usage.output_tokens) / 1_000_000
    assert (await budget.balance()).spent.usd == expected > 0
    await axon.stop(agent)


async def test_a_model_without_a_price_is_refused_by_name_where_money_is_limited() -> None:
    """Before anything is sent, also if only one of several models has none; without a limit of money it is no matter."""
    model, money, tokens = says(Say("ok"), Say("ok")), Budget("acme", usd=100), Budget("free", tokens=1000)
    agent = await axon.start(AgentServer(worker(), model=model))
    with pytest.raises(PriceUnknown, match="nobody knows what the model 'scripted' costs") as caught:
        await agent.run("hello", budget=money)
    assert (caught.value.budget, caught.value.model) == ("acme", "scripted")
    assert model.asked == []
    async with await Budget("outer", usd=1).reserve("inner", tokens=100) as share:
        with pytest.raises(PriceUnknown, match="'outer/inner'"):
            await agent.run("hello", budget=share)
    await agent.run("hello", budget=tokens)
    assert (await tokens.balance()).spent.tokens > 0
    await axon.stop(agent)

    mixed = FallbackModel(ScriptedModel(Say("ok"), name="known"), model)
    agent = await axon.start(AgentServer(worker(), model=mixed))
    with pytest.raises(PriceUnknown, match="'scripted'"):
        await agent.run("hello", budget=Budget("acme", usd=1, prices={"known": Price(input=1, output=1)}))
    await axon.stop(agent)


async def test_a_request_that_failed_is_not_counted_and_made_again() -> None:
    budget = Budget("acme", requests=1)
    model = says(Fail(ModelHTTPError(503, "scripted")), Say("ok"))
    agent = await axon.start(AgentServer(worker(), name="w", model=model, store=MemoryStore(), budget=budget))
    assert (await agent.run("hello")).output == "ok"
    assert (await budget.balance()).spent.requests == 1
    await axon.stop(agent)


async def test_a_stream_is_counted_and_refused_as_any_run() -> None:
    budget = Budget("acme", requests=1)
    agent = await axon.start(AgentServer(worker(), model=says(Say("one two"), Say("unsaid")), budget=budget))
    assert "".join([piece async for piece in agent.run_stream("hello")]) == "one two"
    balance = await budget.balance()
    assert (balance.spent.requests, balance.spent.tokens > 0, balance.in_flight) == (1, True, 0)
    with pytest.raises(BudgetExceeded):
        async for _ in agent.run_stream("hello"):
            pass
    await axon.stop(agent)


async def test_waiting_for_admission_is_no_part_of_the_time_to_the_first_token() -> None:
    budget = Budget("acme", tokens=1000)
    agent = await axon.start(
        AgentServer(worker(), model=says(Say("ok", after=2)), budget=budget, first_token_timeout=3)
    )
    async with budget.request() as other:  # nothing is known yet, so it goes alone

        async def read() -> str:
            return "".join([piece async for piece in agent.run_stream("hello")])

        reading = asyncio.create_task(read())
        await asyncio.sleep(100)
        assert not reading.done()
        other.used(tokens=1)
    assert await reading == "ok"
    await axon.stop(agent)


async def test_a_run_that_is_killed_or_cancelled_in_the_middle_of_a_request_gives_it_back() -> None:
    budget = Budget("acme", tokens=1000)
    agent = await axon.start(AgentServer(worker(), model=says(Stall(), Stall(), Say("ok")), budget=budget))
    running = asyncio.create_task(agent.run("hello"))
    await asyncio.sleep(1)
    assert (await budget.balance()).in_flight == 1
    await agent.cancel()
    assert (await budget.balance()).in_flight == 0
    again = asyncio.create_task(agent.run("hello"))
    await asyncio.sleep(1)
    axon.exit(agent, axon.kill)
    await asyncio.wait([running, again])
    await asyncio.sleep(1)  # its code unwinds
    balance = await budget.balance()
    assert (balance.in_flight, balance.spent.requests) == (0, 0)
    assert isinstance(again.exception(), axon.ServerDied)
    assert running.exception() is not None


async def test_one_agent_draws_on_the_budget_that_each_run_brings() -> None:
    own, acme = Budget("own", tokens=1000), Budget("acme", tokens=1000)
    agent = await axon.start(AgentServer(worker(), model=says(Say("a"), Say("b")), budget=own))
    await agent.run("for acme", budget=acme)
    assert ((await own.balance()).spent.requests, (await acme.balance()).spent.requests) == (0, 1)
    await agent.run("for itself")
    assert ((await own.balance()).spent.requests, (await acme.balance()).spent.requests) == (1, 1)
    await axon.stop(agent)


async def test_who_is_asked_by_a_tool_draws_on_the_budget_of_the_run_that_asks() -> None:
    """Unless it has one of its own."""
    acme, own = Budget("acme", requests=10), Budget("own", requests=10)
    expert = await axon.start(AgentServer(worker(), model=says(Say("42"))))
    rich = await axon.start(AgentServer(worker(), model=says(Say("43")), budget=own))
    asker: Agent[object, str] = Agent(name="asker")

    @asker.tool_plain
    async def ask() -> str:
        return (await expert.run("what?")).output + (await rich.run("what?")).output

    agent = await axon.start(AgentServer(asker, model=says(CallTool("ask"), Say("thanks"))))
    await agent.run("go", budget=acme)
    assert ((await acme.balance()).spent.requests, (await own.balance()).spent.requests) == (3, 1)
    for one in (expert, rich, agent):
        await axon.stop(one)


async def test_a_tool_that_hands_a_share_on_bounds_what_its_agent_may_spend() -> None:
    acme = Budget("acme", requests=10)
    expert = await axon.start(AgentServer(worker(), model=says(CallTool("work"), CallTool("work"), Say("42"))))
    asker: Agent[object, str] = Agent(name="asker")

    @asker.tool_plain
    async def ask() -> str:
        async with await acme.reserve("question", requests=2) as share:
            try:
                return (await expert.run("what?", budget=share)).output
            except BudgetExceeded as error:
                return f"{error.budget} is spent"

    agent = await axon.start(AgentServer(asker, model=says(CallTool("ask"), Say("thanks")), budget=acme))
    result = await agent.run("go")
    assert "acme/question is spent" in str(result.all_messages())
    balance = await acme.balance()
    assert (balance.spent.requests, balance.reserved.requests) == (4, 0)
    await axon.stop(expert)
    await axon.stop(agent)


async def test_many_agents_on_one_budget_exceed_it_by_one_response_at_most() -> None:
    script = [Say("word " * 20, every=0.1) for _ in range(10)]
    budget = Budget("acme", tokens=2000)
    agents = [await axon.start(AgentServer(worker(), model=says(*script), budget=budget)) for _ in range(10)]

    async def work(agent: AgentServer[object, str]) -> int:
        largest = 0
        for _ in range(10):
            try:
                largest = max(largest, (await agent.run("go")).usage.total_tokens)
            except BudgetExceeded:
                break
            finally:
                agent.reset()
        return largest

    largest = max(await asyncio.gather(*map(work, agents)))
    assert 2000 <= (await budget.balance()).spent.tokens <= 2000 + largest
    for agent in agents:
        await axon.stop(agent)


async def test_time_ends_a_run_at_its_limit() -> None:
    budget = Budget("acme", seconds=30)
    agent = await axon.start(AgentServer(worker(), model=says(Say("ok", after=20), Stall()), budget=budget))
    await agent.run("in time")
    began = asyncio.get_running_loop().time()
    with pytest.raises(BudgetExceeded, match="out of seconds: 30 of 30 spent"):
        await agent.run("too long")
    assert asyncio.get_running_loop().time() - began == pytest.approx(10)
    assert (await agent.status()).state == "idle"
    await axon.stop(agent)


async def test_time_that_an_agent_spends_for_another_one_is_counted_once() -> None:
    acme = Budget("acme", seconds=100)
    expert = await axon.start(AgentServer(worker(), model=says(Say("42", after=10))))
    asker: Agent[object, str] = Agent(name="asker")

    @asker.tool_plain
    async def ask() -> str:
        return (await expert.run("what?")).output

    agent = await axon.start(AgentServer(asker, model=says(CallTool("ask"), Say("thanks")), budget=acme))
    await agent.run("go")
    assert (await acme.balance()).spent.seconds == pytest.approx(10)
    await axon.stop(expert)
    await axon.stop(agent)


async def test_a_crash_in_the_middle_goes_on_with_the_budget_that_the_run_brought() -> None:
    """What was answered before is counted once, and what comes after it is refused as it would have been."""
    store = MemoryStore()
    tenant = Budget("acme", requests=10, store=store)
    agent: Agent[object, str] = Agent(name="worker")
    crashed = False

    @agent.tool_plain(metadata={"idempotent": True})
    async def work() -> str:
        nonlocal crashed
        if not crashed:
            crashed = True
            raise RuntimeError
        return "done"

    model = says(CallTool("work"), CallTool("work"), Say("unsaid"))
    spec = AgentServer(agent, name="w", model=model, store=store)
    async with Supervisor([child(spec, id="w")]) as sup, await tenant.reserve("job", requests=2) as share:
        with pytest.raises(TurnFailed, match="BudgetExceeded: budget 'acme/job' is out of requests: 2 of 2 spent"):
            await sup.get(AgentServer[object, str], "w").run("go", budget=share)
    assert crashed
    assert (await tenant.balance()).spent.requests == 2


async def test_an_agent_with_a_store_takes_no_budget_that_would_not_outlive_a_restart() -> None:
    store = MemoryStore()
    agent = await axon.start(AgentServer(worker(), name="w", model=says(Say("a")), store=store))
    for budget in (Budget("acme", tokens=1), Budget("acme", tokens=1, store=MemoryStore())):
        with pytest.raises(InvalidOption, match="budget must be kept in the store of the agent") as caught:
            await agent.run("go", budget=budget)
        assert caught.value.option == "budget"
    await axon.stop(agent)


@pytest.mark.parametrize("budget", [20, "acme", Limits(usd=1)])
async def test_what_is_no_budget_is_refused_at_once(budget: Any) -> None:
    with pytest.raises(InvalidOption, match=r"budget must be an axon\.budget\.Budget"):
        AgentServer(worker(), budget=budget)
    agent = await axon.start(AgentServer(worker(), model=says(Say("ok"))))
    with pytest.raises(InvalidOption, match=r"budget must be an axon\.budget\.Budget"):
        await agent.run("go", budget=budget)
    await axon.stop(agent)
