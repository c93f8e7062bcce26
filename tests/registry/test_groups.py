"""Process groups: who is in them, and for how long. The rules D1 to D18 are those of Erlang's pg."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from workers import Boom, Loud, Other, Start, Worker, end, process_of, seen, settle, spawn_inbox

import axon
from axon import ExitReason, GenServer, Process, PubSub, Supervisor, child, group, which_groups
from axon.telemetry import ProcessCrashed, ProcessExited, attach


async def test_d1_a_group_springs_into_being_when_somebody_joins(start: Start) -> None:
    pool = group(Worker, "pool")
    one, two, three = [await start(Worker()) for _ in range(3)]
    pool.join(one)
    pool.join(two, three)
    assert pool.members() == [one, two, three]


async def test_d1_who_joins_many_times_is_as_many_members(start: Start) -> None:
    pool, worker = group(Worker, "pool"), await start(Worker())
    pool.join(worker)
    pool.join(worker, worker)
    assert pool.members() == [worker] * 3


async def test_d2_leaving_takes_one_membership_a_time(start: Start) -> None:
    pool, worker = group(Worker, "pool"), await start(Worker())
    pool.join(*[worker] * 4)
    assert pool.leave(worker)
    assert pool.members() == [worker] * 3
    assert pool.leave(worker, worker)
    assert pool.members() == [worker]
    assert pool.leave(worker)
    assert pool.members() == []


async def test_d3_leaving_without_being_a_member_is_told_and_changes_nothing(start: Start) -> None:
    pool = group(Worker, "pool")
    one, two = await start(Worker()), await start(Worker())
    assert not pool.leave(one)
    pool.join(one)
    assert not pool.leave(two, two)
    assert pool.members() == [one]


async def test_d3_of_several_it_is_enough_that_one_was_a_member(start: Start) -> None:
    pool = group(Worker, "pool")
    one, two = await start(Worker()), await start(Worker())
    pool.join(one)
    assert pool.leave(two, one)
    assert pool.members() == []


async def test_d3_who_died_is_a_member_no_more(start: Start) -> None:
    pool, worker = group(Worker, "pool"), await start(Worker())
    pool.join(worker)
    await end(worker)
    assert not pool.leave(worker)


async def test_d4_an_unknown_group_or_scope_has_no_members() -> None:
    assert group(Worker, "nobody").members() == []
    assert group(Worker, "nobody", scope="nowhere").members() == []
    assert which_groups(scope="nowhere") == []


async def test_d5_an_empty_group_does_not_exist(start: Start) -> None:
    worker = await start(Worker())
    group(Worker, "b").join(worker)
    group(Worker, "a").join(worker)
    assert which_groups() == ["a", "b"]
    group(Worker, "a").leave(worker)
    assert which_groups() == ["b"]
    await end(worker)
    assert which_groups() == []


@pytest.mark.parametrize("reason", [axon.normal, axon.shutdown, axon.kill, Boom()], ids=repr)
async def test_d6_a_death_ends_all_memberships_of_the_dead(start: Start, reason: ExitReason) -> None:
    one, two = await start(Worker()), await start(Worker())
    for name in ("a", "b"):
        group(Worker, name).join(one, two, one)
    group(Worker, "a", scope="elsewhere").join(one)
    if reason == axon.kill:
        axon.exit(one, reason)
    else:
        await axon.stop(one, reason)
    assert group(Worker, "a").members() == group(Worker, "b").members() == [two]
    assert which_groups(scope="elsewhere") == []


async def test_d6_members_are_not_linked_and_nobody_dies_of_a_group(start: Start) -> None:
    """Whoever joins, leaves or dies: the others do not notice."""
    one, two = await start(Worker()), await start(Worker())
    group(Worker, "pool").join(one, two)
    assert not process_of(one).links
    await end(one)
    assert await two.do(lambda: "well") == "well"


async def test_d6_a_dead_member_is_gone_before_anybody_hears_of_its_death(start: Start) -> None:
    """Neither a message, nor an answer, nor an event finds it there (rule Z11)."""
    pool, found = group(Worker, "pool"), dict[str, list[Worker]]()
    worker = await start(Worker())
    pool.join(worker)

    async def watch() -> None:
        axon.monitor(worker)
        await axon.process.receive()
        found["Down"] = pool.members()

    axon.process.spawn(watch)
    detach = attach(lambda event: found.update(event=pool.members()), ProcessExited)
    await settle()
    with pytest.raises(axon.ServerDied):
        await worker.do(lambda: axon.exit(axon.current(), axon.kill))
    found["answer"] = pool.members()
    await settle()
    detach()
    assert found == {"Down": [], "answer": [], "event": []}


async def test_d6_a_dead_supervisor_is_gone_before_it_reports_its_childrens_crashes() -> None:
    pool, found = group(Supervisor, "pool"), list[list[Supervisor]]()
    sup = await axon.start(Supervisor([Worker()]))
    pool.join(sup)
    detach = attach(lambda event: found.append(pool.members()), ProcessCrashed)
    axon.exit(sup.get(Worker), axon.kill)
    await end(sup)
    detach()
    assert found == [[], []]


async def test_d11_scopes_have_nothing_to_do_with_each_other(start: Start) -> None:
    one, two = await start(Worker()), await start(Worker())
    here, there = group(Worker, "pool"), group(Worker, "pool", scope="there")
    here.join(one)
    there.join(two)
    assert (here.members(), there.members()) == ([one], [two])
    assert not here.leave(two)
    assert which_groups(scope="there") == ["pool"]


async def test_d11_a_scope_need_not_be_started(start: Start) -> None:
    """Different: pg has a process for each scope, and joining without it exits `noproc`."""
    group(Worker, "pool", scope="never seen before").join(await start(Worker()))
    assert which_groups(scope="never seen before") == ["pool"]


async def test_d12_a_scope_outlives_every_process(start: Start) -> None:
    """Different: in pg the memberships are lost with the scope's process; here there is none that could fail."""
    pool = group(Worker, "pool")
    one, two = await start(Worker()), await start(Worker())
    await one.do(pool.join, two)
    await end(one)
    assert pool.members() == [two]


async def test_d13_joining_of_a_dead_process_is_refused_and_nobody_joins(start: Start) -> None:
    """Different: pg says ok and then removes it."""
    pool = group(Worker, "pool")
    one, dead = await start(Worker()), await start(Worker())
    await end(dead)
    with pytest.raises(axon.NoProcess, match=r"Worker.*default/pool"):
        pool.join(one, dead)
    assert pool.members() == []


async def test_d14_only_processes_of_this_loop_and_of_the_class_may_join(start: Start) -> None:
    pool = group(Worker, "pool")
    with pytest.raises(axon.WrongServer, match=r"Other.*Worker.*default/pool"):
        pool.join(await start(Other()))  # type: ignore[arg-type]
    with pytest.raises(axon.WrongServer, match="'somebody'"):
        pool.join("somebody")  # type: ignore[arg-type]
    with pytest.raises(axon.NotStarted):
        pool.join(Worker())
    with pytest.raises(axon.WrongServer):
        pool.leave(process_of(await start(Worker())))  # type: ignore[arg-type]
    with pytest.raises(axon.WrongServer):
        group(Process, "others").join(await start(Worker()))  # type: ignore[arg-type]
    assert which_groups() == []


def test_d14_a_process_of_another_loop_is_refused() -> None:
    pool = group(Worker, "pool")

    async def begin() -> Worker:
        worker = await axon.start(Worker())
        pool.join(worker)
        return worker

    async def join(stranger: Worker) -> None:
        assert pool.members() == []  # a group is one of the loop it is used in
        with pytest.raises(axon.WrongLoop):
            pool.join(stranger)

    with asyncio.Runner() as first, asyncio.Runner() as second:
        second.run(join(first.run(begin())))


async def test_d16_joining_of_nobody_makes_no_group() -> None:
    """Different: in OTP 25 it makes an empty group that is seen."""
    group(Worker, "pool").join()
    assert not group(Worker, "pool").leave()
    assert which_groups() == []


# -- beyond pg: classes and handles


async def test_a_handle_in_a_group_stands_for_its_present_incarnation() -> None:
    pool = group(Worker, "pool")
    async with Supervisor([Worker()]) as sup:
        worker = sup.get(Worker)
        pool.join(worker)
        axon.exit(worker, axon.kill)
        await settle()
        assert await worker.do(lambda: "back") == "back"
        assert pool.members() == []


class Joins(GenServer[None]):
    """A server that is in its pool whenever it runs."""

    def init(self) -> None:
        group(Joins, "joins").join(self)


async def test_a_server_that_joins_in_init_does_so_at_every_restart() -> None:
    pool = group(Joins, "joins")
    async with Supervisor([child(Joins(), id="one"), child(Joins(), id="two")]) as sup:
        one, two = sup.get(Joins, "one"), sup.get(Joins, "two")
        assert pool.members() == [one, two]
        axon.exit(one, axon.kill)
        assert pool.members() == [two]
        await settle()
        assert pool.members() == [two, one]


async def test_a_start_that_fails_leaves_nobody_in_the_group() -> None:
    class Fails(GenServer[None]):
        def init(self) -> None:
            group(Fails, "fails").join(self)
            raise Boom

    with pytest.raises(axon.StartFailed):
        await axon.start(Fails())
    assert which_groups() == []


async def test_a_group_takes_subclasses_and_plain_processes_have_groups_of_their_own(start: Start) -> None:
    loud, (process, _) = await start(Loud()), spawn_inbox()
    group(Worker, "pool").join(loud)
    assert group(Worker, "pool").members() == [loud]
    processes = group(Process, "processes")
    processes.join(process, process_of(loud))
    assert processes.members() == [process, process_of(loud)]
    await end(process)
    assert processes.members() == [process_of(loud)]


async def test_a_group_is_one_of_the_same_class_while_it_has_members_or_monitors(start: Start) -> None:
    worker = await start(Worker())
    group(Worker, "pool").join(worker)
    for of in (Loud, Other, Process):
        with pytest.raises(axon.WrongServer, match=f"'pool' is one of Worker, not of {of.__name__}"):
            group(of, "pool").members()
    monitor, _ = await worker.do(group(Worker, "pool").monitor)
    group(Worker, "pool").leave(worker)
    with pytest.raises(axon.WrongServer):
        group(Other, "pool").members()
    await worker.do(axon.demonitor, monitor)
    assert group(Other, "pool").members() == []
    group(Worker, "pool").join(worker)
    await end(worker)
    assert group(Other, "pool").members() == []


async def test_a_group_is_a_value() -> None:
    assert group(Worker, "pool") == group(Worker, "pool", scope="default")
    assert len({group(Worker, "pool"), group(Worker, "pool"), group(Other, "pool"), group(Worker, "p")}) == 3
    assert repr(group(Worker, "pool")) == "<Group default/pool of Worker>"


@pytest.mark.parametrize("wrong", ["", None, 3])
async def test_a_wrong_name_scope_or_class_is_refused(wrong: str) -> None:
    with pytest.raises(axon.InvalidOption, match="name"):
        group(Worker, wrong)
    with pytest.raises(axon.InvalidOption, match="scope"):
        group(Worker, "pool", scope=wrong)
    with pytest.raises(axon.InvalidOption, match="scope"):
        which_groups(scope=wrong)
    with pytest.raises(axon.InvalidOption, match=r"GenServer class, or Process|a class of servers"):
        group(wrong, "pool")  # type: ignore[arg-type]
    with pytest.raises(axon.InvalidOption, match=r"GenServer class, or Process|a class of servers"):
        group(int, "pool")  # type: ignore[type-var]


async def test_from_a_thread_a_group_is_refused_by_name(start: Start) -> None:
    pool, worker = group(Worker, "pool"), await start(Worker())
    pool.join(worker)

    def use() -> None:
        with pytest.raises(axon.WrongLoop, match="from_thread"):
            pool.members()
        with pytest.raises(axon.WrongLoop, match="from_thread"):
            pool.join(worker)
        with pytest.raises(axon.WrongLoop, match="from_thread"):
            which_groups()

    await asyncio.to_thread(use)
    assert pool.members() == [worker]


async def test_a_zombie_neither_joins_nor_leaves_nor_broadcasts(start: Start) -> None:
    pool, news, worker, refused = group(Worker, "pool"), PubSub(), await start(Worker()), list[BaseException]()
    await worker.do(news.subscribe, "topic")

    async def clings() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            while axon.current().reason is None:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(60)
            for attempt in (
                lambda: pool.join(worker),
                lambda: pool.leave(worker),
                lambda: pool.broadcast(Worker.tell, 1),
                lambda: news.broadcast("topic", 1),
            ):
                try:
                    attempt()
                except axon.ProcessDead as error:
                    refused.append(error)

    process = axon.process.spawn(clings)
    await settle()
    axon.exit(process, axon.kill)
    await asyncio.sleep(2)
    axon.process.runtime().zombies[process].cancel()
    await settle()
    assert len(refused) == 4
    assert (pool.members(), await seen(worker)) == ([], [])


async def test_who_is_in_no_group_pays_nothing_and_who_leaves_keeps_nothing(start: Start) -> None:
    pool, worker = group(Worker, "pool"), await start(Worker())
    process = process_of(worker)
    assert process.at_death is None
    pool.join(worker, worker)
    assert len(process.at_death or ()) == 1
    pool.leave(worker, worker)
    assert not process.at_death


@pytest.mark.slow
async def test_joining_leaving_dying_and_taking_turns_cost_the_same_in_a_group_of_any_size(start: Start) -> None:
    """Anything that looks at each of 200,000 members takes at least a hundred times as long."""
    filler = await start(Other())
    seconds: list[float] = []
    for size in (10, 200_000):
        pool = group(Other, f"pool of {size}")
        pool.join(*[filler] * size)
        repeats: list[float] = []
        for _ in range(5):
            others = [await start(Other()) for _ in range(20)]
            begin = time.perf_counter()
            for other in others:
                pool.join(other)
                pool.leave(other)
                pool.join(other)
                pool.pick()
                axon.exit(other, axon.shutdown)
            repeats.append(time.perf_counter() - begin)
        seconds.append(min(repeats))
    assert seconds[1] < 5 * seconds[0]
