"""How the lives of owners and tasks hang together, what is reported, and what travels into a task."""

from __future__ import annotations

import asyncio
import contextvars
import pickle
from collections.abc import Callable, Iterator

import pytest
from owners import (
    Boom,
    Crashes,
    Owner,
    crash,
    doubled,
    for_ever,
    in_process,
    later,
    leave,
    now,
    process,
    reason_of,
    settle,
)

import axon
from axon import (
    DeadlineExceeded,
    Down,
    Exit,
    GenServer,
    InvalidOption,
    NotInProcess,
    Process,
    Reason,
    Task,
    TaskExit,
    TaskReply,
    call,
    callers,
    kill,
    killed,
    normal,
    shutdown,
)
from axon.process import deadline_at
from axon.supervisor import Shutdown


@pytest.fixture
async def crashes() -> Crashes:
    return Crashes()


# -- F15


async def test_f15_an_owner_that_ends_normal_leaves_its_task_running() -> None:
    made: list[Task[str]] = []

    async def owner() -> None:
        made.append(Task.async_(later, 5, "x"))

    assert await reason_of(owner) == normal
    assert (await axon.wait_down(made[0])).reason == normal
    assert now() == 5


@pytest.mark.parametrize("reason", [shutdown, shutdown("x"), Boom()])
async def test_f15_an_owner_that_ends_otherwise_takes_its_task_along(reason: Reason | Boom) -> None:
    made: list[Process | None] = []

    async def owner() -> None:
        made.append(Task.async_(for_ever).process)
        await leave(reason) if isinstance(reason, Boom) else axon.exit(axon.current(), reason)
        await settle()

    async def fails() -> None:
        made.append(Task.async_(for_ever).process)
        await settle()
        raise reason if isinstance(reason, Boom) else AssertionError

    ended = await reason_of(fails if isinstance(reason, Boom) else owner)
    await settle()
    assert made[0] is not None
    assert ended == made[0].reason == reason


async def test_f15_unless_the_task_traps_exits() -> None:
    made: list[Process | None] = []

    async def outlives() -> object:
        axon.process.trap_exit(True)
        return await axon.process.receive()

    async def owner() -> None:
        made.append(Task.async_(outlives).process)
        await settle()
        axon.exit(axon.current(), shutdown)
        await settle()

    assert await reason_of(owner) == shutdown
    await settle()
    assert made[0] is not None
    assert made[0].reason == normal


@pytest.mark.parametrize("end", ["returns", "raises", "is cancelled"])
async def test_f15_a_task_of_a_plain_coroutine_ends_when_its_asyncio_task_does(end: str) -> None:
    """However that ended: nobody else could ever ask for it."""
    made: list[Task[None]] = []

    async def owner() -> None:
        made.append(Task.async_(for_ever))
        await settle()
        if end == "raises":
            raise Boom
        if end == "is cancelled":
            await asyncio.sleep(60)

    mine = asyncio.create_task(owner())
    await asyncio.sleep(0.002)
    mine.cancel()
    await asyncio.wait([mine])
    assert mine.cancelled() == (end == "is cancelled")
    if not mine.cancelled():
        mine.exception()
    assert (await axon.wait_down(made[0])).reason in (shutdown, axon.noproc)
    assert made[0].process is not None
    assert made[0].process.reason == shutdown


def test_f15_nothing_is_left_when_the_event_loop_ends() -> None:
    seen: list[object] = []

    async def cleans_up() -> None:
        try:
            await for_ever()
        finally:
            await asyncio.sleep(0)
            seen.append("cleaned up")

    async def main() -> Process | None:
        task = Task.async_(cleans_up)
        await settle()
        return task.process

    ended = asyncio.run(main())
    assert ended is not None
    assert (ended.reason, seen) == (shutdown, ["cleaned up"])


async def test_f15_only_those_that_still_run_are_remembered_for_a_plain_owner() -> None:
    for _ in range(10):
        await Task.async_(doubled, 1)
    pending = Task.async_(for_ever)
    mine = asyncio.current_task()
    assert mine is not None
    assert len(axon.process.runtime().ends[mine]) == 1
    await pending.shutdown()
    assert len(axon.process.runtime().ends[mine]) == 0


# -- F16


async def test_f16_a_crash_is_reported_once_with_its_path(crashes: Crashes) -> None:
    boom = Boom()
    with pytest.raises(TaskExit):
        await Task.async_(crash, boom)
    assert crashes.take() == [("crash", boom, "none: its owner is told")]

    async def owner() -> None:
        await Task.async_(crash, boom)

    await reason_of(owner)
    assert crashes.take() == [
        ("owner", boom, "none: its owner is told"),
        ("owner", boom, "none: it has no supervisor and stays down"),
    ], "the task, and the owner that died of it"


@pytest.mark.parametrize("reason", [normal, shutdown, shutdown("enough")])
async def test_f16_an_orderly_end_is_not_reported(reason: Reason, crashes: Crashes) -> None:
    with pytest.raises(TaskExit):
        await Task.async_(leave, reason)
    assert crashes.take() == []


async def test_f16_neither_is_an_end_that_was_asked_for(crashes: Crashes) -> None:
    hows: list[Shutdown] = [5.0, "brutal_kill"]
    for how in hows:
        task = Task.async_(for_ever)
        await settle()
        await task.shutdown(how)
    assert crashes.take() == []


async def test_f16_nor_that_of_an_owner_which_the_task_followed(crashes: Crashes) -> None:
    """It was reported where it began."""

    async def owner() -> None:
        task = Task.async_(for_ever)
        await settle()
        assert task.process is not None
        raise boom

    boom = Boom()
    await reason_of(owner)
    assert crashes.take() == [("owner", boom, "none: it has no supervisor and stays down")]


async def test_f16_what_overran_its_shutdown_is_reported(crashes: Crashes) -> None:
    async def ends_slowly() -> None:
        try:
            await for_ever()
        finally:
            await asyncio.sleep(60)

    task = Task.async_(ends_slowly)
    await settle()
    await task.shutdown(1)
    assert crashes.take() == [("ends_slowly", killed, "none: its owner is told")]


# -- F17


async def test_f17_the_callers_are_the_owner_and_its_callers() -> None:
    class Desk(GenServer[None]):
        def init(self) -> None: ...

        @call
        async def who(self, state: None) -> tuple[Process, ...]:
            return await Task.async_(callers)

    async def customer() -> tuple[list[Process], list[Process | None]]:
        async def who() -> tuple[Process, ...]:
            return await Task.async_(desk.who)

        found = await Task.async_(who)
        return list(found), [axon.whereis(desk), axon.current()]

    desk = await axon.start(Desk())
    (server, asking, task, mine), known = await in_process(customer)
    assert [server, mine] == known
    assert [asking.label.split("#")[0], task.label.split("#")[0]] == ["who", "who"]
    await axon.stop(desk)


async def test_f17_nobody_is_in_front_of_a_plain_coroutine() -> None:
    assert await Task.async_(callers) == ()


async def test_f17_also_of_tasks_that_nobody_awaits() -> None:
    found: list[tuple[Process, ...]] = []

    async def owner() -> Process:
        Task.start(lambda: found.append(callers()))
        await settle()
        return axon.current()

    assert [(await in_process(owner),)] == found


async def test_f17_the_deadline_of_the_owner_holds_in_its_task() -> None:
    """It bounds the requests that the task makes, as it bounds those of a handler."""

    class Slow(GenServer[None]):
        def init(self) -> None: ...

        @call(timeout=None)
        async def work(self, state: None) -> float:
            await asyncio.sleep(60)
            return now()

    slow = await axon.start(Slow())

    async def asks() -> str:
        try:
            await slow.work()
        except DeadlineExceeded:
            return f"gave up at {now():g}"
        return "waited for ever"

    async with axon.deadline(7):
        task = Task.async_(asks)
    assert await task.wait(None) == "gave up at 7"
    axon.exit(slow, kill)
    await settle()


async def test_f17_a_deadline_replaces_the_owners_patience() -> None:
    """By a longer one, and by a shorter one."""
    async with axon.deadline(60):
        assert await Task.async_(later, 50, "x") == "x"
    async with axon.deadline(1):
        task = Task.async_(later, 2, "x")
        with pytest.raises(DeadlineExceeded, match=r"the deadline passed before later#\d+ answered"):
            await task
        assert now() == 51
        with pytest.raises(axon.TaskAlreadyAwaited):
            await task


async def test_f17_a_task_that_nobody_awaits_has_no_deadline() -> None:
    found: list[float | None] = []
    async with axon.deadline(1):
        Task.start(lambda: found.append(deadline_at.get()))
    await settle()
    assert found == [None]


async def test_f17_a_deadline_that_passes_in_a_handler_ends_the_request_and_not_the_server() -> None:
    class Desk(GenServer[None]):
        def init(self) -> None: ...

        @call
        async def wait(self, state: None) -> None:
            task = Task.async_(for_ever)
            try:
                await task
            finally:
                await task.shutdown()

        @call
        def ping(self, state: None) -> str:
            return "here"

    desk = await axon.start(Desk())
    async with axon.deadline(1):
        with pytest.raises(DeadlineExceeded):
            await desk.wait()
    assert await desk.ping() == "here"
    await axon.stop(desk)


variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="untouched")


async def test_context_variables_do_not_leak_into_a_task_nor_out_of_it() -> None:
    async def changes() -> str:
        before = variable.get()
        variable.set("changed in the task")
        return before

    variable.set("set by the owner")
    assert await Task.async_(changes) == "untouched"
    assert variable.get() == "set by the owner"


# -- F18


async def test_f18_start_is_neither_linked_nor_awaited(crashes: Crashes) -> None:
    boom = Boom()
    made: list[Process] = []

    async def owner() -> list[object]:
        made.append(Task.start(crash, boom, after=1))
        made.append(Task.start(for_ever))
        await asyncio.sleep(2)
        axon.exit(axon.current(), shutdown)
        await settle()
        return []

    assert await reason_of(owner) == shutdown
    assert [each.reason for each in made] == [boom, None]
    assert crashes.take() == [("owner", boom, "none: it has no supervisor and stays down")]
    axon.exit(made[1], kill)
    await settle()


async def test_f18_start_link_is_linked_both_ways() -> None:
    boom = Boom()
    made: list[Process] = []

    async def dies_of_it() -> None:
        made.append(Task.start_link(crash, boom, after=1))
        await for_ever()

    async def takes_it_along() -> None:
        made.append(Task.start_link(for_ever))
        await settle()
        axon.exit(axon.current(), shutdown)
        await settle()

    assert await reason_of(dies_of_it) is boom
    assert await reason_of(takes_it_along) == shutdown
    assert made[1].reason == shutdown


async def test_f18_a_plain_coroutine_may_start_and_cannot_start_link() -> None:
    started = Task.start(later, 1, "x")
    assert (await axon.wait_down(started)).reason == normal
    with pytest.raises(NotInProcess, match=r"Task.start_link\(\) acts for the calling process"):
        Task.start_link(for_ever)


async def test_a_callback_of_the_event_loop_may_start_and_cannot_own() -> None:
    errors: list[BaseException] = []
    made: list[Task[int]] = []

    def callback() -> None:
        Task.start(doubled, 2)
        try:
            made.append(Task.async_(doubled, 2))
        except NotInProcess as error:
            errors.append(error)

    asyncio.get_running_loop().call_soon(callback)
    await settle()
    assert "nor an asyncio task that could await it" in str(errors[0])
    assert made == []


@pytest.mark.parametrize("bad", [None, 3, "fetch"])
async def test_what_is_no_function_is_refused_at_once(bad: object) -> None:
    makers: list[Callable[..., object]] = [Task.async_, Task.start]
    for make in makers:
        with pytest.raises(InvalidOption) as caught:
            make(bad)
        assert (caught.value.option, caught.value.value) == ("fn", bad)


async def test_a_coroutine_is_no_function() -> None:
    coroutine = later(1, "x")
    with pytest.raises(InvalidOption, match="fn must be a function or a coroutine function, got: <coroutine"):
        Task.async_(coroutine)  # type: ignore[call-overload]
    coroutine.close()


async def test_a_zombie_makes_no_tasks_and_has_none() -> None:
    refused: list[str] = []

    async def stubborn() -> None:
        task = Task.async_(for_ever)
        while axon.current().reason is None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue
        for make in (lambda: Task.async_(for_ever), lambda: Task.start(for_ever), task.ignore):
            try:
                make()
            except axon.ProcessDead as error:
                refused.append(str(error))
        try:
            await task
        except axon.ProcessDead as error:
            refused.append(str(error))

    mine = process(stubborn)
    await settle()
    axon.exit(mine, kill)
    await asyncio.sleep(1.5)
    for task in list(axon.process.runtime().zombies.values()):
        task.cancel()
    await settle()
    assert len(refused) == 4
    assert all("was declared dead" in text for text in refused)


async def test_a_task_stays_in_its_event_loop() -> None:
    task = Task.async_(doubled, 2)
    with pytest.raises(axon.NotPicklable):
        pickle.dumps(task)
    assert await task == 4


async def test_a_server_with_plain_handlers_may_own_tasks() -> None:
    """It has no asyncio task of its own; the outcome comes as a message."""
    owner = await axon.start(Owner(traps=True))
    made: list[Task[int]] = []
    axon.send(owner, "hello")
    owner.do(lambda: made.append(Task.async_(doubled, 4)))
    await settle()
    messages = await axon.get_state(owner)
    assert [type(message) for message in messages] == [str, TaskReply, Exit, Down]
    await axon.stop(owner)


def test_f15_asyncio_run_is_left_in_peace_by_a_crash() -> None:
    async def main() -> str:
        task = Task.async_(crash)
        await settle()
        return repr(task).split("#")[0]

    assert asyncio.run(main()) == "<Task crash"


@pytest.fixture(autouse=True)
def _variable_is_reset() -> Iterator[None]:
    yield
    variable.set("untouched")
