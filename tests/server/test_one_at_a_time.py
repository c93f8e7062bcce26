"""Order and fairness: messages of one sender stay in order, one is handled at a time, and nobody is starved."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from servers import Action, Async, Plain, Start, State, each_kind, note, seen, settle

import axon
from axon import GenServer, cast
from axon.process import runtime
from axon.testing import virtual_clock
from loops import IN_PLACE


@pytest.fixture(params=[True, False], ids=["in place", "through the mailbox"])
async def in_place(request: pytest.FixtureRequest) -> AsyncIterator[bool]:
    """Whether an idle server may answer in its caller's turn, which must not be visible."""
    runtime().in_place = request.param
    yield request.param
    runtime().in_place = True


@each_kind
async def test_b21_messages_of_one_sender_are_handled_in_order(start: Start, kind: type[Plain], in_place: bool) -> None:
    server = await start(kind())
    for round in range(30):
        server.tell(note(("cast", round)))
        axon.send(server, ("send", round))
        await server.do(note(("call", round)))
        if round % 3 == 0:
            await settle()
    expected = [(way, round) for round in range(30) for way in ("cast", "send", "call")]
    assert await seen(server) == expected


@each_kind
async def test_b21_also_when_the_sender_is_a_server(start: Start, kind: type[Plain], in_place: bool) -> None:
    async def send_all(state: State) -> None:
        for round in range(10):
            axon.send(receiver, ("send", round))
            receiver.tell(note(("cast", round)))
            await receiver.do(note(("call", round)))

    receiver, sender = await start(kind()), await start(kind())
    await sender.do(send_all)
    assert await seen(receiver) == [(way, round) for round in range(10) for way in ("send", "cast", "call")]


@each_kind
async def test_b22_no_callback_starts_before_the_one_before_it_has_returned(
    start: Start, kind: type[Plain], in_place: bool
) -> None:
    running = 0

    async def alone(state: State) -> None:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0.01)
        running -= 1
        state.append("alone")

    server = await start(kind())
    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(server.do(alone))
            axon.send(server, alone)
            await asyncio.sleep(0.005)
    assert await seen(server) == ["alone"] * 10


@each_kind
async def test_b22_a_plain_callback_waits_for_one_that_suspends(start: Start, kind: type[Plain]) -> None:
    async def slow(state: State) -> None:
        state.append("begin")
        await asyncio.sleep(1)
        state.append("end")

    server = await start(kind())
    busy = asyncio.create_task(server.do(slow))
    await settle()
    server.tell(note("next"))
    await busy
    assert await seen(server) == ["begin", "end", "next"]


class Ticker(GenServer[list[int]]):
    """Casts to itself without end."""

    ticks: list[int]

    def init(self) -> list[int]:
        return self.ticks

    @cast
    def tick(self, state: list[int]) -> None:
        state.append(1)
        self.tick()


class AsyncTicker(Ticker):
    @cast
    async def tick(self, state: list[int]) -> None:
        state.append(1)
        self.tick()


@pytest.mark.real_clock
@pytest.mark.parametrize("kind", [Ticker, AsyncTicker])
async def test_a_server_that_never_idles_does_not_hold_the_loop(start: Start, kind: type[Ticker]) -> None:
    ticker = await start(kind([]))
    ticker.tick()
    for _ in range(10):
        before = time.process_time()
        await asyncio.sleep(0)
        assert time.process_time() - before < 0.1, "a slice is 1 ms"
    assert len(ticker.ticks) > 100


@pytest.mark.fifo("fair turns are its subject; a schedule of a simulation may favour one for long")
@each_kind
async def test_a_flooded_server_lets_the_others_have_their_turn(start: Start, kind: type[Plain]) -> None:
    flooded, other = await start(kind()), await start(kind())
    await flooded.do()
    await other.do()
    order: list[str] = []
    for _ in range(1000):
        flooded.tell(lambda _: order.append("flooded"))
    other.tell(lambda _: order.append("other"))
    await settle()
    assert len(order) == 1001
    # Left to chance, either may have a turn in which it does no more than begin its task; a plain one has none.
    assert order.index("other") <= (64 if kind is Plain or IN_PLACE in (None, "off") else 128)


@pytest.mark.fifo("fair turns are its subject; a schedule of a simulation may favour one for long")
async def test_calls_answered_in_place_let_the_loop_go_round(start: Start) -> None:
    server, turns, asked = await start(Plain()), 0, True

    async def bystander() -> None:
        nonlocal turns
        while asked:
            turns += 1
            await asyncio.sleep(0)

    standing_by = asyncio.create_task(bystander())
    for _ in range(1000):
        await server.echo(1)
    asked = False
    await standing_by
    assert turns >= 1000 // axon.process.IN_PLACE


async def test_an_idle_async_server_is_asked_after_its_queued_casts(start: Start) -> None:
    server = await start(Async())
    server.tell(note(1))
    await server.do(note(2))
    assert await seen(server) == [1, 2]


def test_a_server_that_is_ended_with_its_event_loop_takes_no_other_message_meanwhile() -> None:
    """Its task is cancelled by asyncio, so `terminate` runs there, and what comes then does not run beside it."""
    seen: list[str] = []

    async def finish() -> None:
        seen.append("begins to end")
        await asyncio.sleep(1)
        seen.append("has ended")

    class Mixed(Async):
        @cast
        def tell(self, state: State, action: Action) -> None:
            action(state)

    async def main() -> None:
        server = await axon.start(Mixed(finish=lambda _: finish()))
        await server.do()

        async def tell_it() -> None:
            try:
                await asyncio.sleep(100)
            finally:
                await asyncio.sleep(0.5)
                server.tell(lambda _: seen.append("told"))
                await asyncio.sleep(2)

        telling.append(asyncio.create_task(tell_it()))
        await asyncio.sleep(0)

    telling: list[asyncio.Task[None]] = []
    with asyncio.Runner(loop_factory=virtual_clock) as runner:
        runner.run(main())
    assert seen == ["begins to end", "has ended"]
