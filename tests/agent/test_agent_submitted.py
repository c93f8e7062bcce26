"""A message is given to an agent now, and asked for later, by its id alone."""

from __future__ import annotations

import asyncio

import pytest
from agent_parts import now, plain, says, texts_of
from pydantic import BaseModel
from pydantic_ai import Agent, AgentRunResultEvent, RunCancelled
from pydantic_ai.models.test import TestModel

import axon
from axon import Supervisor, child
from axon.agent import AgentServer, TurnFailed, UnknownMessage
from axon.store import MemoryStore


class City(BaseModel):
    name: str
    inhabitants: int


async def test_submit_returns_when_the_message_is_kept_and_does_not_wait_for_the_run() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("one two")))

    assert await writer.submit("count", message_id="m") == "m"

    assert now() == 0
    assert (await writer.turn_of("m")).state == "running"
    assert (await writer.result_of("m")).output == "one two"
    assert (await writer.turn_of("m")).state == "committed"
    await axon.stop(writer)


async def test_a_message_is_known_until_its_turn_was_over_too_long_ago() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("hi")))
    for ask in (writer.turn_of, writer.result_of):
        with pytest.raises(UnknownMessage, match="'m'"):
            await ask("m")
    with pytest.raises(UnknownMessage):
        await anext(writer.follow("m"))
    assert (await writer.status()).state == "idle"
    await axon.stop(writer)


@pytest.mark.parametrize("is_durable", [False, True])
async def test_how_a_turn_ended_is_told(is_durable: bool) -> None:
    store = MemoryStore() if is_durable else None
    writer = await axon.start(AgentServer(plain(), name="w", model=says("one two three"), store=store))
    await writer.submit("count", message_id="a")
    await writer.submit("count", message_id="b")
    assert [(await writer.turn_of(id)).state for id in "ab"] == ["running", "queued"]
    doing = (await writer.turn_of("a")).doing
    assert doing is not None
    assert doing.message_id == "a"

    assert await writer.cancel(message_id="a")

    ended = await writer.turn_of("a")
    assert ended.state == "cancelled"
    assert ended.error is not None
    assert ended.error.startswith("RunCancelled")
    with pytest.raises(TurnFailed if is_durable else RunCancelled):
        await writer.result_of("a")
    assert (await writer.result_of("b")).output == "one two three"
    await axon.stop(writer)


async def test_follow_gives_the_text_and_then_the_result_and_goes_on_behind_an_event() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("one two three")))
    await writer.submit("count", message_id="m", streamed=True)

    stream = writer.follow("m")
    first = await anext(stream)
    seen = stream.last_event_id
    await stream.aclose()
    rest = [item async for item in writer.follow("m", after=seen)]

    assert [first, *rest[:-1]] == ["one", " two", " three"]
    assert isinstance(rest[-1], AgentRunResultEvent)
    assert rest[-1].result.output == "one two three"
    await axon.stop(writer)


async def test_a_structured_output_is_followed_as_the_json_that_the_model_writes() -> None:
    agent = Agent(TestModel(custom_output_args={"name": "Ulm", "inhabitants": 126_000}), output_type=City)
    mapper = await axon.start(AgentServer(agent))
    await mapper.submit("which city?", message_id="m", streamed=True)

    items = [item async for item in mapper.follow("m")]

    text = "".join(item for item in items if isinstance(item, str))
    assert City.model_validate_json(text) == City(name="Ulm", inhabitants=126_000)
    await axon.stop(mapper)


async def test_with_a_store_it_is_asked_for_over_a_restart() -> None:
    spec = AgentServer(plain(), name="w", model=says("one two"), store=MemoryStore())
    async with Supervisor([child(spec, id="w")]) as sup:
        writer = sup.get(AgentServer[None, str], "w")
        await writer.submit("count", message_id="m")
        axon.exit(writer, axon.kill)
        assert (await writer.turn_of("m")).state in ("queued", "running")
        assert (await writer.result_of("m")).output == "one two"


async def test_steer_may_be_for_one_message_alone() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("one two")))
    await writer.submit("count", message_id="a")
    await writer.submit("count", message_id="b")
    await asyncio.sleep(0.1)
    assert not await writer.steer("quickly", message_id="b")
    assert not await writer.steer("quickly", message_id="c")
    assert await writer.steer("slowly", message_id="a")
    await writer.result_of("b")
    assert "slowly" in texts_of(await writer.messages())
    await axon.stop(writer)
