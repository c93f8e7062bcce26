"""Agents that ask agents: whose usage, whose limits, and what would wait for itself."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest
from agent_parts import Script, now, plain, prompts_of, says, texts_of
from pydantic_ai import Agent, RunTimedOut
from pydantic_ai.models.test import TestModel

import axon
from axon import CallCycle, GenServer, call
from axon.agent import AgentServer


async def test_a_tool_may_ask_another_agent() -> None:
    expert = await axon.start(AgentServer(plain(), model=says("42")))
    agent = Agent[object, str]()

    @agent.tool_plain
    async def ask_expert() -> str:
        return (await expert.run("what is the answer?")).output

    asker = await axon.start(AgentServer(agent, model=says(["ask_expert"], "it is 42")))

    result = await asker.run("find out")

    assert result.output == "it is 42"
    assert (await asker.usage()).requests == result.usage.requests == 2
    assert (await expert.usage()).requests == 1
    assert texts_of(await expert.messages()) == ["what is the answer?", "42"]
    await axon.stop(asker)
    await axon.stop(expert)


async def test_a_tool_may_read_another_agents_stream() -> None:
    expert = await axon.start(AgentServer(plain(), model=says("forty two")))
    agent = Agent[object, str]()

    @agent.tool_plain
    async def ask_expert() -> str:
        return "".join([piece async for piece in expert.run_stream("what?")])

    asker = await axon.start(AgentServer(agent, model=says(["ask_expert"], "thanks")))
    assert (await asker.run("find out")).output == "thanks"
    assert texts_of(await expert.messages()) == ["what?", "forty two"]
    await axon.stop(asker)
    await axon.stop(expert)


async def test_what_an_asked_agent_fails_with_reaches_the_tool() -> None:
    expert = await axon.start(AgentServer(plain(), model=says(LookupError("nothing known"))))
    agent = Agent[object, str]()

    @agent.tool_plain
    async def ask_expert() -> str:
        try:
            return (await expert.run("what?")).output
        except LookupError as error:
            return str(error)

    asker = await axon.start(AgentServer(agent, model=TestModel()))
    assert (await asker.run("find out")).output == '{"ask_expert":"nothing known"}'
    await axon.stop(asker)
    await axon.stop(expert)


async def test_a_run_that_would_wait_for_itself_is_refused() -> None:
    agent = Agent[object, str]()
    server = await axon.start(AgentServer(agent, model=says(["again"], "done")))

    @agent.tool_plain
    async def again() -> str:
        return (await server.run("again")).output

    with pytest.raises(CallCycle) as refused:
        await server.run("go")

    path = axon.whereis(server)
    assert path is not None
    assert refused.value.cycle == (path.path, path.path)
    assert (await server.status()).state == "idle"
    await axon.stop(server)


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_circle_of_agents_is_refused(streamed: bool) -> None:
    first, second = Agent[object, str](), Agent[object, str]()
    one = await axon.start(AgentServer(first, model=says(["ask_two"])))
    two = await axon.start(AgentServer(second, model=says(["ask_one"])))

    @first.tool_plain
    async def ask_two() -> str:
        if streamed:
            return "".join([piece async for piece in two.run_stream("?")])
        return (await two.run("?")).output

    @second.tool_plain
    async def ask_one() -> str:
        return (await one.run("?")).output

    with pytest.raises(CallCycle) as refused:
        await one.run("go")
    assert len(refused.value.cycle) == 3
    assert now() < 5
    await axon.stop(one)
    await axon.stop(two)


class Desk(GenServer[None]):
    """A plain server that asks an agent on behalf of its callers."""

    agent: AgentServer[object, str]

    def init(self) -> None:
        return None

    @call(timeout=None, raises=(CallCycle,))
    async def ask(self, state: None) -> str:
        return (await self.agent.run("?")).output


async def test_a_circle_over_a_plain_server_is_refused() -> None:
    agent = Agent[object, str]()
    server = await axon.start(AgentServer(agent, model=says(["ask_desk"])))
    desk = await axon.start(Desk(server))

    @agent.tool_plain
    async def ask_desk() -> str:
        return await desk.ask()

    with pytest.raises(CallCycle) as refused:
        await server.run("go")
    assert len(refused.value.cycle) == 3
    await axon.stop(desk)
    await axon.stop(server)


async def test_work_that_a_run_left_behind_may_ask_its_agent_when_the_run_is_over() -> None:
    agent = Agent[object, str]()
    server = await axon.start(AgentServer(agent, model=says(["later"], "started", "{prompt}!")))
    left: list[asyncio.Task[str]] = []

    @agent.tool_plain
    async def later() -> str:
        async def work() -> str:
            await asyncio.sleep(10)
            return (await server.run("it is ready")).output

        left.append(asyncio.create_task(work()))
        return "on its way"

    assert (await server.run("go")).output == "started"
    waiting = asyncio.create_task(server.run("meanwhile"))
    await asyncio.sleep(8.5)
    busy = asyncio.create_task(server.run("busy again"))
    assert await left[0] == "it is ready!"
    assert [(await one).output for one in (waiting, busy)] == ["meanwhile!", "busy again!"]
    assert prompts_of(await server.messages()) == ["go", "meanwhile", "busy again", "it is ready"]
    await axon.stop(server)


async def test_a_timeout_of_pydantic_ai_stays_with_its_own_run() -> None:
    expert = await axon.start(AgentServer(plain(), model=says("at last", takes=5)))
    agent = Agent(says(["ask_expert"]))

    @agent.tool_plain
    async def ask_expert() -> str:
        return (await expert.run("what?")).output

    with pytest.raises(RunTimedOut):
        await agent.run("find out", timeout=2)
    await asyncio.sleep(10)

    assert texts_of(await expert.messages()) == ["what?", "at last"], "the caller's end is not the run's"
    await axon.stop(expert)


async def test_an_override_stays_where_it_was_made() -> None:
    agent = Agent(TestModel(custom_output_text="its own"))
    server = await axon.start(AgentServer(agent))
    with agent.override(model=TestModel(custom_output_text="the override")):
        assert (await server.run("who?")).output == "its own"
        assert (await agent.run("who?")).output == "the override"
    await axon.stop(server)


colour: ContextVar[str] = ContextVar("colour", default="none")


async def test_the_callers_context_stays_with_the_caller() -> None:
    agent = Agent(TestModel())

    @agent.tool_plain
    async def see() -> str:
        return colour.get()

    server = await axon.start(AgentServer(agent))
    colour.set("red")
    waiting = [asyncio.create_task(server.run("one")), asyncio.create_task(server.run("two", message_history=[]))]
    assert [(await one).output for one in waiting] == ['{"see":"none"}'] * 2
    server.reset()
    assert "".join([piece async for piece in server.run_stream("three")]) == '{"see":"none"}'
    await axon.stop(server)


async def test_code_of_a_run_knows_its_process_and_its_callers() -> None:
    agent = Agent(TestModel())
    seen: list[tuple[axon.Process, tuple[axon.Process, ...]]] = []

    @agent.tool_plain
    async def see() -> None:
        seen.append((axon.current(), axon.callers()))

    server = await axon.start(AgentServer(agent))
    desk = await axon.start(Desk(server))
    await desk.ask()
    assert seen == [(axon.whereis(server), (axon.whereis(desk),))]
    await axon.stop(desk)
    await axon.stop(server)


async def test_agents_in_a_chain_do_not_add_to_each_others_conversations() -> None:
    script = Script(["{prompt}!"])
    inner = await axon.start(AgentServer(plain(), model=script.model))
    outer_agent = Agent[object, str]()

    @outer_agent.tool_plain
    async def ask() -> str:
        return (await inner.run("inner")).output

    outer = await axon.start(AgentServer(outer_agent, model=says(["ask"], "outer!")))
    await outer.run("outer")
    assert texts_of(await outer.messages()) == ["outer", "outer!"]
    assert texts_of(await inner.messages()) == ["inner", "inner!"]
    await axon.stop(outer)
    await axon.stop(inner)
