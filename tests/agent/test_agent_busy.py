"""What becomes of a message that comes while a turn runs: `when_busy`; and of what is said to that turn: `steer`."""

from __future__ import annotations

import asyncio

import pytest
from agent_parts import Script, is_valid, now, plain, prompts_of, says, texts_of
from pydantic_ai import Agent, RunCancelled

import axon
from axon.agent import AgentBusy, AgentServer, MessageIdReused, TurnFailed, WhenBusy
from axon.store import MemoryStore


def waiting() -> Agent[object, str]:
    agent = Agent[object, str]()

    @agent.tool_plain
    async def wait() -> str:
        await asyncio.sleep(5)
        return "waited"

    return agent


async def test_messages_wait_in_their_order_by_default() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("{prompt}!")))
    runs = [asyncio.create_task(writer.run(text)) for text in ("one", "two", "three")]
    await asyncio.wait(runs)
    assert prompts_of(await writer.messages()) == ["one", "two", "three"]
    await axon.stop(writer)


async def test_reject_refuses_it_and_keeps_nothing() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("{prompt}!"), when_busy="reject"))
    first = asyncio.create_task(writer.run("one"))
    await asyncio.sleep(0.5)
    with pytest.raises(AgentBusy, match="in the middle of a turn"):
        await writer.run("two")
    with pytest.raises(AgentBusy):
        await anext(writer.run_stream("three"))
    assert (await first).output == "one!"
    assert (await writer.run("four")).output == "four!"
    assert prompts_of(await writer.messages()) == ["one", "four"]
    await axon.stop(writer)


async def test_interrupt_ends_the_turn_and_comes_before_those_that_wait() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("{prompt}!"), when_busy="interrupt"))
    first = asyncio.create_task(writer.run("one"))
    await asyncio.sleep(0.5)
    second = asyncio.create_task(writer.run("two"))
    await asyncio.sleep(0)
    with pytest.raises(RunCancelled):
        await first
    assert (await second).output == "two!"
    assert texts_of(await writer.messages()) == ["two", "two!"]
    await axon.stop(writer)


@pytest.mark.parametrize("durable", [False, True])
async def test_steer_tells_it_to_the_turn_whose_result_is_its_answer(durable: bool) -> None:
    store = MemoryStore() if durable else None
    script = Script([["wait"], "all of it"])
    spec = AgentServer(waiting(), model=script.model, when_busy="steer", store=store, name="one")
    agent = await axon.start(spec)
    first = asyncio.create_task(agent.run("one"))
    await asyncio.sleep(2)
    second = await agent.run("and two", message_id="2")
    assert second.output == (await first).output == "all of it"
    assert prompts_of(second.all_messages()) == ["one", "and two"]
    assert len(script.seen) == 2
    if durable:
        again = await agent.run("and two", message_id="2")
        assert (again.output, len(script.seen)) == ("all of it", 2)
        with pytest.raises(MessageIdReused):
            await agent.run("something else", message_id="2")
    await axon.stop(agent)


async def test_an_idle_agent_runs_the_message_whatever_the_policy_is() -> None:
    policies: list[WhenBusy] = ["queue", "steer", "interrupt", "reject"]
    for number, when_busy in enumerate(policies):
        spec = AgentServer(plain(), model=says("hi", takes=0), when_busy=when_busy)
        agent = await axon.start(spec)
        assert (await agent.run(str(number))).output == "hi"
        await axon.stop(agent)


async def test_what_is_said_to_a_turn_is_read_with_its_next_request() -> None:
    agent = await axon.start(AgentServer(waiting(), model=says(["wait"], "done")))
    running = asyncio.create_task(agent.run("go"))
    await asyncio.sleep(2)
    assert await agent.steer("but quickly") is True
    result = await running
    assert prompts_of(result.all_messages()) == ["go", "but quickly"]
    assert is_valid(await agent.messages())
    await axon.stop(agent)


async def test_what_is_said_just_before_the_end_makes_the_turn_go_on() -> None:
    agent = await axon.start(AgentServer(plain(), model=says("one", "two")))
    running = asyncio.create_task(agent.run("go"))
    await asyncio.sleep(0.5)
    assert await agent.steer("say two") is True
    assert (await running).output == "two"
    assert texts_of(await agent.messages()) == ["go", "one", "say two", "two"]
    await axon.stop(agent)


async def test_an_idle_agent_has_no_turn_to_tell_something_to() -> None:
    agent = await axon.start(AgentServer(plain(), model=says("hi", takes=0)))
    assert await agent.steer("hello?") is False
    await agent.run("go")
    assert await agent.steer("hello?") is False
    assert prompts_of(await agent.messages()) == ["go"]
    await axon.stop(agent)


async def test_the_same_message_asked_for_twice_is_one_turn() -> None:
    script = Script(["{prompt}!"])
    writer = await axon.start(AgentServer(plain(), model=script.model))
    one, two = await asyncio.gather(writer.run("hi", message_id="1"), writer.run("hi", message_id="1"))
    assert one is two
    assert len(script.seen) == 1
    await axon.stop(writer)


async def test_an_id_belongs_to_one_message() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("{prompt}!"), name="w", store=MemoryStore()))
    running = asyncio.create_task(writer.run("hi", message_id="1"))
    await asyncio.sleep(0.5)
    with pytest.raises(MessageIdReused, match="'1'"):
        await writer.run("something else", message_id="1")
    assert (await running).output == "hi!"
    with pytest.raises(MessageIdReused):
        await writer.run("something else", message_id="1")
    with pytest.raises(MessageIdReused):
        await anext(writer.run_stream("something else", message_id="1"))
    assert texts_of(await writer.messages()) == ["hi", "hi!"]
    await axon.stop(writer)


async def test_a_request_made_again_after_its_turn_failed_is_told_so_and_not_run() -> None:
    script = Script([ValueError("no"), "yes"])
    writer = await axon.start(
        AgentServer(plain(), model=script.model, name="w", store=MemoryStore(), on_error={ValueError: "fail"})
    )
    with pytest.raises(ValueError, match="no"):
        await writer.run("hi", message_id="1")
    with pytest.raises(TurnFailed, match="ValueError: no") as failed:
        await writer.run("hi", message_id="1")
    assert (failed.value.message_id, failed.value.how, len(script.seen)) == ("1", "failed", 1)
    assert (await writer.run("hi", message_id="2")).output == "yes"
    await axon.stop(writer)


@pytest.mark.real_clock
async def test_a_thread_may_run_it() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("{prompt}!", takes=0)))
    result = await asyncio.to_thread(writer.run_sync, "hi")
    assert result.output == "hi!"
    with pytest.raises(axon.WrongLoop):
        writer.run_sync("from its own loop")
    await axon.stop(writer)


async def test_status_names_the_message_and_its_deadline() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("{prompt}!", takes=5)))

    async def within() -> None:
        async with axon.deadline(10):
            await writer.run("hi", message_id="the id")

    running = asyncio.create_task(within())
    await asyncio.sleep(2)
    status = await writer.status()
    assert (status.message_id, status.deadline, status.state) == ("the id", 8, "thinking")
    await running
    assert now() == 5
    await axon.stop(writer)
