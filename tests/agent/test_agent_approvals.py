"""Tools that wait for somebody: the approval is a row, anybody may decide it, and it outlives the agent."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from agent_parts import now, says
from pydantic_ai import Agent, CallDeferred, ModelMessage, RunCancelled
from pydantic_ai.messages import ToolReturnPart

import axon
from axon import Supervisor, child
from axon.agent import AgentServer, answer, approve, deny
from axon.store import AlreadyDecided, Approval, MemoryStore, NoApproval

DURABLE = pytest.mark.parametrize("durable", [False, True])


@pytest.fixture(autouse=True)
def the_wall_clock_is_the_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Approvals expire by the wall clock, which goes on while nobody runs."""

    def wall() -> float:
        return 1_900_000_000.0 + now()

    monkeypatch.setattr(time, "time", wall)


def guarded(opened: list[str]) -> Agent[object, str]:
    agent = Agent[object, str](name="guarded")

    @agent.tool_plain(requires_approval=True)
    async def unlock(door: str = "front") -> str:
        opened.append(door)
        return f"{door} is open"

    @agent.tool_plain
    async def order() -> str:
        raise CallDeferred

    return agent


async def asked(agent: AgentServer[object, str], many: int = 1) -> list[Approval]:
    """Wait until it asks."""
    for _ in range(1000):
        rows = await agent.approvals()
        if len(rows) >= many:
            return rows
        await asyncio.sleep(0.1)
    raise AssertionError("it did not ask")


def outcomes(messages: list[ModelMessage]) -> list[tuple[str, object]]:
    return [
        (part.outcome, part.content)
        for message in messages
        for part in message.parts
        if isinstance(part, ToolReturnPart)
    ]


def server(opened: list[str], *steps: Any, durable: bool, **options: Any) -> AgentServer[object, str]:
    store = MemoryStore() if durable else None
    return AgentServer(guarded(opened), model=says(*steps), name="guarded", store=store, **options)


@DURABLE
async def test_a_tool_that_needs_an_approval_waits_for_it(durable: bool) -> None:
    opened: list[str] = []
    agent = await axon.start(server(opened, ["unlock"], "done", durable=durable))
    running = asyncio.create_task(agent.run("go", message_id="m"))
    (row,) = await asked(agent)
    await asyncio.sleep(100)
    status = await agent.status()
    assert (status.state, status.approvals) == ("approval", (row.id,))
    assert 99 < status.seconds < 101
    assert json.loads(row.payload) == {
        "agent": "guarded",
        "message_id": "m",
        "kind": "approval",
        "tool": "unlock",
        "args": {},
    }
    assert opened == []

    approved = await agent.approve(row.id, by="ada")

    assert (approved.status, approved.decided_by) == ("approved", "ada")
    result = await running
    assert opened == ["front"]
    assert outcomes(result.all_messages()) == [("success", "front is open")]
    assert await agent.approvals() == []
    assert [row.status for row in await agent.approvals(status=None)] == ["approved"]
    await axon.stop(agent)


@DURABLE
async def test_it_may_be_granted_with_other_arguments(durable: bool) -> None:
    opened: list[str] = []
    agent = await axon.start(server(opened, ["unlock"], "done", durable=durable))
    running = asyncio.create_task(agent.run("go"))
    (row,) = await asked(agent)
    await agent.approve(row.id, args={"door": "back"})
    await running
    assert opened == ["back"]
    await axon.stop(agent)


@DURABLE
async def test_a_denial_is_told_to_the_model_with_its_reason(durable: bool) -> None:
    opened: list[str] = []
    agent = await axon.start(server(opened, ["unlock"], "a pity", durable=durable))
    running = asyncio.create_task(agent.run("go"))
    (row,) = await asked(agent)
    await agent.deny(row.id, "not at night", by="ada")
    result = await running
    assert (opened, result.output) == ([], "a pity")
    assert outcomes(result.all_messages()) == [("denied", "not at night")]
    with pytest.raises(AlreadyDecided):
        await agent.approve(row.id)
    with pytest.raises(NoApproval):
        await agent.approve("something else")
    await axon.stop(agent)


@DURABLE
async def test_an_approval_that_expires_is_a_denial(durable: bool) -> None:
    opened: list[str] = []
    agent = await axon.start(server(opened, ["unlock"], "a pity", durable=durable, approval_timeout=60))
    running = asyncio.create_task(agent.run("go"))
    (row,) = await asked(agent)
    result = await running
    assert 61 <= now() <= 63
    assert outcomes(result.all_messages()) == [
        ("denied", "The approval expired: nobody decided in time, which is a denial.")
    ]
    with pytest.raises(AlreadyDecided) as late:
        await agent.approve(row.id)
    assert late.value.approval.status == "expired"
    assert opened == []
    await axon.stop(agent)


@DURABLE
async def test_a_tool_may_be_carried_out_elsewhere(durable: bool) -> None:
    agent = await axon.start(server([], ["order"], "thanks", durable=durable))
    running = asyncio.create_task(agent.run("go"))
    (row,) = await asked(agent)
    assert json.loads(row.payload)["kind"] == "external"
    await agent.answer(row.id, {"pizza": 1})
    assert outcomes((await running).all_messages()) == [("success", {"pizza": 1})]
    await axon.stop(agent)


async def test_several_wait_side_by_side() -> None:
    opened: list[str] = []
    agent = await axon.start(server(opened, ["unlock", "order", "unlock"], "done", durable=True))
    running = asyncio.create_task(agent.run("go"))
    one, two, three = sorted(await asked(agent, 3), key=lambda row: json.loads(row.payload)["tool"])
    await agent.deny(three.id)
    await agent.answer(one.id, "ordered")
    await agent.approve(two.id)
    result = await running
    assert opened == ["front"]
    assert sorted(outcome for outcome, _ in outcomes(result.all_messages())) == ["denied", "success", "success"]
    await axon.stop(agent)


async def test_a_cancelled_turn_takes_its_questions_back() -> None:
    agent = await axon.start(server([], ["unlock"], "done", durable=True))
    running = asyncio.create_task(agent.run("go"))
    (row,) = await asked(agent)
    assert await agent.cancel()
    with pytest.raises(RunCancelled):
        await running
    assert [row.status for row in await agent.approvals(status=None)] == ["cancelled"]
    with pytest.raises(AlreadyDecided):
        await agent.approve(row.id)
    await axon.stop(agent)


@pytest.mark.parametrize("decided", ["before", "while it is down", "after"])
@pytest.mark.parametrize("granted", [False, True])
async def test_what_was_asked_before_a_crash_is_decided_after_it_by_anybody(decided: str, granted: bool) -> None:
    """By whoever has the store: no agent is needed for it, and it need not run."""
    opened: list[str] = []
    store = MemoryStore()
    spec = AgentServer(guarded(opened), model=says(["unlock"], "done"), name="guarded", store=store)

    async def decide(id: str) -> None:
        await (approve(store, id, by="ada") if granted else deny(store, id, "no", by="ada"))

    async with Supervisor([child(spec, id="a")]) as sup:
        running = asyncio.create_task(sup.get(AgentServer[object, str], "a").run("go", message_id="m"))
        (row,) = await asked(sup.get(AgentServer[object, str], "a"))
        if decided == "before":
            await decide(row.id)
    await asyncio.wait([running])
    running.exception()
    await asyncio.sleep(1000)
    if decided == "while it is down":
        await decide(row.id)
    async with Supervisor([child(spec, id="a")]) as sup:
        again = asyncio.create_task(sup.get(AgentServer[object, str], "a").run("go", message_id="m"))
        await asyncio.sleep(1)
        if decided == "after":
            assert [one.id for one in await sup.get(AgentServer[object, str], "a").approvals()] == [row.id]
            await decide(row.id)
        result = await again
    assert opened == (["front"] if granted else [])
    assert outcomes(result.all_messages()) == [("success", "front is open") if granted else ("denied", "no")]
    assert len(await store.approvals()) == 1, "it is asked for once"


async def test_it_expires_also_while_the_agent_is_down() -> None:
    opened: list[str] = []
    store = MemoryStore()
    spec = AgentServer(
        guarded(opened), model=says(["unlock"], "a pity"), name="guarded", store=store, approval_timeout=60
    )
    async with Supervisor([child(spec, id="a")]) as sup:
        agent = sup.get(AgentServer[object, str], "a")
        running = asyncio.create_task(agent.run("go", message_id="m"))
        await asked(agent)
    await asyncio.wait([running])
    running.exception()
    await asyncio.sleep(3600)
    async with Supervisor([child(spec, id="a")]) as sup:
        result = await sup.get(AgentServer[object, str], "a").run("go", message_id="m")
    assert outcomes(result.all_messages())[0][0] == "denied"
    assert opened == []
    assert [row.status for row in await store.approvals()] == ["expired"]


async def test_another_process_may_answer() -> None:
    store = MemoryStore()
    agent = await axon.start(AgentServer(guarded([]), model=says(["order"], "thanks"), name="guarded", store=store))
    running = asyncio.create_task(agent.run("go"))
    (row,) = await asked(agent)
    at = now()
    await answer(store, row.id, 7, by="the kitchen")
    assert outcomes((await running).all_messages()) == [("success", 7)]
    assert now() - at < 2, "it looks often enough"
    await axon.stop(agent)
