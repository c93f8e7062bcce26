"""A server whose coroutines need not wait has no task of its own: one is lent to it, and nobody can tell."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable
from inspect import isawaitable
from typing import cast

import pytest
from servers import settle

import axon
from axon import GenServer, call
from loops import IN_PLACE

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="nothing")
Do = Callable[[dict[str, object]], object]


def mine() -> asyncio.Task[object]:
    """The task under whose name this runs."""
    task = asyncio.current_task()
    assert task is not None
    return task


class Worker(GenServer[dict[str, object]]):
    begin: Do = lambda _: None

    async def init(self) -> dict[str, object]:
        state: dict[str, object] = {}
        self.begin(state)
        return state

    @call
    async def do(self, state: dict[str, object], what: Do) -> object:
        return what(state)

    @call
    async def await_(self, state: dict[str, object], what: Do) -> object:
        """As `do`, and what comes of it is awaited."""
        value = what(state)
        return await cast("Awaitable[object]", value) if isawaitable(value) else value

    @call(raises=(KeyError,))
    async def refuse(self, state: dict[str, object]) -> None:
        raise KeyError(mine())

    @call
    async def wait(self, state: dict[str, object]) -> bool:
        before = mine()
        await asyncio.sleep(1)
        return mine() is before


def keep(state: dict[str, object]) -> None:
    state["task"] = mine()


def is_kept(state: dict[str, object]) -> bool:
    return mine() is state["task"]


@pytest.mark.skipif(IN_PLACE is not None, reason="a task is only lent to what is done on the spot")
@pytest.mark.fifo("simulation may have it wait")
async def test_servers_whose_coroutines_need_not_wait_have_no_task() -> None:
    before = asyncio.all_tasks()
    workers = [await axon.start(Worker()) for _ in range(10)]
    for worker in workers:
        assert await worker.do(lambda _: mine().get_name()) == "Worker"
    await asyncio.sleep(1)
    assert asyncio.all_tasks() == before
    for worker in workers:
        await axon.stop(worker)


async def test_one_that_has_to_wait_goes_on_in_the_task_in_which_it_began() -> None:
    worker, other = await axon.start(Worker()), await axon.start(Worker())
    waiting = asyncio.create_task(worker.wait())
    assert await other.do(lambda _: 3) == 3
    assert await waiting
    await axon.stop(worker)
    await axon.stop(other)


KEPT: dict[str, tuple[Do, Do]] = {
    "the task": (keep, is_kept),
    "a variable": (lambda _: variable.set("mine"), lambda _: variable.get() == "mine"),
    "the name": (lambda _: mine().set_name("mine"), lambda _: mine().get_name() == "mine"),
}


def is_untouched(state: dict[str, object]) -> bool:
    return mine() is state["task"] and variable.get() == "nothing" and mine().get_name() == "Worker"


@pytest.mark.parametrize(("leave", "look"), KEPT.values(), ids=KEPT)
async def test_what_init_has_kept_is_there_in_all_callbacks_and_is_nobody_elses(leave: Do, look: Do) -> None:
    worker = await axon.start(Worker(leave))
    other = await axon.start(Worker(keep))
    for _ in range(3):
        assert await worker.do(look) is True
        assert await other.do(is_untouched) is True
        await asyncio.sleep(1)
    await axon.stop(worker)
    await axon.stop(other)


async def test_what_a_handler_has_kept_is_there_afterwards() -> None:
    worker = await axon.start(Worker())
    await worker.do(keep)
    await asyncio.sleep(1)
    assert await worker.do(is_kept) is True
    await axon.stop(worker)


async def test_what_is_to_be_called_at_the_end_of_the_task_is_called_at_that_of_the_server() -> None:
    ended: list[object] = []
    worker = await axon.start(Worker(lambda _: mine().add_done_callback(ended.append)))
    await asyncio.sleep(1)
    assert ended == []
    await axon.stop(worker)
    await asyncio.sleep(1)
    assert len(ended) == 1


async def test_who_cancels_its_task_cancels_nobody_elses() -> None:
    worker, other = await axon.start(Worker()), await axon.start(Worker())
    await worker.do(lambda _: mine().cancel())
    assert await other.wait()
    await settle()
    assert axon.whereis(worker) is None, "a cancellation that nobody asked for is a crash"
    await axon.stop(other)


async def test_a_server_that_asks_another_has_its_task_and_that_one_another() -> None:
    inner = await axon.start(Worker())

    class Asking(GenServer[None]):
        async def init(self) -> None: ...

        @call
        async def ask(self, state: None) -> bool:
            before = mine()
            await inner.do(keep)
            return mine() is before and await inner.do(lambda state: state["task"] is not before) is True

    asking = await axon.start(Asking())
    assert await asking.ask()
    await axon.stop(asking)
    await axon.stop(inner)


async def test_a_server_that_dies_in_its_first_step_leaves_the_task_to_others() -> None:
    def fail(_: dict[str, object]) -> None:
        raise ValueError("boom")

    with pytest.raises(axon.StartFailed):
        await axon.start(Worker(fail))
    worker = await axon.start(Worker())
    with pytest.raises(axon.ServerDied):
        await worker.do(fail)
    other = await axon.start(Worker())
    assert await other.wait()
    await axon.stop(other)


# -- what is kept of the task, or of what happened to it


async def test_who_cancels_its_task_and_thinks_better_of_it_does_not_cancel_another() -> None:
    """Before Python 3.13 `uncancel` leaves the cancellation where it is."""

    def waver(_: dict[str, object]) -> None:
        mine().cancel()
        mine().uncancel()

    worker, other = await axon.start(Worker()), await axon.start(Worker())
    await worker.do(waver)
    assert await other.wait()
    axon.exit(worker, axon.kill)
    await axon.stop(other)


async def test_who_cancels_all_tasks_does_not_cancel_servers_that_have_none() -> None:
    worker = await axon.start(Worker())
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    other = await axon.start(Worker())
    assert await other.do(lambda _: 1) == 1
    assert await other.wait()
    axon.exit(worker, axon.kill)
    await axon.stop(other)


if sys.version_info >= (3, 12):  # before, asyncio has nothing of the kind

    async def test_a_task_that_runs_in_the_context_of_a_server_acts_for_that_one() -> None:
        seen: list[object] = []

        async def look() -> None:
            await asyncio.sleep(1)
            seen.append(axon.current())

        def begin(state: dict[str, object]) -> None:
            context = mine().get_context()
            state["look"] = asyncio.get_running_loop().create_task(look(), context=context)

        worker, other = await axon.start(Worker()), await axon.start(Worker())
        await worker.do(begin)
        await other.do(lambda _: 1)
        await asyncio.sleep(2)
        assert seen == [axon.whereis(worker)]
        await axon.stop(worker)
        await axon.stop(other)


async def test_an_error_that_keeps_the_task_keeps_it_for_its_server() -> None:
    worker, other = await axon.start(Worker()), await axon.start(Worker())
    with pytest.raises(KeyError) as refused:
        await worker.refuse()
    task = refused.value.args[0]
    assert await other.do(lambda _: mine() is not task)
    assert await worker.do(lambda _: mine() is task)
    await axon.stop(worker)
    await axon.stop(other)


async def test_what_is_known_of_a_task_by_weak_references_is_not_taken_for_anothers() -> None:
    known: weakref.WeakKeyDictionary[object, str] = weakref.WeakKeyDictionary()
    worker, other = await axon.start(Worker()), await axon.start(Worker())
    await worker.do(lambda _: known.setdefault(mine(), "the worker's"))
    assert await other.do(lambda _: mine() not in known)
    assert await worker.do(lambda _: known[mine()]) == "the worker's"
    await axon.stop(worker)
    await axon.stop(other)


async def test_a_timeout_that_is_open_between_two_callbacks_ends_its_own_server_alone() -> None:
    async def ticks() -> AsyncGenerator[int, None]:
        async with asyncio.timeout(1):
            yield 1
            await asyncio.sleep(10)

    def begin(state: dict[str, object]) -> object:
        state["ticks"] = generator = ticks()
        return anext(generator)

    async def go_on(state: dict[str, object]) -> object:
        try:
            return await anext(cast("AsyncGenerator[int, None]", state["ticks"]))
        except TimeoutError:
            return "late"

    worker, other = await axon.start(Worker()), await axon.start(Worker())
    assert await worker.await_(begin) == 1
    waiting = asyncio.create_task(other.wait())
    assert await worker.await_(go_on) == "late"
    assert await waiting
    await axon.stop(worker)
    await axon.stop(other)


async def test_a_timeout_of_no_time_ends_the_first_step_or_leaves_nothing() -> None:
    async def sleep(seconds: float) -> str:
        try:
            async with asyncio.timeout(0):
                if seconds:
                    await asyncio.sleep(seconds)
        except TimeoutError:
            return "late"
        return "in time"

    worker, other = await axon.start(Worker()), await axon.start(Worker())
    for _ in range(3):
        assert await worker.await_(lambda _: sleep(0)) == "in time"
        assert await other.await_(lambda _: sleep(1)) == "late"
    assert await worker.wait()
    await axon.stop(worker)
    await axon.stop(other)


# -- how it ends

ERRORS = [StopIteration(1), StopAsyncIteration(), GeneratorExit(), asyncio.CancelledError()]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
async def test_no_exception_of_a_first_step_is_taken_for_its_end(error: BaseException) -> None:
    def fail(_: dict[str, object]) -> None:
        raise error

    worker, other = await axon.start(Worker()), await axon.start(Worker())
    with pytest.raises(axon.ServerDied) as died:
        await worker.do(fail)
    reason = died.value.reason
    assert reason is error or (isinstance(reason, RuntimeError) and reason.__cause__ is error)  # as of any coroutine
    assert await other.wait()
    await axon.stop(other)


async def test_a_server_that_has_had_no_task_is_freed_when_it_stops() -> None:
    gc.collect()
    gc.disable()
    try:
        worker = await axon.start(Worker())
        await worker.do(lambda _: 1)
        process = weakref.ref(cast("axon.Process", axon.whereis(worker)))
        await axon.stop(worker)
        await asyncio.sleep(1)
        del worker
        assert process() is None
    finally:
        gc.enable()


if sys.version_info >= (3, 12):  # before, asyncio has nothing of the kind

    async def test_an_eager_task_of_a_first_step_gives_it_its_task_back() -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)
        worker, other = await axon.start(Worker()), await axon.start(Worker())

        async def begin() -> object:
            me = mine()
            asking = loop.create_task(other.do(lambda _: mine() is not me))
            assert mine() is me
            return await asking and mine() is me

        for _ in range(3):
            assert await worker.await_(lambda _: begin()) is True
        loop.set_task_factory(None)
        await axon.stop(worker)
        await axon.stop(other)
