"""`stop`: end a server in order, and wait until it is gone."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from servers import Boom, Plain, Start, State, each_kind, note, now, raising, settle, sleeping

import axon
from axon import ExitReason, normal, shutdown


@each_kind
@pytest.mark.parametrize("reason", [normal, shutdown, shutdown("deploy"), Boom()], ids=repr)
async def test_b43_stop_waits_until_terminate_has_run_and_the_server_is_gone(
    start: Start, kind: type[Plain], reason: ExitReason
) -> None:
    spec = kind(finish=sleeping(1))
    server = await start(spec, name="main")
    await axon.stop(server, reason)
    assert now() == 1
    assert axon.whereis("main") is None
    assert spec.ends == [reason]


@each_kind
async def test_b43_a_server_that_is_stopping_takes_no_message(start: Start, kind: type[Plain]) -> None:
    """What comes while its `terminate` takes its time is not handled, and does not shorten that."""
    handled: list[str] = []
    server = await start(kind(finish=sleeping(1)))
    stopping = asyncio.create_task(axon.stop(server))
    await asyncio.sleep(0.5)
    server.tell(lambda _: handled.append("cast"))
    with pytest.raises(axon.ServerDied):
        await server.do(lambda _: handled.append("call"))
    await stopping
    assert now() == 1
    assert handled == []


@each_kind
async def test_b43_the_default_reason_is_normal(start: Start, kind: type[Plain]) -> None:
    spec = kind()
    await axon.stop(await start(spec))
    assert spec.ends == [normal]


@each_kind
async def test_b43_stop_by_name(start: Start, kind: type[Plain]) -> None:
    await start(kind(), name="main")
    await axon.stop("main")
    assert axon.whereis("main") is None


@each_kind
async def test_b43_what_is_in_the_mailbox_comes_first(start: Start, kind: type[Plain]) -> None:
    def write(number: int, state: State) -> None:
        handled.append(number)

    handled: list[int] = []
    server = await start(kind())
    for number in range(100):
        server.tell(partial(write, number))
    await axon.stop(server)
    assert handled == list(range(100))


@each_kind
async def test_b43_who_stops_a_server_that_dies_of_something_else_hears_of_what(
    start: Start, kind: type[Plain]
) -> None:
    boom = Boom()
    server = await start(kind())
    server.tell(raising(boom))
    with pytest.raises(axon.ServerDied) as caught:
        await axon.stop(server)
    assert caught.value.reason is boom
    assert caught.value.__cause__ is boom


async def test_b43_a_server_that_ends_by_itself_with_that_reason_meanwhile_is_stopped(start: Start) -> None:
    """In OTP whoever stops it exits: the request to stop was lost."""
    server = await start(Plain())
    server.tell(raising(axon.Stop(shutdown)))
    await axon.stop(server, shutdown)
    assert axon.whereis(server) is None


async def test_b43_two_may_stop_it_at_once(start: Start) -> None:
    server = await start(Plain(finish=sleeping(1)))
    asked = {reason: asyncio.create_task(axon.stop(server, reason)) for reason in (normal, shutdown)}
    await asyncio.wait(asked.values())
    [(late, error)] = [(reason, task.exception()) for reason, task in asked.items() if task.exception()]
    assert isinstance(error, axon.ServerDied), "it did not end for the later reason"
    assert error.reason == (shutdown if late == normal else normal)


async def test_b44_nobody_is_there_to_stop(start: Start) -> None:
    server = await start(Plain())
    await axon.stop(server)
    for target in (server, "unknown"):
        with pytest.raises(axon.NoProcess):
            await axon.stop(target)


async def test_b45_a_stop_that_times_out_leaves_the_server_to_end_by_itself(start: Start) -> None:
    spec = Plain(finish=sleeping(3))
    server = await start(spec)
    with pytest.raises(axon.CallTimeout) as caught:
        await axon.stop(server, timeout=1)
    assert caught.value.after == 1
    assert now() == 1
    assert axon.whereis(server) is not None
    assert (await axon.wait_down(server)).reason == normal
    assert now() == 3


async def test_b50_a_suspended_server_can_be_stopped_before_what_is_queued(start: Start) -> None:
    handled: list[str] = []
    spec = Plain()
    server = await start(spec)
    await axon.suspend(server)
    server.tell(lambda _: handled.append("queued"))
    await axon.stop(server, shutdown)
    assert spec.ends == [shutdown]
    assert handled == []


@pytest.mark.parametrize("wrong", ["normal", None, 5, Exception])
async def test_a_wrong_reason_is_refused_wherever_one_is_given(start: Start, wrong: ExitReason) -> None:
    server = await start(Plain())
    with pytest.raises(axon.InvalidOption) as caught:
        await axon.stop(server, wrong)
    assert (caught.value.option, caught.value.value) == ("reason", wrong)
    with pytest.raises(axon.InvalidOption):
        axon.Stop(wrong)
    with pytest.raises(axon.ServerDied) as died:
        await server.do(lambda _: axon.stop_self(wrong))
    assert isinstance(died.value.reason, axon.InvalidOption)


async def test_only_a_server_can_be_stopped() -> None:
    async def inbox() -> None:
        await axon.process.receive()

    process = axon.process.spawn(inbox)
    await settle()
    with pytest.raises(axon.InvalidOption, match="inbox loop"):
        await axon.stop(process)
    axon.exit(process, axon.kill)
    await settle()


async def test_a_stop_from_another_server_does_not_end_that_one(start: Start) -> None:
    server, other = await start(Plain()), await start(Plain())

    async def stop_the_other(state: State) -> None:
        await axon.stop(other, shutdown)
        state.append("stopped it")

    await server.do(stop_the_other)
    await server.do(note("go on"))
    assert await axon.get_state(server) == ["stopped it", "go on"]


@each_kind
async def test_a_deadline_replaces_the_patience_of_stop(start: Start, kind: type[Plain]) -> None:
    server = await start(kind(finish=sleeping(5)))
    with pytest.raises(axon.DeadlineExceeded):
        async with axon.deadline(2):
            await axon.stop(server, timeout=1)
    assert now() == 2
    await axon.wait_down(server)
    assert now() == 5
