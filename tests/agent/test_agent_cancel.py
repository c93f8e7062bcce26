"""`cancel` ends the run under way and nothing else."""

from __future__ import annotations

import asyncio
import os

import pytest
from agent_parts import is_valid, now, plain, says, texts_of
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_ai import Agent, RunCancelled
from pydantic_ai.messages import ToolReturnPart

import axon
from axon.agent import AgentServer
from axon.store import MemoryStore
from axon.testing import virtual_clock


def busy() -> Agent[object, str]:
    """Two tools of 1 and 2 seconds; with the model below a run takes 4 seconds."""
    agent = Agent[object, str](name="busy")

    @agent.tool_plain
    async def quick() -> str:
        await asyncio.sleep(1)
        return "quick"

    @agent.tool_plain
    async def slow() -> str:
        await asyncio.sleep(2)
        return "slow"

    return agent


async def test_the_asker_gets_what_was_done_until_then() -> None:
    agent = await axon.start(AgentServer(busy(), model=says(["quick", "slow"], "done")))
    running = asyncio.create_task(agent.run("work"))
    await asyncio.sleep(2.5)

    assert await agent.cancel() is True

    with pytest.raises(RunCancelled) as cancelled:
        await running
    finished = [p for m in cancelled.value.all_messages() for p in m.parts if isinstance(p, ToolReturnPart)]
    assert [part.content for part in finished] == ["quick"]
    assert cancelled.value.usage.requests == 1
    assert await agent.messages() == []
    await axon.stop(agent)


async def test_an_idle_agent_has_nothing_to_cancel() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("hi", takes=0)))
    assert await writer.cancel() is False
    await writer.run("hello")
    assert await writer.cancel() is False
    assert (await writer.run("hello")).output == "hi"
    await axon.stop(writer)


async def test_a_run_can_be_cancelled_as_soon_as_it_was_asked_for() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("hi")))
    running = asyncio.create_task(writer.run("hello"))
    await asyncio.sleep(0)

    assert await writer.cancel() is True

    with pytest.raises(RunCancelled):
        await running
    assert now() == 0
    await axon.stop(writer)


async def test_to_cancel_twice_is_to_cancel_once() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("hi")))
    running = asyncio.create_task(writer.run("one"))
    following = asyncio.create_task(writer.run("two"))
    await asyncio.sleep(0.5)

    assert list(await asyncio.gather(writer.cancel(), writer.cancel())) == [True, True]

    with pytest.raises(RunCancelled):
        await running
    assert (await following).output == "hi"
    await axon.stop(writer)


async def test_the_next_run_begins_when_the_cancelled_one_has_cleaned_up() -> None:
    order: list[str] = []
    agent = Agent[object, str]()

    @agent.tool_plain
    async def careful() -> str:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(2)
            order.append("cleaned up")
        return "never"

    server = await axon.start(AgentServer(agent, model=says(["careful"], "done")))
    running = asyncio.create_task(server.run("one"))
    following = asyncio.create_task(server.run("two"))
    await asyncio.sleep(5)

    await server.cancel()
    order.append("cancelled")
    assert now() == 7
    with pytest.raises(RunCancelled):
        await running
    assert (await following).output == "done"
    order.append("next")

    assert order == ["cleaned up", "cancelled", "next"]
    assert texts_of(await server.messages()) == ["two", "done"]
    await axon.stop(server)


async def test_a_tool_may_cancel_the_run_it_is_in() -> None:
    agent = Agent[object, str]()
    server = await axon.start(AgentServer(agent, model=says(["enough"])))

    @agent.tool_plain
    async def enough() -> bool:
        return await server.cancel()

    with pytest.raises(RunCancelled):
        await server.run("go")
    assert (await server.status()).state == "idle"
    await axon.stop(server)


async def test_a_run_that_does_not_let_itself_be_cancelled_is_cancelled_all_the_same() -> None:
    agent = Agent[object, str]()

    @agent.tool_plain
    async def stubborn() -> str:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
        return "I finish"

    server = await axon.start(AgentServer(agent, model=says(["stubborn"], "done")))
    running = asyncio.create_task(server.run("go"))
    await asyncio.sleep(5)
    assert await server.cancel() is True
    with pytest.raises(RunCancelled):
        await running
    assert await server.messages() == []
    await axon.stop(server)


@pytest.mark.slow
@settings(max_examples=int(os.environ.get("AXON_EXAMPLES", "200")), deadline=None)
@given(
    at=st.floats(0, 4.5),
    streamed=st.booleans(),
    durable=st.booleans(),
    steered=st.booleans(),
    how=st.sampled_from(["cancel", "cancel twice", "caller leaves", "deadline"]),
)
def test_however_and_whenever_a_run_ends_the_conversation_is_valid(
    at: float, streamed: bool, durable: bool, steered: bool, how: str
) -> None:
    """The run takes 4 seconds: the model, two tools side by side, and the model again."""

    async def scenario() -> None:
        model = says("{prompt}!", ["quick", "slow"], "four words of answer", "{prompt}!")
        store = MemoryStore() if durable else None
        agent = await axon.start(AgentServer(busy(), model=model, name="busy", store=store))
        await agent.run("before")

        async def work() -> None:
            async with axon.deadline(at if how == "deadline" else 1000):
                if streamed:
                    async for _ in agent.run_stream("work"):
                        pass
                else:
                    await agent.run("work")

        working = asyncio.create_task(work())
        if steered:
            await asyncio.sleep(min(at, 0.5))
            await agent.steer("hurry")
        await asyncio.sleep(at - now() + 1)
        if how == "cancel":
            await agent.cancel()
        elif how == "cancel twice":
            await asyncio.gather(agent.cancel(), agent.cancel())
        elif how == "caller leaves":
            working.cancel()
        await asyncio.wait([working])
        succeeded = not working.cancelled() and working.exception() is None
        goes_on = how == "caller leaves"
        await asyncio.sleep(5 if goes_on else 0.01)

        assert (await agent.status()).state == "idle"
        messages = await agent.messages()
        assert is_valid(messages)
        told = texts_of(messages)
        if succeeded or goes_on:
            assert [text for text in told if text != "hurry"] == ["before", "before!", "work", "four words of answer"]
        else:
            assert told == ["before", "before!"]

        after = await agent.run("after")
        assert is_valid(after.all_messages())
        assert texts_of(after.all_messages())[: len(told)] == told
        await axon.stop(agent)
        if store is not None:
            again = await axon.start(AgentServer(busy(), model=model, name="busy", store=store))
            assert texts_of(await again.messages()) == texts_of(after.all_messages()), "and it is what is kept"
            await axon.stop(again)

    with asyncio.Runner(loop_factory=virtual_clock) as runner:
        runner.run(scenario())
