"""async_ and await: a result for its owner, once, or a named error."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial

import pytest
from owners import (
    Boom,
    Owner,
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
    CallCycle,
    Down,
    Exit,
    Exited,
    Finished,
    InvalidOption,
    NotTaskOwner,
    ServerDied,
    Task,
    TaskAlreadyAwaited,
    TaskExit,
    TaskReply,
    TaskTimeout,
    call,
    kill,
    killed,
    normal,
    shutdown,
)
from axon.process import receive, trap_exit

# -- F1, F2


async def test_f1_the_result_comes_as_a_message_followed_by_down() -> None:
    """To an owner that is a process and does not await."""

    async def owner() -> tuple[Task[int], list[object]]:
        task = Task.async_(doubled, 2)
        return task, await mail()

    task, messages = await in_process(owner)
    assert task.monitor is not None
    assert messages == [TaskReply(task, 4), Down(task.monitor, task.process, normal)]


async def test_f1_a_task_that_crashes_is_a_down_without_a_result() -> None:
    async def owner() -> tuple[Task[None], list[object]]:
        task = Task.async_(crash, boom)
        return task, await mail()

    boom = Boom()
    task, messages = await in_process(owner, traps=True)
    assert task.monitor is not None
    assert messages == [Exit(task.process, boom), Down(task.monitor, task.process, boom)]


async def test_f1_a_server_has_the_result_in_handle_info() -> None:
    """So it goes on with its other messages meanwhile."""
    owner = await axon.start(Owner())
    tasks: list[Task[int]] = []
    owner.do(lambda: tasks.append(Task.async_(doubled, 2)))
    await settle()
    (task,) = tasks
    assert task.monitor is not None
    assert await axon.get_state(owner) == [TaskReply(task, 4), Down(task.monitor, task.process, normal)]
    await axon.stop(owner)


@pytest.mark.parametrize("traps", [False, True])
async def test_f1_owner_and_task_are_linked(traps: bool) -> None:
    """Each dies of the other's crash."""
    made: list[Task[None]] = []

    async def owner() -> None:
        made.append(Task.async_(for_ever))
        await for_ever()

    boom, mine = Boom(), process(owner, traps=traps)
    await settle()
    axon.exit(mine, kill)
    assert (await axon.wait_down(made[0])).reason in (killed, axon.noproc)

    other = process(owner, traps=traps)
    await settle()
    axon.exit(made[1], boom)
    await settle()
    assert other.reason == (None if traps else boom)
    axon.exit(other, kill)
    await settle()


async def test_f1_a_plain_function_is_a_task_too() -> None:
    assert await Task.async_(sorted, [3, 1, 2], reverse=True) == [3, 2, 1]
    assert await Task.async_(partial(later, 1, "an awaitable that it returns is awaited")) == (
        "an awaitable that it returns is awaited"
    )


async def test_f2_await_returns_the_value_and_leaves_no_message() -> None:
    async def owner() -> list[object]:
        awaited = await Task.async_(later, 1, "while waiting")
        early = Task.async_(doubled, 2)
        await settle()
        return [awaited, await early, *await mail()]

    assert await in_process(owner) == ["while waiting", 4]


async def test_f2_await_takes_its_messages_out_of_a_mailbox_and_leaves_the_others() -> None:
    async def owner() -> list[object]:
        axon.send(axon.current(), "before")
        task = Task.async_(doubled, 2)
        await settle()
        axon.send(axon.current(), "after")
        return [await task, *await mail()]

    assert await in_process(owner) == [4, "before", "after"]

    server = await axon.start(Owner())

    async def in_handler() -> int:
        task = Task.async_(doubled, 3)
        axon.send(server, "before")
        await settle()
        axon.send(server, "after")
        return await task

    server.do(in_handler)
    await settle()
    await settle()
    assert await axon.get_state(server) == [6, "before", "after"]
    await axon.stop(server)


async def test_f2_no_message_comes_while_another_coroutine_of_the_process_awaits() -> None:
    """Though the process is free to take its messages."""
    server = await axon.start(Owner())
    values: list[int] = []
    waiting: list[asyncio.Task[None]] = []

    def awaits_elsewhere() -> None:
        task = Task.async_(later, 1, 3)

        async def wait() -> None:
            values.append(await task)

        waiting.append(asyncio.create_task(wait()))

    server.do(awaits_elsewhere)
    await asyncio.sleep(2)
    assert (values, await axon.get_state(server)) == ([3], [])
    await axon.stop(server)


async def test_f2_the_default_is_five_seconds() -> None:
    assert await Task.async_(later, 4.9, "in time") == "in time"
    with pytest.raises(TaskTimeout, match=r"no result of later#\d+ within 5 s") as caught:
        await Task.async_(later, 5.1, "late")
    assert caught.value.after == 5
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.task.startswith("later#")


async def test_f2_the_timeout_may_be_any_or_none() -> None:
    assert await Task.async_(later, 100, "x").wait(timeout=101) == "x"
    assert await Task.async_(later, 1_000_000, "x").wait(timeout=None) == "x"
    with pytest.raises(TaskTimeout):
        await Task.async_(later, 1, "x").wait(timeout=0)


# -- F3


async def test_f3_only_the_owner_may_await_ask_ignore_or_shut_down() -> None:
    """Others are refused at once, whether the owner is a process or a plain coroutine."""
    made: list[Task[None]] = []

    async def owner() -> None:
        made.append(Task.async_(for_ever))
        await for_ever()

    mine, plain = process(owner), Task.async_(for_ever)
    await settle()

    async def ask(task: Task[None]) -> list[str]:
        refusals: list[str] = []
        for request in (
            task.wait,
            task.yield_,
            task.shutdown,
            lambda: Task.await_many([task]),
            lambda: Task.yield_many([task]),
        ):
            with pytest.raises(NotTaskOwner) as caught:
                await request()
            refusals.append(str(caught.value))
        with pytest.raises(NotTaskOwner):
            task.ignore()
        return refusals

    refusals = await ask(made[0])
    assert all("for_ever#" in text and "belongs to owner#" in text for text in refusals)
    assert all("belongs to the asyncio task" in text for text in await in_process(lambda: ask(plain)))
    await asyncio.create_task(ask(plain))
    assert now() < 0.01
    axon.exit(mine, kill)
    await plain.shutdown()


async def test_f3_the_error_names_task_and_owner() -> None:
    task = Task.async_(for_ever)
    with pytest.raises(NotTaskOwner) as caught:
        await in_process(task.wait)
    error = caught.value
    assert (error.task, error.owner) == (task.path, f"the asyncio task {asyncio.current_task().get_name()!r}")  # type: ignore[union-attr]
    await task.shutdown()


async def test_f3_asyncio_tasks_of_a_process_act_for_it() -> None:
    async def owner() -> list[int]:
        return await asyncio.gather(*(Task.async_(doubled, n) for n in range(3)))

    assert await in_process(owner) == [0, 2, 4]


async def test_f3_a_plain_coroutine_is_told_what_to_use_instead_of_gather() -> None:
    tasks = [Task.async_(doubled, n) for n in range(3)]
    with pytest.raises(NotTaskOwner, match=r"use Task\.await_many"):
        await asyncio.gather(*tasks)
    assert await Task.await_many(tasks) == [0, 2, 4]


# -- F4, F5


@pytest.mark.parametrize("reason", [normal, shutdown, shutdown("enough"), killed])
async def test_f4_a_task_that_ended_without_a_result_raises_its_reason(reason: axon.Reason) -> None:
    with pytest.raises(TaskExit, match=r"leave#\d+ ended without a result: ") as caught:
        await Task.async_(leave, reason)
    assert caught.value.reason == reason
    assert caught.value.__cause__ is None


async def test_f4_also_normal_and_in_a_process() -> None:
    """A linked task that ends `normal` hurts nobody; its await still has nothing to give."""

    async def owner() -> None:
        await Task.async_(leave, normal)

    ended = await reason_of(owner)
    assert isinstance(ended, TaskExit)
    assert ended.reason == normal


async def test_f4_an_exit_signal_to_itself_ends_a_task_too() -> None:
    async def quit_quietly() -> None:
        axon.exit(axon.current(), normal)
        await for_ever()

    with pytest.raises(TaskExit) as caught:
        await Task.async_(quit_quietly)
    assert caught.value.reason == normal


async def test_f5_a_crash_ends_an_owner_that_awaits_with_the_tasks_own_reason() -> None:
    """By the link, and not with the error of the await: so it cannot be caught either."""

    async def owner() -> None:
        try:
            await Task.async_(crash, boom)
        except TaskExit:
            unexpected.append("caught")

    boom, unexpected = Boom(), list[str]()
    assert await reason_of(owner) is boom
    assert unexpected == []


async def test_f5_a_crash_ends_an_owner_that_does_something_else() -> None:
    async def owner() -> None:
        task = Task.async_(crash, boom, after=1)
        await asyncio.sleep(60)
        await task

    boom = Boom()
    assert await reason_of(owner) is boom
    assert now() == 1


async def test_f5_an_owner_that_traps_exits_gets_the_error_from_its_await() -> None:
    async def owner() -> tuple[object, list[object]]:
        task = Task.async_(crash, boom)
        with pytest.raises(TaskExit) as caught:
            await task
        assert caught.value.__cause__ is boom
        assert await mail() == [Exit(task.process, boom)]
        return caught.value.reason, []

    boom = Boom()
    assert await in_process(owner, traps=True) == (boom, [])


async def test_f5_in_a_plain_coroutine_the_await_raises_and_nothing_else_is_disturbed() -> None:
    boom = Boom("what went wrong")
    task = Task.async_(crash, boom)
    await asyncio.sleep(1)
    with pytest.raises(TaskExit, match="what went wrong") as caught:
        await task
    assert caught.value.reason is caught.value.__cause__ is boom


# -- F6, F7


async def test_f6_after_a_timeout_the_task_runs_on_and_its_result_never_arrives() -> None:
    async def owner() -> tuple[float, list[object]]:
        task = Task.async_(later, 2, "late")
        with pytest.raises(TaskTimeout):
            await task.wait(1)
        await axon.wait_down(task)
        return now(), await mail()

    assert await in_process(owner) == (2, [])


async def test_f6_a_timeout_that_is_not_caught_ends_the_owner_and_the_task_with_it() -> None:
    made: list[Task[None]] = []

    async def owner() -> None:
        made.append(Task.async_(for_ever))
        await made[0]

    assert isinstance(await reason_of(owner), TaskTimeout)
    assert made[0].process is not None
    await settle()
    assert isinstance(made[0].process.reason, TaskTimeout)


@pytest.mark.parametrize("failing", [False, True])
async def test_f7_a_second_await_raises_at_once(failing: bool) -> None:
    task = Task.async_(leave, normal) if failing else Task.async_(doubled, 2)
    if failing:
        with pytest.raises(TaskExit):
            await task
    else:
        await task
    began = now()
    for again in (task.wait, task.yield_):
        with pytest.raises(TaskAlreadyAwaited, match="cannot be had any more: it was given to its owner"):
            await again()
    assert now() == began


async def test_f7_nor_after_a_timeout() -> None:
    task = Task.async_(for_ever)
    with pytest.raises(TaskTimeout):
        await task.wait(1)
    with pytest.raises(TaskAlreadyAwaited, match="its owner gave up waiting for it"):
        await task
    await task.shutdown()


async def test_f7_nor_at_the_same_time() -> None:
    async def owner() -> None:
        task = Task.async_(later, 1, "x")
        first = asyncio.create_task(task.wait())
        await settle()
        with pytest.raises(TaskAlreadyAwaited, match="its owner waits for it elsewhere"):
            await task
        assert await first == "x"

    await in_process(owner)


# -- F8


async def test_f8_await_many_gives_the_results_in_order() -> None:
    tasks = [Task.async_(later, seconds, seconds) for seconds in (3, 1, 2)]
    assert await Task.await_many(tasks) == [3, 1, 2]
    assert now() == 3
    assert await Task.await_many(list[Task[int]]()) == []


async def test_f8_there_is_one_timeout_for_all() -> None:
    tasks = [Task.async_(later, seconds, seconds) for seconds in (3, 1, 6)]
    with pytest.raises(TaskTimeout) as caught:
        await Task.await_many(tasks, timeout=4)
    assert now() == 4
    assert caught.value.task == tasks[2].path


async def test_f8_the_first_of_those_that_are_late_is_named() -> None:
    tasks = [Task.async_(later, seconds, seconds) for seconds in (1, 7, 8)]
    with pytest.raises(TaskTimeout) as caught:
        await Task.await_many(tasks)
    assert caught.value.task == tasks[1].path


async def test_f8_the_first_failure_raises_at_once() -> None:
    """The others run on, and their results never arrive."""

    async def owner() -> list[object]:
        tasks = [Task.async_(later, 3, "x"), Task.async_(leave, normal, after=1), Task.async_(later, 0, "y")]
        with pytest.raises(TaskExit, match="leave"):
            await Task.await_many(tasks)
        assert now() == 1
        assert tasks[0].process is not None
        assert tasks[0].process.reason is None
        for task in tasks:
            with pytest.raises(TaskAlreadyAwaited):
                await task
        await asyncio.sleep(5)
        return await mail()

    assert await in_process(owner) == []


async def test_f8_a_failure_before_the_wait_raises_at_once_too() -> None:
    tasks = [Task.async_(for_ever), Task.async_(leave, normal)]
    await settle()
    began = now()
    with pytest.raises(TaskExit):
        await Task.await_many(tasks)
    assert now() == began
    await tasks[0].shutdown()


async def test_f8_the_same_task_twice_is_refused() -> None:
    task = Task.async_(doubled, 2)
    with pytest.raises(InvalidOption, match="tasks must be different tasks"):
        await Task.await_many([task, task])
    assert await task == 4


# -- what asyncio adds


async def test_a_wait_that_is_cancelled_may_be_repeated() -> None:
    task = Task.async_(later, 2, "x")
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(1):
            await task
    assert not isinstance(caught.value, TaskTimeout)
    assert await task == "x"


async def test_what_came_while_a_wait_was_cancelled_is_not_lost() -> None:
    """The process is told by messages, as if it had not waited; an await finds it, too."""

    async def owner() -> list[object]:
        async def ends_and_cancels() -> str:
            await settle()
            waiting.cancel()
            return "x"

        task = Task.async_(ends_and_cancels)
        waiting = asyncio.create_task(task.wait())
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        assert task.monitor is not None
        assert await mail() == [TaskReply(task, "x"), Down(task.monitor, task.process, normal)]
        return [await task, *await mail()]

    assert await in_process(owner) == ["x"]


async def test_a_call_back_from_a_task_that_its_owner_awaits_is_refused() -> None:
    """It would wait for itself; the path is shown."""

    class Asker(axon.GenServer[None]):
        trap_exit = True

        def init(self) -> None: ...

        def handle_info(self, state: None, message: object) -> None: ...

        @call
        async def work(self, state: None) -> str:
            with pytest.raises(TaskExit) as caught:
                await Task.async_(self.answer)
            assert isinstance(caught.value.reason, CallCycle)
            return " -> ".join(path.split("/")[-1].split("#")[0] for path in caught.value.reason.cycle)

        @call
        def answer(self, state: None) -> str:
            return "x"

    server = await axon.start(Asker())
    assert await server.work() == "answer -> Asker -> answer"
    await axon.stop(server)


async def test_a_task_in_which_the_owner_is_already_waited_for_is_refused_to_the_owner() -> None:
    class Asker(axon.GenServer[None]):
        def init(self) -> None: ...

        @call(raises=(CallCycle,))
        async def work(self, state: None) -> str:
            task = Task.async_(self.answer)
            await asyncio.sleep(1)  # by now the task waits for this very handler
            return await task

        @call
        def answer(self, state: None) -> str:
            return "x"

    server = await axon.start(Asker())
    with pytest.raises(CallCycle):
        await server.work()
    assert await server.answer() == "x"
    await axon.stop(server)


@pytest.mark.parametrize("many", ["await_many", "async_stream"])
async def test_a_call_back_from_one_of_many_that_are_awaited_is_refused_too(many: str) -> None:
    """To the first of them: a process waits for one other at a time."""

    class Asker(axon.GenServer[None]):
        trap_exit = True

        def init(self) -> None: ...

        def handle_info(self, state: None, message: object) -> None: ...

        @call
        async def work(self, state: None) -> BaseException | None:
            with pytest.raises(TaskExit) as caught:
                await Task.await_many([Task.async_(self.answer, n) for n in range(3)], timeout=None)
            return caught.value.__cause__

        @call
        async def stream(self, state: None) -> list[object]:
            found = Task.async_stream(self.answer, range(3), max_concurrency=3, timeout=None)
            return [outcome.reason async for outcome in found if isinstance(outcome, Exited)]

        @call
        def answer(self, state: None, number: int) -> int:
            return number

    server = await axon.start(Asker())
    if many == "await_many":
        assert isinstance(await server.work(), CallCycle)
    else:
        with pytest.raises(ServerDied) as caught:
            await server.stream()
        assert isinstance(caught.value.reason, CallCycle)
    axon.exit(server, kill)
    await settle()


async def test_who_asks_whether_one_of_many_is_done_waits_for_none_of_them() -> None:
    """So one that calls back is not refused."""

    class Asker(axon.GenServer[None]):
        def init(self) -> None: ...

        @call
        async def work(self, state: None) -> list[object]:
            tasks = [Task.async_(self.answer), Task.async_(later, 1, "y")]
            found = await Task.yield_many(tasks, limit=1)
            for task in tasks[:1]:
                task.ignore()
            return [outcome for _, outcome in found]

        @call
        def answer(self, state: None) -> str:
            return "x"

    server = await axon.start(Asker())
    assert await server.work() == [None, Finished("y")]
    await axon.stop(server)


async def test_who_awaits_whom_is_listed() -> None:
    async def owner() -> None:
        await Task.async_(later, 2, "x")

    mine = process(owner)
    await settle()
    (wait,) = axon.waits()
    assert wait.waiter is mine
    assert (wait.target.path.split("/")[-1].split("#")[0], wait.since, wait.until) == ("later", 0, 5)
    await axon.wait_down(mine)
    assert axon.waits() == []


async def test_killing_a_task_before_its_first_step() -> None:
    task = Task.async_(doubled, 2)
    axon.exit(task, kill)
    with pytest.raises(TaskExit) as caught:
        await task
    assert caught.value.reason == killed


async def test_what_a_killed_task_still_returns_is_no_result() -> None:
    async def returns_all_the_same() -> str:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return "x"

    killed_task, ended = Task.async_(returns_all_the_same), Task.async_(returns_all_the_same)
    await settle()
    axon.exit(killed_task, kill)
    axon.exit(ended, shutdown)
    with pytest.raises(TaskExit, match="killed"):
        await killed_task
    assert await ended == "x", "an orderly exit leaves it time to bring something home"


async def test_a_task_may_receive_and_trap_like_any_process() -> None:
    async def takes_orders() -> list[object]:
        trap_exit(True)
        return [await receive(), await receive()]

    task = Task.async_(takes_orders)
    await settle()
    axon.send(task, "hello")
    axon.exit(task, shutdown)
    assert await task == ["hello", Exit(None, shutdown)]


async def test_the_path_of_a_task_names_its_function_and_its_parent() -> None:
    async def owner() -> tuple[str, str]:
        task = Task.async_(partial(later, 0), value="x")
        await task
        return axon.current().path, task.path

    parent, path = await in_process(owner)
    assert path.startswith(f"{parent}/later#")
    assert repr(Task.completed(3)) == "<Task completed, finished>"


async def test_tasks_nest() -> None:
    async def outer(depth: int) -> int:
        return 1 + await Task.async_(outer, depth - 1) if depth else 0

    assert await Task.async_(outer, 50) == 50


async def test_base_exceptions_are_reasons_and_do_not_end_the_loop() -> None:
    for error in (SystemExit(3), asyncio.CancelledError(), StopIteration(4)):
        with pytest.raises(TaskExit) as caught:
            await Task.async_(crash, error)
        expected = RuntimeError if isinstance(error, StopIteration) else type(error)  # what Python makes of it
        assert isinstance(caught.value.reason, expected)
