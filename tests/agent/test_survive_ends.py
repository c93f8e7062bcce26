"""The boundaries that a turn crosses when something goes wrong or somebody interferes; killed there, too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from agent_parts import is_valid, texts_of
from pydantic_ai import Agent, ModelHTTPError, ModelMessage, ModelResponse, RunCancelled, RunContext
from pydantic_ai.exceptions import ApprovalRequired
from pydantic_ai.messages import TextPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from survivors import IN_A_TURN, EndingStore, When, World, grant_everything, survivor, thinking

import axon
from axon import ServerDied, Supervisor, child
from axon.agent import AgentServer, Boundary, TurnFailed
from axon.store import MemoryStore

OTHERS = {
    Boundary.STEERED,
    Boundary.TOOL_UNKNOWN,
    Boundary.TOOL_DEFERRED,
    Boundary.CANCEL_ASKED,
    Boundary.ATTEMPT_FAILED,
    Boundary.ENDED,
    Boundary.PAUSED,
    Boundary.RESET,
}
BOTH = pytest.mark.parametrize("when", ["before", "after"])


def test_every_boundary_has_its_kill() -> None:
    assert {*IN_A_TURN, *OTHERS} == set(Boundary)


@asynccontextmanager
async def supervised(spec: AgentServer[object, str]) -> AsyncGenerator[AgentServer[object, str]]:
    async with Supervisor([child(spec, id="one")], max_restarts=100) as sup:
        yield sup.get(AgentServer[object, str], "one")


def ending(*plan: tuple[Boundary, When]) -> EndingStore:
    return EndingStore(plan, lambda: axon.exit("survivor", axon.kill))


def surviving(world: World, store: MemoryStore, *steps: list[str] | str) -> AgentServer[object, str]:
    return AgentServer(survivor(world), model=thinking(world, steps), name="survivor", store=store)


def returns_of(messages: list[ModelMessage]) -> list[ToolReturnPart]:
    return [part for message in messages for part in message.parts if isinstance(part, ToolReturnPart)]


@BOTH
async def test_an_effect_that_nobody_knows_of_stays_unknown(when: When) -> None:
    """Killed between the effect and its record, and again when the model is to be told."""
    world, store = World(), ending((Boundary.TOOL_DONE, "before"), (Boundary.TOOL_UNKNOWN, when))
    async with supervised(surviving(world, store, ["pay"], "done")) as agent:
        result = await agent.run("go")
    assert store.strikes == 2
    assert world.effects == ["pay"]
    assert [part.outcome for part in returns_of(result.all_messages())] == ["failed"]
    assert "may or may not" in str(returns_of(result.all_messages())[0].content)


@BOTH
async def test_a_tool_that_asks_for_an_approval_by_itself_asks_once(when: When) -> None:
    store, opened = ending((Boundary.TOOL_DEFERRED, when)), list[str]()
    agent = Agent[object, str](name="asking")

    @agent.tool
    async def unlock(ctx: RunContext[object]) -> str:
        if not ctx.tool_call_approved:
            raise ApprovalRequired
        opened.append("door")
        return "open"

    spec = AgentServer(agent, model=thinking(World(), [["unlock"], "done"]), name="survivor", store=store)
    async with supervised(spec) as server:
        granting = asyncio.create_task(grant_everything(store))
        result = await server.run("go")
        granting.cancel()
    assert store.strikes == 1
    if opened:
        assert opened == ["door"]
        assert len(await store.approvals(status="approved")) == 1
    else:
        assert when == "before", "the tool had begun, and nobody knows what it did"
        assert "may or may not" in str(returns_of(result.all_messages())[0].content)


@BOTH
async def test_a_cancellation_that_was_kept_is_not_forgotten(when: When) -> None:
    world, store = World(), ending((Boundary.CANCEL_ASKED, when))
    async with supervised(surviving(world, store, ["pay"], "done")) as agent:
        asking = asyncio.create_task(agent.run("go"))
        await asyncio.sleep(1.5)
        with pytest.raises(ServerDied):
            await agent.cancel()
        if when == "before":
            assert (await asking).output == "done", "it was not kept, and whoever asked for it knows that"
        else:
            with pytest.raises((RunCancelled, TurnFailed), match="cancelled"):
                await asking
            assert await agent.messages() == []
        assert (await agent.run("next")).output == "done"
        assert is_valid(await agent.messages())


@BOTH
async def test_a_turn_that_ended_is_not_begun_again(when: When) -> None:
    world, store = World(), ending((Boundary.ENDED, when))
    async with supervised(surviving(world, store, ["pay"], "done")) as agent:
        asking = asyncio.create_task(agent.run("go", message_id="m"))
        await asyncio.sleep(1.5)
        with pytest.raises(ServerDied):
            await agent.cancel()
        with pytest.raises((RunCancelled, TurnFailed), match="cancelled"):
            await asking
        with pytest.raises(TurnFailed) as failed:
            await agent.run("go", message_id="m")
        assert failed.value.how == "cancelled"
        assert await agent.messages() == []
    assert world.effects == []


@BOTH
async def test_a_pause_after_an_error_of_the_provider_outlives_a_kill(when: When) -> None:
    store, asked = ending((Boundary.ATTEMPT_FAILED, when)), list[int]()

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        asked.append(len(messages))
        if len(asked) == 1:
            raise ModelHTTPError(503, "m")
        return ModelResponse(parts=[TextPart("done")])

    spec = AgentServer(Agent(name="a"), model=FunctionModel(answer), name="survivor", store=store)
    async with supervised(spec) as agent:
        assert (await agent.run("go")).output == "done"
    assert (store.strikes, asked) == (1, [1, 1])


@BOTH
async def test_a_stop_in_the_middle_of_a_turn_is_no_end(when: When) -> None:
    world, store = World(), ending((Boundary.PAUSED, when))
    async with supervised(surviving(world, store, ["pay"], ["look"], "done")) as agent:
        asking = asyncio.create_task(agent.run("go", message_id="m"))
        await asyncio.sleep(2.5)
    with pytest.raises(ServerDied):
        await asking

    async with supervised(surviving(world, store, ["pay"], ["look"], "done")) as agent:
        assert (await agent.run("go", message_id="m")).output == "done"
    assert (world.requests, world.effects) == ([0, 1, 2], ["pay", "look"])


async def test_a_deployment_does_not_use_up_attempts() -> None:
    world, store = World(), MemoryStore()
    for _ in range(10):
        async with supervised(surviving(world, store, "done")) as agent:
            asking = asyncio.create_task(agent.run("go", message_id="m"))
            await asyncio.sleep(0.5)
        await asyncio.wait([asking])
        asking.exception()
    async with supervised(surviving(world, store, "done")) as agent:
        assert (await agent.run("go", message_id="m")).output == "done"
    assert world.requests == [0]


@BOTH
async def test_a_reset_that_was_kept_is_not_undone(when: When) -> None:
    world, store = World(), ending((Boundary.RESET, when))
    async with supervised(surviving(world, store, "done")) as agent:
        await agent.run("before")
        agent.reset()
        await asyncio.sleep(0.1)
        await agent.run("after")
        expected = ["before", "done", "after", "done"] if when == "before" else ["after", "done"]
        assert texts_of(await agent.messages()) == expected
    assert store.strikes == 1


@pytest.mark.parametrize("restart", ["supervisor", "program"])
async def test_conversation_queue_and_counters_are_those_of_before(restart: str) -> None:
    """Of a conversation with several messages, one of them under way, one waiting."""
    world, store = World(), MemoryStore()
    async with supervised(surviving(world, store, "yes", ["pay"], "done")) as agent:
        await agent.run("first")
        second = asyncio.create_task(agent.run("second", message_id="2"))
        third = asyncio.create_task(agent.run("third", message_id="3"))
        await asyncio.sleep(2.5)
        if restart == "supervisor":
            axon.exit("survivor", axon.kill)
            await asyncio.wait([second, third])
            assert (await agent.usage()).requests == 4
            assert (await second).output == "done"
    if restart == "program":
        await asyncio.wait([second, third])
        assert [type(one.exception()) for one in (second, third)] == [ServerDied, ServerDied]
        async with supervised(surviving(world, store, "yes", ["pay"], "done")) as agent:
            assert (await agent.run("second", message_id="2")).output == "done"
            assert (await agent.run("third", message_id="3")).output == "yes"
            assert (await agent.usage()).requests == 4
            messages = await agent.messages()
            assert texts_of(messages) == ["first", "yes", "second", "done", "third", "yes"]
            assert is_valid(messages)
    assert world.requests == [0, 1, 2, 3]
    assert world.effects == ["pay"]
