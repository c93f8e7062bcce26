"""`terminate`: the last callback, which runs when a server ends in order, and what its outcome changes."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest
from servers import (
    Async,
    Boom,
    Plain,
    Start,
    State,
    TrappingAsync,
    TrappingPlain,
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
from axon import ExitReason, Stop, kill, killed, normal, shutdown
from axon.process import deadline_at

REASONS = [normal, shutdown, shutdown("deploy"), killed, Boom()]


# -- when it is called


@each_kind
@pytest.mark.parametrize("reason", REASONS, ids=repr)
@pytest.mark.parametrize("way", ["call", "cast", "info", "continue"])
async def test_b33_a_callback_that_raises_stop_ends_the_server_with_its_reason(
    start: Start, kind: type[Plain], reason: ExitReason, way: Literal["call", "cast", "info", "continue"]
) -> None:
    spec = kind()
    server = await start(spec)
    ending = asyncio.create_task(reason_of(server))
    await settle()
    match way:
        case "call":
            with pytest.raises(axon.ServerDied) as caught:
                await server.do(raising(Stop(reason)))
            assert caught.value.reason == reason
        case "cast":
            server.tell(raising(Stop(reason)))
        case "info":
            axon.send(server, raising(Stop(reason)))
        case "continue":
            server.tell(lambda _: axon.continue_with(raising(Stop(reason))))
    assert await ending == reason
    assert spec.ends == [reason]


@each_kind
@pytest.mark.parametrize("way", ["cast", "info", "continue"])
async def test_b33_stop_self_ends_it_after_the_present_callback(start: Start, kind: type[Plain], way: str) -> None:
    def stop(state: State) -> None:
        axon.stop_self(shutdown)
        last.append("the callback runs to its end")

    spec, last = kind(), list[str]()
    server = await start(spec)
    if way == "cast":
        server.tell(stop)
    elif way == "info":
        axon.send(server, stop)
    else:
        server.tell(lambda _: axon.continue_with(stop))
    assert await reason_of(server) == shutdown
    assert last == ["the callback runs to its end"]
    assert spec.ends == [shutdown]


@each_trapping_kind
@pytest.mark.parametrize("reason", REASONS, ids=repr)
async def test_b33_a_trapping_server_ends_in_order_when_its_parent_does_for_any_reason(
    start: Start, kind: type[Plain], reason: ExitReason
) -> None:
    spec = kind()
    parent = await start(Plain())
    child = await start_child(parent, spec)
    parent.tell(raising(Stop(reason)))
    assert await reason_of(child) == reason
    assert spec.ends == [reason]


@each_trapping_kind
async def test_b33_also_of_a_killed_parent(start: Start, kind: type[Plain]) -> None:
    spec = kind()
    parent = await start(Plain())
    child = await start_child(parent, spec)
    axon.exit(parent, kill)
    assert await reason_of(child) == killed
    assert spec.ends == [killed]


# -- when it is not


@each_kind
@pytest.mark.parametrize("reason", [shutdown, Boom(), killed], ids=repr)
async def test_b34_an_exit_signal_that_is_not_trapped_ends_a_server_without_terminate(
    start: Start, kind: type[Plain], reason: ExitReason
) -> None:
    spec = kind()
    server = await start(spec)
    await server.do()
    axon.exit(server, reason)
    assert axon.whereis(server) is None, "at once"
    await settle()
    assert spec.ends == []


@each_kind
@pytest.mark.parametrize("way", ["call", "info", "continue"])
async def test_c23_a_callback_that_is_hit_by_a_signal_before_its_first_await_is_not_awaited(
    start: Start, kind: type[Plain], way: Literal["call", "info", "continue"]
) -> None:
    """Also a plain one that returns what is to be awaited, when its server has no task yet that could be cancelled."""

    async def never(state: State) -> None:
        await asyncio.sleep(0)
        steps.append("never")

    def suicide(state: State) -> object:
        axon.exit(axon.current(), boom)
        steps.append("begun")
        return never(state)

    boom, steps, spec = Boom(), list[str](), kind()
    server = await start(spec)
    ending = asyncio.create_task(reason_of(server))
    await settle()
    match way:
        case "call":
            with pytest.raises(axon.ServerDied):
                await server.do(suicide)
        case "info":
            axon.send(server, suicide)
        case "continue":
            server.tell(lambda _: axon.continue_with(suicide))
    assert await ending is boom
    assert steps == ["begun"]
    assert spec.ends == []


@each_trapping_kind
async def test_b35_a_signal_of_its_own_is_a_message_to_a_server_that_traps(start: Start, kind: type[Plain]) -> None:
    """Also to one that was started without a link, where OTP takes the server for its own parent."""
    server = await start(kind())
    await server.do(lambda _: axon.exit(axon.current(), shutdown))
    assert await seen(server) == [axon.Exit(axon.whereis(server), shutdown)]


@pytest.mark.parametrize("kind", [Plain, Async, TrappingPlain, TrappingAsync])
async def test_b34_nor_does_kill_call_it(start: Start, kind: type[Plain]) -> None:
    spec = kind()
    server = await start(spec)
    await server.do()
    axon.exit(server, kill)
    assert axon.whereis(server) is None
    await settle()
    assert spec.ends == []


async def test_b34_a_handler_that_is_killed_is_cancelled_and_its_cleanup_runs(start: Start) -> None:
    cleaned: list[str] = []

    async def work(state: State) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            cleaned.append("finally")

    spec = TrappingAsync()
    server = await start(spec)
    asking = asyncio.create_task(server.do(work))
    await settle()
    axon.exit(server, kill)
    await asyncio.wait([asking])
    assert cleaned == ["finally"]
    assert spec.ends == [], "only terminate is left out"


@each_kind
async def test_b36_a_server_that_does_not_trap_outlives_a_parent_that_ends_normally(
    start: Start, kind: type[Plain]
) -> None:
    parent = await start(Plain())
    child = await start_child(parent, kind())
    await axon.stop(parent)
    await settle()
    assert await child.echo(1) == 1
    await axon.stop(child)


@each_trapping_kind
async def test_b35_an_exit_signal_of_somebody_else_is_just_a_message(start: Start, kind: type[Plain]) -> None:
    spec = kind()
    server, peer = await start(spec), await start(Plain())
    process = axon.whereis(peer)
    await peer.do(lambda _: axon.link(server))
    axon.exit(server, shutdown)
    axon.exit(peer, Boom("peer"))
    first, second = await seen(server)
    assert first == axon.Exit(None, shutdown)
    assert isinstance(second, axon.Exit)
    assert second.sender is process
    assert isinstance(second.reason, Boom)
    assert spec.ends == []


# -- what its outcome changes


@each_kind
async def test_b37_what_terminate_returns_is_ignored(start: Start, kind: type[Plain]) -> None:
    server = await start(kind(finish=lambda _: "a value"))
    await axon.stop(server)


@each_kind
async def test_b37_what_terminate_raises_becomes_the_reason(start: Start, kind: type[Plain]) -> None:
    boom = Boom("while cleaning up")
    server = await start(kind(finish=raising(boom)))
    with pytest.raises(axon.ServerDied) as caught:
        await axon.stop(server)
    assert caught.value.reason is boom


@each_kind
async def test_b37_a_stop_in_terminate_replaces_the_reason_too(start: Start, kind: type[Plain]) -> None:
    server = await start(kind(finish=raising(Stop(shutdown("other")))))
    with pytest.raises(axon.ServerDied) as caught:
        await server.do(raising(Boom()))
    assert caught.value.reason == shutdown("other")


@each_trapping_kind
async def test_b38_what_was_queued_before_the_parents_exit_is_handled_first_and_the_rest_discarded(
    start: Start, kind: type[Plain]
) -> None:
    handled: list[str] = []
    spec = kind()
    parent = await start(Plain())
    child = await start_child(parent, spec)
    busy = asyncio.create_task(child.do(sleeping(1)))
    await settle()
    child.tell(lambda _: handled.append("before"))
    axon.exit(parent, shutdown)
    child.tell(lambda _: handled.append("after"))
    pending = asyncio.create_task(child.echo(1))
    assert await busy is None, "the running callback is not interrupted"
    with pytest.raises(axon.ServerDied) as caught:
        await pending
    assert caught.value.reason == shutdown
    assert handled == ["before"]
    assert spec.ends == [shutdown]


# -- the parting answer


@each_kind
async def test_b25_stop_self_answers_when_terminate_has_run(start: Start, kind: type[Plain]) -> None:
    def stop(state: State) -> str:
        axon.stop_self(shutdown("done"))
        return "goodbye"

    spec = kind(finish=sleeping(0.06))
    server = await start(spec)
    ending = asyncio.create_task(reason_of(server))
    await asyncio.sleep(0)
    assert await server.do(stop) == "goodbye"
    assert now() == pytest.approx(0.06)
    assert spec.ends == [shutdown("done")]
    assert await ending == shutdown("done")


@each_kind
async def test_b25_even_when_terminate_raises(start: Start, kind: type[Plain]) -> None:
    def stop(state: State) -> str:
        axon.stop_self()
        return "goodbye"

    server, boom = await start(kind(finish=raising(Boom()))), Boom
    ending = asyncio.create_task(reason_of(server))
    await settle()
    assert await server.do(stop) == "goodbye"
    assert isinstance(await ending, boom)


@each_kind
async def test_b18_who_waits_for_a_parting_answer_hears_of_a_kill_meanwhile(start: Start, kind: type[Plain]) -> None:
    def stop(state: State) -> str:
        axon.stop_self()
        return "goodbye"

    server = await start(kind(finish=sleeping(100)))
    asking = asyncio.create_task(server.do(stop))
    await asyncio.sleep(1)
    assert not asking.done()
    axon.exit(server, kill)
    await asyncio.wait([asking], timeout=10)
    assert now() < 5
    with pytest.raises(axon.ServerDied):
        await asking


@each_kind
async def test_b25_who_raises_stop_gives_no_answer(start: Start, kind: type[Plain]) -> None:
    server = await start(kind())
    with pytest.raises(axon.ServerDied) as caught:
        await server.do(raising(Stop()))
    assert caught.value.reason == normal


@each_kind
async def test_an_error_after_stop_self_is_the_reason(start: Start, kind: type[Plain]) -> None:
    def stop(state: State) -> None:
        axon.stop_self(shutdown)
        raise boom

    boom, spec = Boom(), kind()
    server = await start(spec)
    with pytest.raises(axon.ServerDied) as caught:
        await server.do(stop)
    assert caught.value.reason is boom
    assert spec.ends == [boom]


# -- what it can do


async def test_terminate_may_call_other_servers(start: Start) -> None:
    other = await start(Async())
    server = await start(Async(finish=lambda _: other.do(note("goodbye"))))
    await axon.stop(server)
    assert await seen(other) == ["goodbye"]


@each_kind
async def test_the_deadline_of_the_last_request_does_not_bound_terminate(start: Start, kind: type[Plain]) -> None:
    found: list[float | None] = []
    server = await start(kind(finish=lambda _: found.append(deadline_at.get())))
    async with axon.deadline(5):
        with pytest.raises(axon.ServerDied):
            await server.do(raising(Boom()))
    assert found == [None]


async def test_messages_that_come_while_terminate_runs_are_not_handled(start: Start) -> None:
    handled: list[str] = []
    server = await start(Async(finish=sleeping(1)))
    stopping = asyncio.create_task(axon.stop(server))
    await settle()
    server.tell(lambda _: handled.append("too late"))
    late = asyncio.create_task(server.echo(1))
    await stopping
    with pytest.raises(axon.ServerDied):
        await late
    assert handled == []


async def test_a_signal_does_not_interrupt_terminate_of_a_trapping_server_but_kill_does(start: Start) -> None:
    server = await start(TrappingAsync(finish=sleeping(100)))
    ending = asyncio.create_task(reason_of(server))
    stopping = asyncio.create_task(axon.stop(server))
    await settle()
    axon.exit(server, shutdown)
    await asyncio.sleep(1)
    assert not ending.done()
    axon.exit(server, kill)
    assert await ending == killed
    await asyncio.wait([stopping])
    assert isinstance(stopping.exception(), axon.ServerDied)
