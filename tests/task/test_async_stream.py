"""async_stream: a function over many items, so many at a time, and nothing left running."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import pytest
from owners import Boom, Crashes, doubled, for_ever, in_process, later, mail, now, reason_of, settle

import axon
from axon import (
    DeadlineExceeded,
    Exited,
    Finished,
    InvalidOption,
    NotTaskOwner,
    Task,
    TaskExit,
    TaskStream,
    TaskSupervisor,
    TaskTimeout,
    UsageError,
    killed,
    normal,
    shutdown,
)
from axon.telemetry import ProcessExited, attach

R = TypeVar("R")


async def read(stream: AsyncIterator[Finished[R] | Exited], seen: list[Finished[R] | Exited]) -> None:
    async for outcome in stream:
        seen.append(outcome)  # noqa: PERF401  # what came before an error counts, too


async def values(stream: AsyncIterator[Finished[R] | Exited]) -> list[R | Exited]:
    return [outcome.value if isinstance(outcome, Finished) else outcome async for outcome in stream]


class Gauge:
    """How many run, and how many ran at most; what became of each."""

    def __init__(self) -> None:
        self.running = self.most = self.begun = 0
        self.ended: list[object] = []
        attach(lambda event: self.ended.append(event.reason), ProcessExited)

    async def hold(self, seconds: float) -> float:
        self.begun += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.running -= 1
        return seconds


@pytest.fixture
async def gauge() -> Gauge:
    return Gauge()


# -- F28


async def test_f28_nothing_is_begun_before_the_first_outcome_is_asked_for() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(5):
            taken.append(item)
            yield item

    stream = Task.async_stream(doubled, items(), max_concurrency=2)
    await settle()
    assert taken == []
    assert await anext(stream) == Finished(0)
    assert taken == [0, 1], "no more than there is room for"
    assert await values(stream) == [2, 4, 6, 8]


async def test_f28_at_most_max_concurrency_run_at_once(gauge: Gauge) -> None:
    assert await values(Task.async_stream(gauge.hold, [1.0] * 10, max_concurrency=3)) == [1.0] * 10
    assert (gauge.most, gauge.begun, now()) == (3, 10, 4)


async def test_f28_by_default_as_many_as_there_are_cpus(gauge: Gauge) -> None:
    await values(Task.async_stream(gauge.hold, [1.0] * 200))
    assert gauge.most == os.cpu_count()


async def test_f28_while_the_reader_is_busy_nothing_is_begun(gauge: Gauge) -> None:
    async for _ in Task.async_stream(gauge.hold, [1.0] * 4, max_concurrency=2):
        await settle()
        begun = gauge.begun
        await asyncio.sleep(10)
        assert gauge.begun == begun


async def test_f28_what_ended_meanwhile_is_replaced_when_the_reader_comes_back(gauge: Gauge) -> None:
    """Also while there are outcomes to hand out: so the tasks are kept at their number."""
    times: list[float] = []
    async for _ in Task.async_stream(gauge.hold, [1.0] * 6, max_concurrency=2):
        times.append(now())
        await asyncio.sleep(10)
    assert times == [1.0, 11.0, 21.0, 31.0, 41.0, 51.0]


async def test_f28_no_items_no_outcomes() -> None:
    assert await values(Task.async_stream(doubled, list[int]())) == []


async def test_f28_a_plain_function_will_do() -> None:
    assert await values(Task.async_stream(str, [1, 2, 3])) == ["1", "2", "3"]


# -- F29, F30


async def test_f29_outcomes_come_in_the_order_of_the_items_or_as_they_are_ready() -> None:
    seconds = [3.0, 1.0, 2.0]
    assert await values(Task.async_stream(partial(later, value=None), seconds, max_concurrency=3)) == [None] * 3
    hold = Gauge().hold
    assert await values(Task.async_stream(hold, seconds, max_concurrency=3)) == [3.0, 1.0, 2.0]
    assert await values(Task.async_stream(hold, seconds, max_concurrency=3, ordered=False)) == [1.0, 2.0, 3.0]


async def test_f30_a_slow_head_does_not_keep_later_items_from_running(gauge: Gauge) -> None:
    """Only what runs is bounded; outcomes that wait for their turn are kept."""
    stream = Task.async_stream(gauge.hold, [4.0, *[0.5] * 6], max_concurrency=2)
    assert [now() async for _ in stream] == [4.0] * 7


# -- F31


def fails_at(wrong: int, reason: BaseException) -> Callable[[int], int]:
    def work(item: int) -> int:
        if item == wrong:
            raise reason
        return item

    return work


async def test_f31_a_crash_raises_in_a_plain_coroutine_and_ends_the_stream() -> None:
    boom = Boom()
    stream = Task.async_stream(fails_at(2, boom), range(9), max_concurrency=1)
    seen: list[Finished[int] | Exited] = []
    with pytest.raises(TaskExit) as caught:
        await read(stream, seen)
    assert caught.value.__cause__ is boom
    assert seen == [Finished(0), Finished(1)]
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_f31_a_crash_ends_a_reader_that_is_a_process() -> None:
    boom = Boom()

    async def reader() -> None:
        await values(Task.async_stream(fails_at(2, boom), range(9)))

    assert await reason_of(reader) is boom


async def test_f31_also_while_it_is_busy_with_an_outcome() -> None:
    boom = Boom()

    async def fails_later(item: int) -> int:
        await asyncio.sleep(item)
        if item:
            raise boom
        return item

    async def reader() -> None:
        async for _ in Task.async_stream(fails_later, [0, 2], max_concurrency=2):
            await asyncio.sleep(60)

    assert await reason_of(reader) is boom
    assert now() == 2


async def test_f31_a_reader_that_traps_exits_gets_it_among_the_outcomes_and_no_message() -> None:
    boom = Boom()

    async def reader() -> list[object]:
        found = await values(Task.async_stream(fails_at(1, boom), range(3)))
        return [*found, *await mail()]

    assert await in_process(reader, traps=True) == [0, Exited(boom), 2]


async def test_f31_so_does_everybody_from_a_nolink_stream() -> None:
    boom = Boom()
    async with TaskSupervisor() as tasks:

        async def reader() -> list[object]:
            found = await values(tasks.async_stream_nolink(fails_at(1, boom), range(3)))
            return [*found, *await mail()]

        for traps in (False, True):
            assert await in_process(reader, traps=traps) == [0, Exited(boom), 2]


async def test_f31_a_task_that_leaves_normal_without_a_result_hurts_nobody() -> None:
    def leaves(item: int) -> int:
        raise axon.Stop(normal)

    async def reader() -> list[object]:
        return [*await values(Task.async_stream(leaves, [1, 2]))]

    assert await in_process(reader) == await reader() == [Exited(normal)] * 2


# -- F32


async def test_f32_the_timeout_is_each_tasks_own(gauge: Gauge) -> None:
    """The default is five seconds; the stream as a whole may take longer."""
    assert await values(Task.async_stream(gauge.hold, [4.0] * 3, max_concurrency=1)) == [4.0] * 3
    assert now() == 12


async def test_f32_a_late_task_ends_the_stream(gauge: Gauge) -> None:
    seen: list[Finished[float] | Exited] = []
    with pytest.raises(TaskTimeout, match=r"no result of hold#\d+ within 5 s"):
        await read(Task.async_stream(gauge.hold, [1.0, 9.0, 1.0, 1.0], max_concurrency=2), seen)
    assert seen == [Finished(1.0)]
    assert now() == pytest.approx(5, abs=0.01)
    assert gauge.running == 0


async def test_f32_kill_task_kills_it_and_the_stream_goes_on(gauge: Gauge) -> None:
    found = await values(
        Task.async_stream(gauge.hold, [1.0, 9.0, 3.0], max_concurrency=3, timeout=2.0, on_timeout="kill_task")
    )
    assert found[0] == 1.0
    assert [type(outcome.reason) for outcome in found if isinstance(outcome, Exited)] == [TaskTimeout, TaskTimeout]
    assert now() == pytest.approx(2, abs=0.01)
    assert gauge.ended == [normal, killed, killed]


async def test_f32_also_unordered_and_once_each(gauge: Gauge) -> None:
    options = Task.async_stream(
        gauge.hold, [9.0, 1.0, 9.0], max_concurrency=3, timeout=2.0, on_timeout="kill_task", ordered=False
    )
    found = await values(options)
    assert [isinstance(outcome, Exited) for outcome in found] == [False, True, True]


async def test_f32_a_task_that_is_killed_for_being_late_does_not_hurt_a_process(gauge: Gauge) -> None:
    async def reader() -> int:
        return len(await values(Task.async_stream(gauge.hold, [9.0, 9.0], timeout=1, on_timeout="kill_task")))

    assert await in_process(reader) == 2


async def test_f32_the_limit_holds_also_while_the_reader_is_busy(gauge: Gauge) -> None:
    stream = Task.async_stream(gauge.hold, [0.0, 60.0], max_concurrency=2, timeout=2, on_timeout="kill_task")
    await anext(stream)
    await asyncio.sleep(10)
    assert gauge.running == 0
    assert isinstance(await anext(stream), Exited)


async def test_f32_none_is_without_limit(gauge: Gauge) -> None:
    assert await values(Task.async_stream(gauge.hold, [1e6], timeout=None)) == [1e6]


# -- F33


async def test_f33_leaving_the_block_kills_what_runs_and_waits_for_it(gauge: Gauge) -> None:
    async with Task.async_stream(gauge.hold, [0.0, 60.0, 60.0, 60.0], max_concurrency=3) as outcomes:
        async for _ in outcomes:
            break
        await settle()
        assert gauge.running == 2
    assert (gauge.running, gauge.ended, gauge.begun) == (0, [normal, killed, killed], 3)


async def test_f33_leaving_it_leaves_no_links_or_messages(gauge: Gauge) -> None:
    async def reader() -> list[object]:
        async with Task.async_stream(gauge.hold, [0.0, 60.0, 60.0], max_concurrency=3) as outcomes:
            await anext(outcomes)
        mine = axon.current()
        return [*await mail(), mine.links or {}, mine.monitoring or set[object](), mine.at_death or []]

    assert await in_process(reader) == [{}, set(), []]
    assert await in_process(reader, traps=True) == [{}, set(), []]


async def test_f33_breaking_off_the_loop_is_enough(gauge: Gauge) -> None:
    async for _ in Task.async_stream(gauge.hold, [0.0, 60.0, 60.0], max_concurrency=3):
        break
    gc.collect()
    await settle()
    assert gauge.running == 0


async def test_f33_closing_it_twice_or_before_its_start_is_no_error(gauge: Gauge) -> None:
    stream = Task.async_stream(gauge.hold, [1.0])
    await stream.aclose()
    await stream.aclose()
    assert await values(stream) == []
    assert gauge.begun == 0


@pytest.mark.parametrize("reason", [normal, shutdown])
async def test_f33_what_runs_ends_with_its_reader(gauge: Gauge, reason: axon.Reason) -> None:
    """Whatever its reason: nobody else could read on."""
    kept: list[TaskStream[float]] = []

    async def reader() -> None:
        kept.append(Task.async_stream(gauge.hold, [0.0, 60.0], max_concurrency=2))
        await anext(kept[0])
        if reason == shutdown:
            axon.exit(axon.current(), shutdown)
            await for_ever()

    assert await reason_of(reader) == reason
    await settle()
    assert gauge.running == 0
    await asyncio.create_task(_read_one(gauge, kept))
    await settle()
    assert gauge.running == 0


async def _read_one(gauge: Gauge, kept: list[TaskStream[float]]) -> None:
    kept.append(Task.async_stream(gauge.hold, [0.0, 60.0], max_concurrency=2))
    await anext(kept[-1])


async def test_f33_a_reader_that_is_cancelled_leaves_nothing_running(gauge: Gauge) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await values(Task.async_stream(gauge.hold, [60.0] * 3, timeout=None))
    assert gauge.running == 0


async def test_f33_a_nolink_stream_ends_with_its_reader_too(gauge: Gauge) -> None:
    async with TaskSupervisor() as tasks:

        async def reader() -> None:
            stream = tasks.async_stream_nolink(gauge.hold, [0.0, 60.0], max_concurrency=2)
            await anext(stream)
            kept.append(stream)

        kept: list[TaskStream[float]] = []
        await reason_of(reader)
        await settle()
        assert tasks.children() == []


# -- F34


async def test_f34_an_exit_carries_its_item_if_asked() -> None:
    boom = Boom()
    async with TaskSupervisor() as tasks:
        plain = await values(tasks.async_stream_nolink(fails_at(1, boom), range(3)))
        zipped = await values(tasks.async_stream_nolink(fails_at(1, boom), range(3), zip_input_on_exit=True))
    assert plain == [0, Exited(boom), 2]
    assert zipped == [0, Exited(boom, input=1), 2]


async def test_f34_also_one_that_was_late(gauge: Gauge) -> None:
    (late,) = await values(
        Task.async_stream(gauge.hold, [9.0], timeout=1, on_timeout="kill_task", zip_input_on_exit=True)
    )
    assert isinstance(late, Exited)
    assert (type(late.reason), late.input) == (TaskTimeout, 9.0)


# -- F35


@pytest.mark.parametrize(
    ("option", "bad"),
    [
        ("max_concurrency", 0),
        ("max_concurrency", -1),
        ("max_concurrency", 1.5),
        ("max_concurrency", True),
        ("timeout", -1),
        ("timeout", "5"),
        ("on_timeout", "ignore"),
        ("ordered", 1),
        ("zip_input_on_exit", None),
    ],
)
async def test_f35_a_bad_option_is_refused_at_once_with_its_value(option: str, bad: object) -> None:
    async with TaskSupervisor() as tasks:
        streams: list[Any] = [Task.async_stream, tasks.async_stream, tasks.async_stream_nolink]
        for stream in streams:
            with pytest.raises(InvalidOption) as caught:
                stream(doubled, [1], **{option: bad})
            assert (caught.value.option, caught.value.value) == (option, bad)


async def test_f35_so_are_an_unknown_option_what_is_no_function_and_what_cannot_be_iterated() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'max_workers'"):
        Task.async_stream(doubled, [1], max_workers=3)  # type: ignore[call-overload]
    with pytest.raises(InvalidOption, match="fn must be a function"):
        Task.async_stream(None, [1])  # type: ignore[call-overload]
    with pytest.raises(InvalidOption, match="items must be an iterable, got: 3"):
        Task.async_stream(doubled, 3)  # type: ignore[call-overload]


# -- F36


async def test_f36_an_error_of_the_items_kills_what_runs_and_is_raised(gauge: Gauge) -> None:
    def items() -> Iterator[float]:
        yield 60.0
        yield 0.0
        raise boom

    boom = Boom()
    with pytest.raises(Boom) as caught:
        await values(Task.async_stream(gauge.hold, items(), max_concurrency=2))
    assert caught.value is boom
    assert (gauge.running, gauge.begun) == (0, 2)


async def test_f36_an_error_of_the_reader_kills_what_runs(gauge: Gauge) -> None:
    async def reads() -> None:
        async for _ in Task.async_stream(gauge.hold, [0.0, 60.0], max_concurrency=2):
            raise Boom

    with pytest.raises(Boom):
        await reads()
    gc.collect()
    await settle()
    assert gauge.running == 0


# -- F37


async def test_f37_the_first_reader_owns_the_stream() -> None:
    """Not who made it; and nobody else reads on."""
    made: list[TaskStream[int]] = []

    async def maker() -> None:
        made.append(Task.async_stream(doubled, range(4), max_concurrency=1))

    await reason_of(maker)
    assert await anext(made[0]) == Finished(0)

    async def another() -> None:
        await anext(made[0])

    with pytest.raises(NotTaskOwner, match="this stream of tasks belongs to the asyncio task"):
        await in_process(another)
    assert await values(made[0]) == [2, 4, 6]


async def test_f37_the_tasks_are_children_of_the_reader() -> None:
    async def whose() -> tuple[bool, int]:
        (found,) = await values(Task.async_stream(lambda _: axon.ancestors(), [1]))
        assert isinstance(found, tuple)
        return found[0] is axon.current(), len(found)

    assert await in_process(whose) == (True, 1)


# -- what asyncio adds


async def test_a_deadline_bounds_the_whole_stream(gauge: Gauge) -> None:
    seen: list[Finished[float] | Exited] = []
    with pytest.raises(DeadlineExceeded, match="hold#"):
        async with axon.deadline(2.5):
            await read(Task.async_stream(gauge.hold, [1.0] * 9, max_concurrency=1), seen)
    assert (len(seen), gauge.running) == (2, 0)


async def test_two_readers_at_once_are_refused(gauge: Gauge) -> None:
    async def reads() -> list[object]:
        stream = Task.async_stream(gauge.hold, [1.0, 1.0], max_concurrency=1)
        first, second = asyncio.create_task(_next(stream)), asyncio.create_task(_next(stream))
        await asyncio.wait([first, second])
        assert isinstance(second.exception(), UsageError)
        return [await first, *await values(stream)]

    assert await in_process(reads) == [Finished(1.0), 1.0]


async def test_closing_it_ends_a_reader_that_waits(gauge: Gauge) -> None:
    async def reads() -> list[object]:
        stream = Task.async_stream(gauge.hold, [60.0], timeout=None)
        waiting = asyncio.create_task(_next(stream))
        await settle()
        await stream.aclose()
        return [await waiting]

    assert await in_process(reads) == [None]


async def _next(stream: TaskStream[float]) -> object:
    return await anext(stream, None)


async def test_a_task_that_swallows_its_end_counts_until_it_is_gone(gauge: Gauge) -> None:
    """So no more than `max_concurrency` run, and nothing runs when the stream is over."""

    async def stubborn(item: int) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.05)

    found = await values(
        Task.async_stream(stubborn, [1, 2], max_concurrency=1, timeout=1, on_timeout="kill_task"),
    )
    assert len(found) == 2
    assert now() == pytest.approx(2.1, abs=0.01)


async def test_supervised_streams_end_with_their_supervisor(gauge: Gauge) -> None:
    async with TaskSupervisor() as tasks:
        stream = tasks.async_stream_nolink(gauge.hold, [0.0, 60.0], max_concurrency=2, timeout=None)
        await anext(stream)
        assert len(tasks.children()) == 1
    assert await values(stream) == [Exited(shutdown)]


async def test_late_and_killed_tasks_are_no_crashes(gauge: Gauge) -> None:
    crashes = Crashes()
    await values(Task.async_stream(gauge.hold, [9.0], timeout=1, on_timeout="kill_task"))
    async with TaskSupervisor() as tasks, tasks.async_stream(gauge.hold, [0.0, 9.0], max_concurrency=2) as outcomes:
        await anext(outcomes)
    assert crashes.take() == []
