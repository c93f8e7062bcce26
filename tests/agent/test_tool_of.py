"""Any `@call` of a started handle is a tool, and nothing that happens to its actor ends the run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from threading import Lock
from typing import Any

import pytest
from agent_parts import now
from pydantic_ai import Agent

import axon
from axon import DeadlineExceeded, ExitReason, GenServer, InvalidOption, NotStarted, Supervisor, call, child
from axon.agent import AgentServer, tool_of
from axon.store import MemoryStore
from axon.wire import NotOnWire, method_of
from tool_parts import Desk, book, calling, definitions_of, outcome_of, stopped, told


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = await axon.start(Desk())
    yield desk
    await stopped(desk)


async def test_a_model_calls_an_actor(desk: Desk) -> None:
    agent = Agent[object, str](tools=[tool_of(desk.book)])
    found = await outcome_of(agent, "book", {"guest": "Ann", "rooms": 2, "kind": "double", "until": "2030-01-31"})
    assert found == ("success", "2 double for Ann until 2030-01-31")
    assert await desk.guests() == ["Ann"]


async def test_the_model_sees_what_it_would_see_of_a_function_with_these_hints(desk: Desk) -> None:
    ours = (await definitions_of(Agent(tools=[tool_of(desk.book)])))["book"]
    theirs = (await definitions_of(Agent(tools=[book])))["book"]
    assert ours == theirs
    assert ours.parameters_json_schema["properties"]["rooms"]["description"] == "how many."
    assert set(ours.parameters_json_schema["properties"]) == set(method_of(desk.book).arguments_schema["properties"])


async def test_name_and_description_may_be_given(desk: Desk) -> None:
    tool = tool_of(desk.book, name="reserve", description="Reserve.", idempotent=True, requires_approval=True)
    assert (tool.name, tool.description, tool.metadata, tool.requires_approval) == (
        *("reserve", "Reserve."),
        *({"idempotent": True}, True),
    )


async def test_arguments_that_do_not_fit_are_the_models_to_correct(desk: Desk) -> None:
    agent = Agent(
        calling(("book", {"guest": "Ann", "rooms": "two"}), ("book", {"guest": "Ann"})), tools=[tool_of(desk.book)]
    )
    result = await agent.run("go")
    (first, problems), second = told(result.all_messages())
    assert first == "retried"
    assert problems[0]["loc"] == ["rooms"]
    assert second == ("success", "1 single for Ann until None")


async def test_a_declared_error_is_a_failure_that_the_model_is_told(desk: Desk) -> None:
    agent = Agent[object, str](tools=[tool_of(desk.book)])
    assert await outcome_of(agent, "book", {"guest": "Ann", "rooms": 9}) == ("failed", "NoRoom: 3 rooms are free")


async def test_a_declared_retry_is_a_retry(desk: Desk) -> None:
    agent = Agent[object, str](tools=[tool_of(desk.book)])
    assert await outcome_of(agent, "book", {"guest": ""}) == ("retried", "ask for the name of the guest")


async def test_a_server_that_breaks_down_ends_no_run_and_shows_nothing_of_itself(desk: Desk) -> None:
    agent = Agent(calling(("crash", {}), ("crash", {})), tools=[tool_of(desk.crash)])
    result = await agent.run("go")
    assert told(result.all_messages()) == [
        ("failed", "Desk.crash broke down in the middle of this: it may or may not have been done."),
        ("failed", "Desk.crash is not available now. Nothing was done."),
    ]
    assert result.output == "done"


async def test_a_handle_follows_its_server_through_a_restart() -> None:
    backoff: Callable[[Any], float] = lambda _: 3.0  # noqa: E731
    async with Supervisor([child(Desk(), id="desk", backoff=backoff)]) as sup:
        desk = sup.get(Desk, "desk")
        agent = Agent[object, str](tools=[tool_of(desk.crash), tool_of(desk.guests)])
        assert (await outcome_of(agent, "crash", {}))[0] == "failed"
        assert await outcome_of(agent, "guests", {}) == (
            "failed",
            "Desk.guests is not available now, and is expected back in 3 s. Nothing was done.",
        )
        await asyncio.sleep(4)
        assert await outcome_of(agent, "guests", {}) == ("success", [])


async def test_a_server_that_is_too_slow_is_a_failure(desk: Desk) -> None:
    agent = Agent[object, str](tools=[tool_of(desk.wait)])
    assert await outcome_of(agent, "wait", {"seconds": 60}) == (
        "failed",
        "Desk.wait did not answer within 2 s: it may still be done.",
    )
    await asyncio.sleep(60)


async def test_a_server_that_has_too_much_to_do_is_a_failure() -> None:
    async with Supervisor([child(Desk(), id="desk", mailbox=1)]) as sup:
        desk = sup.get(Desk, "desk")
        await axon.suspend(desk)
        desk.ring()
        agent = Agent[object, str](tools=[tool_of(desk.guests)])
        assert await outcome_of(agent, "guests", {}) == (
            "failed",
            "Desk.guests has too much to do now. Nothing was done.",
        )
        await axon.resume(desk)


async def test_a_deadline_around_the_run_bounds_the_call(desk: Desk) -> None:
    agent = Agent[object, str](tools=[tool_of(desk.wait_longer)])
    async with axon.deadline(7):
        assert await outcome_of(agent, "wait_longer", {"seconds": 60}) == (
            "failed",
            "There was no time left for Desk.wait_longer to answer: it may or may not have been done.",
        )
    assert now() == 7
    await asyncio.sleep(60)


async def test_the_deadline_of_an_agent_servers_turn_goes_along(desk: Desk) -> None:
    agent = Agent[object, str](tools=[tool_of(desk.wait_longer)])
    clerk = await axon.start(AgentServer(agent, model=calling(("wait_longer", {"seconds": 60}))))
    with pytest.raises(DeadlineExceeded):
        async with axon.deadline(7):
            await clerk.run("go")
    assert now() == 7
    await stopped(clerk)
    await asyncio.sleep(60)


class Bell(GenServer[list[str]]):
    def init(self) -> list[str]:
        return []

    @call(timeout=None)
    def ring(self, state: list[str]) -> asyncio.Future[str]:
        state.append("ring")
        return asyncio.get_running_loop().create_task(asyncio.sleep(10, "rung"))


@pytest.mark.parametrize(("idempotent", "times"), [(True, 2), (False, 1)])
async def test_a_call_that_a_crash_hid_is_made_again_only_if_it_is_idempotent(idempotent: bool, times: int) -> None:
    """As any tool of an agent with a store."""
    bell = await axon.start(Bell())
    agent = Agent[object, str](tools=[tool_of(bell.ring, idempotent=idempotent)])
    spec = AgentServer(agent, model=calling(("ring", {})), name="ringer", store=MemoryStore())
    async with Supervisor([child(spec, id="ringer")]) as sup:
        ringer = sup.get(AgentServer[object, str], "ringer")
        asking = asyncio.create_task(ringer.run("go"))
        await asyncio.sleep(5)
        axon.exit(ringer, axon.kill)
        assert (await asking).output == "done"
    assert await axon.get_state(bell) == ["ring"] * times
    await stopped(bell)


@pytest.mark.parametrize("reason", [axon.kill, axon.shutdown, ValueError("x")])
async def test_however_the_actor_ends_the_run_goes_on(desk: Desk, reason: ExitReason) -> None:
    agent = Agent(calling(("wait_longer", {"seconds": 60})), tools=[tool_of(desk.wait_longer)])
    running = asyncio.create_task(agent.run("go"))
    await asyncio.sleep(1)
    axon.exit(desk, reason)
    result = await running
    assert result.output == "done"
    assert [how for how, _ in told(result.all_messages())] == ["failed"]


# -- what is refused


class Odd(GenServer[None]):
    def init(self) -> None: ...
    @call
    def lock(self, state: None, lock: Lock) -> None: ...


async def test_what_is_no_call_of_a_started_handle_is_refused(desk: Desk) -> None:
    for wrong in (Desk.book, desk.ring, desk.wait_for, print, 7):
        method: Any = wrong
        with pytest.raises(InvalidOption) as refused:
            tool_of(method)
        assert refused.value.option == "method"
    with pytest.raises(NotStarted):
        tool_of(Desk().book)


async def test_a_handler_that_no_message_can_stand_for_is_refused_by_name() -> None:
    odd = await axon.start(Odd())
    with pytest.raises(NotOnWire, match=r"Odd\.lock: its parameter 'lock' of type .* is nothing that JSON carries"):
        tool_of(odd.lock)
    await stopped(odd)
