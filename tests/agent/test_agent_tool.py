"""An agent as a tool of another one: a turn of its own, that has what the asker has, and ends when the asker's ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from agent_parts import is_valid, now, plain, says, texts_of
from pydantic import BaseModel
from pydantic_ai import Agent, RunCancelled, RunContext, UsageLimits
from pydantic_ai.messages import ModelMessage, ModelRequest, ToolReturnPart
from pydantic_ai.models.test import TestModel
from pydantic_ai.tools import DeferredToolRequests
from tenacity import wait_fixed

import axon
from axon import DeadlineExceeded, DynamicSupervisor, InvalidOption, Supervisor, UsageError, child, whereis
from axon.agent import AgentGroup, AgentServer, agent_tool, helpers_usage
from axon.budget import Budget, Grant, Limits
from axon.store import MemoryStore
from axon.testing.models import CallTool, Fail, Part, Say, ScriptedModel

Server = AgentServer[object, str]


def told(messages: list[ModelMessage]) -> list[object]:
    """What the model was told by its tools."""
    parts = [part for message in messages if isinstance(message, ModelRequest) for part in message.parts]
    return [part.content for part in parts if isinstance(part, ToolReturnPart)]


def asking(*tools: Any) -> Agent[object, str]:
    return Agent(name="boss", tools=tools)


def asks(tool: str, prompt: str = "the sea?", **args: object) -> CallTool:
    return CallTool(tool, {"prompt": prompt, **args})


async def run_both(helper: AgentServer[Any, Any], tool: Any, *script: Part) -> list[object]:
    """What a boss with this tool is told; both are stopped."""
    boss = await axon.start(AgentServer(asking(tool), model=ScriptedModel(*script)))
    result = await boss.run("go")
    await axon.stop(boss)
    await axon.stop(helper)
    return told(result.all_messages())


# -- asking


async def test_the_answer_of_an_agent_is_the_result_of_the_tool() -> None:
    writer = await axon.start(AgentServer(plain(), model=ScriptedModel(Say("It is deep."))))
    boss = await axon.start(
        AgentServer(asking(agent_tool(writer)), model=ScriptedModel(asks("ask_plain"), Say("Deep, says the writer.")))
    )
    result = await boss.run("What of the sea?")
    assert result.output == "Deep, says the writer."
    assert told(result.all_messages()) == ["It is deep."]
    assert texts_of(await writer.messages()) == ["the sea?", "It is deep."]
    assert result.usage.requests == 2, "its own"
    assert helpers_usage(result.new_messages()).requests == 1
    await axon.stop(boss)
    await axon.stop(writer)


class Verdict(BaseModel):
    good: bool


@dataclass
class Shelf:
    room: str
    books: int


critic: Agent[Shelf, Verdict] = Agent(name="critic", deps_type=Shelf, output_type=Verdict, description="Judges.")
seen: list[Shelf] = []


@critic.instructions
def who(ctx: RunContext[Shelf]) -> str:
    seen.append(ctx.deps)
    return "You judge."


ask_critic = agent_tool(AgentServer(critic, model=TestModel(custom_output_args={"good": True})), asks_deps=True)


async def test_a_typed_answer_and_dependencies_by_their_schema() -> None:
    assert ask_critic.name == "ask_critic"
    assert ask_critic.description == "Judges."
    schema = ask_critic.function_schema.json_schema
    assert schema["required"] == ["prompt", "deps"]
    assert schema["$defs"]["Shelf"]["properties"].keys() == {"room", "books"}

    wrong, right = {"room": "blue"}, {"room": "blue", "books": 3}
    script = asks("ask_critic", deps=wrong), asks("ask_critic", deps=right), Say("done")
    boss = await axon.start(AgentServer(asking(ask_critic), model=ScriptedModel(*script)))
    assert told((await boss.run("go")).all_messages())[-1] == Verdict(good=True)
    assert seen == [Shelf("blue", 3)]
    await axon.stop(boss)


async def test_it_remembers_unless_each_question_is_a_new_conversation() -> None:
    for fresh, length in ((False, 4), (True, 2)):
        model = ScriptedModel(Say("one"), Say("two"))
        helper = await axon.start(AgentServer(plain(), model=model))
        boss = await axon.start(
            AgentServer(
                asking(agent_tool(helper, name="ask", fresh=fresh)),
                model=ScriptedModel(asks("ask", "first"), asks("ask", "second"), Say("done")),
            )
        )
        await boss.run("go")
        assert len(await helper.messages()) == length
        await axon.stop(boss)
        await axon.stop(helper)


async def test_questions_that_are_asked_aside_do_not_wait_for_each_other() -> None:
    helper = await axon.start(AgentServer(plain(), model=says("{prompt}!", takes=10)))
    tools = [agent_tool(helper, name=name, aside=True) for name in ("first", "second")]
    boss = await axon.start(
        AgentServer(asking(*tools), model=ScriptedModel([asks("first", "one"), asks("second", "two")], Say("done")))
    )
    result = await boss.run("go")
    assert helpers_usage(result.all_messages()).requests == 2
    assert now() == 10
    assert await helper.messages() == []
    await axon.stop(boss)
    await axon.stop(helper)


async def test_an_agent_is_found_by_its_name_at_each_call() -> None:
    boss = await axon.start(
        AgentServer(
            asking(agent_tool("writer")), model=ScriptedModel(asks("ask_writer"), asks("ask_writer"), Say("done"))
        )
    )
    result = await boss.run("go")
    assert told(result.all_messages()) == ["writer is not available now. Nothing was done."] * 2
    await axon.stop(boss)

    writer = await axon.start(AgentServer(plain(), name="writer", model=ScriptedModel(Say("here"))))
    answers = await run_both(writer, agent_tool("writer"), asks("ask_writer"), Say("done"))
    assert answers == ["here"]


async def test_a_plain_agent_may_ask_one_too() -> None:
    writer = await axon.start(AgentServer(plain(), model=ScriptedModel(Say("here"))))
    result = await asking(agent_tool(writer)).run("go", model=ScriptedModel(asks("ask_plain"), Say("done")))
    assert told(result.all_messages()) == ["here"]
    await axon.stop(writer)


# -- what goes along, and what comes back


async def test_the_deadline_of_the_asker_is_that_of_the_question() -> None:
    writer = await axon.start(AgentServer(plain(), model=ScriptedModel(Say("late", after=100))))
    boss = await axon.start(
        AgentServer(asking(agent_tool(writer)), model=ScriptedModel(asks("ask_plain"), Say("done")))
    )
    with pytest.raises(DeadlineExceeded):
        async with axon.deadline(10):
            await boss.run("go")
    await asyncio.sleep(0.1)
    assert now() < 11
    assert (await writer.status()).state == "idle"
    await axon.stop(boss)
    await axon.stop(writer)


async def test_the_whole_team_is_counted_in_the_result_and_in_the_status() -> None:
    """Also what the helper of a helper used."""
    source = await axon.start(AgentServer(Agent(name="source"), model=ScriptedModel(Say("facts"))))
    writer = await axon.start(
        AgentServer(
            Agent(name="writer", tools=[agent_tool(source)]), model=ScriptedModel(asks("ask_source"), Say("text"))
        )
    )
    boss = await axon.start(
        AgentServer(asking(agent_tool(writer)), model=ScriptedModel(asks("ask_writer"), Say("done", after=5)))
    )
    running = asyncio.create_task(boss.run("go"))
    await asyncio.sleep(1)
    assert (await boss.status()).helpers.requests == 3
    result = await running
    assert result.usage.requests == 2
    assert helpers_usage(result.new_messages()).requests == 3
    assert (await boss.status()).helpers.requests == 0
    for agent in (boss, writer, source):
        await axon.stop(agent)


async def test_a_part_of_the_budget_goes_along_and_comes_back() -> None:
    budget = Budget("acme", tokens=10_000, response=Limits(tokens=100))
    writer = await axon.start(AgentServer(plain(), model=ScriptedModel(Say("text", after=5))))
    boss = await axon.start(
        AgentServer(
            asking(agent_tool(writer, budget=Grant(tokens=500))),
            model=ScriptedModel(asks("ask_plain"), Say("done")),
            budget=budget,
        )
    )
    running = asyncio.create_task(boss.run("go"))
    await asyncio.sleep(1)
    assert (await budget.balance()).reserved.tokens == 500
    result = await running
    balance = await budget.balance()
    assert balance.reserved.tokens == 0
    used = result.usage + helpers_usage(result.new_messages())
    assert (balance.spent.requests, balance.spent.tokens) == (3, used.total_tokens)
    await axon.stop(boss)
    await axon.stop(writer)


async def test_a_fraction_is_of_what_is_left() -> None:
    budget = Budget("acme", requests=9)
    writer = await axon.start(AgentServer(plain(), model=ScriptedModel(Say("text", after=5))))
    boss = await axon.start(
        AgentServer(
            asking(agent_tool(writer, budget=0.5)),
            model=ScriptedModel(asks("ask_plain"), Say("done")),
            budget=budget,
        )
    )
    running = asyncio.create_task(boss.run("go"))
    await asyncio.sleep(1)
    assert (await budget.balance()).reserved.requests == 4
    await running
    await axon.stop(boss)
    await axon.stop(writer)


async def test_a_helper_that_has_used_up_its_part_ends_no_run_of_the_asker() -> None:
    budget = Budget("acme", requests=9)
    writer = await axon.start(
        AgentServer(worker(), model=ScriptedModel(CallTool("work"), CallTool("work"), Say("unsaid")))
    )
    boss = await axon.start(
        AgentServer(
            asking(agent_tool(writer, budget=Grant(requests=2))),
            model=ScriptedModel(asks("ask_worker"), Say("done")),
            budget=budget,
        )
    )
    result = await boss.run("go")
    assert result.output == "done"
    (answer,) = told(result.all_messages())
    assert "BudgetExceeded: budget 'acme/for " in str(answer)
    assert (await budget.balance()).spent.requests == 4
    await axon.stop(boss)
    await axon.stop(writer)


async def test_a_part_of_no_budget_is_a_mistake_of_the_program() -> None:
    writer = await axon.start(AgentServer(plain(), model=ScriptedModel()))
    boss = await axon.start(AgentServer(asking(agent_tool(writer, budget=0.5)), model=ScriptedModel(asks("ask_plain"))))
    with pytest.raises(UsageError, match="it has none"):
        await boss.run("go")
    await axon.stop(boss)
    await axon.stop(writer)


# -- ends


def worker() -> Agent[object, str]:
    agent: Agent[object, str] = Agent(name="worker")

    @agent.tool_plain
    async def work() -> str:
        await asyncio.sleep(1)
        return "done"

    return agent


async def test_cancelling_the_asker_cancels_what_it_asked_for() -> None:
    """Also what its helper asked for, and what waits in a queue."""
    source = await axon.start(AgentServer(Agent(name="source"), model=ScriptedModel(Say("own"), Say("x", after=99))))
    writer = await axon.start(
        AgentServer(Agent(name="writer", tools=[agent_tool(source)]), model=ScriptedModel(asks("ask_source")))
    )
    boss = await axon.start(AgentServer(asking(agent_tool(writer)), model=ScriptedModel(asks("ask_writer"))))
    await source.run("first")
    running = asyncio.create_task(boss.run("go"))
    await asyncio.sleep(1)
    assert (await source.status()).state == "thinking"
    assert await boss.cancel()
    with pytest.raises(RunCancelled):
        await running
    await asyncio.sleep(0.1)
    assert [(await agent.status()).state for agent in (boss, writer, source)] == ["idle"] * 3
    assert texts_of(await source.messages()) == ["first", "own"]
    for agent in (boss, writer, source):
        await axon.stop(agent)


async def test_a_question_that_waits_in_the_helpers_queue_is_cancelled_too() -> None:
    writer = await axon.start(AgentServer(plain(), model=ScriptedModel(Say("first", after=50), Say("unsaid"))))
    boss = await axon.start(AgentServer(asking(agent_tool(writer)), model=ScriptedModel(asks("ask_plain"))))
    other = asyncio.create_task(writer.run("of somebody else"))
    running = asyncio.create_task(boss.run("go"))
    await asyncio.sleep(1)
    assert (await writer.status()).queued == 1
    await boss.cancel()
    assert (await other).output == "first", "it is not disturbed"
    with pytest.raises(RunCancelled):
        await running
    await asyncio.sleep(0.1)
    assert (await writer.status()).state == "idle"
    assert texts_of(await writer.messages()) == ["of somebody else", "first"]
    await axon.stop(boss)
    await axon.stop(writer)


async def test_the_end_of_the_asker_ends_what_it_asked_for() -> None:
    writer = await axon.start(AgentServer(plain(), model=ScriptedModel(Say("unsaid", after=50))))
    boss = await axon.start(AgentServer(asking(agent_tool(writer)), model=ScriptedModel(asks("ask_plain"))))
    running = asyncio.create_task(boss.run("go"))
    await asyncio.sleep(1)
    axon.exit(boss, axon.kill)
    with pytest.raises(axon.ServerDied):
        await running
    await asyncio.sleep(0.1)
    assert (await writer.status()).state == "idle"
    await axon.stop(writer)


async def test_without_a_store_a_helpers_crash_is_told_to_the_model() -> None:
    model = ScriptedModel(Say("unsaid", after=50), Say("again"))
    async with Supervisor([child(AgentServer(plain(), model=model), id="writer")]) as sup:
        writer = sup.get(Server, "writer")
        spec = AgentServer(
            asking(agent_tool(writer)), model=ScriptedModel(asks("ask_plain"), asks("ask_plain"), Say("done"))
        )
        boss = await sup.start_child(child(spec, id="boss"))
        running = asyncio.create_task(boss.run("go"))
        await asyncio.sleep(1)
        axon.exit(writer, axon.kill)
        result = await running
        broke, again = told(result.all_messages())
        assert broke == "plain broke down in the middle of this: it may or may not have been done."
        assert again == "again"
        assert is_valid(await boss.messages())


async def test_of_a_foreign_error_only_the_class_is_told() -> None:
    """Its text may hold anything. Of our own, the text."""
    foreign = Fail(LookupError("the password is 1234"))
    writer = await axon.start(AgentServer(plain(), model=ScriptedModel(foreign)))
    answers = await run_both(writer, agent_tool(writer), asks("ask_plain"), Say("done"))
    assert answers == ["plain failed (LookupError) and gave no answer."]

    limits = UsageLimits(request_limit=1)
    writer = await axon.start(AgentServer(worker(), model=ScriptedModel(CallTool("work")), usage_limits=limits))
    answers = await run_both(writer, agent_tool(writer), asks("ask_worker"), Say("done"))
    assert "request_limit of 1" in str(answers[0])

    busy = AgentServer(plain(), model=ScriptedModel(Say("hi", after=5)), when_busy="reject")
    writer = await axon.start(busy)
    running = asyncio.create_task(writer.run("of somebody else"))
    await asyncio.sleep(1)
    boss = await axon.start(
        AgentServer(asking(agent_tool(writer)), model=ScriptedModel(asks("ask_plain"), Say("done")))
    )
    (told_so,) = told((await boss.run("go")).all_messages())
    assert str(told_so).startswith("plain gave no answer: AgentBusy: ")
    await writer.cancel()
    with pytest.raises(RunCancelled):
        await running
    await axon.stop(boss)
    await axon.stop(writer)


async def test_with_a_store_the_asker_gets_the_answer_of_the_next_incarnation() -> None:
    model = ScriptedModel(Say("unsaid", after=50), Say("after all"))
    spec = AgentServer(plain(), name="writer", store=MemoryStore(), model=model)
    async with Supervisor([child(spec, id="writer")]) as sup:
        writer = sup.get(Server, "writer")
        boss = await sup.start_child(
            child(AgentServer(asking(agent_tool(writer)), model=ScriptedModel(asks("ask_plain"), Say("done"))), id="b")
        )
        running = asyncio.create_task(boss.run("go"))
        await asyncio.sleep(1)
        axon.exit(writer, axon.kill)
        assert told((await running).all_messages()) == ["after all"]


async def test_the_asker_that_is_restarted_gets_the_one_answer_of_its_question() -> None:
    """The helper goes on meanwhile, with the part of the budget that it was given, and is asked once."""
    store = MemoryStore()
    budget = Budget("acme", tokens=10_000, response=Limits(tokens=100), store=store)
    model = ScriptedModel([Say("said once", after=50)])
    writer = AgentServer(plain(), name="writer", store=store, model=model)
    async with Supervisor([child(writer, id="writer")], max_restarts=9) as sup:
        tool = agent_tool(sup.get(Server, "writer"), budget=Grant(tokens=500))
        spec = AgentServer(
            asking(tool), name="boss", store=store, model=ScriptedModel(asks("ask_plain"), Say("done")), budget=budget
        )
        boss = await sup.start_child(child(spec, id="boss"))
        running = asyncio.create_task(boss.run("go"))
        for _ in range(2):
            await asyncio.sleep(5)
            axon.exit(boss, axon.kill)
        result = await running
        assert told(result.all_messages()) == ["said once"]
        assert len(model.asked) == 1
        assert (await budget.balance()).reserved.tokens == 0
        assert helpers_usage(result.new_messages()).requests == 1


async def test_a_helper_whose_part_was_given_back_while_the_asker_was_away_is_asked_anew() -> None:
    store = MemoryStore()
    budget = Budget("acme", requests=20, store=store)
    model = ScriptedModel(CallTool("work"), CallTool("work"), Say("said in the end"))
    writer = AgentServer(worker(), name="writer", store=store, model=model)
    async with Supervisor([child(writer, id="writer")], max_restarts=9) as sup:
        tool = agent_tool(sup.get(Server, "writer"), budget=Grant(requests=5))
        spec = AgentServer(
            asking(tool), name="boss", store=store, model=ScriptedModel(asks("ask_worker"), Say("done")), budget=budget
        )
        boss = await sup.start_child(child(spec, id="boss", backoff=wait_fixed(10)))
        running = asyncio.create_task(boss.run("go"))
        await asyncio.sleep(0.5)
        axon.exit(boss, axon.kill)
        await asyncio.sleep(5)
        assert (await sup.get(Server, "writer").status()).state == "idle", "it was refused its second request"
        result = await running
        assert told(result.all_messages()) == ["said in the end"]
        balance = await budget.balance()
        assert (balance.spent.requests, balance.reserved.requests) == (5, 0)


async def test_a_part_that_limits_time_is_counted_as_time_of_its_own() -> None:
    """Otherwise the asker's time is that of the question, too."""
    for part, seconds in ((Grant(requests=3), 5), (Grant(seconds=50), 10)):
        budget = Budget("acme", seconds=100, requests=9)
        writer = await axon.start(AgentServer(plain(), model=ScriptedModel(Say("text", after=5))))
        boss = await axon.start(
            AgentServer(
                asking(agent_tool(writer, budget=part)),
                model=ScriptedModel(asks("ask_plain"), Say("done")),
                budget=budget,
            )
        )
        await boss.run("go")
        assert round((await budget.balance()).spent.seconds) == seconds
        await axon.stop(boss)
        await axon.stop(writer)


async def test_an_agent_that_is_known_by_its_name_is_waited_for_while_it_is_restarted() -> None:
    spec = AgentServer(plain(), name="writer", store=MemoryStore(), model=ScriptedModel(Say("one"), Say("two")))
    async with Supervisor([child(spec, id="writer", backoff=wait_fixed(20))]) as sup:
        tool = agent_tool("writer")
        model = ScriptedModel(asks("ask_writer"), Say("done"), asks("ask_writer"), Say("done"))
        boss = await sup.start_child(child(AgentServer(asking(tool), model=model), id="boss"))
        await boss.run("go")
        axon.exit("writer", axon.kill)
        await asyncio.sleep(1)
        assert told((await boss.run("again")).new_messages()) == ["two"]


# -- circles


async def test_agents_that_would_wait_for_each_other_are_refused_with_the_path() -> None:
    first = AgentServer(asking(agent_tool("two")), name="one", model=ScriptedModel(asks("ask_two"), Say("done")))
    second = AgentServer(
        asking(agent_tool("one")), name="two", model=ScriptedModel(asks("ask_one"), Say("I cannot ask."))
    )
    one, two = await axon.start(first), await axon.start(second)
    result = await one.run("go")
    assert result.output == "done"
    refused = told(await two.messages())
    assert len(refused) == 1
    assert "one cannot be asked from here, it would wait for itself" in str(refused[0])
    assert now() < 1
    await axon.stop(one)
    await axon.stop(two)


async def test_a_circle_is_refused_also_after_both_were_restarted() -> None:
    store = MemoryStore()
    first = AgentServer(
        asking(agent_tool("two", idempotent=True)),
        name="one",
        store=store,
        attempts=9,
        model=ScriptedModel(asks("ask_two"), Say("done")),
    )
    second = AgentServer(
        asking(agent_tool("one", idempotent=True)),
        name="two",
        store=store,
        attempts=9,
        model=ScriptedModel(Say("lost", after=99), CallTool("ask_one", {"prompt": "?"}, after=5), Say("I cannot.")),
    )
    async with Supervisor([child(first, id="one"), child(second, id="two")], max_restarts=9) as sup:
        one, two = sup.get(Server, "one"), sup.get(Server, "two")
        running = asyncio.create_task(one.run("go"))
        await asyncio.sleep(1)
        axon.exit(two, axon.kill)
        await asyncio.sleep(1)
        axon.exit(one, axon.kill)
        assert (await running).output == "done"
        assert "it would wait for itself" in str(told(await two.messages())[0])
        assert now() < 10


# -- those that are started for the purpose


def the_helper(*script: Part, **options: Any) -> Server:
    return AgentServer(plain(), model=ScriptedModel(*script), **options)


async def test_a_spec_is_started_for_a_run_and_ends_with_it() -> None:
    spec = the_helper(Say("one"), Say("two"), Say("three"), name="helper")
    script: list[Part] = [asks("ask_plain"), asks("ask_plain"), Say("done", after=5), asks("ask_plain"), Say("done")]
    boss = await axon.start(AgentServer(asking(agent_tool(spec)), model=ScriptedModel(*script)))
    running = asyncio.create_task(boss.run("go"))
    await asyncio.sleep(1)
    helper = axon.lookup(Server, "helper")
    assert len(await helper.messages()) == 4, "one helper in a run"
    await running
    await asyncio.sleep(0.1)
    assert whereis("helper") is None
    assert told((await boss.run("again")).new_messages()) == ["three"]
    await axon.stop(boss)
    assert whereis("helper") is None


async def test_a_spec_may_live_as_long_as_the_agent() -> None:
    spec = the_helper(Say("one"), Say("two"), name="helper")
    boss = await axon.start(
        AgentServer(
            asking(agent_tool(spec, until="agent")),
            model=ScriptedModel(asks("ask_plain"), Say("done"), asks("ask_plain"), Say("done")),
        )
    )
    await boss.run("go")
    await boss.run("again")
    helper = axon.lookup(Server, "helper")
    assert len(await helper.messages()) == 4
    await axon.stop(boss)
    assert whereis("helper") is None


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_a_helper_dies_with_the_agent_that_it_was_started_for(how: str) -> None:
    spec = the_helper(Say("unsaid", after=50), name="helper")
    boss = await axon.start(AgentServer(asking(agent_tool(spec)), model=ScriptedModel(asks("ask_plain"))))
    running = asyncio.create_task(boss.run("go"))
    await asyncio.sleep(1)
    assert whereis("helper") is not None
    if how == "kill":
        axon.exit(boss, axon.kill)
    else:
        await axon.stop(boss)
    with pytest.raises(axon.ServerDied):
        await running
    await asyncio.sleep(0.1)
    assert whereis("helper") is None


async def test_a_helper_that_its_supervisor_gives_up_ends_no_agent() -> None:
    spec = the_helper(
        Say("a", after=9), Say("b", after=9), Say("c", after=9), Say("d", after=9), Say("e"), name="helper"
    )
    boss = await axon.start(
        AgentServer(asking(agent_tool(spec)), model=ScriptedModel(*[asks("ask_plain")] * 5, Say("done")))
    )
    running = asyncio.create_task(boss.run("go"))
    for _ in range(4):
        await asyncio.sleep(1)
        axon.exit("helper", axon.kill)
    result = await running
    assert len([answer for answer in told(result.all_messages()) if "broke down" in str(answer)]) == 4
    assert told(result.all_messages())[-1] == "e"
    await axon.stop(boss)


async def test_with_a_store_a_helper_is_started_again_with_its_agent_and_goes_on() -> None:
    store = MemoryStore()
    spec = the_helper(CallTool("nothing", after=1), Say("lost", after=50), Say("after all"), name="helper", store=store)
    boss = AgentServer(
        asking(agent_tool(spec)), name="boss", store=store, model=ScriptedModel(asks("ask_plain"), Say("done"))
    )
    async with Supervisor([child(boss, id="boss")]) as sup:
        running = asyncio.create_task(sup.get(Server, "boss").run("go"))
        await asyncio.sleep(5)
        axon.exit("boss", axon.kill)
        assert told((await running).all_messages()) == ["after all"]


async def test_a_helper_may_be_adopted_and_outlive_its_agent() -> None:
    async with DynamicSupervisor() as adopters:
        spec = the_helper(Say("one"), Say("two"), name="helper")
        for answer in ("one", "two"):
            boss = await axon.start(
                AgentServer(
                    asking(agent_tool(spec, under=adopters)), model=ScriptedModel(asks("ask_plain"), Say("done"))
                )
            )
            assert told((await boss.run("go")).all_messages()) == [answer]
            await axon.stop(boss)
            assert whereis("helper") is not None
    assert whereis("helper") is None


async def test_a_plain_agent_starts_nobody() -> None:
    with pytest.raises(UsageError, match="only for an agent in an AgentServer"):
        await asking(agent_tool(the_helper())).run("go", model=ScriptedModel(asks("ask_plain")))


# -- mistakes


async def test_what_cannot_be_is_refused_when_the_tool_is_made() -> None:
    server: Any = AgentServer
    spec = the_helper()
    deferring = AgentServer(Agent(output_type=[str, DeferredToolRequests]))
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("helper", {"helper": 3}),
        ("helper", {"helper": server}),
        ("helper", {"helper": ""}),
        ("helper", {"helper": deferring}),
        ("budget", {"helper": spec, "budget": 2}),
        ("budget", {"helper": spec, "budget": True}),
        ("until", {"helper": spec, "until": "never"}),
        ("asks_deps", {"helper": "writer", "asks_deps": True}),
        ("asks_deps", {"helper": AgentGroup[Any, Any]("writers"), "asks_deps": True}),
    ]
    for option, given in wrong:
        with pytest.raises(InvalidOption) as refused:
            agent_tool(**given)
        assert refused.value.option == option
    async with DynamicSupervisor() as adopters:
        for helper in ("writer", spec):
            with pytest.raises(InvalidOption, match="under"):
                agent_tool(helper, under=adopters)
