"""`waits()`: who waits for whom, since when, and until when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from servers import Async, Plain, Start, State, now, settle, sleeping

import axon
from axon import Wait, waits


def asking(other: Plain, seconds: float) -> Callable[[State], object]:
    async def ask(state: State) -> None:
        await other.do(sleeping(seconds))

    return ask


async def test_a_call_in_a_handler_is_an_edge_with_its_times(start: Start) -> None:
    a, b = await start(Async()), await start(Async())
    await asyncio.sleep(10)

    async def ask(state: State) -> None:
        await b.echo("hello")

    b.tell(sleeping(2))
    a.tell(ask)
    await asyncio.sleep(1)
    waiter, target = axon.whereis(a), axon.whereis(b)
    assert waiter is not None
    assert target is not None
    assert waits() == [Wait(waiter, target, since=10, until=15)]
    await asyncio.sleep(2)
    assert waits() == []


async def test_the_deadline_is_until_when(start: Start) -> None:
    a, b = await start(Async()), await start(Async())
    async with axon.deadline(3):
        asked = asyncio.create_task(a.do(asking(b, 1)))
        await settle()
        assert [wait.until for wait in waits()] == [3]
        await asked


async def test_a_chain_shows_where_it_ends_the_longest_wait_first(start: Start) -> None:
    a, b, c = await start(Async()), await start(Async()), await start(Async())
    a.tell(asking(b, 5))
    await asyncio.sleep(1)
    c.tell(asking(b, 0))
    await settle()
    assert [(wait.waiter, wait.target) for wait in waits()] == [
        (axon.whereis(a), axon.whereis(b)),
        (axon.whereis(c), axon.whereis(b)),
    ]
    await asyncio.sleep(10)


async def test_starts_and_stops_are_waited_for_too(start: Start) -> None:
    slow = await start(Async(finish=sleeping(3)))

    async def stop(state: State) -> None:
        await axon.stop(slow)

    a = await start(Async())
    a.tell(stop)
    await settle()
    assert [(wait.target, wait.until) for wait in waits()] == [(axon.whereis(slow), None)]
    await asyncio.sleep(4)
    assert waits() == []


async def test_the_dead_wait_for_nobody(start: Start) -> None:
    a, b = await start(Async()), await start(Async())
    a.tell(asking(b, 100))
    await settle()
    axon.exit(a, axon.kill)
    await settle()
    assert waits() == []
    assert now() < 1


async def test_a_plain_coroutine_is_no_process(start: Start) -> None:
    a = await start(Async())
    asked = asyncio.create_task(a.do(sleeping(1)))
    await settle()
    assert waits() == []
    await asked
