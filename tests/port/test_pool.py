"""What a pool does with its workers and with whoever asks for one, on virtual time: its workers are servers in here."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import pytest
from pool_servers import Declared, Poison, Worker, World

import axon
from axon import InvalidOption, NoProcess, ServerDied, StartFailed, Supervisor, SupervisorDied, child
from axon.port import (
    PoolFull,
    PoolRefused,
    PoolStopped,
    PoolTimeout,
    PoolUnavailable,
    PortPool,
    Recycle,
    WorkerRecycled,
    WorkerRefused,
    WorkerTainted,
    pool_status,
)
from axon.port._choice import home_of
from axon.testing import capture_events, eventually

T = TypeVar("T")


@pytest.fixture
def world() -> World:
    return World()


def now() -> float:
    return asyncio.get_running_loop().time()


async def soon(work: Awaitable[T]) -> asyncio.Task[T]:
    """It has begun, and waits."""

    async def run() -> T:
        return await work

    task = asyncio.create_task(run())
    await asyncio.sleep(0.001)
    return task


async def outcome(pool: PortPool[Worker], seconds: float) -> object:
    try:
        return await pool.ask(Worker.work, seconds)
    except (ServerDied, PoolRefused) as error:
        return type(error)


# -- being lent a worker


async def test_each_worker_does_one_thing_at_a_time_and_all_of_them_are_used(world: World) -> None:
    async with PortPool(Worker(world), size=3) as pool:
        began = now()
        found = await asyncio.gather(*(pool.ask(Worker.work, 1.0) for _ in range(12)))
        assert Counter(found) == {1: 4, 2: 4, 3: 4}
        assert world.most_at_once == 1
        assert now() - began == pytest.approx(4.0)


async def test_a_worker_may_be_lent_to_several_at_once(world: World) -> None:
    async with PortPool(Worker(world), size=2, max_in_flight=3) as pool:
        began = now()
        await asyncio.gather(*(pool.ask(Worker.work_beside, 1.0) for _ in range(12)))
        assert world.most_at_once == 3
        assert now() - began == pytest.approx(2.0)


async def test_a_block_has_its_worker_for_itself(world: World) -> None:
    async with PortPool(Worker(world), size=2) as pool, pool.worker() as mine:
        number = await mine.number()
        others = await asyncio.gather(*(pool.ask(Worker.number) for _ in range(5)))
        assert set(others) == {3 - number}
        assert await mine.number() == number


async def test_a_function_is_given_a_worker_and_may_ask_it_more_than_one_thing(world: World) -> None:
    async def twice(worker: Worker, seconds: float) -> list[int]:
        return [await worker.work(seconds), await worker.number()]

    async with PortPool(Worker(world), size=2) as pool:
        assert await pool.ask(twice, 0.1) in ([1, 1], [2, 2])


async def test_a_declared_error_comes_back_and_its_worker_lives(world: World) -> None:
    async with PortPool(Worker(world), size=1) as pool:
        with pytest.raises(Declared, match="no"):
            await pool.ask(Worker.refuse, "no")
        assert await pool.ask(Worker.number) == 1


async def test_a_stream_is_read_in_a_block(world: World) -> None:
    async with PortPool(Worker(world), size=1) as pool:
        async with pool.worker() as worker:
            assert [item async for item in worker.count(3)] == [0, 1, 2]
            async with pool_left(pool):
                async for _ in worker.count(1000):
                    break
        assert await pool.ask(Worker.number) == 1


@asynccontextmanager
async def pool_left(pool: PortPool[Worker]) -> AsyncGenerator[None]:
    """The block has the one worker of the pool all the time."""
    assert pool_status(pool).workers[0].in_flight == 1
    yield
    assert pool_status(pool).workers[0].in_flight == 1


@pytest.mark.real_clock
async def test_a_thread_asks_through_the_door_for_threads(world: World) -> None:
    async with PortPool(Worker(world), size=1) as pool:

        def ask() -> int:
            return axon.from_thread.call(pool.ask, Worker.work, 0.01)

        assert await asyncio.to_thread(ask) == 1


async def test_a_pool_is_a_child_as_any_supervisor(world: World) -> None:
    async with Supervisor([PortPool(Worker(world), size=2)]) as sup:
        pool = sup.get(PortPool[Worker])
        assert await pool.ask(Worker.number) == 1
        assert (await sup.count_children()).supervisors == 1
        assert [info.id for info in await pool.which_children()] == ["0", "1"]


# -- waiting


async def test_who_asks_first_is_served_first(world: World) -> None:
    served: list[int] = []

    async def ask(number: int) -> None:
        await pool.ask(Worker.work, 0.1)
        served.append(number)

    async with PortPool(Worker(world), size=1) as pool:
        asking = [await soon(ask(number)) for number in range(8)]
        await asyncio.wait(asking)
    assert served == list(range(8))


async def test_no_more_may_wait_than_max_waiting(world: World) -> None:
    with capture_events(WorkerRefused) as events:
        async with PortPool(Worker(world), size=1, max_waiting=2) as pool:
            tasks = [await soon(pool.ask(Worker.work, 1.0)) for _ in range(3)]
            with pytest.raises(PoolFull) as full:
                await pool.ask(Worker.work, 1.0)
            assert (full.value.limit, full.value.pool) == (2, "PortPool")
            assert events == [WorkerRefused(path="PortPool", error=full.value, waiting=2)]
            assert await asyncio.gather(*tasks) == [1, 1, 1], "who was accepted has an answer"
            assert pool_status(pool).refused == 1


async def test_who_waits_for_too_long_is_refused(world: World) -> None:
    async with PortPool(Worker(world), size=1, wait_within=2.0) as pool, pool.worker():
        for wait_within, after in ((None, 2.0), (0.5, 0.5), (0.0, 0.0)):
            began = now()
            with pytest.raises(PoolTimeout) as late:
                async with pool.worker(wait_within=wait_within):
                    pass
            assert late.value.after == after
            assert now() - began == pytest.approx(after)
        assert pool_status(pool).waiting == 0


async def test_a_deadline_is_one_budget_for_the_wait_and_the_request(world: World) -> None:
    async with PortPool(Worker(world), size=1, wait_within=0.1) as pool:
        first = await soon(pool.ask(Worker.work, 2.0))
        began = now()
        with pytest.raises(axon.DeadlineExceeded):
            async with axon.deadline(3.0):  # of which two are waited, longer than wait_within
                await pool.ask(Worker.work, 2.0)
        assert now() - began == pytest.approx(3.0)
        assert await first == 1
        assert await pool.ask(Worker.work) == 1


async def test_whoever_is_cancelled_leaves_the_line(world: World) -> None:
    async with PortPool(Worker(world), size=1) as pool:
        async with pool.worker():
            tasks = [await soon(pool.ask(Worker.work)) for _ in range(3)]
            tasks[1].cancel()
            await asyncio.sleep(0.1)
            assert pool_status(pool).waiting == 2
        await asyncio.wait(tasks)
        assert [task.cancelled() for task in tasks] == [False, True, False]
        await eventually(lambda: pool_status(pool).served == 3)


async def test_whoever_is_cancelled_in_the_turn_in_which_a_worker_is_free_takes_none_along(world: World) -> None:
    """However many turns of the loop lie between."""
    async with PortPool(Worker(world), size=1) as pool:
        for turns in range(12):
            async with pool.worker():
                waiting = await soon(pool.ask(Worker.number))
            for _ in range(turns):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait({waiting})
            assert await pool.ask(Worker.number) == 1


async def test_a_process_that_dies_gives_its_worker_back(world: World) -> None:
    class Borrower(axon.GenServer[None]):
        pool: PortPool[Worker]

        def init(self) -> None: ...

        @axon.call
        async def borrow(self, state: None) -> None:
            async with self.pool.worker():
                end = now() + 30
                while now() < end:
                    with suppress(asyncio.CancelledError):
                        await asyncio.sleep(end - now())

    async with PortPool(Worker(world), size=1) as pool:
        borrower = await axon.start(Borrower(pool))
        borrowing = await soon(borrower.borrow())
        assert pool_status(pool).workers[0].in_flight == 1
        axon.exit(borrower, axon.kill)
        began = now()
        assert await pool.ask(Worker.number) == 1
        assert now() - began == pytest.approx(axon.process.KILL_GRACE), "though its code goes on"
        with pytest.raises(ServerDied):
            await borrowing
        await asyncio.sleep(30)


async def test_a_request_whose_asker_has_gone_keeps_its_worker_busy(world: World) -> None:
    """Otherwise a worker that hangs would look idle, and draw all requests."""
    async with PortPool(Worker(world), size=2) as pool:
        hanging = await soon(pool.ask(Worker.work, 3.0))
        hanging.cancel()
        await asyncio.sleep(0.1)
        assert [worker.in_flight for worker in pool_status(pool).workers] == [1, 0]
        began = now()
        assert [await pool.ask(Worker.number) for _ in range(3)] == [2, 2, 2]
        assert now() == began
        async with pool.worker():
            assert await pool.ask(Worker.number) == 1, "it has room again when that is over"
        assert now() - began == pytest.approx(3.0, abs=0.2)


async def test_work_that_was_given_up_counts_beside_a_lease_that_does_nothing(world: World) -> None:
    """Otherwise a worker is lent to more than `max_in_flight`."""
    async with PortPool(Worker(world), size=1, max_in_flight=2) as pool:
        for work in (Worker.work_beside, Worker.work):
            async with pool.worker():
                given_up = await soon(pool.ask(work, 3.0))
                given_up.cancel()
                await asyncio.wait({given_up})
                began = now()
                with pytest.raises(PoolTimeout):
                    async with pool.worker(wait_within=1.0):
                        pass
                async with pool.worker():
                    assert now() - began == pytest.approx(3.0, abs=0.2), "it has room again when that is over"


async def test_a_strict_key_waits_for_work_that_was_given_up_beside_another_lease(world: World) -> None:
    async with PortPool(Worker(world), size=1, max_in_flight=2) as pool:
        async with pool.worker(key="other"):
            given_up = await soon(worked(pool, "ann", 2.0))
            given_up.cancel()
            await asyncio.wait({given_up})
            began = now()
            renewing = await soon(pool.renew())
            assert await number_of(pool, "ann") == 2
            assert now() - began > 1.9
        await renewing


# -- keys


async def test_a_hint_leads_to_its_own_worker_or_to_another_one_when_that_is_busy(world: World) -> None:
    async with PortPool(Worker(world), size=4) as pool:
        numbers: list[int] = []
        for _ in range(5):
            async with pool.worker(key="ann") as worker:
                numbers.append(await worker.number())
        assert len(set(numbers)) == 1
        async with pool.worker(key="ann"), pool.worker(key="ann") as another:
            assert await another.number() != numbers[0]


async def test_a_strict_key_waits_for_its_own_worker(world: World) -> None:
    async with PortPool(Worker(world), size=4) as pool:
        async with pool.worker(key="ann", sticky="strict") as worker:
            own = await worker.number()
            with pytest.raises(PoolTimeout):
                async with pool.worker(key="ann", sticky="strict", wait_within=1.0):
                    pass
            assert len({await pool.ask(Worker.number) for _ in range(9)} - {own}) == 3, "the others are free"
        async with pool.worker(key="ann", sticky="strict") as worker:
            assert await worker.number() == own


async def test_a_strict_key_follows_its_place_when_its_worker_dies(world: World) -> None:
    async with PortPool(Worker(world), size=4) as pool:
        async with pool.worker(key="ann", sticky="strict") as worker:
            own = await worker.number()
            waiting = await soon(number_of(pool, "ann"))
            with pytest.raises(ServerDied):
                await worker.work(0.0, "poison")
            with pytest.raises(NoProcess) as gone:
                await worker.number()
            assert gone.value.restart_in is None, "the next one has another address"
        assert await waiting == 5, "the next one in its place; there were four"
        assert own != 5


async def number_of(pool: PortPool[Worker], key: str) -> int:
    async with pool.worker(key=key, sticky="strict") as worker:
        return await worker.number()


async def test_a_strict_key_is_never_at_two_workers_while_one_replaces_the_other(world: World) -> None:
    async with PortPool(Worker(world), size=2, max_in_flight=4) as pool:
        async with pool.worker(key="ann", sticky="strict") as worker:
            before = await worker.number()
            renewing = await soon(pool.renew())
            waiting = await soon(number_of(pool, "ann"))
            await asyncio.sleep(1)
            assert not waiting.done()
            assert await worker.number() == before, "it is not ended before its lease is"
        assert await waiting != before
        await renewing


async def test_a_strict_key_is_never_at_two_workers_while_the_size_changes(world: World) -> None:
    key = next(key for key in map(str, range(100)) if home_of(key, 2) != home_of(key, 3))
    async with PortPool(Worker(world), size=2) as pool:
        async with pool.worker(key=key, sticky="strict") as worker:
            before = await worker.number()
            await pool.resize(3)
            waiting = await soon(number_of(pool, key))
            await asyncio.sleep(1)
            assert not waiting.done()
        assert await waiting != before


async def test_a_strict_key_waits_for_what_its_old_worker_still_does_though_nobody_waits_for_that(world: World) -> None:
    async with PortPool(Worker(world), size=1) as pool:
        gone = await soon(worked(pool, "ann", 2.0))
        gone.cancel()
        await asyncio.wait({gone})
        began = asyncio.get_running_loop().time()
        renewing = await soon(pool.renew())
        assert await number_of(pool, "ann") == 2
        assert asyncio.get_running_loop().time() - began > 1.9
        await renewing


async def worked(pool: PortPool[Worker], key: str, seconds: float) -> int:
    async with pool.worker(key=key, sticky="strict") as worker:
        return await worker.work(seconds)


# -- crashes


async def test_a_worker_that_died_is_given_nothing_until_it_runs_again(world: World) -> None:
    with capture_events(WorkerTainted) as events:
        async with PortPool(Worker(world, start_takes=0.2), size=2) as pool:
            with pytest.raises(ServerDied) as died:
                await pool.ask(Worker.work, 0.0, "poison")
            assert isinstance(died.value.reason, Poison)
            await asyncio.sleep(0.001)
            assert events == [WorkerTainted(path="PortPool/0", reason=died.value.reason, lost=1, crashes=1)]
            assert [worker.stage for worker in pool_status(pool).workers] == ["down", "ready"]
            assert {await pool.ask(Worker.number) for _ in range(5)} == {2}
            await eventually(lambda: pool_status(pool).ready == 2)
            status = pool_status(pool).workers[0]
            assert (status.on_probation, status.crashes) == (True, 1)
            assert await pool.ask(Worker.number) == 2, "others come first"
            async with pool.worker():
                assert await pool.ask(Worker.number) == 3
            await asyncio.sleep(0.001)
            assert not pool_status(pool).workers[0].on_probation, "it has answered"


async def test_who_gives_up_on_a_worker_on_probation_does_not_vouch_for_it(world: World) -> None:
    async with PortPool(Worker(world), size=1) as pool:
        with pytest.raises(ServerDied):
            await pool.ask(Worker.work, 0.0, "poison")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await pool.ask(Worker.work, 3.0)
        await asyncio.sleep(5)
        assert pool_status(pool).workers[0].on_probation, "nobody has had an answer"
        assert await pool.ask(Worker.work)
        await asyncio.sleep(0.001)
        assert not pool_status(pool).workers[0].on_probation


async def test_a_worker_that_died_idle_is_replaced_before_anybody_meets_it(world: World) -> None:
    async with PortPool(Worker(world), size=2) as pool:
        async with pool.worker() as worker:
            first = worker
        axon.exit(first, axon.kill)
        assert [await pool.ask(Worker.number) for _ in range(4)] == [2, 2, 2, 2]
        await asyncio.sleep(1)
        assert pool_status(pool).ready == 2


@pytest.mark.parametrize("how", ["least_busy", "round_robin"])
async def test_a_poisoned_worker_draws_no_requests_beyond_its_restarts(world: World, how: str) -> None:
    """It dies of each request at once, and looks idle: 1,000 requests in 30 s cost five, and the others share the rest."""
    world.poisoned.add("0")
    async with PortPool(Worker(world), size=4, choose=how) as pool:  # type: ignore[arg-type]

        async def some() -> list[object]:
            return [await outcome(pool, 0.1) for _ in range(125)]

        began = now()
        found = Counter(answer for answers in await asyncio.gather(*(some() for _ in range(8))) for answer in answers)
        lost = found.pop(ServerDied)
        assert lost <= 1 + pool_status(pool).workers[0].crashes
        assert lost <= 10
        assert sum(found.values()) == 1000 - lost
        assert len(found) == 3
        assert max(found.values()) - min(found.values()) <= 2
        assert now() - began < 36


async def test_a_worker_that_never_starts_again_is_waited_for_with_a_growing_backoff(world: World) -> None:
    async with PortPool(Worker(world), size=2) as pool:
        world.fail = set(range(3, 9))
        with pytest.raises(ServerDied):
            await pool.ask(Worker.work, 0.0, "poison")
        began = now()
        while pool_status(pool).ready < 2:
            assert await pool.ask(Worker.number) == 2
            await asyncio.sleep(0.1)
        assert world.made == 9
        assert 0.1 * (2**7 - 1) <= now() - began <= 0.1 * (2**7 - 1) + 1.5


async def test_a_worker_that_has_answered_is_restarted_soon_however_often_it_died(world: World) -> None:
    async with PortPool(Worker(world), size=1, max_restarts=100) as pool:
        for _ in range(20):
            assert await pool.ask(Worker.work)
            with pytest.raises(ServerDied):
                await pool.ask(Worker.work, 0.0, "poison")
            began = now()
            assert await pool.ask(Worker.work)
            assert now() - began <= 0.2


async def test_a_pool_that_cannot_start_says_why(world: World) -> None:
    world.all_fail = True
    with pytest.raises(StartFailed) as failed:
        async with PortPool(Worker(world), size=8, start_batch=2):
            pass
    assert isinstance(failed.value.__cause__, StartFailed)
    assert isinstance(failed.value.__cause__.__cause__, Poison)
    assert world.made <= 4, "when all of a batch have failed the others are not tried"


async def test_a_pool_starts_with_those_that_start_and_the_others_follow(world: World) -> None:
    world.fail = {2}
    async with PortPool(Worker(world), size=3) as pool:
        assert pool_status(pool).ready == 2
        await eventually(lambda: pool_status(pool).ready == 3)


async def test_a_pool_whose_workers_do_not_start_any_more_answers_at_once(world: World) -> None:
    async with PortPool(Worker(world), size=2, wait_within=None) as pool:
        world.all_fail = True
        waiting = [await soon(pool.ask(Worker.work, 1.0, "poison")) for _ in range(3)]
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(one) for one in outcomes] == [ServerDied, ServerDied, PoolUnavailable]
        began = now()
        with pytest.raises(PoolUnavailable) as refused:
            await pool.ask(Worker.number)
        assert now() == began
        assert isinstance(refused.value.reason, Poison)
        assert 0 <= refused.value.restart_in < 1
        world.all_fail = False
        await eventually(lambda: pool_status(pool).ready == 2)
        assert await pool.ask(Worker.number) > 2


async def test_a_pool_gives_up_as_any_supervisor(world: World) -> None:
    with pytest.raises(SupervisorDied) as died:
        async with PortPool(Worker(world), size=2, max_restarts=2, max_seconds=60) as pool:
            while True:
                with pytest.raises((ServerDied, PoolStopped)):
                    await pool.ask(Worker.work, 0.0, "poison")
    assert "more than 2 restarts within 60 s" in str(died.value)
    assert isinstance(died.value.__cause__, Poison)


# -- starting, ending


async def test_workers_start_in_batches(world: World) -> None:
    began = now()
    async with PortPool(Worker(world, start_takes=1.0), size=10, start_batch=3) as pool:
        assert now() - began == pytest.approx(4.0)
        assert pool_status(pool).ready == 10
        await pool.resize(20)
    assert world.most_starting == 3


async def test_whoever_waits_when_the_pool_stops_hears_that(world: World) -> None:
    heard: list[float] = []
    async with PortPool(child(Worker(world), shutdown=1.0), size=1) as pool:
        at_work = await soon(pool.ask(Worker.work, 100.0))
        waiting = await soon(pool.ask(Worker.work))
        waiting.add_done_callback(lambda _: heard.append(now()))
        began = now()
    with pytest.raises(PoolStopped) as stopped:
        await waiting
    assert stopped.value.reason == axon.shutdown
    assert heard == [pytest.approx(began, abs=0.1)], "and not when the last worker has ended"
    with pytest.raises(ServerDied):
        await at_work
    with pytest.raises(NoProcess):
        await pool.ask(Worker.work)


async def test_whoever_waits_when_the_pool_is_killed_hears_that_and_its_workers_end(world: World) -> None:
    async with Supervisor([PortPool(Worker(world), size=2)]) as sup:
        pool = sup.get(PortPool[Worker])
        async with pool.worker() as first, pool.worker() as second:
            waiting = await soon(pool.ask(Worker.work))
            axon.exit(pool, axon.kill)
            with pytest.raises(PoolStopped) as stopped:
                await waiting
            assert stopped.value.reason == axon.killed
            await eventually(lambda: axon.whereis(first) is None and axon.whereis(second) is None)
        await eventually(lambda: axon.whereis(pool))
        assert await pool.ask(Worker.number) > 2, "its supervisor has started it again"


async def test_workers_end_in_order(world: World) -> None:
    async with PortPool(Worker(world), size=3):
        pass
    assert sorted(world.ended) == [1, 2, 3]


async def test_a_start_of_a_pool_that_is_cancelled_leaves_nothing(world: World) -> None:
    async def enter() -> None:
        async with PortPool(Worker(world, start_takes=1.0), size=4, start_batch=2):
            pass

    for seconds in (0.0, 0.5, 1.5):
        task = asyncio.create_task(enter())
        await asyncio.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert world.starting == 0


# -- replacement


async def load_on(pool: PortPool[Worker], askers: int, each: int, seconds: float = 0.05) -> Counter[object]:
    async def some() -> list[object]:
        return [await outcome(pool, seconds) for _ in range(each)]

    found = await asyncio.gather(*(some() for _ in range(askers)))
    return Counter(answer for answers in found for answer in answers)


async def test_recycling_under_load_costs_no_request_and_no_capacity(world: World) -> None:
    """Each worker does some 20 things; the next one runs before it goes, and one at a time goes."""
    recycle = Recycle(max_requests=20, jitter=0.3)
    seen: list[tuple[int, int]] = []

    async def watch() -> None:
        while True:
            status = pool_status(pool)
            seen.append((status.ready, len([w for w in status.workers if w.pid == 0])))
            await asyncio.sleep(0.01)

    with capture_events(WorkerRecycled, WorkerTainted) as events:
        async with PortPool(Worker(world, start_takes=0.1), size=4, recycle=recycle) as pool:
            watching = asyncio.create_task(watch())
            found = await load_on(pool, askers=8, each=100)
            watching.cancel()
            assert sum(found.values()) == 800
            assert all(isinstance(answer, int) for answer in found), "each has its answer"
            assert all(isinstance(event, WorkerRecycled) and event.why == "requests" for event in events)
            assert len(events) >= 20
            assert {ready for ready, _ in seen} == {4}
            assert max(workers for _, workers in seen) <= 5
            assert pool_status(pool).recycled == len(events)


async def test_workers_of_one_age_are_not_replaced_together(world: World) -> None:
    with capture_events(WorkerRecycled) as events:
        async with PortPool(Worker(world), size=8, recycle=Recycle(max_age=100, jitter=0.5, at_once=8)) as pool:
            times: list[float] = []
            began = now()
            while now() - began < 101:
                times += [now() - began] * (len(events) - len(times))
                await asyncio.sleep(0.5)
            assert len(times) >= 8
            assert all(50 <= at <= 101 for at in times[:8])
            assert len(set(times[:8])) > 4
            assert pool_status(pool).ready == 8


async def test_no_more_are_replaced_at_once_than_at_once_says(world: World) -> None:
    recycle = Recycle(max_age=10, jitter=0, at_once=2)
    async with PortPool(Worker(world, start_takes=1.0), size=6, recycle=recycle):
        await asyncio.sleep(10.5)
        assert world.starting == 2
        await asyncio.sleep(6)
    assert world.most_starting == 4, "the four of the first batch"


async def test_a_worker_whose_successor_does_not_start_stays(world: World) -> None:
    async with PortPool(Worker(world), size=1, recycle=Recycle(max_age=10, jitter=0)) as pool:
        world.all_fail = True
        await asyncio.sleep(30)
        assert await pool.ask(Worker.number) == 1
        assert 3 <= world.made <= 6
        world.all_fail = False
        await eventually(lambda: pool_status(pool).recycled == 1)


async def test_all_workers_are_renewed_one_after_the_other(world: World) -> None:
    async with PortPool(Worker(world, start_takes=0.1), size=3) as pool:
        running = await soon(load_on(pool, askers=6, each=20))
        await pool.renew()
        assert sorted(world.ended) == [1, 2, 3]
        assert {await pool.ask(Worker.number) for _ in range(6)} <= {4, 5, 6}
        found = await running
        assert sum(found.values()) == 120
        assert all(isinstance(answer, int) for answer in found)


async def test_workers_that_could_not_be_renewed_are_at_the_next_call_at_once(world: World) -> None:
    """It would have returned as if they were."""
    async with PortPool(Worker(world), size=2) as pool:
        world.all_fail = True
        await pool.renew()
        assert pool_status(pool).recycled == 0
        world.all_fail = False
        await pool.renew()
        assert pool_status(pool).recycled == 2


async def test_a_successor_takes_over_from_one_that_died_meanwhile(world: World) -> None:
    async with PortPool(Worker(world, start_takes=1.0), size=1) as pool:
        renewing = await soon(pool.renew())
        with pytest.raises(ServerDied):
            await pool.ask(Worker.work, 0.0, "poison")
        await renewing
        await eventually(lambda: pool_status(pool).ready == 1)
        assert len(pool_status(pool).workers) == 1
        assert await pool.ask(Worker.number) in (2, 3)


# -- size


async def test_a_pool_shrinks_and_grows_under_load_and_loses_nothing(world: World) -> None:
    async with PortPool(Worker(world, start_takes=0.1), size=4) as pool:
        running = await soon(load_on(pool, askers=8, each=60))
        for size in (1, 6, 2, 4):
            await pool.resize(size)
            status = pool_status(pool)
            assert (status.size, status.ready, len(status.workers)) == (size, size, size)
            await asyncio.sleep(0.3)
        found = await running
        assert sum(found.values()) == 480
        assert all(isinstance(answer, int) for answer in found)


async def test_a_worker_that_is_too_many_ends_when_its_lease_does(world: World) -> None:
    async with PortPool(Worker(world), size=2) as pool:
        async with pool.worker(), pool.worker() as second:
            resizing = await soon(pool.resize(1))
            await asyncio.sleep(1)
            assert await second.number() == 2
            assert pool_status(pool).workers[1].stage == "leaving"
            assert not resizing.done()
        await resizing
        assert world.ended == [2]


async def test_who_waits_for_a_place_that_is_gone_waits_for_another_one(world: World) -> None:
    async with PortPool(Worker(world), size=4) as pool:
        keys = [f"user-{number}" for number in range(12)]
        blocks = [await soon(held(pool, 1.0)) for _ in range(4)]
        waiting = [await soon(number_of(pool, key)) for key in keys]
        await pool.resize(1)
        assert len(set(await asyncio.gather(*waiting))) == 1
        await asyncio.gather(*blocks)


async def held(pool: PortPool[Worker], seconds: float) -> None:
    async with pool.worker():
        await asyncio.sleep(seconds)


async def test_a_worker_that_starts_and_is_not_wanted_any_more_leaves_nothing(world: World) -> None:
    async with PortPool(Worker(world, start_takes=1.0), size=1, start_batch=2) as pool:
        growing = await soon(pool.resize(6))
        await asyncio.sleep(0.5)
        await pool.resize(1)
        await growing
        assert pool_status(pool).size == 1
        assert len(await pool.which_children()) == 1
        assert world.starting == 0


# -- all of it at once


@pytest.mark.parametrize("dice_seed", range(int(os.environ.get("AXON_ROUNDS", "20"))))
async def test_whatever_happens_each_request_ends_and_nothing_is_left_at_a_worker(world: World, dice_seed: int) -> None:
    """Crashes, kills, cancels, deadlines, resizes and renewals, in any order."""
    dice = random.Random(dice_seed)
    pool_of = PortPool(
        Worker(world, start_takes=0.05),
        size=3,
        max_in_flight=dice.choice([1, 2]),
        max_waiting=20,
        choose=dice.choice(["least_busy", "round_robin"]),
        recycle=Recycle(max_requests=15, max_age=3.0, at_once=2),
        max_restarts=1000,
    )
    results: Counter[str] = Counter()

    async def ask(pool: PortPool[Worker]) -> None:
        for _ in range(10):
            await asyncio.sleep(dice.random() / 5)
            key, sticky = dice.choice([None, "a", "b", 3]), dice.choice(["hint", "strict"])
            try:
                async with (
                    axon.deadline(dice.choice([0.1, 1.0, 10.0])),
                    pool.worker(key=key, sticky="strict" if key and sticky == "strict" else "hint") as worker,
                ):
                    await worker.work(dice.random() / 5, "poison" if dice.random() < 0.1 else "")
                results["answered"] += 1
            except (axon.CallError, PoolRefused) as error:
                results[type(error).__name__] += 1

    async with pool_of as pool:
        askers = [asyncio.create_task(ask(pool)) for _ in range(8)]
        for _ in range(12):
            await asyncio.sleep(dice.random() / 4)
            await pool.resize(dice.randint(1, 5)) if dice.random() < 0.4 else None
            if dice.random() < 0.3:
                axon.exit(dice.choice(await pool.which_children()).handle, axon.kill)
            if dice.random() < 0.2:
                dice.choice(askers).cancel()
            if dice.random() < 0.2:
                await pool.renew()
        await asyncio.wait(askers)
        assert results["answered"] > 0
        assert not [task for task in askers if not task.cancelled() and task.exception()]
        await eventually(lambda: pool_status(pool).ready == pool_status(pool).size)
        await eventually(lambda: {worker.in_flight for worker in pool_status(pool).workers} == {0})
        assert pool_status(pool).waiting == 0
        assert len(await asyncio.gather(*(pool.ask(Worker.work, 0.1) for _ in range(20)))) == 20
    assert world.starting == 0


# -- what is refused


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("size", 0),
        ("size", True),
        ("max_in_flight", 0),
        ("max_waiting", -1),
        ("wait_within", -1.0),
        ("choose", "any"),
        ("recycle", {"max_age": 3}),
        ("start_batch", 0),
    ],
)
def test_options_that_cannot_be_are_refused(world: World, option: str, value: object) -> None:
    with pytest.raises(InvalidOption, match=option):
        PortPool(Worker(world), **{option: value})  # type: ignore[arg-type]


def test_children_that_no_pool_can_have_are_refused(world: World) -> None:
    for option, spec in (
        ("name", child(Worker(world), name="worker")),
        ("restart", child(Worker(world), restart="transient")),
    ):
        with pytest.raises(InvalidOption, match=option):
            PortPool(spec)


async def test_what_no_request_can_ask_for_is_refused(world: World) -> None:
    async with PortPool(Worker(world), size=1) as pool:
        wrong: list[tuple[str, dict[str, Any]]] = [
            ("key", {"key": True}),
            ("key", {"sticky": "strict"}),
            ("sticky", {"key": 1, "sticky": "maybe"}),
            ("wait_within", {"wait_within": -1}),
        ]
        for option, arguments in wrong:
            with pytest.raises(InvalidOption, match=option):
                async with pool.worker(**arguments):
                    pass
        with pytest.raises(InvalidOption, match="size"):
            await pool.resize(0)
        lone = await axon.start(Worker(world))
        with pytest.raises(InvalidOption, match="a PortPool"):
            pool_status(lone)  # type: ignore[arg-type]
