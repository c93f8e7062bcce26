"""Runs, one at a time, in one conversation."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from agent_parts import Script, now, plain, prompts_of, says, texts_of
from pydantic_ai import (
    Agent,
    AgentRunResult,
    DeferredToolRequests,
    ImageUrl,
    RunContext,
    UsageLimitExceeded,
    UsageLimits,
    UserError,
)
from pydantic_ai.models.test import TestModel

import axon
from axon import Supervisor, child
from axon.agent import AgentServer


async def test_a_run_answers_with_the_result_that_pydantic_ai_gives() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("good morning")))

    result = await writer.run("hello")

    assert isinstance(result, AgentRunResult)
    assert result.output == "good morning"
    assert result.usage.requests == 1
    assert texts_of(result.all_messages()) == ["hello", "good morning"]
    await axon.stop(writer)


async def test_an_agent_is_a_child_like_any_other() -> None:
    agent = Agent(TestModel(custom_output_text="ready"), name="writer")
    async with Supervisor([child(AgentServer(agent), id="writer"), AgentServer(agent)]) as sup:
        assert (await sup.get(AgentServer, "writer").run("one")).output == "ready"
        assert (await sup.get(AgentServer).run("two")).output == "ready"
        third = await sup.start_child(child(AgentServer(agent), id="third"))
        assert (await third.run("three")).output == "ready"


async def test_a_run_remembers_those_before_it() -> None:
    script = Script(["{prompt}?"])
    writer = await axon.start(AgentServer(plain(), model=script.model))

    await writer.run("one")
    second = await writer.run("two")

    assert prompts_of(script.seen[1]) == ["one", "two"]
    assert texts_of(second.all_messages()) == ["one", "one?", "two", "two?"]
    assert texts_of(second.new_messages()) == ["two", "two?"]
    assert texts_of(await writer.messages()) == ["one", "one?", "two", "two?"]
    await axon.stop(writer)


async def test_each_agent_has_a_conversation_of_its_own() -> None:
    agent = plain()
    first = await axon.start(AgentServer(agent, model=says("{prompt}!")))
    second = await axon.start(AgentServer(agent, model=says("{prompt}?")))

    await asyncio.gather(first.run("a"), second.run("b"))

    assert texts_of(await first.messages()) == ["a", "a!"]
    assert texts_of(await second.messages()) == ["b", "b?"]
    await axon.stop(first)
    await axon.stop(second)


async def test_runs_wait_for_their_turn_in_the_order_they_were_asked_for() -> None:
    script = Script(["{prompt}!"])
    writer = await axon.start(AgentServer(plain(), model=script.model))

    results = await asyncio.gather(*(writer.run(str(n)) for n in range(5)))

    assert [result.output for result in results] == ["0!", "1!", "2!", "3!", "4!"]
    assert prompts_of(script.seen[-1]) == ["0", "1", "2", "3", "4"]
    assert now() == 5
    await axon.stop(writer)


async def test_many_agents_run_side_by_side() -> None:
    agent = plain()
    agents = [await axon.start(AgentServer(agent, model=says(f"I am {n}"))) for n in range(20)]

    results = await asyncio.gather(*(one.run("who are you?") for one in agents))

    assert [result.output for result in results] == [f"I am {n}" for n in range(20)]
    assert now() == 1
    for one in agents:
        await axon.stop(one)


async def test_a_run_may_take_longer_than_a_call() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("at last", takes=100)))
    assert (await writer.run("slowly")).output == "at last"
    assert now() == 100
    await axon.stop(writer)


async def test_a_caller_that_goes_away_does_not_end_its_run() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("done")))

    asking = asyncio.create_task(writer.run("go on"))
    await asyncio.sleep(0.5)
    asking.cancel()
    await asyncio.sleep(1)

    assert texts_of(await writer.messages()) == ["go on", "done"]
    await axon.stop(writer)


async def test_another_conversation_may_be_given() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("{prompt}!", takes=0)))
    elsewhere = (await writer.run("once")).all_messages()
    writer.reset()
    await writer.run("here")

    result = await writer.run("there", message_history=elsewhere)

    assert texts_of(result.all_messages()) == ["once", "once!", "there", "there!"]
    assert texts_of(await writer.messages()) == ["once", "once!", "there", "there!"]
    assert texts_of(elsewhere) == ["once", "once!"]
    await axon.stop(writer)


async def test_without_a_prompt_the_conversation_goes_on_from_its_end() -> None:
    script = Script(["first", "and more"])
    writer = await axon.start(AgentServer(plain(), model=script.model))
    asked = (await writer.run("tell me")).all_messages()[:1]

    result = await writer.run(None, message_history=asked)

    assert texts_of(result.all_messages()) == ["tell me", "and more"]
    await axon.stop(writer)


async def test_a_prompt_may_be_more_than_text() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("a cat")))
    result = await writer.run(["what is this?", ImageUrl("https://example.org/cat.png")])
    assert result.output == "a cat"
    await axon.stop(writer)


async def test_reset_takes_its_place_between_the_runs() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("{prompt}!")))

    before = asyncio.create_task(writer.run("before"))
    await asyncio.sleep(0)
    writer.reset()
    after = asyncio.create_task(writer.run("after"))
    await asyncio.gather(before, after)

    assert texts_of((await before).all_messages()) == ["before", "before!"]
    assert texts_of((await after).all_messages()) == ["after", "after!"]
    assert texts_of(await writer.messages()) == ["after", "after!"]
    writer.reset()
    assert await writer.messages() == []
    await axon.stop(writer)


async def test_the_conversation_that_is_handed_out_is_a_list_of_its_own() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("yes", takes=0)))
    result = await writer.run("really?")

    (await writer.messages()).clear()
    result.all_messages().clear()

    assert texts_of(await writer.messages()) == ["really?", "yes"]
    await axon.stop(writer)


async def test_usage_adds_up_over_the_runs() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("yes", takes=0)))
    one = (await writer.run("one")).usage
    two = (await writer.run("two")).usage

    total = await writer.usage()

    assert total.requests == one.requests + two.requests == 2
    assert total.input_tokens == one.input_tokens + two.input_tokens
    await axon.stop(writer)


async def test_a_run_that_ends_with_a_question_goes_on_with_the_answer() -> None:
    agent = Agent(says(["delete"], "deleted", takes=0), output_type=[str, DeferredToolRequests])

    @agent.tool_plain(requires_approval=True)
    async def delete() -> str:
        return "gone"

    server = await axon.start(AgentServer(agent))

    question = (await server.run("clean up")).output
    assert isinstance(question, DeferredToolRequests)
    with pytest.raises(UserError):
        await server.run("and then?")
    approved = {call.tool_call_id: True for call in question.approvals}
    result = await server.run(None, deferred_tool_results=question.build_results(approvals=approved))

    assert result.output == "deleted"
    assert texts_of(await server.messages()) == ["clean up", "deleted"]
    await axon.stop(server)


@dataclass
class Desk:
    owner: str


async def test_dependencies_are_the_servers_unless_the_run_brings_its_own() -> None:
    agent = Agent(TestModel(), deps_type=Desk)

    @agent.tool
    async def owner(ctx: RunContext[Desk]) -> str:
        return ctx.deps.owner

    writer = await axon.start(AgentServer(agent, deps=Desk("Ada")))

    assert (await writer.run("whose?")).output == '{"owner":"Ada"}'
    writer.reset()
    assert (await writer.run("whose?", deps=Desk("Joe"))).output == '{"owner":"Joe"}'
    await axon.stop(writer)


async def test_usage_limits_are_the_servers_unless_the_run_brings_its_own() -> None:
    agent = Agent(says(["look"], takes=0))

    @agent.tool_plain
    async def look() -> str:
        return "nothing"

    writer = await axon.start(AgentServer(agent, usage_limits=UsageLimits(request_limit=2)))
    with pytest.raises(UsageLimitExceeded, match="2"):
        await writer.run("look")
    with pytest.raises(UsageLimitExceeded, match="4"):
        await writer.run("look", usage_limits=UsageLimits(request_limit=4))
    await axon.stop(writer)
