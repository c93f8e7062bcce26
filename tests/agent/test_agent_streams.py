"""The same run as a stream: of its text, or of all that happens."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest
from agent_parts import is_valid, now, plain, prompts_of, says, texts_of
from pydantic import BaseModel
from pydantic_ai import Agent, AgentRunResultEvent, ModelHTTPError, ModelMessage, RunCancelled
from pydantic_ai.messages import FunctionToolCallEvent, FunctionToolResultEvent
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel
from pydantic_ai.models.test import TestModel

import axon
from axon import ServerDied
from axon.agent import AgentServer, RunStream


def looking(*, takes: float = 1.0) -> Agent[object, str]:
    agent = Agent[object, str]()

    @agent.tool_plain
    async def look() -> str:
        await asyncio.sleep(takes)
        return "seen"

    return agent


async def test_text_comes_as_the_model_writes_it() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("one two three four")))

    pieces = [(now(), piece) async for piece in writer.run_stream("count")]

    assert pieces == [(0.25, "one"), (0.5, " two"), (0.75, " three"), (1.0, " four")]
    assert texts_of(await writer.messages()) == ["count", "one two three four"]
    assert (await writer.usage()).requests == 1
    await axon.stop(writer)


async def test_a_stream_and_a_run_are_turns_of_one_conversation() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("{prompt}!")))
    reading = asyncio.create_task(_text(writer.run_stream("one")))
    await asyncio.sleep(0.1)

    two = await writer.run("two")

    assert await reading == "one!"
    assert texts_of(two.all_messages()) == ["one", "one!", "two", "two!"]
    await axon.stop(writer)


async def test_streams_and_runs_wait_for_their_turn_in_the_order_they_were_asked_for() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("{prompt}!")))
    await asyncio.gather(
        _text(writer.run_stream("one")), writer.run("two"), _text(writer.run_stream("three")), writer.run("four")
    )
    assert prompts_of(await writer.messages()) == ["one", "two", "three", "four"]
    await axon.stop(writer)


@pytest.mark.parametrize("turns_of_the_loop", range(10))
async def test_a_reader_that_goes_away_while_its_stream_is_opened_leaves_a_run_or_none(turns_of_the_loop: int) -> None:
    writer = await axon.start(AgentServer(plain(), model=says("hi")))
    await axon.suspend(writer)
    reading = asyncio.create_task(_text(writer.run_stream("hello")))
    await asyncio.sleep(0)
    resuming = asyncio.create_task(axon.resume(writer))
    for _ in range(turns_of_the_loop):
        await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait([reading, resuming])
    del reading
    gc.collect()  # when the answer came at the very moment of the cancellation, the collector finds it
    await asyncio.sleep(2)
    assert (await writer.status()).state == "idle"
    assert texts_of(await writer.messages()) in ([], ["hello", "hi"])
    await axon.stop(writer)


async def test_what_is_said_before_a_tool_is_set_off_by_a_blank_line() -> None:
    async def stream(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | dict[int, DeltaToolCall]]:
        if len(messages) == 1:
            yield "Let me "
            yield "look."
            yield {1: DeltaToolCall(name="look", json_args="{}", tool_call_id="1")}
        else:
            yield "It is "
            yield "5."

    agent = await axon.start(AgentServer(looking(), model=FunctionModel(stream_function=stream)))
    assert await _text(agent.run_stream("how many?")) == "Let me look.\n\nIt is 5."
    await axon.stop(agent)


async def test_all_events_can_be_had_and_the_last_one_is_the_result() -> None:
    agent = await axon.start(AgentServer(looking(), model=says(["look"], "done")))

    events = [event async for event in agent.run_stream_events("go")]

    tools = [event for event in events if isinstance(event, FunctionToolCallEvent | FunctionToolResultEvent)]
    assert [event.part.tool_name for event in tools] == ["look", "look"]
    last = events[-1]
    assert isinstance(last, AgentRunResultEvent)
    assert last.result.output == "done"
    assert texts_of(last.result.all_messages()) == texts_of(await agent.messages()) == ["go", "done"]
    await axon.stop(agent)


class City(BaseModel):
    name: str


async def test_a_structured_output_comes_with_the_last_event() -> None:
    agent = Agent(TestModel(custom_output_args={"name": "Rome"}), output_type=City)
    server = await axon.start(AgentServer(agent))
    *_, last = [event async for event in server.run_stream_events("where?")]
    assert isinstance(last, AgentRunResultEvent)
    assert last.result.output == City(name="Rome")
    await axon.stop(server)


async def test_the_conversation_is_updated_when_the_stream_has_ended() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("one two")))
    async for _ in writer.run_stream("count"):
        assert await writer.messages() == []
    assert texts_of(await writer.messages()) == ["count", "one two"]
    await axon.stop(writer)


async def test_closing_the_stream_does_not_end_the_run() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("one two three four", "fresh")))
    async with writer.run_stream("count") as pieces:
        async for _ in pieces:
            break
    assert (await writer.run("again")).output == "fresh"
    assert now() == 2
    assert texts_of(await writer.messages()) == ["count", "one two three four", "again", "fresh"]
    await axon.stop(writer)


async def test_a_dropped_stream_does_not_end_the_run() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("one two three four", "fresh")))
    pieces = writer.run_stream("count")
    await anext(pieces)
    del pieces
    assert (await writer.run("again")).output == "fresh"
    assert texts_of(await writer.messages()) == ["count", "one two three four", "again", "fresh"]
    await axon.stop(writer)


async def test_a_reader_that_leaves_while_its_turn_waits_leaves_it_in_its_place() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("{prompt}!")))
    first = asyncio.create_task(writer.run("first"))
    await asyncio.sleep(0.1)
    second = asyncio.create_task(_text(writer.run_stream("second")))
    await asyncio.sleep(0.1)
    assert (await writer.status()).queued == 1

    second.cancel()
    await asyncio.wait([second])
    assert (await writer.status()).queued == 1

    assert (await writer.run("third")).output == "third!"
    assert texts_of(await writer.messages()) == ["first", "first!", "second", "second!", "third", "third!"]
    assert (await first).output == "first!"
    await axon.stop(writer)


async def test_an_error_comes_after_the_text_before_it() -> None:
    error = ModelHTTPError(500, "script", "broken")

    async def stream(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
        if len(messages) > 1:
            raise AssertionError("the failed turn is remembered")
        yield "one"
        raise error

    writer = await axon.start(AgentServer(plain(), model=FunctionModel(stream_function=stream)))
    pieces = writer.run_stream("count")
    assert await anext(pieces) == "one"
    with pytest.raises(ModelHTTPError) as raised:
        await anext(pieces)
    assert raised.value is error
    assert await writer.messages() == []
    assert await _first(writer.run_stream("again")) == "one"
    await axon.stop(writer)


async def test_a_cancelled_run_ends_its_stream() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("one two three four")))
    pieces = writer.run_stream("count")
    assert await anext(pieces) == "one"
    assert await writer.cancel()
    with pytest.raises(RunCancelled) as cancelled:
        await anext(pieces)
    assert texts_of(cancelled.value.all_messages()) == ["count", "one"]
    assert await writer.messages() == []
    await axon.stop(writer)


async def test_a_run_can_be_cancelled_although_nobody_reads_its_stream() -> None:
    writer = await axon.start(AgentServer(plain(), model=says(" ".join("word" for _ in range(100)), "done")))
    pieces = writer.run_stream("count")
    await anext(pieces)
    await asyncio.sleep(0.5)
    assert (await writer.status()).state == "thinking"

    assert await writer.cancel()

    assert (await writer.run("again")).output == "done"
    with pytest.raises(RunCancelled):
        async for _ in pieces:
            pass
    assert is_valid(await writer.messages())
    await axon.stop(writer)


async def test_a_stream_ends_with_its_server() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("one two three four")))
    pieces = writer.run_stream("count")
    await anext(pieces)
    axon.exit(writer, axon.kill)
    with pytest.raises(ServerDied):
        async for _ in pieces:
            pass


async def test_a_stream_that_was_never_read_asks_for_nothing() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("hi")))
    stream = writer.run_stream("hello")
    assert isinstance(stream, RunStream)
    await asyncio.sleep(2)
    assert (await writer.usage()).requests == 0
    await axon.stop(writer)


async def _text(pieces: AsyncIterator[str]) -> str:
    return "".join([piece async for piece in pieces])


async def _first(pieces: RunStream[str]) -> str:
    async with pieces:
        return await anext(pieces)
