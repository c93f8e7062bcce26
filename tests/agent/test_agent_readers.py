"""The readers of a turn: it waits for none of them, and none of them sees an event twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from agent_parts import now, plain, says, texts_of
from pydantic_ai import AgentRunResultEvent, ModelMessage
from pydantic_ai.messages import PartDeltaEvent
from pydantic_ai.models.function import AgentInfo, FunctionModel

import axon
from axon import InvalidOption, ServerDied, Supervisor, child
from axon.agent import AgentServer, EventsLost, RunStream
from axon.store import MemoryStore


def writing(words: int, every: float = 0.0) -> FunctionModel:
    """A model that writes so many words."""

    async def stream(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
        for word in range(words):
            await asyncio.sleep(every)
            yield f"{word} "

    return FunctionModel(stream_function=stream)


def text_of(words: int) -> str:
    return "".join(f"{word} " for word in range(words))


async def rest(pieces: RunStream[str]) -> str:
    return "".join([piece async for piece in pieces])


async def test_a_reader_that_never_reads_on_does_not_hold_the_turn_back() -> None:
    agent = await axon.start(AgentServer(plain(), model=writing(5000, 0.001)))
    pieces = agent.run_stream("go")
    assert await anext(pieces) == "0 "
    await asyncio.sleep(5.1)
    assert (await agent.status()).state == "idle"
    assert texts_of(await agent.messages()) == ["go", text_of(5000)]
    await axon.stop(agent)


async def test_a_reader_that_is_too_late_is_told_from_where_it_may_go_on() -> None:
    agent = await axon.start(AgentServer(plain(), model=writing(300, 0.001), stream_buffer=100))
    pieces = agent.run_stream("go")
    await anext(pieces)
    await asyncio.sleep(1)
    with pytest.raises(EventsLost) as lost:
        await rest(pieces)
    assert lost.value.missed > 100
    more = await rest(agent.run_stream("go", message_id=pieces.message_id, after=lost.value.resume_after))
    assert text_of(300).endswith(more)
    assert len(more.split()) > 90
    await axon.stop(agent)


async def test_a_fast_model_does_not_lose_readers_that_keep_up() -> None:
    """The model never waits for anything, and writes more than is kept."""
    agent = await axon.start(AgentServer(plain(), model=writing(2000), stream_buffer=100))
    one, two = agent.run_stream("go", message_id="m"), agent.run_stream("go", message_id="m")
    assert list(await asyncio.gather(rest(one), rest(two))) == [text_of(2000)] * 2
    await axon.stop(agent)


async def test_a_reader_comes_back_with_an_event_id_and_sees_the_rest() -> None:
    agent = await axon.start(AgentServer(plain(), model=writing(100, 0.1)))
    first = agent.run_stream("go", message_id="m")
    got = [await anext(first) for _ in range(10)]
    await first.aclose()
    await asyncio.sleep(2)
    second = agent.run_stream("go", message_id="m", after=first.last_event_id)
    got += [await anext(second) for _ in range(10)]
    await second.aclose()
    await asyncio.sleep(20)
    third = agent.run_stream("go", message_id="m", after=second.last_event_id)
    got += [piece async for piece in third]
    assert "".join(got) == text_of(100), "nothing twice, nothing left out, also after its end"
    assert await rest(agent.run_stream("go", message_id="m", after=third.last_event_id)) == ""
    assert (await agent.usage()).requests == 1
    await axon.stop(agent)


@pytest.mark.parametrize("leaves_at", range(0, 12, 3))
async def test_every_event_has_an_id_and_comes_once(leaves_at: int) -> None:
    agent = await axon.start(AgentServer(plain(), model=writing(4, 0.1)))
    whole = [event async for event in agent.run_stream_events("go", message_id="1")]
    agent.reset()
    first = agent.run_stream_events("go", message_id="2")
    got = [await anext(first) for _ in range(min(leaves_at, len(whole) - 1))]
    await first.aclose()
    after = first.last_event_id
    got += [event async for event in agent.run_stream_events("go", message_id="2", after=after)]
    assert [type(event) for event in got] == [type(event) for event in whole]
    assert isinstance(got[-1], AgentRunResultEvent)
    deltas = [event.delta for event in got if isinstance(event, PartDeltaEvent)]
    assert deltas == [event.delta for event in whole if isinstance(event, PartDeltaEvent)]
    await axon.stop(agent)


async def test_readers_and_askers_share_a_turn() -> None:
    agent = await axon.start(AgentServer(plain(), model=writing(10, 0.1)))
    pieces = agent.run_stream("go", message_id="m")
    first = await anext(pieces)
    asking = asyncio.create_task(agent.run("go", message_id="m"))
    late = asyncio.create_task(rest(agent.run_stream("go", message_id="m")))
    assert first + await rest(pieces) == (await asking).output == await late == text_of(10)
    assert now() == pytest.approx(1.0)
    await axon.stop(agent)


async def test_after_a_restart_a_reader_goes_on_with_what_the_next_incarnation_says() -> None:
    spec = AgentServer(plain(), model=says("one two three four"), name="a", store=MemoryStore())
    async with Supervisor([child(spec, id="a")]) as sup:
        agent = sup.get(AgentServer[object, str], "a")
        pieces = agent.run_stream("count", message_id="m")
        assert [await anext(pieces), await anext(pieces)] == ["one", " two"]
        axon.exit("a", axon.kill)
        with pytest.raises(ServerDied):
            await anext(pieces)
        await asyncio.sleep(0.1)
        again = agent.run_stream("count", message_id="m", after=pieces.last_event_id)
        assert await rest(again) == "one two three four", "the answer under way is given anew"
        assert again.last_event_id != pieces.last_event_id
        assert texts_of(await agent.messages()) == ["count", "one two three four"]


@pytest.mark.parametrize("events", [False, True])
async def test_of_a_turn_of_long_ago_there_is_the_answer(events: bool) -> None:
    store = MemoryStore()
    spec = AgentServer(plain(), model=says("one two"), name="a", store=store)
    async with Supervisor([child(spec, id="a")]) as sup:
        await sup.get(AgentServer[object, str], "a").run("count", message_id="m")
    async with Supervisor([child(spec, id="a")]) as sup:
        agent = sup.get(AgentServer[object, str], "a")
        if events:
            (only,) = [event async for event in agent.run_stream_events("count", message_id="m")]
            assert isinstance(only, AgentRunResultEvent)
            assert only.result.output == "one two"
        else:
            assert await rest(agent.run_stream("count", message_id="m")) == "one two"
        assert (await agent.usage()).requests == 1


@pytest.mark.parametrize("after", ["", "7", "a.b", 7, "1.2.3", "-1.2"])
async def test_an_id_that_cannot_be(after: Any) -> None:
    agent = await axon.start(AgentServer(plain(), model=says("hi")))
    with pytest.raises(InvalidOption) as refused:
        agent.run_stream("go", after=after)
    assert refused.value.option == "after"
    await axon.stop(agent)
