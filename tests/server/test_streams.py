"""Streams: many answers to one request, and neither end runs away from the other."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
from servers import Async, Boom, Plain, Start, State, now, settle

import axon
from axon import GenServer, InvalidHandler, call, cast, handler, stream
from axon.server import Stream


class Source(GenServer[list[str]]):
    """Produces numbers; its state tells what it did."""

    produced: list[int]
    ended: list[float]
    cleanup: float = 0.0

    def init(self) -> list[str]:
        return []

    async def _count(self, state: list[str], number: int, gap: float) -> AsyncGenerator[int, None]:
        state.append(f"begin {number}")
        try:
            for item in range(number):
                await asyncio.sleep(gap)
                self.produced.append(item)
                yield item
        finally:
            await asyncio.sleep(self.cleanup)
            self.ended.append(now())

    @stream
    async def items(self, state: list[str], number: int = 1_000_000, *, gap: float = 0.0) -> AsyncIterator[int]:
        async for item in self._count(state, number, gap):
            yield item

    @stream(timeout=2)
    async def impatient(self, state: list[str], gap: float) -> AsyncIterator[int]:
        for item in range(3):
            await asyncio.sleep(gap)
            yield item

    @stream(timeout=None)
    async def patient(self, state: list[str], gap: float) -> AsyncIterator[int]:
        await asyncio.sleep(gap)
        yield 1

    @stream
    async def failing(self, state: list[str], number: int, error: BaseException) -> AsyncIterator[int]:
        for item in range(number):
            yield item
        raise error

    @stream
    async def reporting(self, state: list[str]) -> AsyncIterator[int]:
        for item in range(3):
            self.note(f"sent {item}")
            yield item

    @cast
    def note(self, state: list[str], text: str) -> None:
        state.append(text)

    @call(timeout=None)
    async def block(self, state: list[str], seconds: float) -> None:
        await asyncio.sleep(seconds)

    @call
    def notes(self, state: list[str]) -> list[str]:
        return list(state)


@pytest.fixture
async def source(start: Start) -> Source:
    return await start(Source([], []), name="source")


async def test_items_come_in_order_and_the_stream_ends_when_the_handler_returns(source: Source) -> None:
    assert [item async for item in source.items(100)] == list(range(100))
    assert source.ended == [now()]


async def test_an_empty_stream_has_no_items(source: Source) -> None:
    assert [item async for item in source.items(0)] == []


async def test_an_ended_stream_stays_ended(source: Source) -> None:
    items = source.items(1)
    assert await anext(items) == 0
    for _ in range(2):
        with pytest.raises(StopAsyncIteration):
            await anext(items)


async def test_nothing_is_asked_before_the_first_item_is_wanted(source: Source) -> None:
    source.items(3)
    await settle()
    assert axon.statistics(source).handled == 0


async def test_the_server_goes_on_while_it_streams(source: Source) -> None:
    items = source.items(10, gap=1)
    assert await anext(items) == 0
    assert await source.notes() == ["begin 10"]
    assert axon.statistics(source).pending == 1
    assert [item async for item in items] == list(range(1, 10))
    await settle()
    assert axon.statistics(source).pending == 0


async def test_several_streams_are_independent(source: Source) -> None:
    first, second = source.items(3), source.items(3)
    assert [await anext(first), await anext(second), await anext(first)] == [0, 0, 1]
    await first.aclose()
    assert [item async for item in second] == [1, 2]


async def test_results_come_home_by_cast(source: Source) -> None:
    assert [item async for item in source.reporting()] == [0, 1, 2]
    assert await source.notes() == ["sent 0", "sent 1", "sent 2"]


async def test_a_server_may_read_anothers_stream(source: Source, start: Start) -> None:
    async def read(state: State) -> list[int]:
        return [item async for item in source.items(40)]

    reader = await start(Async())
    assert await reader.do(read) == list(range(40))


class Numbers:
    """An iterator that is no generator: it cannot be closed."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __aiter__(self) -> Numbers:
        return self

    async def __anext__(self) -> int:
        if self.left == 0:
            raise StopAsyncIteration
        self.left -= 1
        return self.left


class Library(GenServer[list[int]]):
    """Its streams are opened by plain functions."""

    pages: int = 3

    def init(self) -> list[int]:
        return list(range(self.pages))

    @stream
    def read(self, state: list[int]) -> AsyncIterator[int]:
        return self._read(list(state))

    async def _read(self, pages: list[int]) -> AsyncGenerator[int, None]:
        for page in pages:
            await asyncio.sleep(1)
            yield page

    @stream
    def count(self, state: list[int]) -> AsyncIterator[int]:
        return Numbers(len(state))

    @cast
    def burn(self, state: list[int]) -> None:
        state.clear()


async def test_a_plain_function_that_returns_a_generator_does_its_own_part_in_the_order_of_requests(
    start: Start,
) -> None:
    library = await start(Library())
    pages = library.read()
    await axon.suspend(library)
    first = asyncio.ensure_future(anext(pages))
    await settle()
    library.burn()
    await axon.resume(library)
    assert [await first, *[page async for page in pages]] == [0, 1, 2], "the state as it was when it was asked"
    assert [page async for page in library.read()] == []


async def test_any_async_iterator_can_be_streamed(start: Start) -> None:
    library = await start(Library(20))
    assert [number async for number in library.count()] == list(range(19, -1, -1))


# -- the window


async def test_the_server_is_at_most_16_items_ahead_of_its_reader(source: Source) -> None:
    items = source.items()
    for read in range(1, 50):
        await anext(items)
        assert len(source.produced) <= read + 16
        if read % 7 == 0:
            await settle()
            assert len(source.produced) == read + 16, "and uses that when the reader is slow"
    await items.aclose()


# -- time


async def test_each_item_has_the_patience_of_the_handler(source: Source) -> None:
    assert [item async for item in source.impatient(1.5)] == [0, 1, 2]
    assert now() == pytest.approx(4.5)
    with pytest.raises(axon.CallTimeout) as caught:
        await anext(source.impatient(3))
    assert now() == pytest.approx(6.5)
    assert caught.value.after == 2


async def test_the_default_patience_is_5_seconds_and_none_is_without_limit(source: Source) -> None:
    with pytest.raises(axon.CallTimeout):
        await anext(source.items(gap=6))
    assert now() == 5
    assert await anext(source.patient(1000)) == 1


async def test_after_a_timeout_the_reader_may_go_on_waiting(source: Source) -> None:
    items = source.items(2, gap=8)
    with pytest.raises(axon.CallTimeout):
        await anext(items)
    assert await anext(items) == 0
    assert now() == 8
    await items.aclose()


async def test_a_deadline_replaces_the_patience_by_a_longer_one(source: Source) -> None:
    async with axon.deadline(60):
        assert [item async for item in source.items(2, gap=20)] == [0, 1]
    assert now() == 40


async def test_a_deadline_bounds_the_whole_stream(source: Source) -> None:
    items: list[int] = []
    with pytest.raises(axon.DeadlineExceeded):
        async with axon.deadline(3.5):
            async for item in source.items(gap=1):
                items.append(item)  # noqa: PERF401  # what came before the deadline is what matters
    assert now() == 3.5
    assert items == [0, 1, 2]
    await settle()
    assert source.ended == [pytest.approx(3.5)]
    assert await source.notes() == ["begin 1000000"], "the server lives"


# -- the ends


async def test_closing_the_stream_ends_the_generator(source: Source) -> None:
    items = source.items()
    await anext(items)
    await items.aclose()
    await settle()
    assert len(source.ended) == 1
    with pytest.raises(StopAsyncIteration):
        await anext(items)
    await items.aclose()


async def test_so_does_leaving_its_block(source: Source) -> None:
    async with source.items() as items:
        async for item in items:
            if item == 3:
                break
    await settle()
    assert len(source.ended) == 1


async def test_so_does_dropping_it(source: Source) -> None:
    async for item in source.items():
        if item == 3:
            break
    await settle()
    gc.collect()
    await settle()
    assert len(source.ended) == 1
    assert axon.statistics(source).pending == 0


async def test_so_does_the_end_of_the_process_that_reads(source: Source, start: Start) -> None:
    kept: list[Stream[int]] = []

    async def open_it(state: State) -> None:
        items = source.items()
        kept.append(items)
        await anext(items)

    reader = await start(Plain())
    await reader.do(open_it)
    assert axon.statistics(source).pending == 1
    axon.exit(reader, axon.kill)
    await settle()
    assert len(source.ended) == 1


async def test_a_reader_keeps_nothing_of_the_streams_it_has_read(source: Source, start: Start) -> None:
    async def read_many(state: State) -> int:
        for _ in range(10):
            assert [item async for item in source.items(3)] == [0, 1, 2]
            async with source.items(3) as items:
                await anext(items)
        return len(axon.current().at_death or ())

    reader = await start(Async())
    assert await reader.do(read_many) == 0
    await settle()
    process = axon.whereis(source)
    assert process is not None
    assert not process.at_death


async def test_so_does_cancelling_the_task_that_reads(source: Source) -> None:
    async def read() -> None:
        async for _ in source.items(gap=1):
            pass

    reading = asyncio.create_task(read())
    await asyncio.sleep(3.5)
    reading.cancel()
    await asyncio.wait([reading])
    del reading
    await settle()
    assert len(source.ended) == 1


async def test_a_reader_that_gave_up_before_the_server_came_to_it_leaves_nothing_running(source: Source) -> None:
    busy = asyncio.create_task(source.block(10))
    await settle()
    with pytest.raises(axon.CallTimeout):
        await anext(source.items())
    await busy
    await settle()
    assert axon.statistics(source).pending == 0
    assert source.produced == []


# -- failures


@pytest.mark.parametrize("error", [Boom("no more"), KeyError("x"), TimeoutError()], ids=repr)
async def test_an_error_goes_to_the_reader_after_what_came_before_and_not_to_the_server(
    source: Source, error: Exception
) -> None:
    items = source.failing(3, error)
    assert [await anext(items) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(type(error)) as caught:
        await anext(items)
    assert caught.value is error
    assert "failing" in [entry.name for entry in caught.traceback]
    with pytest.raises(StopAsyncIteration):
        await anext(items)
    assert await source.notes() == []


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()])
async def test_an_error_that_is_no_exception_ends_the_stream_and_neither_the_server_nor_the_loop(
    source: Source, error: BaseException
) -> None:
    async def read() -> BaseException | None:
        try:
            async for _ in source.failing(3, error):
                pass
        except BaseException as raised:
            return raised
        return None

    assert await read() is not None
    assert await source.notes() == []


async def test_the_servers_death_reaches_the_reader_at_once_however_long_the_generator_cleans_up(
    start: Start,
) -> None:
    source = await start(Source([], [], cleanup=50))
    items = source.items(gap=1)
    assert await anext(items) == 0
    reading = asyncio.ensure_future(anext(items))
    await asyncio.sleep(0.5)
    axon.exit(source, axon.shutdown)
    with pytest.raises(axon.ServerDied) as caught:
        await reading
    assert caught.value.reason == axon.shutdown
    assert now() == 1.5
    await asyncio.sleep(60)
    assert source.ended == [51.5], "its cleanup ran all the same"


@pytest.mark.parametrize("then", ["death", "deadline"])
async def test_the_cleanup_of_a_closed_stream_is_not_cancelled_a_second_time(start: Start, then: str) -> None:
    """Neither by its server's death nor by its deadline, nor does the reader who hears of these cancel it again."""
    source = await start(Source([], [], cleanup=50))
    async with axon.deadline(20):
        items = source.items(gap=1)
        assert await anext(items) == 0
    await asyncio.sleep(0.5)
    await items.aclose()
    await asyncio.sleep(10)
    if then == "death":
        axon.exit(source, axon.shutdown)
    await asyncio.sleep(60)
    assert source.ended == [51.5]


async def test_what_was_in_the_window_at_the_death_is_read_first(source: Source) -> None:
    items = source.items()
    assert await anext(items) == 0
    await settle()
    axon.exit(source, axon.kill)
    await settle()
    read = [await anext(items) for _ in range(16)]
    assert read == list(range(1, 17))
    with pytest.raises(axon.ServerDied) as caught:
        await anext(items)
    assert caught.value.reason == axon.killed


async def test_a_stream_of_nobody(source: Source) -> None:
    await axon.stop(source)
    with pytest.raises(axon.NoProcess):
        await anext(source.items())
    with pytest.raises(axon.NotStarted):
        await anext(Source([], []).items())


# -- what is refused


def test_a_coroutine_function_cannot_be_a_stream() -> None:
    async def coroutine(self: Any, state: State) -> AsyncIterator[int]:
        return Numbers(3)

    with pytest.raises(InvalidHandler, match="async generator"):
        stream(coroutine)  # type: ignore[arg-type]


def test_and_an_async_generator_can_only_be_a_stream() -> None:
    async def many(self: Any, state: State) -> AsyncIterator[int]:
        yield 1

    with pytest.raises(InvalidHandler, match="@stream"):
        call(many)


@pytest.mark.parametrize("wrong", [-1, "1", True])
def test_a_wrong_timeout_is_refused(wrong: float) -> None:
    with pytest.raises(axon.InvalidOption) as caught:
        stream(timeout=wrong)(handler(Source.items))
    assert (caught.value.option, caught.value.value) == ("@stream(timeout=)", wrong)


async def test_a_stream_has_one_reader_at_a_time(source: Source) -> None:
    stream = source.items(gap=1)
    first = asyncio.create_task(anext(stream))
    await settle()
    with pytest.raises(axon.UsageError, match="read already"):
        await anext(stream)
    assert await first == 0
    await stream.aclose()
