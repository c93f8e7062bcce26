"""The first step of a coroutine is taken on the spot, before the task that it runs in takes one itself.

Nothing tells it from a step of that task: what it opens there is closed there, and whatever ends the process ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from servers import now

import axon
from axon import ExitReason, GenServer, StartFailed, call, killed
from axon.process import swap_current_task

Log = list[Any]


class Opener(GenServer[AsyncExitStack]):
    """Opens in `init` what it closes in `terminate`; `anyio` and clients of HTTP insist on one task for both."""

    log: Log

    async def init(self) -> AsyncExitStack:
        stack = AsyncExitStack()
        await stack.enter_async_context(self.client())
        return stack

    async def terminate(self, state: AsyncExitStack, reason: ExitReason) -> None:
        await state.aclose()

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[None, None]:
        self.log.append(asyncio.current_task())
        yield
        self.log.append(asyncio.current_task())

    @call
    async def runs_in(self, state: AsyncExitStack, task: object) -> bool:
        return asyncio.current_task() is task


@pytest.mark.parametrize("turns", [0, 1])
async def test_what_init_opens_is_closed_in_the_same_task(turns: int) -> None:
    log: Log = []
    server = await axon.start(Opener(log))
    for _ in range(turns):
        await asyncio.sleep(0)
    assert log[0] is not asyncio.current_task()
    assert await server.runs_in(log[0])
    await axon.stop(server)
    assert log[0] is log[1]


class Init(GenServer[Any]):
    """Its `init` awaits what it is given."""

    body: Any

    async def init(self) -> Any:
        return await self.body()

    @call
    async def answer(self, state: object) -> object:
        return state

    @call
    async def runs(self, state: object, body: Callable[[], Any]) -> object:
        return await body()


async def test_a_timeout_and_a_task_group_work_in_the_very_first_step() -> None:
    async def body() -> object:
        try:
            async with asyncio.timeout(1):
                async with asyncio.TaskGroup() as group:
                    group.create_task(asyncio.sleep(100))
                    await asyncio.sleep(100)
        except TimeoutError:
            return now()
        return None

    server = await axon.start(Init(body))
    assert await server.answer() == 1
    await axon.stop(server)


async def test_a_task_group_whose_first_task_fails_ends_the_first_step() -> None:
    async def fail() -> None:
        raise ValueError("at once")

    async def body() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            await asyncio.sleep(100)

    with pytest.raises(StartFailed) as failed:
        await axon.start(Init(body))
    assert isinstance(failed.value.reason, ExceptionGroup)
    assert now() == 0


async def test_an_async_init_that_need_not_wait_costs_its_starter_no_turn() -> None:
    turns = 0

    async def body() -> str:
        return "ready"

    def turn() -> None:
        nonlocal turns
        turns += 1

    asyncio.get_running_loop().call_soon(turn)
    server = await axon.start(Init(body))
    axon.exit(server, axon.kill)
    assert turns <= 1  # none, unless simulation chose otherwise
    await axon.wait_down(server)


class Waiting:
    """What a coroutine in its first step has come to; `first` is what it does in that step."""

    def __init__(self, first: Callable[[], object] = lambda: None) -> None:
        self.first = first
        self.log: Log = []
        self.begun = asyncio.Event()

    async def __call__(self) -> None:
        self.log.append(asyncio.current_task())
        self.first()
        self.begun.set()
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            self.log.append("cancelled")
            raise
        finally:
            await asyncio.sleep(0.05)  # a kill insists after 0.1 s
            self.log.append("cleaned up")


async def test_z4_a_cancelled_starter_ends_an_init_in_its_first_step_with_its_cleanup() -> None:
    body = Waiting()
    starting = asyncio.create_task(axon.start(Init(body), name="it"))
    await body.begun.wait()
    process = axon.whereis("it")
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert process is not None
    assert (await axon.wait_down(process)).reason == killed
    assert body.log[1:] == ["cancelled", "cleaned up"]


async def test_z4_a_kill_before_the_task_takes_a_step_lets_the_first_step_clean_up() -> None:
    body = Waiting()

    class Starter(GenServer[None]):
        def init(self) -> None:
            return None

        @call
        def begin(self, state: None) -> Any:
            return body()

    server = await axon.start(Starter())
    asking = asyncio.create_task(server.begin())
    await body.begun.wait()
    axon.exit(server, axon.kill)
    with pytest.raises(axon.ServerDied) as died:
        await asking
    assert died.value.reason == killed
    assert body.log[1:] == ["cancelled", "cleaned up"]


async def test_z4_a_task_that_a_stranger_cancels_before_its_first_step_still_ends_what_ran_under_its_name() -> None:
    body = Waiting()
    starting = asyncio.create_task(axon.start(Init(body)))
    await body.begun.wait()
    body.log[0].cancel()
    with pytest.raises(StartFailed) as failed:
        await starting
    assert isinstance(failed.value.reason, asyncio.CancelledError)
    assert body.log[1:] == ["cancelled", "cleaned up"]


def be_killed() -> None:
    axon.exit(axon.current(), axon.kill)


def be_shut_down() -> None:
    axon.exit(axon.current(), axon.shutdown)


def be_cancelled() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


ends = pytest.mark.parametrize("end", [be_killed, be_shut_down, be_cancelled])


@ends
async def test_z4_an_init_that_ends_its_own_process_in_its_first_step_hears_of_it_where_it_waits(
    end: Callable[[], None],
) -> None:
    body = Waiting(end)
    with pytest.raises(StartFailed):
        await axon.start(Init(body))
    assert body.log[1:] == ["cancelled", "cleaned up"]


class Parked(GenServer[None]):
    """Has a task that waits for something to do."""

    async def init(self) -> None:
        await asyncio.sleep(0)

    @call
    async def runs(self, state: None, body: Callable[[], Any]) -> object:
        return await body()

    @call(raises=(ValueError,))
    async def refuses(self, state: None) -> None:
        raise ValueError("no")

    @call
    async def runs_in(self, state: None) -> list[asyncio.Task[Any] | None]:
        return [asyncio.current_task()]  # by itself it would be an answer to come when it is done


@ends
async def test_z4_so_does_a_handler_whose_task_is_parked(end: Callable[[], None]) -> None:
    body = Waiting(end)
    server = await axon.start(Parked())
    await asyncio.sleep(0.001)
    with pytest.raises(axon.ServerDied):
        await server.runs(body)
    assert body.log[1:] == ["cancelled", "cleaned up"]


@ends
async def test_z4_so_does_a_handler_that_had_no_task(end: Callable[[], None]) -> None:
    async def body() -> None: ...

    waiting, server, other = Waiting(end), await axon.start(Init(body)), await axon.start(Init(body))
    assert await other.answer() is None
    with pytest.raises(axon.ServerDied):
        await server.runs(waiting)
    assert waiting.log[1:] == ["cancelled", "cleaned up"]
    assert await other.answer() is None
    await axon.stop(other)


async def test_a_first_step_leaves_its_caller_in_the_callers_own_task() -> None:
    """Whether it returned, raised, or has to wait."""
    me, loop = asyncio.current_task(), asyncio.get_running_loop()
    server = await axon.start(Parked())
    await asyncio.sleep(0.001)

    def running_task() -> object:
        return swap_current_task(loop, me)  # a wrong one is put right: this test could not end in it

    [its_own] = await server.runs_in()
    assert running_task() is me
    with pytest.raises(ValueError, match="no"):
        await server.refuses()
    assert running_task() is me

    async def waits() -> object:
        await asyncio.sleep(1)
        return [asyncio.current_task()]

    assert await server.runs(waits) == [its_own]
    assert running_task() is me is not its_own
    await axon.stop(server)
    assert running_task() is me
