"""Deadlines: a limit that replaces the callers' patience, and travels with the work through every hop."""

from __future__ import annotations

import asyncio

import pytest
from servers import Async, Boom, Plain, Start, State, each_kind, note, nothing, now, raising, seen, settle, sleeping

import axon
from axon import GenServer, call
from axon.process import deadline_at
from axon.telemetry import DeadLetter, attach


class Worker(GenServer[None]):
    """Works by itself or has the next one work."""

    behind: Worker | None = None
    cleaned: list[float] | None = None

    def init(self) -> None:
        return None

    @call
    async def work(self, state: None, seconds: float) -> float:
        try:
            await (asyncio.sleep(seconds) if self.behind is None else self.behind.work(seconds))
        finally:
            if self.cleaned is not None:
                self.cleaned.append(now())
        return seconds

    @call
    def due(self, state: None) -> float | None:
        return deadline_at.get()

    @call
    async def due_behind(self, state: None) -> float | None:
        assert self.behind is not None
        return await self.behind.due()

    @call
    async def work_after(self, state: None, before: float, seconds: float) -> float:
        await asyncio.sleep(before)
        return await self.work_in_place(seconds)

    async def work_in_place(self, seconds: float) -> float:
        await (asyncio.sleep(seconds) if self.behind is None else self.behind.work(seconds))
        return seconds


async def chain(start: Start, length: int) -> list[Worker]:
    """Workers of whom each has the next one work."""
    workers = [await start(Worker())]
    while len(workers) < length:
        workers.insert(0, await start(Worker(workers[0])))
    return workers


# -- what the caller sees


async def test_a_deadline_replaces_the_timeout_by_a_longer_one(start: Start) -> None:
    worker = await start(Worker())
    async with axon.deadline(60):
        assert await worker.work(50) == 50


async def test_and_by_a_shorter_one(start: Start) -> None:
    worker = await start(Worker())
    async with axon.deadline(2):
        assert await worker.work(1) == 1
        with pytest.raises(axon.DeadlineExceeded) as caught:
            await worker.work(4)
    assert now() == 2, "of the block and not of each request"
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.target.startswith("Worker#")


async def test_a_request_without_a_timeout_has_a_deadline_too(start: Start) -> None:
    server = await start(Async())
    with pytest.raises(axon.DeadlineExceeded):
        async with axon.deadline(2):
            await server.do(sleeping(100))
    assert now() == 2


@pytest.mark.parametrize(("outer", "inner"), [(2, 50), (50, 2)])
async def test_nested_deadlines_only_shorten(start: Start, outer: float, inner: float) -> None:
    worker = await start(Worker())
    async with axon.deadline(outer):
        with pytest.raises(axon.DeadlineExceeded):
            async with axon.deadline(inner):
                await worker.work(20)
    assert now() == 2


async def test_after_an_inner_block_the_outer_deadline_holds_again_and_after_that_none(start: Start) -> None:
    worker = await start(Worker())
    async with axon.deadline(50):
        async with axon.deadline(10):
            assert await worker.due() == 10
        assert await worker.due() == 50
    assert await worker.due() is None
    with pytest.raises(axon.CallTimeout):
        await worker.work(7)


async def test_asyncio_timeout_inside_a_deadline_is_the_first_to_come(start: Start) -> None:
    worker = await start(Worker())
    async with axon.deadline(10):
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(1):
                await worker.work(20)
    assert not isinstance(caught.value, axon.DeadlineExceeded)
    assert now() == 1


async def test_it_bounds_requests_and_not_other_awaits() -> None:
    async with axon.deadline(1):
        await asyncio.sleep(3)
    assert now() == 3


@pytest.mark.parametrize("wrong", [-1, "1", None, True, float("nan")])
async def test_a_wrong_number_of_seconds_is_refused(wrong: float) -> None:
    with pytest.raises(axon.InvalidOption) as caught:
        async with axon.deadline(wrong):
            raise AssertionError
    assert caught.value.option == "seconds"


# -- how it travels


async def test_it_travels_with_the_request_through_every_hop(start: Start) -> None:
    first, middle, last = await chain(start, 3)
    async with axon.deadline(30):
        assert await middle.due_behind() == 30
        assert await first.work(20) == 20, "every hop has more patience than its own 5 s"
    with pytest.raises(axon.DeadlineExceeded) as caught:
        async with axon.deadline(3):
            await first.work(20)
    assert now() == 23
    assert caught.value.target == axon.whereis(first).path  # type: ignore[union-attr]
    for worker in (first, middle, last):
        assert await worker.work(1) == 1, "the next request of each is handled as ever"


async def test_a_hop_may_shorten_it_and_answer_by_itself(start: Start) -> None:
    worker, server = await start(Worker()), await start(Async())

    async def with_fallback(state: State) -> str:
        try:
            async with axon.deadline(1):
                await worker.work(20)
        except axon.DeadlineExceeded:
            return "fallback"
        return "in time"

    async with axon.deadline(10):
        assert await server.do(with_fallback) == "fallback"
    assert now() == 1


async def test_it_does_not_stay_behind_in_the_server(start: Start) -> None:
    worker = await start(Worker())
    async with axon.deadline(1):
        assert await worker.due() == 1
        with pytest.raises(axon.DeadlineExceeded):
            await worker.work(2)
    assert await worker.due() is None


@each_kind
async def test_a_cast_carries_it_too(start: Start, kind: type[Plain]) -> None:
    def note_deadline(state: State) -> None:
        state.append(deadline_at.get())

    server = await start(kind())
    async with axon.deadline(3):
        server.tell(note_deadline)
    server.tell(note_deadline)
    axon.send(server, note_deadline)
    assert await seen(server) == [3, None, None]


# -- what it ends


@each_kind
async def test_work_that_has_not_started_when_it_passes_is_dropped(start: Start, kind: type[Plain]) -> None:
    letters: list[DeadLetter] = []
    attach(letters.append, DeadLetter)
    server = await start(kind(), name="busy")
    busy = asyncio.create_task(server.do(sleeping(3)))
    await settle()
    async with axon.deadline(1):
        server.tell(note("cast"))
        with pytest.raises(axon.DeadlineExceeded):
            await server.do(note("call"))
    await busy
    assert await seen(server) == []
    assert [(letter.path, letter.why) for letter in letters] == [("busy", "deadline passed")] * 2
    assert axon.statistics(server).handled == 1


@each_kind
async def test_a_request_after_it_has_passed_is_not_executed(start: Start, kind: type[Plain]) -> None:
    server = await start(kind())
    async with axon.deadline(1):
        await asyncio.sleep(2)
        with pytest.raises(axon.DeadlineExceeded):
            await server.do(note("too late"))
        with pytest.raises(axon.DeadlineExceeded):
            await server.do(note("too late"))
    assert await seen(server) == []


async def test_its_expiry_inside_a_handler_ends_that_request_and_not_the_server(start: Start) -> None:
    cleaned: list[float] = []
    worker = await start(Worker(cleaned=cleaned))
    with pytest.raises(axon.DeadlineExceeded):
        async with axon.deadline(2):
            await worker.work(20)
    assert await worker.due() is None
    assert cleaned == [2], "the handler was interrupted"
    assert now() == 2


async def test_also_of_a_cast(start: Start) -> None:
    server = await start(Async())
    async with axon.deadline(2):
        server.tell(sleeping(20))
    assert await server.do(lambda _: now()) == 2


async def test_and_when_the_handler_asks_for_a_stop_meanwhile_it_stops(start: Start) -> None:
    async def stop_slowly(state: State) -> None:
        axon.stop_self(axon.shutdown)
        await asyncio.sleep(20)

    spec = Async()
    server = await start(spec)
    with pytest.raises(axon.DeadlineExceeded):
        async with axon.deadline(2):
            await server.do(stop_slowly)
    await settle()
    assert spec.ends == [axon.shutdown]


@each_kind
async def test_another_error_in_time_is_a_crash_as_ever(start: Start, kind: type[Plain]) -> None:
    server = await start(kind())
    async with axon.deadline(2):
        with pytest.raises(axon.ServerDied):
            await server.do(raising(Boom()))


async def test_a_timeout_of_the_handlers_own_is_a_crash_as_ever(start: Start) -> None:
    async def impatient(state: State) -> None:
        async with asyncio.timeout(1):
            await asyncio.sleep(20)

    server = await start(Async())
    async with axon.deadline(2):
        with pytest.raises(axon.ServerDied) as caught:
            await server.do(impatient)
    assert isinstance(caught.value.reason, TimeoutError)


async def test_a_handler_that_holds_out_answers_nobody(start: Start) -> None:
    async def stubborn(state: State) -> str:
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            state.append("holds out")
        return "answer"

    server = await start(Async())
    with pytest.raises(axon.DeadlineExceeded):
        async with axon.deadline(2):
            await server.do(stubborn)
    assert await seen(server) == ["holds out"]


@pytest.mark.parametrize(
    ("begin", "limit", "before"), [(5.0, 10.22, 1.13), (3.01, 9.71, 0.37), (0.28, 6.57, 1.16), (0.21, 7.76, 1.4)]
)
@pytest.mark.parametrize("length", [1, 2])
async def test_a_rounding_error_of_the_clock_does_not_turn_its_expiry_into_a_crash(
    start: Start, begin: float, limit: float, before: float, length: int
) -> None:
    worker, *_ = await chain(start, length)
    await asyncio.sleep(begin)
    with pytest.raises(axon.DeadlineExceeded):
        async with axon.deadline(limit):
            await worker.work_after(before, 100)
    await settle()
    assert axon.whereis(worker) is not None


async def test_a_later_answer_is_bounded_too(start: Start) -> None:
    server = await start(Plain())
    with pytest.raises(axon.DeadlineExceeded):
        async with axon.deadline(20):
            await server.do(lambda _: axon.Reply[int]())
    assert now() == 20
    await server.do(nothing)
