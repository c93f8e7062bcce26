"""Whoever waits for a server when it dies is told at once, with its reason, and never waits out a timeout."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from servers import Async, Boom, Plain, Start, State, each_kind, now, settle, sleeping

import axon
from axon import ExitReason, GenServer, Reply, Stop, call, killed, normal, shutdown, stream

BOOM = Boom()


class Busy(GenServer[asyncio.Event]):
    """Can be asked in every way, and ends when it is told to."""

    def init(self) -> asyncio.Event:
        return asyncio.Event()

    @call(timeout=None)
    async def work(self, state: asyncio.Event, end: BaseException | None) -> None:
        await state.wait()
        if end is not None:
            raise end

    @call(timeout=None)
    def later(self, state: asyncio.Event) -> Reply[int]:
        return Reply()

    @stream(timeout=None)
    async def items(self, state: asyncio.Event) -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(100)
        yield 2

    @call(timeout=None)
    def queued(self, state: asyncio.Event) -> None:
        """Never comes to be handled."""


async def drain(server: Busy, items: list[int]) -> None:
    async for item in server.items():
        items.append(item)  # noqa: PERF401  # what came before the end is what matters


async def four_askers(server: Busy, end: BaseException | None) -> tuple[dict[str, asyncio.Task[Any]], list[int]]:
    """One asker whose answer is deferred, one that reads a stream, one being handled, one in the mailbox."""
    items: list[int] = []
    askers: dict[str, asyncio.Task[Any]] = {}
    for name, asking in (
        ("deferred", server.later()),
        ("streaming", drain(server, items)),
        ("handled", server.work(end)),
        ("queued", server.queued()),
    ):
        askers[name] = asyncio.create_task(asking)
        await settle()
    assert items == [1]
    return askers, items


async def check_all_told(askers: dict[str, asyncio.Task[Any]], reason: axon.ExitReason) -> None:
    await asyncio.wait(askers.values())
    assert now() < 1, "at once"
    for name, asker in askers.items():
        error = asker.exception()
        assert isinstance(error, axon.ServerDied), name
        assert error.reason == reason, name
        assert error.__cause__ is (reason if isinstance(reason, BaseException) else None), name
        assert error.target == "busy", name


@pytest.mark.parametrize("reason", [normal, shutdown, shutdown("deploy"), killed, BOOM], ids=repr)
async def test_b18_when_the_server_stops_by_itself(start: Start, reason: axon.ExitReason) -> None:
    server = await start(Busy(), name="busy")
    end = reason if isinstance(reason, BaseException) else Stop(reason)
    askers, _ = await four_askers(server, end)
    _release(server)
    await check_all_told(askers, reason)


def _release(server: Busy) -> None:
    process = axon.whereis(server)
    assert isinstance(process, axon.server.ServerProcess)
    process.state.set()


@pytest.mark.parametrize("reason", [shutdown, shutdown("deploy"), axon.kill, BOOM], ids=repr)
async def test_b18_when_an_exit_signal_ends_it(start: Start, reason: axon.ExitReason) -> None:
    server = await start(Busy(), name="busy")
    askers, _ = await four_askers(server, None)
    axon.exit(server, reason)
    await check_all_told(askers, killed if reason == axon.kill else reason)


@each_kind
async def test_b18_those_in_the_mailbox_hear_it_when_stop_comes_before_them(start: Start, kind: type[Plain]) -> None:
    server = await start(kind())
    first = asyncio.create_task(server.do(sleeping(0.1)))
    await settle()
    stopping = asyncio.create_task(axon.stop(server, shutdown))
    await settle()
    behind = asyncio.create_task(server.echo(1))
    assert await first is None, "what came before the stop is answered"
    await stopping
    with pytest.raises(axon.ServerDied) as caught:
        await behind
    assert caught.value.reason == shutdown


async def test_b18_system_requests_hear_it_too(start: Start) -> None:
    async def fail_later(state: State) -> None:
        await asyncio.sleep(1)
        raise BOOM

    server = await start(Async())
    busy = asyncio.create_task(server.do(fail_later))
    await settle()
    looking = asyncio.create_task(axon.get_state(server))
    await asyncio.wait([busy, looking])
    error = looking.exception()
    assert isinstance(error, axon.ServerDied)
    assert error.reason is BOOM


async def test_b18_a_caller_that_is_a_server_may_catch_it_and_goes_on(start: Start) -> None:
    server, asker = await start(Async()), await start(Async())

    async def ask(state: State) -> object:
        try:
            return await server.do(sleeping(100))
        except axon.ServerDied as error:
            return error.reason

    asking = asyncio.create_task(asker.do(ask))
    await settle()
    axon.exit(server, axon.kill)
    assert await asking == killed


async def test_what_was_streamed_before_the_death_arrives_before_the_error(start: Start) -> None:
    server = await start(Busy(), name="busy")
    askers, items = await four_askers(server, BOOM)
    _release(server)
    await check_all_told(askers, BOOM)
    assert items == [1]


@pytest.mark.parametrize("reason", [shutdown, axon.kill])
async def test_c23_what_a_plain_handler_returns_to_be_awaited_is_not_begun_when_it_has_ended_its_server(
    start: Start, reason: ExitReason
) -> None:
    begun: list[str] = []

    async def work() -> None:
        begun.append("work")
        await asyncio.sleep(60)

    def end_and_work(state: State) -> object:
        axon.exit(axon.current(), reason)
        return work()

    server = await start(Plain())
    with pytest.raises(axon.ServerDied) as caught:
        await server.do(end_and_work)
    assert caught.value.reason == (killed if reason == axon.kill else reason)
    assert (begun, now()) == ([], 0)


@pytest.mark.fifo("it is killed in the very turn between its request and the first step of its task")
@pytest.mark.parametrize("kind", [Plain, Async])
async def test_z4_a_handler_that_is_killed_before_its_first_step_leaves_its_caller_no_less_informed(
    start: Start, kind: type[Plain]
) -> None:
    begun: list[str] = []

    async def work(state: State) -> None:
        await asyncio.sleep(0)
        begun.append("work")

    server = await start(kind())
    asking = asyncio.create_task(server.do(work))
    await asyncio.sleep(0)
    axon.exit(server, axon.kill)
    with pytest.raises(axon.ServerDied) as caught:
        await asking
    assert caught.value.reason == killed
    assert begun == []
