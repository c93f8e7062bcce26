"""Pools of real processes: what they lose when some are killed, poisoned, replaced or resized under load, and what not."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from pool_servers import Declared, Far, NoStart, Poisoned
from port_marks import gone_within, is_alive

import axon
from axon import ServerDied, StartFailed, Supervisor, child
from axon.port import (
    PoolFull,
    PoolRefused,
    PoolTimeout,
    PoolUnavailable,
    PortExited,
    PortHung,
    PortPool,
    Recycle,
    WorkerRecycled,
    isolated,
    pool_status,
)
from axon.port._spawner import Spawner
from axon.testing import capture_events, eventually

pytestmark = [pytest.mark.real_clock, pytest.mark.slow, pytest.mark.kill]

ROUNDS = int(os.environ.get("AXON_ROUNDS", "10"))


async def outcome(pool: PortPool[Far], seconds: float = 0.01, key: str | None = None) -> object:
    """A pid, or what the request ended with instead: an error that says why."""
    try:
        async with pool.worker(key=key) as worker:
            return await worker.work(seconds)
    except ServerDied as died:
        return ServerDied if isinstance(died.reason, PortExited | PortHung) else died
    except PoolRefused as refused:
        return type(refused)


async def load_on(pool: PortPool[Far], askers: int, each: int, seconds: float = 0.01) -> Counter[object]:
    async def some() -> list[object]:
        return [await outcome(pool, seconds) for _ in range(each)]

    found = await asyncio.gather(*(some() for _ in range(askers)))
    counted = Counter(answer for answers in found for answer in answers)
    assert sum(counted.values()) == askers * each, "each request has ended"
    return counted


def pids_of(pool: PortPool[Far]) -> list[int]:
    return [worker.pid for worker in pool_status(pool).workers if worker.pid]


async def test_workers_live_in_processes_of_their_own_and_none_is_left() -> None:
    async with Supervisor([child(PortPool(isolated(Far()), size=3), id="parsers")]) as sup:
        pool = sup.get(PortPool[Far], "parsers")
        pids = pids_of(pool)
        found = await load_on(pool, askers=3, each=10)
        assert set(found) == set(pids)
        assert len(set(pids)) == 3
        with pytest.raises(Declared, match="not today"):
            await pool.ask(Far.refuse, "not today")
        await eventually(lambda: all(worker.memory > 10 * 2**20 for worker in pool_status(pool).workers))
    assert gone_within(pids, 1)


async def test_a_pool_with_a_poisoned_worker_under_load_loses_no_request_but_those_it_had() -> None:
    """One of four dies of each request, at once. The others do what it would have drawn, and share it evenly."""
    pool_of = PortPool(isolated(Poisoned()), size=4, max_waiting=8)
    async with pool_of as pool:
        began = time.monotonic()
        found = await load_on(pool, askers=10, each=60)
        took = time.monotonic() - began
        poisoned = pool_status(pool).workers[0]
        lost = found.pop(ServerDied, 0)
        assert 1 <= lost <= 1 + poisoned.crashes
        assert lost <= 3 + took, "its restarts are further and further apart"
        assert PoolFull not in found
        assert PoolTimeout not in found
        assert sum(found.values()) == 600 - lost
        assert len(found) == 3
        assert min(found.values()) >= 0.8 * max(found.values())


async def test_refusals_under_overload_are_typed_and_at_once() -> None:
    async with PortPool(isolated(Far()), size=1, max_waiting=3) as pool:
        found = Counter(await asyncio.gather(*(outcome(pool, 0.1) for _ in range(12))))
        assert found[PoolFull] == 8
        assert sum(found.values()) == 12
        began = time.monotonic()
        async with pool.worker() as worker:
            with pytest.raises(PoolTimeout):
                async with pool.worker(wait_within=0.2):
                    pass
            assert 0.15 < time.monotonic() - began < 1
            assert await worker.work() == pids_of(pool)[0]


async def test_recycling_by_requests_under_load_costs_no_request() -> None:
    recycle = Recycle(max_requests=25, jitter=0.2)
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, len(pool_status(pool).workers))
            await asyncio.sleep(0.01)

    with capture_events(WorkerRecycled) as events:
        async with PortPool(isolated(Far()), size=2, recycle=recycle) as pool:
            watching = asyncio.create_task(watch())
            found = await load_on(pool, askers=4, each=60, seconds=0.02)
            watching.cancel()
            assert all(isinstance(answer, int) for answer in found), found
            assert len(events) >= 2
            assert all(event.why == "requests" and event.served >= 20 for event in events)
            assert {event.pid for event in events} <= set(found)
            assert most <= 3, "one more than its size, while one replaces another"


async def test_a_worker_that_has_grown_is_replaced() -> None:
    async with PortPool(isolated(Far()), size=2, recycle=Recycle(max_memory=150 * 2**20, jitter=0)) as pool:
        with capture_events(WorkerRecycled) as events:
            fat = await pool.ask(Far.eat, 200 * 2**20)
            event = await events.until(WorkerRecycled)
            assert (event.pid, event.why) == (fat, "memory")
            assert event.memory >= 150 * 2**20
            await asyncio.to_thread(gone_within, [fat], 5)
            assert not is_alive(fat)
            assert pool_status(pool).ready == 2


async def test_a_pool_is_resized_under_load_and_loses_no_request() -> None:
    async with PortPool(isolated(Far()), size=2) as pool:
        running = asyncio.create_task(load_on(pool, askers=4, each=80, seconds=0.02))
        for size in (1, 3, 2):
            await pool.resize(size)
            await eventually(lambda: len(pids_of(pool)) == size)  # noqa: B023
        found = await running
        assert all(isinstance(answer, int) for answer in found), found


async def test_random_workers_are_killed_under_load_and_only_what_they_had_is_lost() -> None:
    """Each request ends, with its answer or the death of its worker, and the pool is whole again afterwards."""
    dice = random.Random(7)
    async with PortPool(isolated(Far()), size=4, max_restarts=1000) as pool:
        running = asyncio.create_task(load_on(pool, askers=8, each=ROUNDS * 6, seconds=0.02))
        kills = 0
        while not running.done():
            await asyncio.sleep(0.3 + dice.random() / 2)
            pids = pids_of(pool)
            if pids:
                os.kill(dice.choice(pids), signal.SIGKILL)
                kills += 1
        found = await running
        assert kills >= 3
        assert found[ServerDied] <= kills
        assert {answer for answer in found if not isinstance(answer, int)} <= {ServerDied}
        await eventually(lambda: pool_status(pool).ready == 4, within=30)
        assert len(await load_on(pool, askers=4, each=10)) == 4


async def test_a_pool_outlives_the_guard_of_all_its_processes() -> None:
    async with PortPool(isolated(Far()), size=3) as pool:
        guard = axon.process.runtime().spawner
        assert isinstance(guard, Spawner)
        os.kill(guard._pid, signal.SIGKILL)
        await eventually(lambda: sum(worker.crashes for worker in pool_status(pool).workers) == 3)
        await eventually(lambda: pool_status(pool).ready == 3, within=30)
        assert isinstance(await pool.ask(Far.work), int)


async def test_a_worker_that_is_stopped_is_found_out_and_the_others_do_its_work() -> None:
    async with PortPool(isolated(Far(), hang=1.0), size=2) as pool:
        os.kill(pids_of(pool)[0], signal.SIGSTOP)
        found = await load_on(pool, askers=4, each=40)
        assert found[ServerDied] == 1
        assert pool_status(pool).workers[0].crashes == 1


async def test_strict_keys_stay_at_their_worker_and_follow_it_when_it_is_killed() -> None:
    async def ask(key: str) -> tuple[int, int]:
        async with pool.worker(key=key, sticky="strict") as worker:
            return await worker.count()

    async with PortPool(isolated(Far()), size=3) as pool:
        keys = [f"user-{number}" for number in range(9)]
        first = dict(zip(keys, await asyncio.gather(*map(ask, keys)), strict=True))
        for _ in range(3):
            again = dict(zip(keys, await asyncio.gather(*map(ask, keys)), strict=True))
            assert {key: pid for key, (pid, _) in again.items()} == {key: pid for key, (pid, _) in first.items()}
        victim = first[keys[0]][0]
        os.kill(victim, signal.SIGKILL)
        await eventually(lambda: pool_status(pool).ready == 2)
        moved, count = await ask(keys[0])
        assert moved not in {pid for pid, _ in first.values()}
        assert count == 1, "what it had in memory is gone"
        stayed = [key for key in keys if first[key][0] != victim]
        assert [(await ask(key))[0] for key in stayed] == [first[key][0] for key in stayed]


async def test_a_pool_whose_processes_do_not_start_says_why_at_once() -> None:
    began = time.monotonic()
    with pytest.raises(StartFailed) as failed:
        async with PortPool(isolated(NoStart()), size=4, start_batch=2):
            pass
    assert isinstance(failed.value.__cause__, StartFailed)
    assert isinstance(failed.value.__cause__.reason, Declared)
    assert time.monotonic() - began < 15


async def test_a_pool_whose_processes_do_not_start_any_more_refuses_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    async with PortPool(isolated(Far(), cwd=folder), size=1, wait_within=None) as pool:
        folder.rmdir()
        with pytest.raises(ServerDied):
            await pool.ask(Far.die)
        with pytest.raises(PoolUnavailable) as refused:
            await pool.ask(Far.work)
        assert refused.value.restart_in < 1
        folder.mkdir()
        await eventually(lambda: pool_status(pool).ready == 1, within=30)
        assert isinstance(await pool.ask(Far.work), int)


async def test_a_deadline_counts_for_the_wait_and_ends_the_request_over_there() -> None:
    async with PortPool(isolated(Far()), size=1) as pool:
        first = asyncio.create_task(pool.ask(Far.work, 0.5))
        await asyncio.sleep(0.1)
        began = time.monotonic()
        with pytest.raises(axon.DeadlineExceeded):
            async with axon.deadline(0.8):
                await pool.ask(Far.work, 30.0)
        assert 0.7 < time.monotonic() - began < 1.5
        assert await first
        assert await pool.ask(Far.work) == pids_of(pool)[0], "it was ended over there, too, and has room again"
