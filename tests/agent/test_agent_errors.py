"""Errors decide: the table from their class to what is done, and who pays for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agent_parts import Script, Step, is_valid, now, plain, says, texts_of
from pydantic_ai import (
    Agent,
    ModelAPIError,
    ModelHTTPError,
    RunCancelled,
    UnexpectedModelBehavior,
    UsageLimitExceeded,
    UsageLimits,
    UserError,
)
from pydantic_ai.exceptions import (
    ConcurrencyLimitExceeded,
    ContentFilterError,
    FallbackExceptionGroup,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelContextWindowExceededError,
    ModelNotFoundError,
    ModelOverloadedError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestTimeout,
    ModelServerError,
)
from pydantic_ai.messages import ToolReturnPart

import axon
from axon import InvalidOption, NoProcess, ServerDied, Supervisor, child
from axon.agent import (
    ACTIONS,
    Action,
    AgentServer,
    FirstTokenTimeout,
    StreamStalled,
    ToolTimeout,
    TurnFailed,
    TurnWasSetAside,
)
from axon.agent._verdict import action_for, pause_after
from axon.budget import BudgetClosed, PriceUnknown
from axon.store import MemoryStore, StoreUnavailable
from axon.testing import capture_events


class Broken(Exception):
    """A defect."""


DECISIONS = [
    (ModelRateLimitError("m", "slow down"), "retry"),
    (ModelOverloadedError("m", "busy"), "retry"),
    (ModelServerError("m", "oops"), "retry"),
    (ModelConnectionError("m", "reset"), "retry"),
    (ModelRequestTimeout("m", 120.0), "retry"),
    (ModelAPIError("m", "no JSON"), "retry"),
    (ModelHTTPError(503, "m"), "retry"),
    (ModelHTTPError(408, "m"), "retry"),
    (ModelHTTPError(418, "m"), "fail"),
    (ConcurrencyLimitExceeded("full"), "retry"),
    (StoreUnavailable("no answer"), "retry"),
    (BudgetClosed("acme/job"), "fail"),
    (PriceUnknown("acme", "m"), "fail"),
    (FirstTokenTimeout(60), "retry"),
    (StreamStalled(60), "retry"),
    (ToolTimeout("t", 60), "fail"),
    (FallbackExceptionGroup("all", [ModelHTTPError(418, "m"), ModelServerError("m", "oops")]), "retry"),
    (FallbackExceptionGroup("all", [ModelHTTPError(418, "m")]), "fail"),
    (ModelQuotaExceededError("m", "pay"), "fail"),
    (ModelAuthenticationError("m", "who?"), "fail"),
    (ModelNotFoundError("m", "what?"), "fail"),
    (ModelContextWindowExceededError("m", "too long"), "fail"),
    (UsageLimitExceeded("enough"), "fail"),
    (ContentFilterError("no"), "fail"),
    (UnexpectedModelBehavior("odd"), "fail"),
    (UserError("wrong"), "fail"),
    (ServerDied("x", axon.killed), "fail"),
    (Broken(), "crash"),
    (TimeoutError(), "crash"),
    (ExceptionGroup("several", [Broken()]), "crash"),
]


@pytest.mark.parametrize(
    ("error", "action"), DECISIONS, ids=lambda value: value if isinstance(value, str) else type(value).__name__
)
def test_the_table(error: Exception, action: str) -> None:
    assert action_for(error, {}, durable=True) == action
    assert action_for(error, {}, durable=False) == "fail", "without a store there is nothing to go on from"
    assert action_for(error, {Exception: "crash"}, durable=False) == "crash", "unless the user says so"


def test_the_nearest_class_of_the_users_table_counts() -> None:
    own: dict[type[BaseException], Action] = {Exception: "fail", Broken: "retry", ModelAPIError: "crash"}
    assert action_for(Broken(), own, durable=True) == "retry"
    assert action_for(ModelRateLimitError("m", "x"), own, durable=True) == "crash"
    assert action_for(KeyError(), own, durable=True) == "fail"
    table: Any = ACTIONS
    with pytest.raises(TypeError):
        table[Broken] = "fail"


def test_the_pause_is_what_the_provider_asks_for_and_a_little_more() -> None:
    asked = ModelRateLimitError("m", "slow down", retry_after=30.0)
    pauses = [pause_after(asked, 1) for _ in range(100)]
    assert all(30 <= pause <= 37.5 for pause in pauses)
    assert len(set(pauses)) > 50, "not all come back at once"
    assert all(4 <= pause_after(ModelServerError("m", "x"), 3) <= 5 for _ in range(100))
    assert pause_after(ModelServerError("m", "x"), 30) <= 75


@pytest.mark.parametrize(
    "table", [["retry"], {"Broken": "retry"}, {Broken: "stop"}, {int: "retry"}], ids=["list", "name", "action", "class"]
)
def test_a_table_that_cannot_be(table: Any) -> None:
    with pytest.raises(InvalidOption) as refused:
        AgentServer(plain(), on_error=table)
    assert refused.value.option == "on_error"


async def test_a_rate_limit_is_waited_for_and_nobody_notices() -> None:
    limited = ModelRateLimitError("m", "slow down", retry_after=30.0)
    script = Script([["look"], limited, "done"])
    agent = Agent[object, str]()
    looked: list[int] = []

    @agent.tool_plain
    async def look() -> str:
        looked.append(1)
        return "seen"

    spec = AgentServer(agent, model=script.model, name="a", store=MemoryStore())
    async with Supervisor([spec], max_restarts=0) as sup:
        server = sup.get(AgentServer)
        running = asyncio.create_task(server.run("go"))
        await asyncio.sleep(10)
        status = await server.status()
        assert status.state == "throttled"
        assert status.error == "ModelRateLimitError: slow down"
        assert status.resumes_in is not None
        assert 20 < status.resumes_in < 30
        result = await running
        assert result.output == "done"
        assert 33 <= now() <= 42
        assert looked == [1], "it goes on from the last checkpoint"
        assert (result.usage.requests, len(script.seen)) == (2, 3)
        assert is_valid(await server.messages())


async def test_a_pause_can_be_cancelled() -> None:
    limited = ModelRateLimitError("m", "slow down", retry_after=3600.0)
    agent = await axon.start(AgentServer(plain(), model=says(limited, "fine"), name="a", store=MemoryStore()))
    running = asyncio.create_task(agent.run("go"))
    await asyncio.sleep(10)
    assert await agent.cancel()
    with pytest.raises(RunCancelled):
        await running
    assert now() == 10
    assert (await agent.run("again")).output == "fine"
    await axon.stop(agent)


async def test_only_faults_count_against_the_restarts() -> None:
    """Each of these would have ended a supervisor that allows no restart."""
    errors = [ModelAuthenticationError("m", "who?"), UsageLimitExceeded("enough"), ModelServerError("m", "oops")]
    spec = AgentServer(plain(), model=says(*errors, "fine"), name="a", store=MemoryStore())
    async with Supervisor([spec], max_restarts=0) as sup:
        agent = sup.get(AgentServer)
        for error in errors[:2]:
            with pytest.raises(type(error)):
                await agent.run("go")
        assert (await agent.run("go")).output == "fine"


async def test_a_fault_is_the_supervisors_to_decide_and_the_turn_goes_on() -> None:
    calls: list[int] = []
    agent = Agent[object, str]()

    @agent.tool_plain(metadata={"idempotent": True})
    async def work() -> str:
        calls.append(1)
        if len(calls) == 1:
            raise Broken("the first time")
        return "worked"

    script = Script([["work"], "done"])
    spec = AgentServer(agent, model=script.model, name="a", store=MemoryStore())
    async with Supervisor([child(spec, id="a")], max_restarts=1) as sup:
        server = sup.get(AgentServer, "a")
        before = axon.whereis(server)
        assert (await server.run("go")).output == "done"
        assert axon.whereis(server) is not before
        assert (len(calls), len(script.seen)) == (2, 2)


async def test_of_a_tool_that_failed_and_is_not_idempotent_the_model_is_told() -> None:
    calls: list[int] = []
    agent = Agent[object, str]()

    @agent.tool_plain
    async def work() -> str:
        calls.append(1)
        raise Broken("ink is out")

    spec = AgentServer(agent, model=says(["work"], "I could not"), name="a", store=MemoryStore())
    async with Supervisor([spec]) as sup:
        result = await sup.get(AgentServer).run("go")
        assert result.output == "I could not"
        told = [part for message in result.all_messages() for part in message.parts if isinstance(part, ToolReturnPart)]
        assert [(part.outcome, part.content) for part in told] == [("failed", "Broken: ink is out")]
    assert calls == [1]


async def test_a_poison_turn_is_set_aside_and_the_agent_goes_on() -> None:
    script = Script([Broken("1"), Broken("2"), Broken("3"), "fine"])
    store = MemoryStore()
    with capture_events(TurnWasSetAside) as events:
        async with Supervisor([AgentServer(plain(), model=script.model, name="a", store=store)]) as sup:
            agent = sup.get(AgentServer)
            waiting = asyncio.create_task(agent.run("poison", message_id="p"))
            await asyncio.sleep(0.1)
            next_one = asyncio.create_task(agent.run("next"))
            with pytest.raises(Broken, match="3"):
                await waiting
            assert (await next_one).output == "fine"
            assert texts_of(await agent.messages()) == ["next", "fine"]
    assert [(event.message_id, event.attempts, event.error) for event in events] == [("p", 3, "Broken: 3")]


async def test_what_ends_its_process_each_time_is_set_aside_too() -> None:
    """Out of memory, say: nobody is left to count, so the attempts are counted before they begin."""
    store = MemoryStore()
    spec = AgentServer(plain(), model=says("hi"), name="a", store=store, attempts=2)
    async with Supervisor([child(spec, id="a")], max_restarts=10) as sup:
        agent = sup.get(AgentServer, "a")
        waiting = asyncio.create_task(agent.run("poison", message_id="p"))
        for _ in range(2):
            await asyncio.sleep(0.5)
            axon.exit("a", axon.kill)
        with pytest.raises(TurnFailed, match="after 2 attempts: each try ended together with its process") as aside:
            await waiting
        assert aside.value.how == "set aside"
        assert (await agent.run("next")).output == "hi"


async def test_progress_makes_the_attempts_begin_anew() -> None:
    steps: list[Step] = [ModelServerError("m", "x"), ModelServerError("m", "x"), ["look"]]
    script = Script([*steps, *steps, *steps, "done"])
    agent = Agent[object, str]()

    @agent.tool_plain
    async def look() -> str:
        return "seen"

    server = await axon.start(AgentServer(agent, model=script.model, name="a", store=MemoryStore()))
    assert (await server.run("go")).output == "done"
    await axon.stop(server)


async def test_without_a_supervisor_a_fault_ends_the_agent() -> None:
    agent = await axon.start(AgentServer(plain(), model=says(Broken()), name="a", store=MemoryStore()))
    with pytest.raises(ServerDied) as died:
        await agent.run("go")
    assert isinstance(died.value.reason, Broken)
    with pytest.raises(NoProcess):
        await agent.status()


async def test_a_supervisor_that_gives_up_ends_the_wait() -> None:
    spec = AgentServer(plain(), model=says(Broken()), name="a", store=MemoryStore(), attempts=100)
    with pytest.raises(axon.SupervisorDied):
        async with Supervisor([child(spec, id="a")], max_restarts=3) as sup:
            with pytest.raises(ServerDied):
                await sup.get(AgentServer, "a").run("go")
            await asyncio.sleep(1)


async def test_a_usage_limit_goes_over_restarts() -> None:
    agent = Agent[object, str]()

    @agent.tool_plain
    async def look() -> str:
        return "seen"

    spec = AgentServer(
        agent,
        model=says(["look"]),
        name="a",
        store=MemoryStore(),
        usage_limits=UsageLimits(request_limit=5),
    )
    async with Supervisor([child(spec, id="a")], max_restarts=10) as sup:
        server = sup.get(AgentServer, "a")
        running = asyncio.create_task(server.run("go"))
        await asyncio.sleep(2.5)
        axon.exit("a", axon.kill)
        with pytest.raises(UsageLimitExceeded):
            await running
        assert (await server.usage()).requests == 5
