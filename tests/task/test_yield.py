"""yield_ and its kin ask after tasks; shutdown and ignore have done with them."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable

import pytest
from owners import (
    Boom,
    Stubborn,
    crash,
    doubled,
    for_ever,
    in_process,
    later,
    leave,
    mail,
    now,
    reason_of,
    settle,
)

import axon
from axon import (
    Down,
    Exit,
    Exited,
    Finished,
    InvalidOption,
    Task,
    TaskAlreadyAwaited,
    TaskReply,
    TaskTimeout,
    killed,
    noproc,
    normal,
    shutdown,
)
from axon.supervisor import Shutdown

# -- F9, F10


async def test_f9_yield_gives_the_value_or_none_and_may_be_repeated() -> None:
    async def owner() -> list[object]:
        task = Task.async_(later, 2.5, "x")
        outcomes = [await task.yield_(timeout=1) for _ in range(3)]
        return [*outcomes, now(), *await mail()]

    assert await in_process(owner) == [None, None, Finished("x"), 2.5]


async def test_f9_a_failure_is_an_outcome_and_raises_nothing() -> None:
    boom = Boom()
    assert await Task.async_(crash, boom).yield_() == Exited(boom)
    assert await Task.async_(leave, normal).yield_() == Exited(normal)


async def test_f9_a_timeout_of_zero_only_looks() -> None:
    task = Task.async_(later, 1, "x")
    assert await task.yield_(0) is None
    await asyncio.sleep(2)
    assert await task.yield_(0) == Finished("x")
    assert now() == 2


async def test_f9_asking_again_and_again_leaves_nothing_behind() -> None:
    task = Task.async_(for_ever)
    process = task.process
    assert process is not None
    before = dict(process.at_death or {})
    for _ in range(10):
        assert await task.yield_(1) is None
    assert (process.at_death or {}) == before
    gone = weakref.ref(process)
    await task.shutdown(1_000_000)
    del task, process, before
    await settle()
    gc.collect()
    assert gone() is None, "no timer remembers it either"


async def test_f9_what_was_yielded_is_given() -> None:
    task = Task.async_(doubled, 2)
    await task.yield_()
    with pytest.raises(TaskAlreadyAwaited):
        await task.yield_()


async def test_f10_yield_many_gives_each_task_with_its_outcome_in_order() -> None:
    boom = Boom()
    tasks = [Task.async_(later, 2, "x"), Task.async_(for_ever), Task.async_(crash, boom)]
    assert await Task.yield_many(tasks, timeout=3) == [
        (tasks[0], Finished("x")),
        (tasks[1], None),
        (tasks[2], Exited(boom)),
    ]
    assert now() == 3
    assert await Task.yield_many(list[Task[None]]()) == []
    await tasks[1].shutdown()


async def test_f10_by_default_the_late_ones_may_be_asked_again() -> None:
    tasks = [Task.async_(later, 2, "x")]
    assert await Task.yield_many(tasks, timeout=1) == [(tasks[0], None)]
    assert await Task.yield_many(tasks, timeout=None) == [(tasks[0], Finished("x"))]


async def test_f10_ignore_lets_the_late_ones_run_on_unheard() -> None:
    async def owner() -> list[object]:
        tasks = [Task.async_(later, 2, "x"), Task.async_(doubled, 1)]
        outcomes = await Task.yield_many(tasks, timeout=1, on_timeout="ignore")
        with pytest.raises(TaskAlreadyAwaited, match="it was ignored"):
            await tasks[0]
        await axon.wait_down(tasks[0])
        return [*(outcome for _, outcome in outcomes), now(), *await mail()]

    assert await in_process(owner) == [None, Finished(2), 2]


async def test_f10_kill_task_kills_the_late_ones() -> None:
    async def owner() -> list[object]:
        tasks = [Task.async_(for_ever), Task.async_(doubled, 1), Task.async_(for_ever)]
        outcomes = await Task.yield_many(tasks, timeout=1, on_timeout="kill_task")
        assert [task.process.reason for task in tasks if task.process is not None] == [killed, normal, killed]
        return [*(outcome for _, outcome in outcomes), *await mail()]

    assert await in_process(owner) == [None, Finished(2), None]


async def test_f10_a_limit_is_how_many_outcomes_are_enough() -> None:
    """The action for the late ones is not for those that did not need to come."""
    tasks = [Task.async_(later, seconds, seconds) for seconds in (3, 1, 2)]
    outcomes = await Task.yield_many(tasks, limit=2, on_timeout="kill_task")
    assert [outcome for _, outcome in outcomes] == [None, Finished(1), Finished(2)]
    assert now() == 2
    assert await tasks[0] == 3


async def test_f10_a_limit_beyond_their_number_is_all_of_them() -> None:
    tasks = [Task.async_(later, seconds, seconds) for seconds in (2, 1)]
    assert [outcome for _, outcome in await Task.yield_many(tasks, limit=5)] == [Finished(2), Finished(1)]
    assert now() == 2


async def test_f10_a_limit_that_is_not_reached_in_time_acts() -> None:
    tasks = [Task.async_(for_ever), Task.async_(for_ever), Task.async_(doubled, 1)]
    outcomes = await Task.yield_many(tasks, timeout=1, limit=2, on_timeout="kill_task")
    assert [outcome for _, outcome in outcomes] == [None, None, Finished(2)]
    assert [task.process.reason for task in tasks if task.process is not None] == [killed, killed, normal]


# -- F11, F12


async def test_f11_a_task_that_goes_as_it_was_told_is_none() -> None:
    hows: list[tuple[Shutdown, axon.Reason]] = [(5.0, shutdown), ("infinity", shutdown), ("brutal_kill", killed)]
    for how, reason in hows:
        task = Task.async_(for_ever)
        await settle()
        assert await task.shutdown(how) is None
        assert task.process is not None
        assert task.process.reason == reason


async def test_f11_a_result_that_is_there_is_not_lost() -> None:
    hows: list[Shutdown] = [5.0, "brutal_kill"]
    for how in hows:
        task = Task.async_(doubled, 2)
        await settle()
        assert await task.shutdown(how) == Finished(4)


async def test_f11_another_reason_is_told() -> None:
    boom = Boom()
    task = Task.async_(crash, boom)
    await settle()
    assert await task.shutdown() == Exited(boom)
    gone = Task.async_(leave, shutdown)
    await settle()
    assert await gone.shutdown() is None, "that is the reason it would have gone with"


async def test_f11_a_failing_cleanup_is_told() -> None:
    async def fails_to_clean_up() -> None:
        try:
            await for_ever()
        finally:
            raise Boom

    task = Task.async_(fails_to_clean_up)
    await settle()
    outcome = await task.shutdown()
    assert isinstance(outcome, Exited)
    assert isinstance(outcome.reason, Boom)


async def test_f11_a_task_that_overruns_its_time_is_killed_and_that_is_told() -> None:
    async def ends_slowly() -> None:
        try:
            await for_ever()
        finally:
            await asyncio.sleep(60)

    task = Task.async_(ends_slowly)
    await settle()
    began = now()
    assert await task.shutdown(timeout=2) == Exited(killed)
    assert now() == pytest.approx(began + 2)
    patient = Task.async_(ends_slowly)
    await settle()
    assert await patient.shutdown("infinity") is None
    assert now() > 60


async def test_f11_a_task_that_swallows_everything_is_declared_dead() -> None:
    stubborn = Stubborn()
    task = Task.async_(stubborn.hang)
    await settle()
    assert await task.shutdown(timeout=2) == Exited(killed)
    assert now() == pytest.approx(3, abs=0.01), "after its two seconds and the grace"
    await stubborn.release()


async def test_f11_what_was_given_before_is_noproc() -> None:
    task = Task.async_(doubled, 2)
    await task
    assert await task.shutdown() == Exited(noproc)
    ignored = Task.async_(doubled, 2)
    ignored.ignore()
    await settle()
    assert await ignored.shutdown() == Exited(noproc)


async def test_f11_a_task_whose_await_timed_out_can_still_be_shut_down() -> None:
    task = Task.async_(for_ever)
    with pytest.raises(TaskTimeout):
        await task.wait(1)
    assert await task.shutdown() is None


async def test_f11_what_it_says_at_its_end_is_its_outcome() -> None:
    async def saves_its_work() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "half of it"
        return "all of it"

    task = Task.async_(saves_its_work)
    await settle()
    assert await task.shutdown() == Finished("half of it")


@pytest.mark.parametrize("traps", [False, True])
async def test_f12_shutdown_leaves_no_message_and_does_not_hurt_its_owner(traps: bool) -> None:
    async def owner() -> list[object]:
        running, done, brutally = Task.async_(for_ever), Task.async_(doubled, 2), Task.async_(for_ever)
        await settle()
        for task in (running, done, brutally):
            await task.shutdown("brutal_kill" if task is brutally else 5)
        return await mail()

    async def owner_of_done() -> list[object]:
        return [message for message in await owner() if not isinstance(message, Exit)]

    assert await in_process(owner_of_done, traps=traps) == []


async def test_f12_an_owner_that_dies_meanwhile_kills_it_no_more() -> None:
    """As in Elixir, where the time is that of the owner's `receive`: the task has been told, and ends in its own time."""
    ended: list[float] = []

    async def saves() -> None:
        try:
            await for_ever()
        finally:
            await asyncio.sleep(3)
            ended.append(now())

    async def owner() -> None:
        task, _fails = Task.async_(saves), Task.async_(crash, after=1)
        await settle()
        await task.shutdown(2)

    assert isinstance(await reason_of(owner), Boom)
    await asyncio.sleep(5)
    assert ended == [pytest.approx(3, abs=0.01)]


async def test_f12_a_task_that_is_awaited_elsewhere_can_be_shut_down() -> None:
    async def owner() -> BaseException | None:
        task = Task.async_(for_ever)
        waiting = asyncio.create_task(task.wait())
        await settle()
        assert await task.shutdown() is None
        await asyncio.wait([waiting])
        return waiting.exception()

    error = await in_process(owner)
    assert isinstance(error, axon.TaskExit)
    assert error.reason == shutdown


# -- F13, F14


async def test_f13_an_ignored_task_runs_on_unlinked_and_unheard() -> None:
    boom = Boom()

    async def owner() -> tuple[float, list[object]]:
        task = Task.async_(crash, boom, after=1)
        assert task.ignore() is None
        await asyncio.sleep(2)
        assert task.process is not None
        assert task.process.reason is boom
        return now(), await mail()

    assert await in_process(owner) == (2, [])


async def test_f13_ignore_gives_what_is_there() -> None:
    boom = Boom()

    async def owner() -> list[object]:
        done, failed = Task.async_(doubled, 2), Task.async_(crash, boom)
        await settle()
        given: list[object] = [done.ignore(), failed.ignore()]
        return given + [message for message in await mail() if not isinstance(message, Exit)]

    assert await in_process(owner, traps=True) == [Finished(4), Exited(boom)]


async def test_f13_an_ignored_task_outlives_the_plain_coroutine_that_made_it() -> None:
    async def makes_and_ends() -> Task[str]:
        task = Task.async_(later, 5, "x")
        task.ignore()
        return task

    task = await asyncio.create_task(makes_and_ends())
    assert (await axon.wait_down(task)).reason == normal


async def test_f14_a_completed_task_has_no_process_and_gives_its_value() -> None:
    task = Task.completed("x")
    assert task.process is None
    assert await task == "x"
    with pytest.raises(TaskAlreadyAwaited):
        await task
    mixed = [Task.completed(1), Task.async_(doubled, 1), Task.completed(3)]
    assert await Task.await_many(mixed) == [1, 2, 3]
    assert await Task.completed(4).yield_() == Finished(4)
    assert await Task.completed(5).shutdown() == Finished(5)
    assert Task.completed(6).ignore() == Finished(6)
    outcomes = await Task.yield_many([Task.completed(7)])
    assert [outcome for _, outcome in outcomes] == [Finished(7)]


async def test_f14_also_a_completed_task_belongs_to_whoever_made_it() -> None:
    task = Task.completed("x")
    with pytest.raises(axon.NotTaskOwner):
        await in_process(task.wait)


# -- what is refused

BAD_TIMES: list[object] = [-1, float("nan"), "5", True]


@pytest.mark.parametrize("bad", BAD_TIMES)
async def test_a_bad_timeout_is_refused_at_once_with_its_value(bad: object) -> None:
    task = Task.async_(for_ever)
    requests: list[Callable[[], Awaitable[object]]] = [
        lambda: task.wait(bad),  # type: ignore[arg-type]
        lambda: task.yield_(bad),  # type: ignore[arg-type]
        lambda: Task.await_many([task], bad),  # type: ignore[arg-type]
        lambda: Task.yield_many([task], bad),  # type: ignore[arg-type]
    ]
    for request in requests:
        with pytest.raises(InvalidOption) as caught:
            await request()
        assert (caught.value.option, caught.value.value) == ("timeout", bad)
    with pytest.raises(InvalidOption) as caught:
        await task.shutdown(bad)  # type: ignore[arg-type]
    assert (caught.value.option, caught.value.value) == ("shutdown", bad)
    assert await task.shutdown() is None, "none of them has done anything"


async def test_bad_options_of_yield_many_are_refused() -> None:
    with pytest.raises(InvalidOption, match="on_timeout must be 'nothing', 'ignore' or 'kill_task', got: 'exit'"):
        await Task.yield_many([], on_timeout="exit")  # type: ignore[arg-type]
    for bad in (0, True, "1"):
        with pytest.raises(InvalidOption, match="limit must be None or a number of tasks >= 1"):
            await Task.yield_many([], limit=bad)  # type: ignore[arg-type]


async def test_shutdown_takes_only_its_words() -> None:
    task = Task.async_(for_ever)
    with pytest.raises(InvalidOption, match="seconds >= 0, 'brutal_kill' or 'infinity', got: 'kill'"):
        await task.shutdown("kill")  # type: ignore[arg-type]
    await task.shutdown()


async def test_a_message_of_a_task_is_gone_when_its_outcome_was_yielded() -> None:
    async def owner() -> list[object]:
        task = Task.async_(doubled, 2)
        await settle()
        return [await task.yield_(0), *await mail()]

    assert await in_process(owner) == [Finished(4)]


async def test_what_came_between_two_yields_is_a_message_until_it_is_asked_for() -> None:
    async def owner() -> list[object]:
        task = Task.async_(later, 2, "x")
        assert await task.yield_(1) is None
        await asyncio.sleep(2)
        messages = await mail()
        assert messages == [TaskReply(task, "x"), Down(task.monitor, task.process, normal)]  # type: ignore[arg-type]
        return [await task.yield_(0)]

    assert await in_process(owner) == [Finished("x")]
