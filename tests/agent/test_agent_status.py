"""`status` tells what an agent is doing, at once, whatever it is doing."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from agent_parts import now, plain, says
from pydantic_ai import Agent, ImageUrl, RunCancelled
from pydantic_ai.models.function import FunctionModel

import axon
from axon.agent import AgentServer


async def test_it_follows_the_run() -> None:
    agent = Agent[object, str]()

    @agent.tool_plain
    async def fetch() -> str:
        await asyncio.sleep(10)
        return "page"

    @agent.tool_plain
    async def count() -> str:
        await asyncio.sleep(5)
        return "3"

    server = await axon.start(AgentServer(agent, model=says(["fetch", "count"], "done", takes=2)))
    await asyncio.sleep(3)
    idle = await server.status()
    assert (idle.state, idle.seconds, idle.prompt) == ("idle", 3, None)
    start = now()
    runs = [asyncio.create_task(server.run("first")), asyncio.create_task(server.run("second"))]

    await asyncio.sleep(1)
    thinking = await server.status()
    assert (thinking.state, thinking.seconds, thinking.prompt, thinking.queued) == ("thinking", 1, "first", 1)
    assert thinking.tools == ()

    await asyncio.sleep(4)
    tools = await server.status()
    assert (tools.state, tools.seconds) == ("tool", 3)
    assert [(tool.name, tool.seconds) for tool in tools.tools] == [("fetch", 3), ("count", 3)]
    assert tools.usage.requests == 1

    await asyncio.sleep(5)
    assert [tool.name for tool in (await server.status()).tools] == ["fetch"]

    await asyncio.sleep(3)
    again = await server.status()
    assert (again.state, again.seconds) == ("thinking", 1)

    await asyncio.gather(*runs)
    after = await server.status()
    assert (after.state, after.queued, after.usage.requests) == ("idle", 0, 3)
    assert now() - start == 2 + 10 + 2 + 2
    await axon.stop(server)


async def test_a_tool_that_hangs_is_seen() -> None:
    agent = Agent[object, str]()

    @agent.tool_plain
    async def hang() -> str:
        await asyncio.Event().wait()
        return "never"

    server = await axon.start(AgentServer(agent, model=says(["hang"])))
    running = asyncio.create_task(server.run("go"))
    await asyncio.sleep(3601)
    status = await server.status()
    assert (status.state, status.seconds, [tool.name for tool in status.tools]) == ("tool", 3600, ["hang"])
    await server.cancel()
    with pytest.raises(RunCancelled):
        await running
    assert (await server.status()).state == "idle"
    await axon.stop(server)


async def test_streamed_runs_are_seen_alike() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("one two")))
    async for _ in writer.run_stream("count"):
        status = await writer.status()
        assert (status.state, status.prompt) == ("thinking", "count")
    assert (await writer.status()).state == "idle"
    await axon.stop(writer)


async def test_long_prompts_are_cut_and_other_content_is_named() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("hi")))
    long = asyncio.create_task(writer.run("x" * 1000))
    await asyncio.sleep(0.1)
    prompt = (await writer.status()).prompt
    assert prompt is not None
    assert len(prompt) == 80
    await long
    picture = asyncio.create_task(writer.run(["what is", ImageUrl("https://example.org/a.png")]))
    await asyncio.sleep(0.1)
    assert (await writer.status()).prompt == "what is <ImageUrl>"
    await picture
    await axon.stop(writer)


async def test_a_status_is_a_picture_that_does_not_change() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("hi", takes=0)))
    before = await writer.status()
    await writer.run("hello")
    assert before.usage.requests == 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        before.state = "tool"  # type: ignore[misc]
    await axon.stop(writer)


async def test_model_requests_are_not_streamed_for_its_sake() -> None:
    function = says("hi", takes=0).function
    assert function is not None
    cannot_stream = FunctionModel(function)
    writer = await axon.start(AgentServer(plain(), model=cannot_stream))
    assert (await writer.run("hello")).output == "hi"
    await axon.stop(writer)
