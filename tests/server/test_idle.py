"""`idle_after`: to be told when no message comes."""

from __future__ import annotations

import asyncio

import pytest
from servers import Boom, Plain, Start, State, each_kind, note, now, seen, settle

import axon
from axon import GenServer, IdleTimeout, call


def idle_after(seconds: float) -> None:
    axon.idle_after(seconds)


class Watcher(GenServer[list[tuple[float, object]]]):
    """Notes when it was told what."""

    idle: float | None = None

    def init(self) -> list[tuple[float, object]]:
        if self.idle is not None:
            axon.idle_after(self.idle)
        return []

    @call
    def arm(self, state: list[tuple[float, object]], seconds: float) -> None:
        axon.idle_after(seconds)

    @call(raises=(Boom,))
    def arm_and_refuse(self, state: list[tuple[float, object]], seconds: float) -> None:
        axon.idle_after(seconds)
        raise Boom

    @call
    def arm_and_continue(self, state: list[tuple[float, object]], seconds: float, work: float) -> None:
        axon.idle_after(seconds)
        axon.continue_with(work)

    async def handle_continue(self, state: list[tuple[float, object]], continuation: object) -> None:
        assert isinstance(continuation, float | int)
        await asyncio.sleep(continuation)

    @call
    def nothing(self, state: list[tuple[float, object]]) -> None:
        return None

    def handle_info(self, state: list[tuple[float, object]], message: object) -> None:
        state.append((now(), message))


async def told(server: Watcher) -> list[tuple[float, object]]:
    state = await axon.get_state(server)
    assert isinstance(state, list)
    return list[tuple[float, object]](state)


@each_kind
async def test_b40_when_no_message_comes_for_so_long_handle_info_is_told(start: Start, kind: type[Plain]) -> None:
    server = await start(kind())
    await server.do(lambda _: idle_after(2))
    await asyncio.sleep(5)
    assert await seen(server) == [IdleTimeout(2.0)]


async def test_b3_init_may_arm_it(start: Start) -> None:
    server = await start(Watcher(idle=2))
    await asyncio.sleep(5)
    assert await told(server) == [(2, IdleTimeout(2.0))]


@pytest.mark.parametrize("way", ["call", "cast", "info"])
@each_kind
async def test_b40_any_message_cancels_it_and_it_is_not_armed_again_by_itself(
    start: Start, kind: type[Plain], way: str
) -> None:
    server = await start(kind())
    await server.do(lambda _: idle_after(2))
    await asyncio.sleep(1)
    if way == "call":
        await server.echo(1)
    elif way == "cast":
        server.tell(note("cast"))
    else:
        axon.send(server, "unknown")
    await asyncio.sleep(5)
    assert not any(isinstance(message, IdleTimeout) for message in await seen(server))


async def test_b40_the_callback_that_is_told_may_arm_it_again(start: Start) -> None:
    class Heart(GenServer[list[float]]):
        def init(self) -> list[float]:
            axon.idle_after(1)
            return []

        def handle_info(self, state: list[float], message: object) -> None:
            state.append(now())
            if len(state) < 3:
                axon.idle_after(1)

    server = await start(Heart())
    await asyncio.sleep(10)
    assert await axon.get_state(server) == [1, 2, 3]


@each_kind
async def test_b41_a_time_of_zero_loses_against_a_message_that_waits(start: Start, kind: type[Plain]) -> None:
    def arm(state: State) -> None:
        idle_after(0)
        axon.send(server, "waiting")

    server = await start(kind())
    await server.do(arm)
    await asyncio.sleep(1)
    assert await seen(server) == ["waiting"]


@each_kind
async def test_b41_and_comes_at_once_when_none_does(start: Start, kind: type[Plain]) -> None:
    server = await start(kind())
    await server.do(lambda _: idle_after(0))
    await settle()
    assert await seen(server) == [IdleTimeout(0.0)]
    assert now() < 0.01


async def test_b42_a_system_message_restarts_the_whole_time(start: Start) -> None:
    server = await start(Watcher(idle=1))
    await asyncio.sleep(0.6)
    assert await told(server) == []
    await asyncio.sleep(0.8)
    assert axon.statistics(server).handled == 0, "1.4 s after it was armed, 0.8 s after the system message"
    await asyncio.sleep(0.5)
    assert await told(server) == [(1.6, IdleTimeout(1.0))]


async def test_b42_a_suspended_server_is_not_idle_and_resume_restarts_the_whole_time(start: Start) -> None:
    server = await start(Watcher(idle=1))
    await axon.suspend(server)
    await asyncio.sleep(5)
    await axon.resume(server)
    await asyncio.sleep(5)
    assert await told(server) == [(6, IdleTimeout(1.0))]


async def test_b42_a_message_that_came_while_it_was_suspended_cancels_it(start: Start) -> None:
    server = await start(Watcher(idle=1))
    await axon.suspend(server)
    axon.send(server, "message")
    await asyncio.sleep(5)
    await axon.resume(server)
    await asyncio.sleep(5)
    assert await told(server) == [(5, "message")]


async def test_a_handler_that_refuses_may_arm_it_all_the_same(start: Start) -> None:
    server = await start(Watcher())
    with pytest.raises(Boom):
        await server.arm_and_refuse(1)
    await asyncio.sleep(5)
    assert await told(server) == [(1, IdleTimeout(1.0))]


async def test_b40_only_the_callback_that_asked_arms_it(start: Start) -> None:
    server = await start(Watcher())
    with pytest.raises(Boom):
        await server.arm_and_refuse(1)
    await server.nothing()
    await asyncio.sleep(5)
    assert await told(server) == []


async def test_it_is_not_lost_while_a_continuation_takes_longer(start: Start) -> None:
    server = await start(Watcher())
    await server.arm_and_continue(1, 3)
    await asyncio.sleep(5)
    assert await told(server) == [(3, IdleTimeout(1.0))]


async def test_arming_it_twice_in_one_callback_takes_the_last_time(start: Start) -> None:
    def twice(state: State) -> None:
        idle_after(1)
        idle_after(3)

    server = await start(Plain())
    await server.do(twice)
    await asyncio.sleep(2)
    assert axon.statistics(server).handled == 1
    await asyncio.sleep(5)
    assert await seen(server) == [IdleTimeout(3.0)]


async def test_a_dead_server_is_not_idle(start: Start) -> None:
    server = await start(Watcher(idle=1))
    await axon.stop(server)
    await asyncio.sleep(5)


@pytest.mark.parametrize("wrong", [-1, "1", True, None])
@each_kind
async def test_a_wrong_time_is_refused(start: Start, kind: type[Plain], wrong: float) -> None:
    server = await start(kind())
    with pytest.raises(axon.ServerDied) as caught:
        await server.do(lambda _: axon.idle_after(wrong))
    assert isinstance(caught.value.reason, axon.InvalidOption)
    assert (caught.value.reason.option, caught.value.reason.value) == ("seconds", wrong)


async def test_a_slow_handler_counts_from_its_end(start: Start) -> None:
    async def slow(state: State) -> None:
        idle_after(1)
        await asyncio.sleep(3)

    server = await start(Plain())
    await server.do(slow)
    await asyncio.sleep(0.9)
    assert axon.statistics(server).handled == 1
    await asyncio.sleep(0.2)
    assert await seen(server) == [IdleTimeout(1.0)]
