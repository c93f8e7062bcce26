"""`assert_no_leaks`: each thing that is left is named, and nothing else is."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

import axon
from axon import InvalidOption, Supervisor
from axon.process import receive, runtime, spawn
from axon.testing import Scripted, assert_no_leaks


@asynccontextmanager
async def leaking(*lines: str) -> AsyncGenerator[None]:
    """The block leaves exactly this behind."""
    with pytest.raises(AssertionError) as caught:
        async with assert_no_leaks():
            yield
    first, *left = str(caught.value).splitlines()
    assert first == "left behind:"
    assert len(left) == len(lines)
    for line, start in zip(left, lines, strict=True):
        assert line.strip().startswith(start)


async def test_what_ends_in_its_block_is_no_leak() -> None:
    async with assert_no_leaks():
        async with Supervisor([Scripted()], name="app") as sup:
            await sup.get(Scripted).ask()
        await axon.stop(await axon.start(Scripted(), name="alone"))
        await asyncio.create_task(asyncio.sleep(1))


async def test_a_process_is_named_by_its_path_and_where_its_task_stands() -> None:
    class Shop(axon.GenServer[None]):
        async def init(self) -> None:
            await asyncio.sleep(0)  # it has to wait, and has a task of its own from then on

    async with leaking("process shop at ", "name 'shop' of shop"):
        shop = await axon.start(Shop(), name="shop")
    await axon.stop(shop)


async def test_the_place_is_the_line_of_the_programs_own_code() -> None:
    async def forgets() -> None:
        await asyncio.sleep(60)

    task: asyncio.Task[None] | None = None
    with pytest.raises(
        AssertionError, match=rf"task forgets at {re.escape(__file__)}:{forgets.__code__.co_firstlineno + 1}"
    ):
        async with assert_no_leaks():
            task = asyncio.create_task(forgets(), name="forgets")
            await asyncio.sleep(0)
    assert task is not None
    task.cancel()


async def test_a_process_of_its_own_code() -> None:
    async def idle() -> None:
        await receive()

    async with leaking("process idle#"):
        process = spawn(idle)
    axon.exit(process, axon.kill)


async def test_a_server_that_never_had_to_wait_has_no_place() -> None:
    class Quiet(axon.GenServer[None]):
        async def init(self) -> None:
            pass

    async with leaking("process Quiet#"):
        quiet = await axon.start(Quiet())
    await axon.stop(quiet)


async def test_a_server_that_nobody_can_reach_is_garbage_and_no_leak() -> None:
    class Quiet(axon.GenServer[None]):
        def init(self) -> None:
            pass

    async with assert_no_leaks():
        await axon.start(Quiet())


async def test_a_zombie_is_named_with_where_it_hangs() -> None:
    stubborn = Scripted(hang_in="handler", swallow_cancel=True)
    async with leaking("zombie Scripted#"):
        server = await axon.start(stubborn)
        server.end(axon.normal)
        await stubborn.history.until("cast end 1")
        axon.exit(server, axon.kill)
        await asyncio.sleep(2)
    assert list(runtime().zombies)
    stubborn.release()
    await asyncio.sleep(1)


async def test_a_timer_is_named_with_when_it_is_due() -> None:
    me = await axon.start(Scripted())
    async with leaking("<Timer due at 30.000> for nobody", "<Timer due at 60.000> for Scripted#"):
        first = axon.send_after(60, me, "wake up")
        second = axon.send_after(30, "somebody", "wake up")
    for timer in (first, second):
        axon.cancel_timer(timer)
    await axon.stop(me)


async def test_a_task_is_named_with_where_it_waits() -> None:
    async with leaking("task forgotten at "):
        task = asyncio.create_task(asyncio.sleep(60), name="forgotten")
        await asyncio.sleep(0)
    task.cancel()


@pytest.mark.real_clock
async def test_a_thread_is_named_with_where_it_stands() -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="lonely", daemon=True)
    async with leaking("thread lonely at "):
        thread.start()
    end.set()
    thread.join()


@pytest.mark.real_clock
async def test_a_job_that_still_runs_in_the_loops_executor_is_a_leak_and_an_idle_worker_is_none() -> None:
    end = threading.Event()
    async with assert_no_leaks():
        await asyncio.to_thread(int)
    try:
        async with leaking("task job at ", "thread asyncio_"):
            job = asyncio.create_task(asyncio.to_thread(end.wait), name="job")
            await asyncio.sleep(0.01)
    finally:
        end.set()
    await job


async def test_what_was_there_before_is_not_counted() -> None:
    server, task = await axon.start(Scripted(), name="before"), asyncio.create_task(asyncio.sleep(60))
    timer = axon.send_after(60, server, "later")
    async with assert_no_leaks():
        await server.ask()
    axon.cancel_timer(timer)
    task.cancel()
    await axon.stop(server)


async def test_what_is_ending_has_its_grace() -> None:
    async with assert_no_leaks(grace=2):
        brief = asyncio.create_task(asyncio.sleep(1))
        await asyncio.sleep(0)
    assert brief.done()


async def test_an_error_of_the_block_comes_first() -> None:
    tasks: list[asyncio.Task[None]] = []
    with pytest.raises(ValueError, match="ink"):
        async with assert_no_leaks():
            tasks.append(asyncio.create_task(asyncio.sleep(60)))
            raise ValueError("ink")
    tasks[0].cancel()


async def test_the_grace_is_a_number_of_seconds() -> None:
    with pytest.raises(InvalidOption, match="grace"):
        async with assert_no_leaks(grace=-1):
            pass
