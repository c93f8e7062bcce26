"""Who waits for an answer while the agent ends and begins again: until the deadline, and not longer than it makes sense."""

from __future__ import annotations

import asyncio

import pytest
from agent_parts import Script, now, plain, says
from pydantic_ai import Agent
from tenacity import wait_fixed

import axon
from axon import DeadlineExceeded, NoProcess, ServerDied, Supervisor, child
from axon.agent import AgentServer
from axon.store import MemoryStore, SQLiteStore


def spec(script: Script, **options: object) -> AgentServer[object, str]:
    return AgentServer(plain(), model=script.model, name="a", store=MemoryStore(), attempts=100)


async def test_an_asker_waits_for_the_restart_until_its_deadline() -> None:
    script = Script(["hi"], takes=5)
    slow = child(spec(script), id="a", backoff=wait_fixed(60))
    async with Supervisor([slow]) as sup:
        agent = sup.get(AgentServer[object, str], "a")

        async def within(seconds: float) -> str:
            async with axon.deadline(seconds):
                return (await agent.run("hello", message_id=str(seconds))).output

        patient, hasty = asyncio.create_task(within(200)), asyncio.create_task(within(30))
        await asyncio.sleep(1)
        axon.exit("a", axon.kill)
        with pytest.raises(DeadlineExceeded):
            await hasty
        assert now() == 30
        assert await patient == "hi"
        assert 66 <= now() < 67


async def test_the_deadline_of_a_turn_goes_on_while_nobody_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_900_000_000.0 + now())
    script = Script(["hi"], takes=50)
    async with Supervisor([child(spec(script), id="a", backoff=wait_fixed(20))]) as sup:
        agent = sup.get(AgentServer[object, str], "a")
        with pytest.raises(DeadlineExceeded):
            async with axon.deadline(60):
                await asyncio.gather(agent.run("hello"), _kill_after(30))
        assert now() == 60
        await asyncio.sleep(0.1)
        assert (await agent.status()).state == "idle", "it is not worked on any more"


async def _kill_after(seconds: float) -> None:
    await asyncio.sleep(seconds)
    axon.exit("a", axon.kill)


async def test_where_no_restart_follows_the_asker_is_told_at_once() -> None:
    async with Supervisor([child(spec(Script(["hi"])), id="a", restart="temporary")]) as sup:
        agent = sup.get(AgentServer[object, str], "a")
        running = asyncio.create_task(agent.run("hello"))
        await asyncio.sleep(0.5)
        axon.exit("a", axon.kill)
        with pytest.raises(ServerDied):
            await running
        assert now() < 1
        with pytest.raises(NoProcess):
            await agent.run("hello")


async def test_the_death_of_another_server_that_a_tool_had_asked_is_the_answer() -> None:
    other = await axon.start(AgentServer(plain(), model=says("late", takes=100), name="other"))
    agent = Agent[object, str]()

    @agent.tool_plain
    async def ask() -> str:
        return (await other.run("?")).output

    async with Supervisor([AgentServer(agent, model=says(["ask"]), name="a", store=MemoryStore())]) as sup:
        running = asyncio.create_task(sup.get(AgentServer[object, str]).run("go"))
        await asyncio.sleep(2)
        axon.exit("other", axon.kill)
        with pytest.raises(ServerDied) as died:
            await running
        assert died.value.target != "Supervisor/AgentServer"


@pytest.mark.real_clock
@pytest.mark.slow
async def test_it_is_so_in_a_file_too(tmp_path: object) -> None:
    store = SQLiteStore(f"{tmp_path}/agents.db")
    script = Script(["{prompt}!"], takes=0.05)
    durable = AgentServer(plain(), model=script.model, name="a", store=store)
    async with Supervisor([child(durable, id="a")]) as sup:
        agent = sup.get(AgentServer[object, str], "a")
        await agent.run("one", message_id="1")
        running = asyncio.create_task(agent.run("two"))
        await asyncio.sleep(0.02)
        axon.exit("a", axon.kill)
        assert (await running).output == "two!"
    async with Supervisor([child(durable, id="a")]) as sup:
        agent = sup.get(AgentServer[object, str], "a")
        assert (await agent.run("one", message_id="1")).output == "one!"
        assert len(await agent.messages()) == 4
    await store.close()
