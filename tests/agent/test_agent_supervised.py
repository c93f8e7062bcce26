"""An agent under a supervisor: how it dies, what becomes of its runs, and what a restart gives."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Literal

import pytest
from agent_parts import now, plain, says, texts_of
from pydantic_ai import Agent, RunCancelled

import axon
from axon import CallError, NoProcess, ServerDied, StartFailed, Supervisor, child
from axon.agent import AgentServer, TakenOver
from axon.store import MemoryStore
from axon.testing import virtual_clock

ended: list[str] = []


@pytest.fixture(autouse=True)
def nothing_has_ended() -> None:
    ended.clear()


def careful() -> Agent[object, str]:
    """An agent whose tool needs two seconds to clean up."""
    agent = Agent[object, str]()

    @agent.tool_plain
    async def work() -> str:
        try:
            await asyncio.sleep(100)
        finally:
            ended.append("began to clean up")
            await asyncio.sleep(2)
            ended.append("cleaned up")
        return "never"

    return agent


async def test_a_killed_agent_is_restarted_with_an_empty_conversation() -> None:
    async with Supervisor([child(AgentServer(plain(), model=says("{prompt}!")), id="writer")]) as sup:
        writer = sup.get(AgentServer, "writer")
        await writer.run("before")
        running = asyncio.create_task(writer.run("lost"))
        waiting = asyncio.create_task(writer.run("lost, too"))
        await asyncio.sleep(0.5)

        axon.exit(writer, axon.kill)

        for one in (running, waiting):
            with pytest.raises(ServerDied) as died:
                await one
            assert died.value.reason is axon.killed
        assert texts_of((await writer.run("after")).all_messages()) == ["after", "after!"]
        assert (await writer.usage()).requests == 1


@pytest.mark.parametrize("aside", [False, True])
@pytest.mark.parametrize("turns", range(1, 30))
async def test_a_kill_leaves_nothing_in_whatever_turn_it_comes(turns: int, aside: bool) -> None:
    before = asyncio.all_tasks()
    async with Supervisor([AgentServer(plain(), model=says("{prompt}!"))]) as sup:
        running = asyncio.create_task(sup.get(AgentServer).run("lost", aside=aside))
        for _ in range(turns):
            await asyncio.sleep(0)
        axon.exit(sup.get(AgentServer), axon.kill)
        with pytest.raises(ServerDied):
            await running
    await asyncio.sleep(1)
    assert asyncio.all_tasks() == before


async def test_a_kill_ends_the_run() -> None:
    async with Supervisor([AgentServer(careful(), model=says(["work"]))]) as sup:
        agent = sup.get(AgentServer)
        running = asyncio.create_task(agent.run("go"))
        await asyncio.sleep(5)
        axon.exit(agent, axon.kill)
        with pytest.raises(ServerDied):
            await running
        await asyncio.sleep(3)
        assert "began to clean up" in ended


async def test_a_shutdown_waits_until_the_tools_have_cleaned_up() -> None:
    async with Supervisor([AgentServer(careful(), model=says(["work"]))]) as sup:
        agent = sup.get(AgentServer)
        running = asyncio.create_task(agent.run("go"))
        waiting = asyncio.create_task(agent.run("wait"))
        await asyncio.sleep(5)
    assert ended == ["began to clean up", "cleaned up"]
    assert now() == 7
    for one in (running, waiting):
        with pytest.raises(ServerDied) as died:
            await one
        assert died.value.reason == axon.shutdown


async def test_a_shutdown_does_not_wait_for_longer_than_the_spec_says() -> None:
    async with Supervisor([child(AgentServer(careful(), model=says(["work"])), shutdown=1.0)]) as sup:
        running = asyncio.create_task(sup.get(AgentServer).run("go"))
        await asyncio.sleep(5)
    assert now() == 6
    with pytest.raises(ServerDied):
        await running
    await asyncio.sleep(2)  # what the tool still does it does alone


@pytest.mark.parametrize("aside", [False, True])
async def test_a_stopped_agent_ends_its_runs_in_order(aside: bool) -> None:
    before = asyncio.all_tasks()
    agent = await axon.start(AgentServer(careful(), model=says(["work"])))
    running = asyncio.create_task(agent.run("go", aside=aside))
    await asyncio.sleep(5)
    await axon.stop(agent)
    assert ended == ["began to clean up", "cleaned up"]
    with pytest.raises(ServerDied) as died:
        await running
    assert died.value.reason == axon.normal
    with pytest.raises(NoProcess):
        await agent.run("again", aside=aside)
    assert asyncio.all_tasks() == before


async def test_a_cancelled_run_is_not_cancelled_again_by_a_shutdown() -> None:
    agent = await axon.start(AgentServer(careful(), model=says(["work"])))
    running = asyncio.create_task(agent.run("go"))
    await asyncio.sleep(5)
    cancelling = asyncio.create_task(agent.cancel())
    await asyncio.sleep(1)
    await axon.stop(agent)
    assert ended == ["began to clean up", "cleaned up"]
    with pytest.raises(RunCancelled):
        await running
    with pytest.raises(ServerDied):
        await cancelling


async def test_an_exit_signal_ends_an_agent_as_it_ends_any_server() -> None:
    agent = await axon.start(AgentServer(plain()))
    axon.exit(agent, axon.normal)
    assert (await agent.status()).state == "idle"
    axon.exit(agent, axon.shutdown("enough"))
    assert (await axon.wait_down(agent)).reason in (axon.shutdown("enough"), axon.noproc)


def test_a_run_that_the_end_of_the_program_cuts_off_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def program() -> None:
        agent = await axon.start(AgentServer(plain(), model=says("hi")))
        running = asyncio.create_task(agent.run("go"))
        await asyncio.sleep(0.1)
        assert not running.done()

    with asyncio.Runner(loop_factory=virtual_clock) as runner:
        runner.run(program())
    assert not caplog.records


async def test_a_linked_failure_takes_the_agent_along() -> None:
    agent = await axon.start(AgentServer(plain(), model=says("hi", takes=10)))
    failure = RuntimeError("the neighbour fell")
    running = asyncio.create_task(agent.run("go"))
    await asyncio.sleep(0.1)

    async def neighbour() -> None:
        axon.link(agent)
        raise failure

    axon.process.spawn(neighbour)
    with pytest.raises(ServerDied) as died:
        await running
    assert died.value.reason is failure


async def test_a_failing_run_costs_no_restart() -> None:
    async with Supervisor([AgentServer(plain(), model=says(ValueError("no")))], max_restarts=0) as sup:
        agent = sup.get(AgentServer)
        incarnation = axon.whereis(agent)
        for _ in range(5):
            with pytest.raises(ValueError, match="no"):
                await agent.run("go")
        assert axon.whereis(agent) is incarnation


async def test_a_named_agent_is_found_by_its_name_also_after_a_restart() -> None:
    async with Supervisor([AgentServer(plain(), name="writer", model=says("hi", takes=0))]) as sup:
        assert axon.lookup(AgentServer, "writer") == sup.get(AgentServer)
        axon.exit("writer", axon.kill)
        await asyncio.sleep(0.01)
        assert (await axon.lookup(AgentServer, "writer").run("hello")).output == "hi"
        with pytest.raises(StartFailed):
            await axon.start(AgentServer(plain(), name="writer"))


async def test_a_mailbox_limit_does_not_lose_the_end_of_a_run() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("{prompt}!")), mailbox=1)
    first = asyncio.create_task(writer.run("first"))
    await asyncio.sleep(0.5)
    second = asyncio.create_task(writer.run("second"))
    await asyncio.sleep(0.1)
    await axon.suspend(writer)
    writer.reset()  # fills the mailbox
    await asyncio.sleep(1)
    await axon.resume(writer)
    assert [(await one).output for one in (first, second)] == ["first!", "second!"]
    await axon.stop(writer)


@pytest.mark.parametrize("restart", ["permanent", "transient"])
async def test_an_agent_that_another_program_has_now_is_not_brought_back(
    restart: Literal["permanent", "transient"],
) -> None:
    store = MemoryStore()
    spec = AgentServer(plain(), model=says("{prompt}!"), name="clerk", store=store)
    async with Supervisor([child(spec, id="clerk", restart=restart)]) as sup:
        clerk = sup.get(AgentServer, "clerk")
        await clerk.run("before")
        theirs = await store.open("clerk")  # as the other program does when it starts the agent

        with pytest.raises(ServerDied) as died:
            await clerk.run("mine?")
        assert isinstance(died.value.reason, TakenOver)
        await asyncio.sleep(60)
        with pytest.raises(NoProcess):
            await clerk.status()
        kept = await store.read("clerk")
        assert kept is not None
        assert kept.epoch == theirs.epoch, "the other one has it undisturbed"

        await sup.restart_child("clerk")
        assert texts_of(await clerk.messages()) == ["before", "before!"], "whoever wants it back takes it back"


@pytest.mark.real_clock
async def test_two_programs_do_not_take_an_agent_from_each_other_for_ever() -> None:
    """The one that started it last has it, however often the other one is asked."""
    store = MemoryStore()
    spec = AgentServer(plain(), model=says("{prompt}!", takes=0), name="clerk", store=store)

    async def younger() -> list[str]:
        async with Supervisor([child(spec, id="clerk")]) as sup:
            return [(await sup.get(AgentServer, "clerk").run("hello")).output for _ in range(20)]

    async with Supervisor([child(spec, id="clerk")]) as sup:
        clerk = sup.get(AgentServer, "clerk")
        assert (await clerk.run("hello")).output == "hello!"
        other = asyncio.create_task(asyncio.to_thread(asyncio.run, younger()))
        while not other.done():
            with suppress(CallError):
                await clerk.run("hello")
            await asyncio.sleep(0.001)
        assert other.result() == ["hello!"] * 20
        with pytest.raises(CallError):
            await clerk.run("hello")
        with pytest.raises(NoProcess):
            await clerk.status()
    kept = await store.read("clerk")
    assert kept is not None
    assert kept.epoch == 2, "each has taken it once"
