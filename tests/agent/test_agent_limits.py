"""What hangs is named by `status`, ends at its limit with an error of its own, and the agent is usable afterwards."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from agent_parts import is_valid, now, plain, says, texts_of
from pydantic_ai import Agent, ModelMessage, ModelRequestTimeout
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

import axon
from axon.agent import AgentServer, FirstTokenTimeout, RunStream, StreamStalled, ToolTimeout
from axon.store import MemoryStore

DURABLE = pytest.mark.parametrize("durable", [False, True])


def stalling(pieces: int) -> FunctionModel:
    """Its first answer stops after so many words; the second one is fine."""
    answers = 0

    async def stream(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
        nonlocal answers
        answers += 1
        if answers == 1:
            for word in range(pieces):
                yield f"{word} "
            await asyncio.sleep(1e6)
        await asyncio.sleep(0)
        yield "fine"

    return FunctionModel(stream_function=stream)


async def text(pieces: RunStream[str]) -> str:
    return "".join([piece async for piece in pieces])


async def test_a_model_that_sends_nothing_ends_after_a_minute() -> None:
    agent = await axon.start(AgentServer(plain(), model=stalling(0)))
    reading = asyncio.create_task(text(agent.run_stream("go")))
    await asyncio.sleep(59)
    assert (await agent.status()).state == "thinking"
    with pytest.raises(FirstTokenTimeout, match="60 s"):
        await reading
    assert now() == 60
    assert await text(agent.run_stream("again")) == "fine"
    await axon.stop(agent)


async def test_a_stream_that_stops_in_the_middle_ends_after_a_minute() -> None:
    agent = await axon.start(AgentServer(plain(), model=stalling(2)))
    pieces = agent.run_stream("go")
    assert [await anext(pieces), await anext(pieces)] == ["0 ", "1 "]
    with pytest.raises(StreamStalled):
        await anext(pieces)
    assert now() == 60
    assert await agent.messages() == []
    assert await text(agent.run_stream("again")) == "fine"
    assert is_valid(await agent.messages())
    await axon.stop(agent)


@pytest.mark.parametrize(("pieces", "seconds"), [(0, 5), (2, 7)])
async def test_the_limits_of_a_stream_can_be_set(pieces: int, seconds: float) -> None:
    spec = AgentServer(plain(), model=stalling(pieces), first_token_timeout=5, stall_timeout=7)
    agent = await axon.start(spec)
    with pytest.raises((FirstTokenTimeout, StreamStalled)) as late:
        await text(agent.run_stream("go"))
    assert late.value.after == seconds == now()
    await axon.stop(agent)


async def test_with_a_store_a_stalled_stream_is_tried_again() -> None:
    agent = await axon.start(AgentServer(plain(), model=stalling(2), name="a", store=MemoryStore()))
    assert await text(agent.run_stream("go")) == "0 1 fine", "a reader saw what the first try said, too"
    assert texts_of(await agent.messages()) == ["go", "fine"]
    assert now() >= 61
    await axon.stop(agent)


@DURABLE
async def test_a_hung_model_ends_at_its_limit(durable: bool) -> None:
    spec = AgentServer(
        plain(), model=says("never", takes=1e6), request_timeout=7, name="a", store=MemoryStore() if durable else None
    )
    agent = await axon.start(spec)
    running = asyncio.create_task(agent.run("hello?"))
    await asyncio.sleep(6)
    assert (await agent.status()).state == "thinking"
    if durable:
        await asyncio.sleep(1.1)
        status = await agent.status()
        assert (status.state, status.error is not None) == ("throttled", True)
        assert status.resumes_in is not None
    with pytest.raises(ModelRequestTimeout):
        await running
    assert now() == 7 if not durable else 23 < now() < 25, "three tries, with pauses of 1 and 2 s, and a little more"
    assert (await agent.status()).state == "idle"
    await axon.stop(agent)


def with_tool(tool: Callable[[], Any]) -> Agent[object, str]:
    agent = Agent[object, str](name="tools")
    agent.tool_plain(name="work")(tool)
    return agent


@DURABLE
async def test_a_hung_tool_ends_at_its_limit(durable: bool) -> None:
    async def hang() -> str:
        await asyncio.Event().wait()
        return "never"

    store = MemoryStore() if durable else None
    spec = AgentServer(with_tool(hang), model=says(["work"], "done"), tool_timeout=10, name="a", store=store)
    agent = await axon.start(spec)
    running = asyncio.create_task(agent.run("go"))
    await asyncio.sleep(5)
    status = await agent.status()
    assert (status.state, [(tool.name, tool.seconds) for tool in status.tools]) == ("tool", [("work", 4)])
    with pytest.raises(ToolTimeout, match="'work'") as late:
        await running
    assert (now(), late.value.tool, late.value.after) == (11, "work", 10)
    assert await agent.messages() == []
    assert (await agent.run("again")).output == "done"
    assert is_valid(await agent.messages())
    await axon.stop(agent)


async def test_a_timeout_of_the_tools_own_is_none_of_ours() -> None:
    async def impatient() -> str:
        async with asyncio.timeout(1):
            await asyncio.sleep(100)
        return "never"

    agent = await axon.start(AgentServer(with_tool(impatient), model=says(["work"]), tool_timeout=10))
    with pytest.raises(TimeoutError) as late:
        await agent.run("go")
    assert not isinstance(late.value, ToolTimeout)
    await axon.stop(agent)


@pytest.mark.real_clock
@pytest.mark.slow
@pytest.mark.parametrize("how", ["limit", "cancel"])
async def test_a_plain_function_that_ignores_its_end_is_left_behind(how: str) -> None:
    """It runs in a thread, which nobody can end: the turn goes on without it."""
    let_go, ended = threading.Event(), threading.Event()

    def block() -> str:
        let_go.wait(10)
        ended.set()
        return "too late"

    agent = await axon.start(
        AgentServer(
            with_tool(block), model=says(["work"], "done", takes=0), tool_timeout=0.1 if how == "limit" else None
        )
    )
    began = time.monotonic()
    running = asyncio.create_task(agent.run("go"))
    await asyncio.sleep(0.05)
    assert [tool.name for tool in (await agent.status()).tools] == ["work"]
    if how == "cancel":
        assert await agent.cancel()
    await asyncio.wait([running])
    assert type(running.exception()).__name__ == ("ToolTimeout" if how == "limit" else "RunCancelled")
    assert time.monotonic() - began < 5
    assert not ended.is_set()
    assert (await agent.run("again")).output == "done"
    let_go.set()
    assert await asyncio.to_thread(ended.wait, 5)
    await axon.stop(agent)


async def test_a_streamed_tool_call_may_take_its_time() -> None:
    """The limits of a stream are those of the model, not of the tools between."""

    async def slow() -> str:
        await asyncio.sleep(1000)
        return "slow"

    async def stream(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | dict[int, DeltaToolCall]]:
        await asyncio.sleep(0)
        if len(messages) == 1:
            yield {0: DeltaToolCall(name="work", json_args="{}", tool_call_id="1")}
        else:
            yield "done"

    agent = await axon.start(AgentServer(with_tool(slow), model=FunctionModel(stream_function=stream)))
    assert await text(agent.run_stream("go")) == "done"
    await axon.stop(agent)
