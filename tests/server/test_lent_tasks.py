"""A server whose coroutines need not wait has no task of its own: one is lent to it, and nobody can tell."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable

import pytest

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
}


@pytest.mark.parametrize(("leave", "look"), KEPT.values(), ids=KEPT)
async def test_what_init_has_kept_is_there_in_all_callbacks_and_is_nobody_elses(leave: Do, look: Do) -> None:
    worker = await axon.start(Worker(leave))
    other = await axon.start(Worker(keep))
    for _ in range(3):
        assert await worker.do(look) is True
        assert await other.do(lambda state: mine() is state["task"] and variable.get() == "nothing") is True
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
