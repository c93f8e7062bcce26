"""TaskSupervisor: tasks that somebody looks after."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import count

import pytest
from owners import (
    Boom,
    Crashes,
    Stubborn,
    crash,
    doubled,
    for_ever,
    in_process,
    later,
    leave,
    mail,
    now,
    process,
    reason_of,
    settle,
)

import axon
from axon import (
    ChildNotFound,
    Down,
    Exited,
    Finished,
    InvalidOption,
    MaxChildrenReached,
    NoProcess,
    Process,
    Supervisor,
    SupervisorDied,
    Task,
    TaskExit,
    TaskReply,
    TaskSupervisor,
    child,
    kill,
    killed,
    normal,
    shutdown,
)
from axon.supervisor import Shutdown
from axon.telemetry import ChildRestarted, SupervisorGaveUp, attach


@pytest.fixture
async def crashes() -> Crashes:
    return Crashes()


# -- F19, F20, F21


async def test_f19_an_async_task_is_a_child_and_linked_to_its_owner() -> None:
    boom = Boom()
    async with TaskSupervisor() as tasks:

        async def linked() -> None:
            task = tasks.async_(partial(crash, boom, after=1))
            assert task.process in tasks.children()
            await for_ever()

        assert await reason_of(linked) is boom
        assert tasks.children() == []


async def test_f19_its_parent_is_the_supervisor() -> None:
    async with TaskSupervisor(name="tasks") as tasks:
        task = tasks.async_(doubled, 2)
        assert task.path.startswith("tasks/doubled#")
        assert await task == 4
        assert axon.whereis("tasks") is not None


async def test_f19_a_nolink_task_is_only_monitored() -> None:
    boom = Boom()
    async with TaskSupervisor() as tasks:

        async def owner() -> list[object]:
            task = tasks.async_nolink(crash, boom)
            messages = await mail()
            assert task.monitor is not None
            assert messages == [Down(task.monitor, task.process, boom)]
            return ["alive"]

        assert await in_process(owner) == ["alive"]


async def test_f19_the_result_of_a_nolink_task_comes_as_a_message_too() -> None:
    async with TaskSupervisor() as tasks:

        async def owner() -> None:
            task = tasks.async_nolink(doubled, 2)
            assert task.monitor is not None
            assert await mail() == [TaskReply(task, 4), Down(task.monitor, task.process, normal)]

        await in_process(owner)


async def test_f20_a_nolink_task_that_crashes_raises_at_its_await_and_is_an_outcome_of_yield() -> None:
    boom = Boom()
    async with TaskSupervisor() as tasks:

        async def owner() -> list[object]:
            with pytest.raises(TaskExit) as caught:
                await tasks.async_nolink(crash, boom)
            assert caught.value.__cause__ is boom
            return [await tasks.async_nolink(crash, boom).yield_(), *await mail()]

        assert await in_process(owner) == [Exited(boom)]


async def test_f21_an_owner_that_dies_takes_its_linked_task_along_and_leaves_a_nolink_one() -> None:
    made: list[Task[str]] = []
    async with TaskSupervisor() as tasks:

        async def owner() -> None:
            made.extend([tasks.async_(later, 5, "linked"), tasks.async_nolink(later, 5, "not linked")])
            await for_ever()

        mine = process(owner)
        await settle()
        axon.exit(mine, shutdown)
        await settle()
        linked, not_linked = (task.process for task in made)
        assert linked is not None
        assert (linked.reason, tasks.children()) == (shutdown, [not_linked])
        assert (await axon.wait_down(made[1])).reason == normal
        assert now() == 5


async def test_f21_as_a_plain_coroutine_does() -> None:
    made: list[Task[str]] = []
    async with TaskSupervisor() as tasks:

        async def owner() -> None:
            made.extend([tasks.async_(later, 5, "linked"), tasks.async_nolink(later, 5, "not linked")])

        await asyncio.create_task(owner())
        await settle()
        linked, not_linked = (task.process for task in made)
        assert linked is not None
        assert (linked.reason, tasks.children()) == (shutdown, [not_linked])


# -- F22


async def test_f22_a_supervisor_that_stops_ends_its_tasks() -> None:
    async with TaskSupervisor() as tasks:
        orderly = tasks.async_nolink(for_ever)
        brutally = tasks.async_nolink(for_ever, shutdown="brutal_kill")
        await settle()
    assert await orderly.yield_() == Exited(shutdown)
    assert await brutally.yield_() == Exited(killed)


async def test_f22_all_at_once_each_with_its_own_time() -> None:
    ended: list[tuple[str, float]] = []

    async def ends_in(name: str, seconds: float) -> None:
        try:
            await for_ever()
        finally:
            await asyncio.sleep(seconds)
            ended.append((name, round(now(), 1)))

    async with TaskSupervisor() as tasks:
        outcomes = [
            tasks.async_nolink(ends_in, "in time", 4.0),
            tasks.async_nolink(ends_in, "after its five seconds", 6.0),
            tasks.async_nolink(ends_in, "sooner", 1.0),
            tasks.async_nolink(ends_in, "later, and has the time", 8.0, shutdown=9),
            tasks.async_nolink(ends_in, "as long as it takes", 10.0, shutdown="infinity"),
        ]
        await settle()
    assert ended == [("sooner", 1.0), ("in time", 4.0), ("later, and has the time", 8.0), ("as long as it takes", 10.0)]
    assert [await task.yield_(0) for task in outcomes] == [Exited(r) for r in (shutdown, killed, *[shutdown] * 3)]


async def test_f22_no_task_hangs_its_supervisors_stop() -> None:
    stubborn = Stubborn()
    async with TaskSupervisor() as tasks:
        task = tasks.async_nolink(stubborn.hang, shutdown=2)
        await settle()
    assert now() == pytest.approx(3, abs=0.01), "after its two seconds and the grace"
    assert await task.yield_(0) == Exited(killed)
    await stubborn.release()


async def test_f22_a_killed_supervisor_leaves_no_orphan() -> None:
    async with Supervisor([child(TaskSupervisor(), restart="temporary")]) as sup:
        tasks = sup.get(TaskSupervisor)
        task = tasks.async_nolink(for_ever)
        await settle()
        axon.exit(tasks, kill)
        await settle()
        assert await task.yield_(0) == Exited(killed)


async def test_f22_a_thousand_tasks_end_together() -> None:
    async with TaskSupervisor() as tasks:
        for _ in range(1000):
            tasks.start_child(for_ever)
        await settle()
        assert len(tasks.children()) == 1000
    assert now() < 0.1


async def test_f22_others_have_their_turn_while_a_thousand_tasks_are_asked_to_end() -> None:
    turns, told = count(), set[int]()
    turn = next(turns)

    async def notes_when() -> None:
        try:
            await for_ever()
        finally:
            told.add(turn)

    async def ticks() -> None:
        nonlocal turn
        while True:
            turn = next(turns)
            await asyncio.sleep(0)

    async with TaskSupervisor() as tasks:
        for _ in range(1000):
            tasks.start_child(notes_when)
        await settle()
        ticking = asyncio.create_task(ticks())
    ticking.cancel()
    assert len(told) > 3


async def test_f22_nothing_is_started_while_it_stops() -> None:
    refused: list[str] = []

    async def starts_another() -> None:
        try:
            await for_ever()
        finally:
            try:
                tasks.start_child(for_ever)
            except NoProcess as error:
                refused.append(str(error))

    async with TaskSupervisor() as tasks:
        tasks.start_child(starts_another)
        await settle()
    assert refused == ["no process at TaskSupervisor: it does not run now"]


# -- F23


async def test_f23_a_started_child_is_linked_to_nobody_and_replies_to_nobody() -> None:
    async with TaskSupervisor() as tasks:

        async def owner() -> list[object]:
            tasks.start_child(crash)
            tasks.start_child(doubled, 2)
            return await mail()

        assert await in_process(owner) == []


async def test_f23_it_outlives_whoever_started_it() -> None:
    async with TaskSupervisor() as tasks:

        async def owner() -> None:
            tasks.start_child(for_ever)
            raise Boom

        await reason_of(owner)
        await settle()
        assert len(tasks.children()) == 1


@pytest.mark.parametrize("end", [lambda: None, crash])
async def test_f23_it_is_temporary_by_default(end: Callable[[], object]) -> None:
    async with TaskSupervisor() as tasks:
        tasks.start_child(end)
        await settle()
        assert tasks.children() == []


async def test_f23_a_transient_child_is_restarted_after_a_failure_only() -> None:
    numbers = count(1)

    async def fails_at_first() -> None:
        number = next(numbers)
        await asyncio.sleep(1)
        if number == 1:
            raise Boom
        raise axon.Stop(shutdown("enough"))

    async with TaskSupervisor() as tasks:
        first = tasks.start_child(fails_at_first, restart="transient")
        await asyncio.sleep(1.5)
        (second,) = tasks.children()
        assert first is not second
        assert first.path == second.path
        await asyncio.sleep(5)
        assert tasks.children() == []
        assert next(numbers) == 3


async def test_f23_a_permanent_child_that_returns_is_restarted_until_the_supervisor_gives_up(crashes: Crashes) -> None:
    numbers = count(1)
    with pytest.raises(SupervisorDied, match=r"more than 3 restarts within 5 s") as caught:
        async with TaskSupervisor() as tasks:
            tasks.start_child(partial(next, numbers), restart="permanent")
            await asyncio.sleep(60)
    assert caught.value.reason == shutdown
    assert next(numbers) == 5, "one start and three restarts"
    assert crashes.take() == [], "it never crashed"
    assert now() < 0.1


async def test_f23_restarts_are_counted_over_all_children_within_the_period() -> None:
    async with TaskSupervisor(max_restarts=2, max_seconds=3) as tasks:
        for _ in range(2):
            tasks.start_child(partial(crash, after=4), restart="permanent")
        await asyncio.sleep(9)
        assert len(tasks.children()) == 2
    boom = Boom()
    with pytest.raises(SupervisorDied) as caught:
        async with TaskSupervisor(max_restarts=2, max_seconds=3) as tasks:
            for _ in range(3):
                tasks.start_child(partial(crash, boom, after=4), restart="permanent")
            await asyncio.sleep(9)
    assert caught.value.__cause__ is boom


async def test_f23_giving_up_ends_the_others(crashes: Crashes) -> None:
    given_up: list[SupervisorGaveUp] = []
    attach(given_up.append, SupervisorGaveUp)
    boom = Boom()
    others: list[Task[None]] = []
    failing: list[Process] = []
    with pytest.raises(SupervisorDied):
        async with TaskSupervisor(max_restarts=0, name="tasks") as tasks:
            others.append(tasks.async_nolink(for_ever))
            failing.append(tasks.start_child(crash, boom, restart="transient"))
            await asyncio.sleep(60)
    assert await others[0].yield_(0) == Exited(shutdown)
    assert crashes.take() == [("tasks/crash", boom, "the supervisor gives up")]
    (event,) = given_up
    assert (event.path, event.child, event.reason, event.max_restarts) == ("tasks", failing[0].label, boom, 0)


async def test_f23_a_restart_is_told(crashes: Crashes) -> None:
    restarted: list[ChildRestarted] = []
    attach(restarted.append, ChildRestarted)
    numbers = count(1)

    def fails_at_first() -> None:
        if next(numbers) == 1:
            raise boom

    boom = Boom()
    async with TaskSupervisor() as tasks:
        first = tasks.start_child(fails_at_first, restart="transient")
        await settle()
    assert [(event.path, event.restarts, event.period) for event in restarted] == [(first.path, 1, 5.0)]
    assert crashes.take() == [("TaskSupervisor/fails_at_first", boom, "restart")]


# -- F24


async def test_f24_max_children_is_how_many_run_at_the_same_time() -> None:
    async with TaskSupervisor(max_children=2, name="tasks") as tasks:
        first = tasks.start_child(later, 1, "x")
        tasks.start_child(for_ever)
        with pytest.raises(MaxChildrenReached) as caught:
            tasks.start_child(for_ever)
        error = caught.value
        assert (error.supervisor, error.limit, error.id.split("#")[0]) == ("tasks", 2, "for_ever")
        assert str(error).endswith("was not started: there are as many as there may be (max_children=2)")
        makers: list[Callable[..., object]] = [tasks.async_, tasks.async_nolink]
        for make in makers:
            with pytest.raises(MaxChildrenReached):
                make(for_ever)
        with pytest.raises(MaxChildrenReached):
            async for _ in tasks.async_stream(doubled, [1]):
                pass
        await axon.wait_down(first)
        assert await tasks.async_(doubled, 2) == 4, "there is room at once when one has ended"
        assert await tasks.async_(doubled, 2) == 4


async def test_f24_a_child_that_will_be_restarted_keeps_its_place() -> None:
    async with TaskSupervisor(max_children=1) as tasks:
        dying = tasks.start_child(for_ever, restart="permanent")
        axon.exit(dying, kill)  # it has not begun, so it is dead at once
        assert tasks.children() == [], "its supervisor has not come round to it yet"
        with pytest.raises(MaxChildrenReached):
            tasks.start_child(for_ever)
        await settle()
        assert len(tasks.children()) == 1


async def test_f24_none_at_all_is_legal() -> None:
    async with TaskSupervisor(max_children=0) as tasks:
        with pytest.raises(MaxChildrenReached):
            tasks.start_child(for_ever)


# -- F25, F26, F27


async def test_f25_children_are_the_processes_that_run_the_oldest_first() -> None:
    async with TaskSupervisor() as tasks:
        assert tasks.children() == []
        first, done = tasks.start_child(for_ever), tasks.async_(doubled, 2)
        second = tasks.async_nolink(for_ever)
        assert tasks.children() == [first, done.process, second.process]
        await done
        assert tasks.children() == [first, second.process]


async def test_f25_terminate_child_ends_one_and_knows_it_no_more() -> None:
    async with TaskSupervisor() as tasks:
        started, task = tasks.start_child(for_ever, restart="permanent"), tasks.async_nolink(for_ever)
        await settle()
        await tasks.terminate_child(started)
        await tasks.terminate_child(task)
        assert started.reason == shutdown
        assert await task.yield_(0) == Exited(shutdown)
        assert tasks.children() == []
        for gone in (started, task):
            with pytest.raises(ChildNotFound, match="for_ever#"):
                await tasks.terminate_child(gone)


async def test_f25_terminate_child_follows_the_childs_shutdown() -> None:
    async def ends_slowly() -> None:
        try:
            await for_ever()
        finally:
            await asyncio.sleep(60)

    async with TaskSupervisor() as tasks:
        slow = tasks.start_child(ends_slowly, shutdown=3)
        await settle()
        began = now()
        await tasks.terminate_child(slow)
        assert slow.reason == killed
        assert now() - began == pytest.approx(3)


async def test_a_supervisor_that_is_busy_starts_tasks_all_the_same() -> None:
    async def ends_slowly() -> None:
        try:
            await for_ever()
        finally:
            await asyncio.sleep(3)

    async with TaskSupervisor() as tasks:
        slow = tasks.start_child(ends_slowly)
        await settle()
        terminating = asyncio.create_task(tasks.terminate_child(slow))
        await settle()
        assert await tasks.async_(doubled, 2) == 4
        assert tasks.children() == [slow]
        await terminating
        assert tasks.children() == []


async def test_f25_a_task_may_have_another_one_terminated_while_a_third_is() -> None:
    """The supervisor waits for that third one only: no cycle."""

    async def ends_slowly() -> None:
        try:
            await for_ever()
        finally:
            await asyncio.sleep(3)

    async with TaskSupervisor() as tasks:
        slow, other = tasks.start_child(ends_slowly), tasks.start_child(for_ever)
        await settle()
        terminating = asyncio.create_task(tasks.terminate_child(slow))
        await settle()
        assert [wait.target for wait in axon.waits()] == [slow]
        await tasks.async_(tasks.terminate_child, other).wait()
        assert (slow.reason, other.reason) == (shutdown, shutdown)
        await terminating


async def test_f22_a_supervisor_that_stops_waits_for_each_of_its_tasks() -> None:
    async def ends_slowly() -> None:
        try:
            await for_ever()
        finally:
            await asyncio.sleep(3)

    seen: list[Process] = []
    async with TaskSupervisor() as tasks:
        slow = [tasks.start_child(ends_slowly) for _ in range(3)]
        await settle()
        asyncio.get_running_loop().call_later(1, lambda: seen.extend(wait.target for wait in axon.waits()))
    assert seen == slow


async def test_f25_a_termination_is_finished_though_the_callers_deadline_passes() -> None:
    async def ends_slowly() -> None:
        try:
            await for_ever()
        finally:
            await asyncio.sleep(3)

    async with TaskSupervisor() as tasks:
        slow = tasks.start_child(ends_slowly, restart="permanent")
        await settle()
        with pytest.raises(axon.DeadlineExceeded):
            async with axon.deadline(1):
                await tasks.terminate_child(slow)
        assert slow.reason is None
        await asyncio.sleep(3)
        assert slow.reason == shutdown
        assert tasks.children() == []


async def test_f25_strangers_are_not_terminated() -> None:
    stranger = Task.start(for_ever)
    async with TaskSupervisor() as tasks:
        await settle()
        with pytest.raises(ChildNotFound):
            await tasks.terminate_child(stranger)
        with pytest.raises(ChildNotFound, match="completed"):
            await tasks.terminate_child(Task.completed(3))
        with pytest.raises(ChildNotFound, match="'nobody'"):
            await tasks.terminate_child("nobody")
    assert stranger.reason is None
    axon.exit(stranger, kill)
    await settle()


async def test_f25_a_child_may_terminate_itself() -> None:
    async with TaskSupervisor() as tasks:

        async def ends_itself() -> None:
            await tasks.terminate_child(axon.current())

        mine = tasks.start_child(ends_itself, restart="permanent")
        assert (await axon.wait_down(mine)).reason == shutdown
        await settle()
        assert tasks.children() == []


async def test_f26_a_task_that_is_awaited_is_never_restarted(crashes: Crashes) -> None:
    boom = Boom()
    async with TaskSupervisor(name="tasks") as tasks:
        for make in (tasks.async_, tasks.async_nolink):
            with pytest.raises(TaskExit):
                await make(crash, boom)
            await settle()
            assert tasks.children() == []
            assert crashes.take() == [("tasks/crash", boom, "none: it is temporary")]


async def test_f27_a_supervisor_that_is_dead_or_was_never_started_is_refused() -> None:
    async with TaskSupervisor() as tasks:
        pass
    for use in (
        lambda: tasks.async_(doubled, 1),
        lambda: tasks.async_nolink(doubled, 1),
        lambda: tasks.start_child(doubled, 1),
        tasks.children,
    ):
        with pytest.raises(NoProcess, match="no process at TaskSupervisor: its block was left"):
            use()
    with pytest.raises(NoProcess):
        await tasks.terminate_child(axon.process.spawn(later, 0, None))
    with pytest.raises(NoProcess):
        async for _ in tasks.async_stream_nolink(doubled, [1]):
            pass
    with pytest.raises(axon.NotStarted):
        TaskSupervisor().start_child(for_ever)
    await settle()


# -- in a tree


async def test_in_a_tree_it_is_a_child_of_type_supervisor() -> None:
    async with Supervisor([TaskSupervisor(max_children=5)]) as sup:
        (info,) = await sup.which_children()
        spec = await sup.get_child_spec("TaskSupervisor")
        assert (info.type, spec.shutdown) == ("supervisor", "infinity")
        assert await sup.get(TaskSupervisor).async_(doubled, 2) == 4


async def test_in_a_tree_it_has_its_name() -> None:
    async with Supervisor([TaskSupervisor(name="tasks")]) as sup:
        assert axon.whereis("tasks") == axon.whereis(sup.get(TaskSupervisor))


async def test_its_handle_leads_to_its_next_incarnation_which_has_no_tasks() -> None:
    async with Supervisor([TaskSupervisor()]) as sup:
        tasks = sup.get(TaskSupervisor)
        tasks.start_child(for_ever)
        axon.exit(tasks, kill)
        with pytest.raises(NoProcess):
            tasks.children()
        await settle()
        assert tasks.children() == []
        assert await tasks.async_(doubled, 2) == 4


async def test_a_tree_that_stops_ends_its_tasks() -> None:
    async with Supervisor([TaskSupervisor()]) as sup:
        task = sup.get(TaskSupervisor).async_nolink(for_ever)
        await settle()
    assert await task.yield_(0) == Exited(shutdown)


async def test_leaving_the_block_does_not_wait_for_the_tasks() -> None:
    """It ends them, where a `TaskGroup` would wait."""
    async with TaskSupervisor() as tasks:
        tasks.start_child(later, 60, "x")
    assert now() < 0.1


async def test_strangers_do_not_disturb_it() -> None:
    async with TaskSupervisor() as tasks:
        axon.send(tasks, "hello")
        axon.exit(tasks, shutdown)
        task = tasks.async_(later, 1, "x")
        axon.exit(task, normal)
        assert await task == "x"


async def test_the_exit_signal_of_a_living_child_does_not_pass_for_its_death() -> None:
    async with TaskSupervisor() as tasks:

        async def cries_wolf() -> None:
            axon.exit(tasks, Boom())
            await for_ever()

        tasks.start_child(cries_wolf)
        await settle()
        assert len(tasks.children()) == 1


# -- reports


async def test_crashes_are_reported_once_with_what_follows(crashes: Crashes) -> None:
    boom = Boom()

    async def fails_to_clean_up() -> None:
        try:
            await for_ever()
        finally:
            raise boom

    async with TaskSupervisor(name="tasks") as tasks:
        tasks.start_child(crash, boom)
        await settle()
        assert crashes.take() == [("tasks/crash", boom, "none: it is temporary")]

        stopped = tasks.start_child(fails_to_clean_up)
        await settle()
        await tasks.terminate_child(stopped)
        assert crashes.take() == [("tasks/fails_to_clean_up", boom, "none: terminate_child")]

        tasks.start_child(fails_to_clean_up)
        tasks.start_child(for_ever, shutdown="brutal_kill")
        await settle()
    assert crashes.take() == [("tasks/fails_to_clean_up", boom, "none: its supervisor is stopping")]


async def test_a_task_that_its_owner_shut_down_is_no_crash(crashes: Crashes) -> None:
    async with TaskSupervisor() as tasks:
        hows: list[Shutdown] = [5.0, "brutal_kill"]
        for how in hows:
            task = tasks.async_nolink(for_ever)
            await settle()
            assert await task.shutdown(how) is None
            await settle()
            assert tasks.children() == []
    assert crashes.take() == []


async def test_a_task_that_is_killed_as_it_should_is_no_crash_though_its_owner_dies_meanwhile(
    crashes: Crashes,
) -> None:
    made: list[Task[None]] = []
    boom = Boom()
    async with TaskSupervisor() as tasks:

        async def owner() -> None:
            made.append(tasks.async_(for_ever, shutdown="brutal_kill"))
            await for_ever()

        mine = process(owner)
        await settle()
        terminating = asyncio.create_task(tasks.terminate_child(made[0]))
        axon.exit(mine, boom)
        await terminating
    assert crashes.take() == [("owner", boom, "none: it has no supervisor and stays down")]


async def test_a_crash_that_ends_its_owner_is_reported_for_the_task_and_for_the_owner(crashes: Crashes) -> None:
    boom = Boom()
    async with TaskSupervisor(name="tasks") as tasks:

        async def owner() -> None:
            await tasks.async_(crash, boom)

        await reason_of(owner)
        await settle()
    assert sorted(crashes.take()) == [
        ("owner", boom, "none: it has no supervisor and stays down"),
        ("tasks/crash", boom, "none: it is temporary"),
    ]


async def test_a_crash_that_its_supervisor_did_not_live_to_see(crashes: Crashes) -> None:
    boom = Boom()

    def crash_at_once() -> None:
        raise boom

    async with Supervisor([child(TaskSupervisor(), restart="temporary")], name="root") as sup:
        tasks = sup.get(TaskSupervisor)
        tasks.start_child(crash_at_once)
        tasks.start_child(for_ever)
        Task.start(axon.exit, tasks, kill)  # in the turn of the crash, before the supervisor's
        await settle()
    assert sorted(crashes.take()) == [
        ("root/TaskSupervisor", killed, "none: it is temporary"),
        ("root/TaskSupervisor/crash_at_once", boom, "none: its supervisor ended, too"),
    ]


async def test_a_crash_after_the_end_of_its_supervisor(crashes: Crashes) -> None:
    """As of a task that traps exits, and goes on when its supervisor was killed."""
    boom = Boom()

    async def outlives() -> None:
        axon.process.trap_exit(True)
        await axon.process.receive()
        raise boom

    async with Supervisor([child(TaskSupervisor(), restart="temporary")], name="root") as sup:
        sup.get(TaskSupervisor).start_child(outlives)
        await settle()
        axon.exit(sup.get(TaskSupervisor), kill)
        await settle()
    assert ("root/TaskSupervisor/outlives", boom, "none: its supervisor ended before it") in crashes.take()


# -- what is refused


@pytest.mark.parametrize(
    ("option", "bad"),
    [
        ("max_children", -1),
        ("max_children", True),
        ("max_children", "many"),
        ("max_restarts", -1),
        ("max_restarts", None),
        ("max_seconds", 0),
        ("max_seconds", "5"),
        ("name", ""),
    ],
)
async def test_a_bad_option_is_refused_with_its_value(option: str, bad: object) -> None:
    with pytest.raises(InvalidOption) as caught:
        TaskSupervisor(**{option: bad})  # type: ignore[arg-type]
    assert (caught.value.option, caught.value.value) == (option, bad)


async def test_a_bad_option_of_a_task_is_refused_and_nothing_is_started() -> None:
    async with TaskSupervisor() as tasks:
        attempts: list[tuple[str, Callable[[], object]]] = [
            ("restart", lambda: tasks.start_child(for_ever, restart="always")),  # type: ignore[arg-type]
            ("shutdown", lambda: tasks.start_child(for_ever, shutdown=-1)),
            ("shutdown", lambda: tasks.async_(for_ever, shutdown="kill")),  # type: ignore[call-overload, call-arg]
            ("fn", lambda: tasks.async_nolink("fetch")),  # type: ignore[call-overload]
            ("fn", lambda: tasks.start_child(None)),  # type: ignore[arg-type]
        ]
        for option, attempt in attempts:
            with pytest.raises(InvalidOption) as caught:
                attempt()
            assert caught.value.option == option
        with pytest.raises(InvalidOption):
            await tasks.terminate_child(3)  # type: ignore[arg-type]
        assert tasks.children() == []


async def test_leave_is_used(crashes: Crashes) -> None:
    """A supervised task that ends orderly without a result is no crash."""
    async with TaskSupervisor() as tasks:
        assert await tasks.async_nolink(leave, shutdown("enough")).yield_() == Exited(shutdown("enough"))
        assert await tasks.async_nolink(doubled, 1).yield_() == Finished(2)
        await settle()
    assert crashes.take() == []
