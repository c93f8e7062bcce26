"""All that a runtime needs of its event loop it finds in uvloop, too: turns, timers, tasks, threads and signals."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator

import pytest

import axon
from axon import DeadlineExceeded, GenServer, ServerDied, Supervisor, call, cast, stream

uvloop = pytest.importorskip("uvloop", reason="there is no uvloop on Windows")

pytestmark = pytest.mark.real_clock


class Worker(GenServer[list[object]]):
    def init(self) -> list[object]:
        return []

    @call
    def seen(self, state: list[object]) -> list[object]:
        return state.copy()

    @call
    async def after(self, state: list[object], seconds: float) -> str:
        async with asyncio.timeout(10):
            await asyncio.sleep(seconds)
        task = asyncio.current_task()
        return "" if task is None else task.get_name()

    @cast
    async def note(self, state: list[object], thing: object) -> None:
        state.append(thing)

    @cast
    def crash(self, state: list[object]) -> None:
        raise ValueError("on purpose")

    @stream
    async def count(self, state: list[object], to: int) -> AsyncGenerator[int]:
        for number in range(to):
            await asyncio.sleep(0)
            yield number

    def handle_info(self, state: list[object], message: object) -> None:
        state.append(message)


def on_uvloop(main: object) -> object:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)  # type: ignore[arg-type]


def test_calls_casts_streams_timers_deadlines_and_threads_are_what_they_are() -> None:
    async def main() -> None:
        worker = await axon.start(Worker())
        for number in range(200):
            worker.note(number)
        assert await worker.seen() == list(range(200))
        assert await worker.after(0.001) == "Worker"
        assert [number async for number in worker.count(40)] == list(range(40))
        axon.send_after(0.005, worker, "a timer")
        with pytest.raises(DeadlineExceeded):
            async with axon.deadline(0.01):
                await worker.after(10)
        await asyncio.sleep(0.02)
        assert (await asyncio.to_thread(axon.from_thread.call, worker.seen))[-1] == "a timer"
        await axon.stop(worker)

    on_uvloop(main())


def test_a_supervisor_restarts_and_stops_its_children_in_order() -> None:
    async def main() -> None:
        async with Supervisor([Worker()], max_restarts=10) as supervisor:
            worker = supervisor.get(Worker)
            for _ in range(5):
                worker.note("before")
                worker.crash()
                with pytest.raises(ServerDied):
                    await worker.seen()
                await asyncio.sleep(0.001)
                assert await worker.seen() == []
        assert axon.whereis(worker) is None

    on_uvloop(main())


def test_a_program_on_it_ends_in_order_at_sigterm() -> None:
    ended: list[str] = []

    class Closing(Worker):
        trap_exit = True

        def terminate(self, state: list[object], reason: axon.ExitReason) -> None:
            ended.append(str(reason))

    async def main() -> None:
        async with Supervisor([Closing()]):
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(10)

    assert axon.run(main, loop_factory=uvloop.new_event_loop) == 128 + signal.SIGTERM
    assert ended == ["shutdown"]
