"""A deadline around a run bounds the run, not the agent."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from agent_parts import now, plain, says, texts_of
from pydantic_ai import Agent

import axon
from axon import DeadlineExceeded
from axon.agent import AgentServer
from axon.telemetry import CancelIgnored, attach


async def test_the_run_is_ended_when_its_deadline_passes() -> None:
    ended_at: list[float] = []
    agent = Agent[object, str]()

    @agent.tool_plain
    async def wait() -> str:
        try:
            await asyncio.sleep(100)
        finally:
            ended_at.append(now())
        return "never"

    server = await axon.start(AgentServer(agent, model=says(["wait"], "done")))
    incarnation = axon.whereis(server)

    with pytest.raises(DeadlineExceeded):
        async with axon.deadline(5):
            await server.run("go")

    assert now() == 5
    await asyncio.sleep(0.01)
    assert (await server.status()).state == "idle"
    assert ended_at == [5]
    assert await server.messages() == []
    assert (await server.run("again")).output == "done"
    assert axon.whereis(server) is incarnation
    await axon.stop(server)


async def test_a_run_in_time_is_not_touched() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("hi")))
    async with axon.deadline(2):
        assert (await writer.run("hello")).output == "hi"
    assert (await writer.run("hello")).output == "hi"
    await axon.stop(writer)


async def test_a_run_whose_deadline_passes_in_the_queue_never_begins() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("{prompt}!", takes=10)))
    first = asyncio.create_task(writer.run("first"))
    await asyncio.sleep(0)
    with pytest.raises(DeadlineExceeded):
        async with axon.deadline(5):
            await writer.run("second")
    assert now() == 5
    await asyncio.sleep(0.01)
    assert (await writer.status()).queued == 0
    await first
    assert texts_of(await writer.messages()) == ["first", "first!"]
    assert (await writer.usage()).requests == 1
    await axon.stop(writer)


async def test_a_stream_has_the_deadline_too() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("one two three four", takes=8)))
    pieces: list[str] = []
    with pytest.raises(DeadlineExceeded):
        async with axon.deadline(5):
            async for piece in writer.run_stream("count"):
                pieces.append(piece)  # noqa: PERF401
    assert now() == 5
    assert pieces == ["one", " two"]
    await asyncio.sleep(0.01)
    assert (await writer.status()).state == "idle"
    assert await writer.messages() == []
    await axon.stop(writer)


@pytest.mark.parametrize("streamed", [False, True])
async def test_it_travels_to_the_agents_that_a_tool_asks(streamed: bool) -> None:
    expert = await axon.start(AgentServer(plain(), model=says("late", takes=100)))
    agent = Agent[object, str]()
    asked: list[asyncio.Task[object]] = []

    @agent.tool_plain
    async def ask_expert() -> str:
        asked.append(asyncio.create_task(expert.run("what?")))  # a task of its own, which outlives the tool
        await asyncio.sleep(100)
        return "never"

    server = await axon.start(AgentServer(agent, model=says(["ask_expert"])))
    with pytest.raises(DeadlineExceeded):
        async with axon.deadline(5):
            if streamed:
                await anext(server.run_stream("go"))
            else:
                await server.run("go")
    with pytest.raises(DeadlineExceeded, match=r"AgentServer#\d+"):
        await asked[0]
    assert now() == 5
    await asyncio.sleep(0.01)
    assert (await expert.status()).state == "idle"
    await axon.stop(server)
    await axon.stop(expert)


@pytest.mark.parametrize("how", ["deadline", "cancel"])
async def test_a_run_that_goes_on_though_it_was_cancelled_is_told_of(how: str) -> None:
    """Nothing in the process can end it; the advice names what can."""
    agent = Agent[object, str]()

    @agent.tool_plain
    async def stubborn() -> str:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(100)
        await asyncio.sleep(10)
        return "at last"

    events: list[CancelIgnored] = []
    end = attach(events.append, CancelIgnored)
    server = await axon.start(AgentServer(agent, model=says(["stubborn"], "done")), name="writer")
    async with axon.deadline(5 if how == "deadline" else 1000):
        asked = asyncio.ensure_future(server.run("go", message_id="m1"))
        await asyncio.sleep(5.0)
        if how == "cancel":
            await server.cancel()
        await asyncio.sleep(15)
    await asyncio.gather(asked, return_exceptions=True)
    assert [(event.path, event.what, event.seconds) for event in events] == [("writer", "run m1", 5.0)]
    assert "axon.port.isolated" in events[0].advice
    end()
    await axon.stop(server)
