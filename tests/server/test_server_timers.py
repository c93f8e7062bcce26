"""Timers aimed at servers: their messages come to `handle_info`."""

from __future__ import annotations

import asyncio

import pytest
from servers import Plain, Start, State, each_kind, now, seen, settle, sleeping

import axon
from axon import Timeout


def note_time(state: State) -> None:
    state.append(now())


@each_kind
async def test_b58_a_message_is_sent_once_when_it_is_due(start: Start, kind: type[Plain]) -> None:
    server = await start(kind())
    axon.send_after(2, server, note_time)
    await asyncio.sleep(10)
    assert await seen(server) == [2]


@each_kind
async def test_b58_a_server_may_arm_a_timer_for_itself(start: Start, kind: type[Plain]) -> None:
    server = await start(kind())
    await server.do(lambda _: axon.send_after(2, axon.current(), "wake up"))
    await asyncio.sleep(1)
    assert await seen(server) == []
    await asyncio.sleep(2)
    assert await seen(server) == ["wake up"]


@each_kind
async def test_b58_a_busy_server_gets_it_in_its_turn(start: Start, kind: type[Plain]) -> None:
    server = await start(kind())
    busy = asyncio.create_task(server.do(sleeping(3)))
    await settle()
    axon.send_after(0, server, note_time)
    await busy
    assert await seen(server) == [3.0]


@each_kind
async def test_b59_a_cancelled_timer_sends_nothing_and_tells_what_was_left(start: Start, kind: type[Plain]) -> None:
    server = await start(kind())
    timer = axon.send_after(3, server, "never")
    await asyncio.sleep(1)
    assert axon.cancel_timer(timer) == 2
    assert axon.cancel_timer(timer) is None
    fired = axon.send_after(1, server, "fired")
    await asyncio.sleep(5)
    assert axon.cancel_timer(fired) is None
    assert await seen(server) == ["fired"]


@each_kind
async def test_b61_a_started_timer_tells_which_it_was(start: Start, kind: type[Plain]) -> None:
    server = await start(kind())
    stale = axon.start_timer(1, server, "tick")
    current = axon.start_timer(2, server, "tick")
    await asyncio.sleep(5)
    assert await seen(server) == [Timeout(stale, "tick"), Timeout(current, "tick")]


async def test_b62_a_timer_aimed_at_a_server_ends_with_it(start: Start) -> None:
    server = await start(Plain(), name="main")
    to_server, to_name = axon.send_after(2, server, "to the server"), axon.send_after(2, "main", "to the name")
    await axon.stop(server)
    again = await start(Plain(), name="main")
    assert axon.read_timer(to_server) is None
    assert axon.read_timer(to_name) == 2
    await asyncio.sleep(5)
    assert await seen(again) == ["to the name"]


async def test_b63_a_timer_survives_the_server_that_made_it(start: Start) -> None:
    maker, target = await start(Plain()), await start(Plain())
    await maker.do(lambda _: axon.send_after(2, target, "from the grave"))
    await axon.stop(maker)
    await asyncio.sleep(5)
    assert await seen(target) == ["from the grave"]


@pytest.mark.parametrize("wrong", [-1, "1", None, True])
async def test_b58_a_wrong_time_is_refused(start: Start, wrong: float) -> None:
    server = await start(Plain())
    with pytest.raises(axon.InvalidOption) as caught:
        axon.send_after(wrong, server, "never")
    assert (caught.value.option, caught.value.value) == ("seconds", wrong)
