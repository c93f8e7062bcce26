"""System messages: looking into a running server, holding it, changing its state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from servers import (
    Boom,
    Plain,
    Start,
    State,
    each_kind,
    each_trapping_kind,
    note,
    now,
    raising,
    reason_of,
    seen,
    settle,
    sleeping,
    start_child,
)

import axon


@each_kind
async def test_b46_get_state_while_idle_is_the_state_itself(start: Start, kind: type[Plain]) -> None:
    server = await start(kind(begin=note("init")))
    first = await axon.get_state(server)
    assert first == ["init"]
    await server.do(note("more"))
    assert await axon.get_state(server) is first


@each_kind
async def test_b46_get_state_of_a_busy_server_comes_between_two_callbacks(start: Start, kind: type[Plain]) -> None:
    async def slow(state: State) -> None:
        state.append("begin")
        await asyncio.sleep(7)
        state.append("end")

    server = await start(kind())
    busy = asyncio.create_task(server.do(slow))
    await settle()
    assert await seen(server) == ["begin", "end"]
    assert now() == 7, "in its turn, and with no timeout of its own"
    await busy


@each_kind
async def test_b46_get_state_while_suspended(start: Start, kind: type[Plain]) -> None:
    server = await start(kind())
    await axon.suspend(server)
    server.tell(note("queued"))
    assert await seen(server) == []


@each_kind
async def test_b47_a_suspended_server_handles_nothing_until_it_is_resumed(start: Start, kind: type[Plain]) -> None:
    server = await start(kind())
    await axon.suspend(server)
    server.tell(note("cast"))
    axon.send(server, "info")
    with pytest.raises(axon.CallTimeout):
        await server.echo("call")
    assert now() == 5
    assert axon.statistics(server).queued == 3
    waiting = asyncio.create_task(server.do(note("later")))
    await settle()
    await axon.resume(server)
    await waiting
    assert await seen(server) == ["cast", "info", "later"], "in the order they came"
    assert axon.statistics(server).recent[2] == "echo('call')", "the timeout was only the caller's"


@each_kind
async def test_b47_an_idle_suspended_server_is_not_asked_in_place(start: Start, kind: type[Plain]) -> None:
    server = await start(kind())
    await axon.suspend(server)
    asking = asyncio.create_task(server.echo(1))
    await asyncio.sleep(1)
    assert not asking.done()
    await axon.resume(server)
    assert await asking == 1


async def test_b47_suspending_and_resuming_twice_is_the_same_as_once(start: Start) -> None:
    server = await start(Plain())
    for change in (axon.suspend, axon.suspend, axon.resume, axon.resume):
        await change(server)
    assert await server.echo(1) == 1


@each_kind
@pytest.mark.parametrize("suspended", [False, True])
async def test_b48_replace_state_installs_and_returns_the_new_state(
    start: Start, kind: type[Plain], suspended: bool
) -> None:
    server = await start(kind(begin=note("old")))
    if suspended:
        await axon.suspend(server)
    new = await axon.replace_state(server, lambda state: [*state, "new"])
    assert new == ["old", "new"]
    assert await axon.get_state(server) is new
    if suspended:
        await axon.resume(server)
    await server.do(note("next"))
    assert await seen(server) == ["old", "new", "next"]


def stop_iteration(state: State) -> object:
    return next(value for value in state if value == "missing")


def boom(state: State) -> object:
    raise Boom("cannot change")


def cancelled(state: State) -> object:
    raise asyncio.CancelledError


@each_kind
@pytest.mark.parametrize(
    ("change", "error"), [(boom, Boom), (stop_iteration, RuntimeError), (cancelled, BaseException)]
)
async def test_b48_a_change_that_raises_leaves_the_state_and_tells_who_wanted_it(
    start: Start, kind: type[Plain], change: Callable[[State], object], error: type[BaseException]
) -> None:
    server = await start(kind(begin=note("old")))
    async with asyncio.timeout(1):
        replacing = asyncio.create_task(axon.replace_state(server, change))
        await asyncio.wait([replacing])
    assert replacing.cancelled() or isinstance(replacing.exception(), error)
    assert await seen(server) == ["old"]
    assert await server.echo(1) == 1


async def test_b48_a_change_is_a_plain_function(start: Start) -> None:
    async def later(state: State) -> State:
        return state

    server = await start(Plain(begin=note("old")))
    with pytest.raises(axon.InvalidOption, match="change"):
        await axon.replace_state(server, later)
    assert await seen(server) == ["old"]


class Versioned(Plain):
    """Its new state is made by its new code."""

    def code_change(self, state: State, extra: object) -> State:
        if extra == "broken":
            raise Boom("no such version")
        return [*state, extra]


async def test_b52_a_suspended_server_takes_its_state_over_into_new_code(start: Start) -> None:
    server = await start(Versioned(begin=note("old")))
    await axon.suspend(server)
    server.tell(note("queued"))
    await axon.change_code(server, "2.0")
    assert await seen(server) == ["old", "2.0"]
    await axon.resume(server)
    assert await seen(server) == ["old", "2.0", "queued"]


async def test_b52_only_a_suspended_one(start: Start) -> None:
    server = await start(Versioned(begin=note("old")), name="main")
    with pytest.raises(axon.NotSuspended, match="main is not suspended") as refused:
        await axon.change_code(server, "2.0")
    assert refused.value.target == "main"
    assert await seen(server) == ["old"]


async def test_b52_a_failing_code_change_keeps_the_old_state(start: Start) -> None:
    server = await start(Versioned(begin=note("old")))
    await axon.suspend(server)
    with pytest.raises(Boom, match="no such version"):
        await axon.change_code(server, "broken")
    await axon.resume(server)
    assert await seen(server) == ["old"]
    assert await server.echo(1) == 1


async def test_b52_without_a_code_change_of_its_own_the_state_stays(start: Start) -> None:
    server = await start(Plain(begin=note("old")))
    await axon.suspend(server)
    await axon.change_code(server)
    assert await seen(server) == ["old"]


def test_b52_code_change_is_a_plain_function() -> None:
    async def code_change(self: Plain, state: State, extra: object) -> State:
        return state

    with pytest.raises(axon.InvalidHandler, match="code_change: must be a plain function"):
        type("Slow", (Plain,), {"code_change": code_change})


@each_trapping_kind
async def test_b50_a_suspended_server_that_is_stopped_runs_terminate(start: Start, kind: type[Plain]) -> None:
    spec = kind()
    server = await start(spec)
    await axon.suspend(server)
    server.tell(raising(Boom("queued")))
    await axon.stop(server)
    assert spec.ends == [axon.normal]


@each_trapping_kind
async def test_b50_a_suspended_server_follows_its_parents_exit_before_what_is_queued(
    start: Start, kind: type[Plain]
) -> None:
    handled: list[str] = []
    spec = kind()
    parent = await start(Plain())
    child = await start_child(parent, spec)
    await axon.suspend(child)
    child.tell(lambda _: handled.append("queued"))
    await asyncio.sleep(1)
    axon.exit(parent, axon.shutdown)
    assert await reason_of(child) == axon.shutdown
    assert spec.ends == [axon.shutdown]
    assert handled == []


@each_kind
async def test_b50_a_suspended_server_can_be_killed(start: Start, kind: type[Plain]) -> None:
    server = await start(kind())
    await axon.suspend(server)
    axon.exit(server, axon.kill)
    assert axon.whereis(server) is None


async def test_system_messages_need_a_living_server(start: Start) -> None:
    server = await start(Plain())
    await axon.stop(server)
    for target in (server, "unknown"):
        for ask in (axon.get_state, axon.suspend, axon.resume):
            with pytest.raises(axon.NoProcess):
                await ask(target)
        with pytest.raises(axon.NoProcess):
            axon.statistics(target)


async def test_system_messages_work_by_name_and_from_other_servers(start: Start) -> None:
    await start(Plain(begin=note("here")), name="main")
    other = await start(Plain())
    assert await other.do(lambda _: axon.get_state("main")) == ["here"]


async def test_a_deadline_bounds_system_messages_too(start: Start) -> None:
    server = await start(Plain())
    busy = asyncio.create_task(server.do(sleeping(3)))
    await settle()
    with pytest.raises(axon.DeadlineExceeded):
        async with axon.deadline(1):
            await axon.get_state(server)
    await busy
    assert await server.echo(1) == 1
