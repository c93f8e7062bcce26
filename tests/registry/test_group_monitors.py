"""Who watches a group is told of every change from a known state on. Rules D7 to D10 and D15 of Erlang's pg."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import pytest
from workers import Loud, Start, Worker, end, process_of, seen, settle, spawn_inbox

import axon
from axon import Down, Exit, Group, GroupMonitor, Joined, Left, Process, group, monitor_scope

M = TypeVar("M", bound=axon.process.Address)


async def watch(watcher: Worker, pool: Group[M]) -> tuple[GroupMonitor, list[M]]:
    """Have a worker watch a group."""
    return await watcher.do(pool.monitor)


async def test_d7_a_monitor_begins_with_the_members_and_tells_every_change(start: Start) -> None:
    pool = group(Worker, "pool")
    watcher, one, two = [await start(Worker()) for _ in range(3)]
    pool.join(one)
    monitor, members = await watch(watcher, pool)
    pool.join(two)
    pool.leave(one)
    assert members == [one]
    assert await seen(watcher) == [Joined(monitor, "pool", (two,)), Left(monitor, "pool", (one,))]


async def test_d7_no_change_is_missed_or_told_twice_between_the_snapshot_and_the_messages(start: Start) -> None:
    """Whatever goes on meanwhile: the snapshot and the messages together are the members."""
    pool, watcher = group(Worker, "pool"), await start(Worker())
    workers = [await start(Worker()) for _ in range(10)]
    known: list[Worker] = []

    async def come_and_go(worker: Worker) -> None:
        for _ in range(20):
            pool.join(worker)
            await asyncio.sleep(0)
            pool.leave(worker)
            await asyncio.sleep(0)
        pool.join(worker)

    async with asyncio.TaskGroup() as tasks:
        for worker in workers:
            tasks.create_task(come_and_go(worker))
            await asyncio.sleep(0)
        _, members = await watch(watcher, pool)
        known.extend(members)
    for message in await seen(watcher):
        match message:
            case Joined(members=(Worker() as worker,)):
                known.append(worker)
            case Left(members=(Worker() as worker,)):
                known.remove(worker)
            case _:
                pytest.fail(f"not about members: {message}")
    assert set(known) == set(pool.members()) == set(workers)
    assert len(known) == len(workers)


async def test_d7_a_group_without_members_can_be_watched(start: Start) -> None:
    pool, watcher, worker = group(Worker, "pool"), await start(Worker()), await start(Worker())
    monitor, members = await watch(watcher, pool)
    assert (members, axon.which_groups()) == ([], [])
    pool.join(worker)
    assert await seen(watcher) == [Joined(monitor, "pool", (worker,))]


async def test_d7_each_monitor_is_one_of_its_own_and_of_its_group_and_scope_alone(start: Start) -> None:
    watcher, worker = await start(Worker()), await start(Worker())
    first, _ = await watch(watcher, group(Worker, "pool"))
    second, _ = await watch(watcher, group(Worker, "pool"))
    group(Worker, "other").join(worker)
    group(Worker, "pool", scope="other").join(worker)
    group(Worker, "pool").join(worker)
    assert await seen(watcher) == [Joined(first, "pool", (worker,)), Joined(second, "pool", (worker,))]


async def test_d7_a_watcher_that_is_a_member_is_told_of_itself(start: Start) -> None:
    pool, worker = group(Worker, "pool"), await start(Worker())
    monitor, _ = await watch(worker, pool)
    pool.join(worker)
    assert await seen(worker) == [Joined(monitor, "pool", (worker,))]


async def test_d7_a_death_is_told_after_what_the_dead_sent_and_before_its_exit_and_down(start: Start) -> None:
    pool, watcher = group(Process, "pool"), await start(Worker())
    watching, all_watch = process_of(watcher), asyncio.Event()

    async def says_goodbye() -> None:
        await all_watch.wait()
        axon.send(watching, "goodbye")

    process = axon.process.spawn(says_goodbye)
    pool.join(process)
    monitor, _ = await watch(watcher, pool)
    down = await watcher.do(axon.monitor, process)
    await watcher.do(axon.link, process)
    all_watch.set()
    await settle()
    assert await seen(watcher) == [
        "goodbye",
        Left(monitor, "pool", (process,)),
        Exit(process, axon.normal),
        Down(down, process, axon.normal),
    ]


async def test_d8_a_monitor_of_a_scope_tells_of_all_its_groups(start: Start) -> None:
    watcher, worker, (process, _) = await start(Worker()), await start(Worker()), spawn_inbox()
    group(Worker, "a").join(worker, worker)
    monitor, groups = await watcher.do(monitor_scope)
    assert groups == {"a": [worker, worker]}
    group(Process, "b").join(process)
    group(Worker, "a").leave(worker)
    group(Worker, "a", scope="elsewhere").join(worker)
    await end(process)
    assert await seen(watcher) == [
        Joined(monitor, "b", (process,)),
        Left(monitor, "a", (worker,)),
        Left(monitor, "b", (process,)),
    ]


async def test_d9_several_who_join_or_leave_together_are_one_message(start: Start) -> None:
    pool = group(Worker, "pool")
    watcher, one, two = [await start(Worker()) for _ in range(3)]
    monitor, _ = await watch(watcher, pool)
    pool.join(one, two, one)
    pool.leave(one, two)
    assert await seen(watcher) == [Joined(monitor, "pool", (one, two, one)), Left(monitor, "pool", (one, two))]


async def test_d9_a_death_is_one_message_for_each_membership(start: Start) -> None:
    pool = group(Worker, "pool")
    watcher, worker = await start(Worker()), await start(Worker())
    pool.join(worker, worker)
    monitor, _ = await watch(watcher, pool)
    await end(worker)
    assert await seen(watcher) == [Left(monitor, "pool", (worker,))] * 2


async def test_d10_demonitor_ends_it_and_removes_what_has_arrived(start: Start) -> None:
    """And nothing else; a second time it says that it was not active."""
    pool = group(Worker, "pool")
    watcher, worker = await start(Worker()), await start(Worker())
    monitor, _ = await watch(watcher, pool)
    other, _ = await watch(watcher, pool)

    def demonitor() -> tuple[bool, bool]:
        pool.join(worker)
        axon.send(axon.current(), "stays")
        pool.leave(worker)
        return axon.demonitor(monitor), axon.demonitor(monitor)

    assert await watcher.do(demonitor) == (True, False)
    pool.join(worker)
    assert await seen(watcher) == [
        Joined(other, "pool", (worker,)),
        "stays",
        Left(other, "pool", (worker,)),
        Joined(other, "pool", (worker,)),
    ]


async def test_d10_a_monitor_of_a_scope_ends_in_the_same_way(start: Start) -> None:
    watcher, worker = await start(Worker()), await start(Worker())
    monitor, _ = await watcher.do(monitor_scope)

    def demonitor() -> bool:
        group(Worker, "pool").join(worker)
        return axon.demonitor(monitor)

    assert await watcher.do(demonitor)
    group(Worker, "pool").leave(worker)
    assert await seen(watcher) == []


async def test_d15_the_watchers_death_ends_its_subscriptions(start: Start) -> None:
    """Nothing is left of it, not even what class the group it watched was to be."""
    pool, watcher, worker = group(Worker, "pool"), await start(Worker()), await start(Worker())
    await watch(watcher, pool)
    await watcher.do(monitor_scope)
    await end(watcher)
    pool.join(worker)
    assert axon.process.runtime().dead_letters == 0
    pool.leave(worker)
    assert group(Loud, "pool").members() == []


async def test_d16_those_who_were_no_members_are_not_told_of(start: Start) -> None:
    """Different: in OTP 25 the message of a mixed list has them, too. Nor is there one when nobody comes or goes."""
    pool = group(Worker, "pool")
    watcher, one, two = [await start(Worker()) for _ in range(3)]
    pool.join(one)
    monitor, _ = await watch(watcher, pool)
    pool.leave(two, one, one)
    pool.leave(two)
    pool.join()
    assert await seen(watcher) == [Left(monitor, "pool", (one,))]


async def test_only_a_process_can_watch_a_group() -> None:
    with pytest.raises(axon.NotInProcess, match="monitor"):
        group(Worker, "pool").monitor()
    with pytest.raises(axon.NotInProcess, match="monitor_scope"):
        monitor_scope()


async def test_a_monitor_says_what_it_watches(start: Start) -> None:
    watcher = await start(Worker())
    monitor, _ = await watch(watcher, group(Worker, "pool"))
    everything, _ = await watcher.do(monitor_scope)
    assert (monitor.group, repr(monitor)) == ("pool", "<GroupMonitor of 'pool'>")
    assert (everything.group, repr(everything)) == (None, "<GroupMonitor of all groups>")
