"""Runs beside the conversation: many at once, from the conversation as it stands, and no part of it."""

from __future__ import annotations

import asyncio

import pytest
from agent_parts import Script, now, plain, says, texts_of
from pydantic_ai import Agent, ModelHTTPError, RunCancelled, UsageLimits
from pydantic_ai.exceptions import UsageLimitExceeded
from pydantic_ai.models.test import TestModel

import axon
from axon import CallCycle, DeadlineExceeded, GenServer, InvalidOption, ServerDied, Supervisor, call, child
from axon.agent import AgentBusy, AgentServer, ToolTimeout, agent_tool
from axon.budget import Budget, BudgetExceeded, Limits
from axon.provider import Account
from axon.store import MemoryStore


async def test_queries_beside_the_conversation_run_at_once_and_are_no_part_of_it() -> None:
    agent = await axon.start(AgentServer(plain(), model=says("{prompt}!", takes=10)))
    await agent.run("the page")
    start = now()

    turn = asyncio.create_task(agent.run("go on"))
    asides = [asyncio.create_task(agent.run(prompt, aside=True)) for prompt in ("true?", "kind?", "necessary?")]

    assert [texts_of((await one).all_messages()) for one in asides] == [
        ["the page", "the page!", prompt, f"{prompt}!"] for prompt in ("true?", "kind?", "necessary?")
    ]
    await turn
    assert now() - start == 10
    assert texts_of(await agent.messages()) == ["the page", "the page!", "go on", "go on!"]
    assert (await agent.usage()).requests == 5
    await axon.stop(agent)


async def test_one_may_bring_a_conversation_of_its_own() -> None:
    agent = await axon.start(AgentServer(plain(), model=says("{prompt}!")))
    await agent.run("before")
    assert texts_of((await agent.run("alone", aside=True, message_history=[])).all_messages()) == ["alone", "alone!"]
    await axon.stop(agent)


async def test_it_is_streamed_like_any_run() -> None:
    agent = await axon.start(AgentServer(plain(), model=says("one two", takes=2)))
    assert [piece async for piece in agent.run_stream("go", aside=True)] == ["one", " two"]
    assert await agent.messages() == []
    await axon.stop(agent)


async def test_each_is_a_process_under_the_agents_task_supervisor() -> None:
    agent = Agent[object, str]()
    seen: list[axon.Process] = []

    @agent.tool_plain
    async def see() -> str:
        seen.append(axon.current())
        return "seen"

    server = await axon.start(AgentServer(agent, model=TestModel()))
    await asyncio.gather(server.run("one", aside=True), server.run("two", aside=True))

    one, two = seen
    assert one is not two
    tasks = one.parent
    assert tasks is not None
    assert tasks is two.parent
    assert tasks.parent is axon.whereis(server)
    assert (await axon.wait_down(one)).reason is axon.noproc, "it ends with its run"
    await axon.stop(server)
    assert (await axon.wait_down(tasks)).reason is axon.noproc


async def test_one_that_fails_hurts_no_other() -> None:
    agent = Agent[object, str]()

    @agent.tool_plain
    async def work() -> str:
        await asyncio.sleep(5)
        raise LookupError("nothing known")

    server = await axon.start(AgentServer(agent, model=says(["work"], "fine")))
    failing = asyncio.create_task(server.run("fails", aside=True))
    other = asyncio.create_task(server.run("works", aside=True, message_history=[]))
    with pytest.raises(LookupError, match="nothing known"):
        await failing
    assert (await other).output == "fine"
    await axon.stop(server)


async def test_with_a_store_a_fault_is_tried_again_and_the_agent_does_not_notice() -> None:
    agent = Agent[object, str]()
    calls: list[float] = []

    @agent.tool_plain(metadata={"idempotent": True})
    async def work() -> str:
        calls.append(now())
        if len(calls) == 1:
            raise LookupError("nothing known")
        return "done"

    spec = AgentServer(agent, model=says(["work"], "fine"), name="clerk", store=MemoryStore())
    async with Supervisor([child(spec, id="clerk")]) as tree:
        clerk = tree.get(AgentServer[object, str], "clerk")
        before = axon.whereis(clerk)
        assert (await clerk.run("go", aside=True)).output == "fine"
        assert len(calls) == 2
        assert axon.whereis(clerk) is before


async def test_a_kill_of_the_agent_ends_them_all() -> None:
    before = asyncio.all_tasks()
    agent = await axon.start(AgentServer(plain(), model=says("never", takes=100)))
    asking = [asyncio.create_task(agent.run(f"{n}", aside=True)) for n in range(5)]
    await asyncio.sleep(1)

    axon.exit(agent, axon.kill)

    for one in asking:
        with pytest.raises(ServerDied) as died:
            await one
        assert died.value.reason is axon.killed
    await asyncio.sleep(0.1)
    assert asyncio.all_tasks() == before


async def test_whoever_ends_its_process_ends_the_run_alone() -> None:
    agent = await axon.start(AgentServer(plain(), model=says("{prompt}!", takes=10)))
    asking = [asyncio.create_task(agent.run(f"{n}", aside=True)) for n in range(2)]
    await asyncio.sleep(1)
    process = axon.whereis(agent)
    assert process is not None
    assert process.links is not None
    (tasks,) = process.links
    assert tasks.links is not None
    first = next(task for task in tasks.links if task is not process)

    axon.exit(first, axon.kill)

    with pytest.raises(axon.AnswerCancelled):
        await asking[0]
    assert (await asking[1]).output == "1!"
    await axon.stop(agent)


async def test_status_shows_them_and_since_when() -> None:
    agent = await axon.start(AgentServer(plain(), model=says("{prompt}!", takes=10)))
    turn = asyncio.create_task(agent.run("the turn"))
    first = asyncio.create_task(agent.run("first", aside=True, message_id="a"))
    await asyncio.sleep(3)
    second = asyncio.create_task(agent.run("second", aside=True, message_id="b"))
    await asyncio.sleep(1)

    status = await agent.status()
    assert (status.state, status.prompt, status.queued) == ("thinking", "the turn", 0)
    assert [(one.message_id, one.prompt, one.state, one.seconds) for one in status.asides] == [
        ("a", "first", "thinking", 4),
        ("b", "second", "thinking", 1),
    ]
    await asyncio.gather(turn, first)
    later = await agent.status()
    assert (later.state, [one.prompt for one in later.asides]) == ("idle", ["second"])
    await second
    after = await agent.status()
    assert (after.seconds, after.asides) == (3, ()), "the conversation is idle since its turn is over"
    await axon.stop(agent)


async def test_it_can_be_cancelled_by_its_message_and_the_conversation_goes_on() -> None:
    agent = await axon.start(AgentServer(plain(), model=says("{prompt}!", takes=10)))
    turn = asyncio.create_task(agent.run("turn"))
    aside = asyncio.create_task(agent.run("aside", aside=True, message_id="it"))
    await asyncio.sleep(1)
    assert await agent.cancel(message_id="it")
    with pytest.raises(RunCancelled):
        await aside
    assert (await turn).output == "turn!"
    assert not await agent.cancel(message_id="it")
    await axon.stop(agent)


async def test_limits_hold_for_each() -> None:
    agent = Agent[object, str]()

    @agent.tool_plain
    async def work() -> str:
        await asyncio.sleep(100)
        return "never"

    server = await axon.start(AgentServer(agent, model=says(["work"]), tool_timeout=5))
    with pytest.raises(ToolTimeout):
        await server.run("hangs", aside=True)
    with pytest.raises(UsageLimitExceeded):
        await server.run("too much", aside=True, usage_limits=UsageLimits(request_limit=0))
    with pytest.raises(DeadlineExceeded):
        async with axon.deadline(3):
            await server.run("too late", aside=True)
    await asyncio.sleep(0.1)
    assert (await server.status()).asides == ()
    with pytest.raises(InvalidOption):
        await server.run("?", aside=1)  # type: ignore[arg-type]
    await axon.stop(server)


async def test_what_becomes_of_a_message_while_the_agent_is_busy_is_about_the_conversation() -> None:
    agent = await axon.start(AgentServer(plain(), model=says("{prompt}!", takes=10), when_busy="reject"))
    aside = asyncio.create_task(agent.run("aside", aside=True))
    await asyncio.sleep(1)
    turn = asyncio.create_task(agent.run("turn"))
    await asyncio.sleep(1)
    with pytest.raises(AgentBusy):
        await agent.run("another turn")
    assert (await agent.run("another aside", aside=True)).output == "another aside!"
    assert [(await one).output for one in (aside, turn)] == ["aside!", "turn!"]
    await axon.stop(agent)


async def test_a_budget_is_held_by_all_of_them_together() -> None:
    budget = Budget("page", requests=3, response=Limits(tokens=100))
    agent = await axon.start(AgentServer(plain(), model=says("{prompt}!"), budget=budget))
    ends = await asyncio.gather(
        *(agent.run(f"{n}", aside=True, message_history=[]) for n in range(10)), return_exceptions=True
    )
    assert sum(isinstance(end, BudgetExceeded) for end in ends) == 7
    assert (await budget.balance()).spent.requests == 3
    await axon.stop(agent)


async def test_a_tool_may_ask_its_own_agent_aside_but_not_wait_for_the_conversation_it_is_in() -> None:
    agent = Agent[object, str]()

    @agent.tool_plain
    async def ask() -> str:
        return (await server.run("beside", aside=True, message_history=[])).output

    @agent.tool_plain
    async def wait() -> str:
        return (await server.run("in line")).output

    script = Script([["ask"], "found", "done"])
    server = await axon.start(AgentServer(agent, model=script.model))
    assert (await server.run("go")).output == "done"

    script.steps = ["", "", "", ["wait"], "in line too", "done"]
    assert (await server.run("not in the conversation", aside=True)).output == "done", "nobody waits for it there"

    script.steps = [*[""] * 6, ["ask"], ["wait"]]
    with pytest.raises(CallCycle) as refused:
        await server.run("go")
    assert len(refused.value.cycle) == 3
    await axon.stop(server)


async def test_a_helper_that_is_started_for_one_ends_with_it_and_not_with_another() -> None:
    helper, seen = Agent[object, str](TestModel()), list[axon.Process]()

    @helper.tool_plain
    async def see() -> str:
        seen.append(axon.current())
        await asyncio.sleep(5 * len(seen))
        return "seen"

    agent = Agent[object, str](TestModel(), tools=[agent_tool(AgentServer(helper), name="ask")])
    server = await axon.start(AgentServer(agent))
    first, second = (asyncio.create_task(server.run(f"{n}", aside=True)) for n in range(2))

    assert "seen" in (await first).output
    one, two = seen
    helpers = one.parent
    assert helpers is not None
    assert helpers is two.parent
    assert helpers.parent is axon.whereis(server), "the agent's, whichever run was the first to need one"
    assert (await axon.wait_down(one)).reason in (axon.shutdown, axon.noproc)
    assert "seen" in (await second).output
    assert (await axon.wait_down(two)).reason in (axon.shutdown, axon.noproc)
    await axon.stop(server)


@pytest.mark.parametrize("store", [None, MemoryStore()], ids=["without a store", "with a store"])
async def test_an_approval_is_waited_for_by_its_own_run_alone(store: MemoryStore | None) -> None:
    agent = Agent[object, str](TestModel())

    @agent.tool_plain(requires_approval=True)
    async def pay() -> str:
        return "paid"

    server = await axon.start(AgentServer(agent, name="clerk", store=store))
    asides = [asyncio.create_task(server.run("go", aside=True, message_id=f"{n}")) for n in range(2)]
    await asyncio.sleep(1)
    assert [one.state for one in (await server.status()).asides] == ["approval"] * 2
    first, second = sorted(row.id for row in await server.approvals())

    await server.approve(second)
    assert (await asides[1]).output == '{"pay":"paid"}'
    assert not asides[0].done()
    await server.deny(first)
    assert "denied" in (await asides[0]).output
    await axon.stop(server)


async def test_an_account_that_is_closed_for_a_while_is_waited_for_by_all() -> None:
    limited = ModelHTTPError(429, "script", headers={"retry-after": "30"})
    agent = await axon.start(AgentServer(plain(), model=says(limited, "fine"), account=Account("one")))
    first = asyncio.create_task(agent.run("first", aside=True))
    await asyncio.sleep(2)
    second = asyncio.create_task(agent.run("second", aside=True))
    await asyncio.sleep(2)
    assert [one.state for one in (await agent.status()).asides] == ["throttled"] * 2
    assert [(await one).output for one in (first, second)] == ["fine"] * 2
    assert now() > 30
    await axon.stop(agent)


async def test_a_plain_server_in_between_is_no_circle_where_nobody_waits_for_the_turn() -> None:
    agent = Agent[object, str]()

    class Desk(GenServer[None]):
        def init(self) -> None:
            return None

        @call(timeout=None, raises=(CallCycle,))
        async def ask(self, state: None) -> str:
            return (await server.run("in line")).output

    desk = await axon.start(Desk())

    @agent.tool_plain
    async def ask_desk() -> str:
        return await desk.ask()

    @agent.tool_plain
    async def ask_aside() -> str:
        return (await server.run("aside", aside=True, message_history=[])).output

    script = Script(["slow", ["ask_desk"], "in line", "done"], takes=5)
    server = await axon.start(AgentServer(agent, model=script.model))
    turn = asyncio.create_task(server.run("turn"))
    await asyncio.sleep(1)
    assert (await server.run("aside", aside=True, message_history=[])).output == "done"
    assert (await turn).output == "slow"

    script.steps, script.seen = [["ask_aside"], ["ask_desk"], "never"], []
    with pytest.raises(CallCycle):
        await server.run("turn")
    await axon.stop(desk)
    await axon.stop(server)
